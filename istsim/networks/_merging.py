"""Averages over the workers that hold an entry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from istsim.networks._part import Part
from istsim.networks._worker import OptimizerState, Worker


def holder_average(name: str, whole: Tensor, pieces: Iterable[tuple[Part, Tensor]]) -> Tensor:
    """The average of the pieces over who has them, entry by entry; unchanged where no one has.

    Args:
        name: of the tensor.
        whole: what it was.
        pieces: of some workers' parts.
    """
    total, holders = torch.zeros_like(whole), torch.zeros_like(whole)
    for part, piece in pieces:
        part.add(name, total, piece)
        part.add(name, holders, torch.ones_like(piece))
    return torch.where(holders > 0, total / holders.clamp(min=1), whole)


def average_values(tensors: dict[str, Tensor], workers: list[Worker]) -> None:
    """Give the model's tensors the averages of the workers' parameters and buffers."""
    held = [worker.tensors() for worker in workers]
    for name, whole in tensors.items():
        pieces = [(w.part, mine[name]) for w, mine in zip(workers, held, strict=True) if name in mine]
        if not pieces:
            continue
        if not whole.is_floating_point():  # counts of batches
            whole.copy_(max((piece for _, piece in pieces), key=lambda piece: int(piece.max())))
        elif any(name in worker.parameters for worker in workers) or not isinstance(whole, torch.nn.Parameter):
            whole.copy_(holder_average(name, whole, pieces))


def average_gradients(workers: list[Worker]) -> None:
    """Give each worker, for what it holds, the average of the holders' gradients."""
    for name in dict.fromkeys(name for worker in workers for name in worker.parameters):
        holding = [w for w in workers if name in w.parameters and w.parameters[name].grad is not None]
        if len(holding) > 1:
            whole = torch.zeros(holding[0].part.shapes[name], dtype=holding[0].parameters[name].dtype)
            gradients = ((worker.part, worker.parameters[name].grad) for worker in holding)
            average = holder_average(name, whole, [(part, g) for part, g in gradients if g is not None])
            for worker in holding:
                worker.parameters[name].grad = worker.part.take(name, average)


def average_state(parameters: Mapping[str, Tensor], workers: list[Worker], state: OptimizerState) -> OptimizerState:
    """The optimizer's state for the whole model: averages over holders; of numbers, such as counts, the largest."""
    merged: OptimizerState = {name: dict(values) for name, values in state.items()}
    held = [worker.state() for worker in workers]
    for name, whole in parameters.items():
        having = [(w.part, mine[name]) for w, mine in zip(workers, held, strict=True) if name in mine]
        for key in dict.fromkeys(key for _, mine in having for key in mine):
            pieces = [(part, mine[key]) for part, mine in having if mine.get(key) is not None]
            before = merged.get(name, {}).get(key)
            merged.setdefault(name, {})[key] = _merged(name, whole, before, pieces)
    return merged


def _merged(name: str, whole: Tensor, before: Any, pieces: list[tuple[Part, Any]]) -> Any:
    if not pieces:
        return before
    values = [piece for _, piece in pieces]
    if all(not isinstance(value, Tensor) or value.dim() == 0 for value in values):
        largest = max(values)
        return largest.clone() if isinstance(largest, Tensor) else largest
    return holder_average(name, torch.zeros_like(whole, dtype=values[0].dtype) if before is None else before, pieces)
