"""Averages over the workers that hold an entry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from istsim.networks._part import Part
from istsim.networks._trainer import OptimizerState
from istsim.networks._worker import Worker, per_entry


def holder_average(name: str, whole: Tensor, pieces: Sequence[tuple[Part, Tensor]]) -> Tensor:
    """The average of the pieces over who has them, entry by entry; unchanged where no one has.

    Args:
        name: of the tensor.
        whole: what it was.
        pieces: of some workers' parts.
    """
    total = torch.zeros_like(whole, dtype=sum_dtype(whole.dtype))
    for part, piece in pieces:
        part.add(name, total, piece.to(total.dtype))
    if not any(part.is_sliced(name) for part, _ in pieces):
        return (total / len(pieces)).to(whole.dtype)
    holders = torch.zeros_like(total)
    for part, _ in pieces:
        part.add(name, holders, 1.0)
    return torch.where(holders > 0, (total / holders.clamp(min=1)).to(whole.dtype), whole)


def sum_dtype(dtype: torch.dtype) -> torch.dtype:
    """What values of a type are added up in."""
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype


def average_values(tensors: dict[str, Tensor], workers: list[Worker], same: bool) -> None:
    """Give the model's tensors the workers' parameters and buffers.

    Args:
        tensors: of the model.
        workers: whose values are averaged.
        same: holders have the same parameters, so that there is nothing to average.
    """
    held = [worker.tensors() for worker in workers]
    for name, whole in tensors.items():
        pieces = [(w.part, mine[name]) for w, mine in zip(workers, held, strict=True) if name in mine]
        if not pieces:
            continue
        if not whole.is_floating_point():  # counts of batches
            whole.copy_(max((piece for _, piece in pieces), key=lambda piece: int(piece.max())))
        elif not isinstance(whole, nn.Parameter):
            whole.copy_(holder_average(name, whole, pieces))
        elif any(name in worker.parameters for worker in workers):
            whole.copy_(_any_holder(name, whole, pieces) if same else holder_average(name, whole, pieces))


def average_gradients(workers: list[Worker]) -> None:
    """Give each worker, for what it holds, the average of the holders' gradients."""
    for name in dict.fromkeys(name for worker in workers for name in worker.parameters):
        held = [(w, g) for w in workers if name in w.parameters and (g := w.parameters[name].grad) is not None]
        if len(held) > 1:
            whole = held[0][1].new_zeros(held[0][0].part.shapes[name])
            average = holder_average(name, whole, [(worker.part, gradient) for worker, gradient in held])
            for worker, _ in held:
                worker.parameters[name].grad = worker.part.take(name, average)


def average_state(
    parameters: Mapping[str, Tensor], workers: list[Worker], state: OptimizerState, same: bool
) -> OptimizerState:
    """The optimizer's state for the whole model: averages over holders; of numbers, such as counts, the largest.

    Args:
        parameters: of the model.
        workers: whose state is averaged.
        state: what it was; it stays for entries that no worker holds.
        same: holders have the same state, so that there is nothing to average.
    """
    merged: OptimizerState = {name: dict(values) for name, values in state.items()}
    held = [worker.state() for worker in workers]
    for name, whole in parameters.items():
        having = [(w, mine[name]) for w, mine in zip(workers, held, strict=True) if name in mine]
        for key in dict.fromkeys(key for _, mine in having for key in mine):
            pieces = [(w, mine[key]) for w, mine in having if mine.get(key) is not None]
            before = merged.get(name, {}).get(key)
            if not pieces:
                after: Any = before
            elif per_entry(key, pieces[0][1], pieces[0][0].parameters[name]):
                before = torch.zeros_like(whole, dtype=pieces[0][1].dtype) if before is None else before
                average = _any_holder if same else holder_average
                after = average(name, before, [(worker.part, piece) for worker, piece in pieces])
            else:
                after = max(value for _, value in pieces)
                after = after.clone() if isinstance(after, Tensor) else after
            merged.setdefault(name, {})[key] = after
    return merged


def _any_holder(name: str, whole: Tensor, pieces: Sequence[tuple[Part, Tensor]]) -> Tensor:
    if not pieces[0][0].is_sliced(name):
        return pieces[0][1].detach()
    whole = whole.detach().clone()
    for part, piece in pieces:
        part.put(name, whole, piece)
    return whole
