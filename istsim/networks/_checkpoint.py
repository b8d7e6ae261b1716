"""Checkpoints: all that a run is at the end of a round, in files that hold numbers and no code."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save

Field = tuple[str, str | None]  # a tensor's name, and None for its values or a key of the optimizer's state
_FACTS = "checkpoint.json"


def newest_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint in a folder."""
    whole = (path for path in folder.glob("checkpoint-*") if (path / _FACTS).exists())
    return max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


class CheckpointWriter:
    """Writes a checkpoint that takes the place of the last one when it is whole.

    Args:
        folder: of the run.
        number: of the round.
    """

    def __init__(self, folder: Path, number: int):
        self._folder, self._whole = folder, folder / f"checkpoint-{number:06d}"
        self._part = folder / f".{self._whole.name}.part"

    def begin(self) -> None:
        """Make room; to be called by one process, before any writes tensors."""
        for left in self._folder.glob(f".checkpoint-{'[0-9]' * 6}*.part"):
            shutil.rmtree(left)
        self._part.mkdir(parents=True)

    def write(self, tensors: Mapping[Field, Tensor], *, alone: bool) -> None:
        """Write tensors: by all processes together, each of which has its shards, or by one alone."""
        named = {_key(*field): tensor for field, tensor in tensors.items()}
        with self._removed_unless_whole(), _without_advice():
            writer = HuggingFaceStorageWriter(str(self._part), save_distributed=True, thread_count=1)
            save(named, storage_writer=writer, no_dist=alone)

    def end(self, facts: Mapping[str, Any], numbers: Mapping[Field, Any]) -> None:
        """Make it the newest, with facts that JSON can say; to be called by one process, after all have written."""
        said = [[*field, *said_number(number)] for field, number in numbers.items()]
        with self._removed_unless_whole():
            (self._part / _FACTS).write_text(json.dumps({**facts, "numbers": said}, indent=1))
        if self._whole.exists():
            shutil.rmtree(self._whole)
        self._part.rename(self._whole)
        for old in self._folder.glob("checkpoint-*"):
            if old != self._whole:
                shutil.rmtree(old)

    @contextlib.contextmanager
    def _removed_unless_whole(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            shutil.rmtree(self._part, ignore_errors=True)
            raise


class Checkpoint:
    """Reads a checkpoint.

    Args:
        path: of the checkpoint.

    Raises:
        ValueError: if there is none.

    Attributes:
        facts: what was said of it.
        numbers: of the state, those that belong to no entry.
        shapes: of its tensors.
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            self.facts = json.loads((path / _FACTS).read_text())
        except (OSError, json.JSONDecodeError):
            raise ValueError(f"{path} is no checkpoint: it has no {_FACTS} that can be read") from None
        self.numbers: dict[Field, Any] = {(name, key): number_said(*said) for name, key, *said in self.facts["numbers"]}
        self._found: dict[Field, Any] = {
            _field(key): found
            for key, found in HuggingFaceStorageReader(str(path)).read_metadata().state_dict_metadata.items()
        }
        self.shapes = {field: tuple(found.size) for field, found in self._found.items()}

    def check(self, shapes: Mapping[str, tuple[int, ...]], *, part: bool = False) -> None:
        """Refuse what is not a checkpoint of a model whose tensors have these shapes.

        Args:
            shapes: by the tensors' names.
            part: whether the model may have others too.

        Raises:
            ValueError: with the first tensor that differs.
        """
        found = {name: shape for (name, key), shape in self.shapes.items() if key is None}
        for name in dict.fromkeys([*shapes, *(() if part else found)]):
            if shapes.get(name) != found.get(name):
                here, there = (which.get(name, "no such tensor") for which in (shapes, found))
                raise ValueError(f"{self.path} is of another model: {name} has {there} there and {here} here")

    def dtype(self, field: Field) -> torch.dtype:
        """Of a tensor."""
        return self._found[field].properties.dtype

    def read(self, into: Mapping[Field, Tensor], *, alone: bool) -> None:
        """Fill tensors: by all processes together, whatever their shards, or by one alone."""
        named = {_key(*field): tensor for field, tensor in into.items()}
        with _without_advice():
            load(named, storage_reader=HuggingFaceStorageReader(str(self.path)), no_dist=alone)


def said_number(value: Any) -> tuple[Any, str | None]:
    """A number as JSON can say it, and its type in torch if it has one."""
    return (value.item(), str(value.dtype).removeprefix("torch.")) if isinstance(value, Tensor) else (value, None)


def number_said(number: Any, dtype: str | None) -> Any:
    """What `said_number` was told."""
    return number if dtype is None else torch.tensor(number, dtype=getattr(torch, dtype))


def _key(name: str, key: str | None) -> str:
    return name if key is None else f"optimizer/{key}/{name}"


def _field(key: str) -> Field:
    match = re.fullmatch("optimizer/([^/]+)/(.+)", key)
    return (match[2], match[1]) if match else (key, None)


@contextlib.contextmanager
def _without_advice() -> Iterator[None]:
    """Torch warns one process alone that it is one."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.distributed is disabled", UserWarning)
        yield
