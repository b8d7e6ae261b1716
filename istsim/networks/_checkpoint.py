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
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save

from istsim._files import unwritten

Field = tuple[str, str | None]  # a tensor's name, and None for its values or a key of the optimizer's state
_FACTS = "checkpoint.json"


def newest_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint in a folder."""
    return max(_whole_checkpoints(folder), key=lambda path: int(path.name.rpartition("-")[2]), default=None)


class CheckpointWriter:
    """Writes a checkpoint that takes the place of the last one when it is whole.

    Its methods raise an OSError if it cannot be written, with the path, the reason and what to do. The last one is then
    still there.

    Args:
        folder: of the run.
        number: of the round.
    """

    def __init__(self, folder: Path, number: int):
        self._folder, self._whole = folder, folder / f"checkpoint-{number:06d}"
        self._part = folder / f".{self._whole.name}.part"

    def begin(self) -> None:
        """Make room; to be called by one process, before any writes tensors."""
        for left in self._folder.glob(".checkpoint-*.part"):
            if re.fullmatch(r"\.checkpoint-\d{6,}\.part", left.name):
                shutil.rmtree(left, ignore_errors=True)
        with self._removed_unless_whole():
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
                _remove(self._whole)
            self._part.rename(self._whole)
        for old in _whole_checkpoints(self._folder):
            if old != self._whole:
                _remove(old)

    @contextlib.contextmanager
    def _removed_unless_whole(self) -> Iterator[None]:
        try:
            yield
        except BaseException as raised:
            shutil.rmtree(self._part, ignore_errors=True)
            error = _of_this_process(raised)
            if isinstance(error, OSError):
                raise unwritten(self._whole, error) from error
            raise error from None


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
        except (OSError, ValueError):
            raise ValueError(f"{path} is no checkpoint: it has no {_FACTS} that can be read") from None
        with self._named_where_damaged():
            self.numbers: dict[Field, Any] = {
                (name, key): number_said(*said) for name, key, *said in self.facts["numbers"]
            }
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
        named_where_damaged = self._named_where_damaged() if alone else contextlib.nullcontext()  # or a worker is lost
        with named_where_damaged, _without_advice():
            load(named, storage_reader=HuggingFaceStorageReader(str(self.path)), no_dist=alone)

    @contextlib.contextmanager
    def _named_where_damaged(self) -> Iterator[None]:
        try:
            yield
        except (Exception, CheckpointException) as raised:  # libraries may raise anything for what they cannot read
            error = _of_this_process(raised)
            if not isinstance(error, Exception):
                raise error from None
            raise ValueError(f"{self.path} is damaged: {error}; remove it, and training begins anew") from None


def said_number(value: Any) -> tuple[Any, str | None]:
    """A number as JSON can say it, and its type in torch if it has one."""
    return (value.item(), str(value.dtype).removeprefix("torch.")) if isinstance(value, Tensor) else (value, None)


def number_said(number: Any, dtype: str | None) -> Any:
    """What `said_number` was told."""
    if dtype is None:
        return number
    found = getattr(torch, dtype, None)
    if not isinstance(found, torch.dtype):
        raise ValueError(f"{dtype!r} is no type of numbers")
    return torch.tensor(number, dtype=found)


def _whole_checkpoints(folder: Path) -> list[Path]:
    """Those that a run wrote: what others called so, or put a link there to, is none."""
    named = (path for path in folder.glob("checkpoint-*") if re.fullmatch(r"checkpoint-\d{6,}", path.name))
    return [path for path in named if (path / _FACTS).exists() and not path.is_symlink()]


def _remove(checkpoint: Path) -> None:
    """Remove a checkpoint, as far as it can be, but nothing that others put into its folder."""
    for path in (*checkpoint.glob("*.safetensors"), checkpoint / _FACTS):
        with contextlib.suppress(OSError):
            path.unlink()
    with contextlib.suppress(OSError):
        checkpoint.rmdir()


def _of_this_process(error: BaseException) -> BaseException:
    """Of what torch collects from all processes while they write, the first error, whose place is of no interest."""
    if isinstance(error, CheckpointException):
        return next(iter(error.failures.values()))[0]
    return error


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
