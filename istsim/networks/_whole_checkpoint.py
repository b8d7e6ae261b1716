"""Checkpoints by one process that has all of the model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from istsim.networks._checkpoint import Checkpoint, CheckpointWriter, Field
from istsim.networks._trainer import OptimizerState
from istsim.networks._worker import per_entry


def write_whole(
    folder: Path, number: int, facts: Mapping[str, Any], tensors: Mapping[str, Tensor], state: OptimizerState
) -> None:
    """Write a checkpoint of round `number`.

    Args:
        folder: of the run.
        number: of the round.
        facts: that JSON can say.
        tensors: of the model, by name.
        state: of the optimizer.
    """
    entries, numbers = fields_of(tensors, state)
    writer = CheckpointWriter(folder, number)
    writer.begin()
    writer.write(entries, alone=True)
    writer.end(facts, numbers)


def fields_of(tensors: Mapping[str, Tensor], state: OptimizerState) -> tuple[dict[Field, Tensor], dict[Field, Any]]:
    """What goes into a checkpoint: tensors, and numbers that belong to no entry."""

    def is_per_entry(field: Field, value: Any) -> bool:
        name, key = field
        return value.is_floating_point() if key is None else per_entry(key, value, tensors[name])

    found: dict[Field, Any] = {(name, None): tensor.detach() for name, tensor in tensors.items()}
    found |= {(name, key): value for name, own in state.items() for key, value in own.items()}
    entries = {field: value for field, value in found.items() if is_per_entry(field, value)}
    numbers = {field: value for field, value in found.items() if field not in entries}
    return {field: value.view(value.shape or (1,)) for field, value in entries.items()}, numbers


def read_whole(checkpoint: Checkpoint, tensors: Mapping[str, Tensor], *, part: bool = False) -> OptimizerState:
    """Fill the tensors of a model, and give the optimizer's state.

    Args:
        checkpoint: of the model.
        tensors: of it.
        part: whether these are only some.

    Raises:
        ValueError: for a checkpoint of another model.
    """
    shapes = {name: tuple(t.shape) or (1,) for name, t in tensors.items() if t.is_floating_point()}
    checkpoint.check(shapes, part=part)
    found = {
        field: torch.empty(shape, dtype=checkpoint.dtype(field))
        for field, shape in checkpoint.shapes.items()
        if field[0] in tensors
    }
    checkpoint.read(found, alone=True)
    numbers = {field: value for field, value in checkpoint.numbers.items() if field[0] in tensors}
    state: OptimizerState = {}
    with torch.no_grad():
        for (name, key), value in (found | numbers).items():
            if key is None:
                tensors[name].copy_(value.view(tensors[name].shape))
            else:
                shaped = value.view(tensors[name].shape) if (name, key) in found else value
                state.setdefault(name, {})[key] = shaped
    return state
