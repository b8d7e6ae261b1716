"""What workers' steps cost, measured while they train."""

from __future__ import annotations

import dataclasses
import resource
import sys
import time
from collections.abc import Hashable
from typing import Any

import torch
from torch import Tensor

from istsim.networks._checkpointing import most_of_a_block
from istsim.networks._kept import KeptForBackward, bytes_of
from istsim.networks._memory import Memory, memory_of
from istsim.networks._trainer import Loss, Trainer


class Costs:
    """Of the steps of one worker.

    Memory is measured in the first step with a part of some size, for it is the same in all others.

    Attributes:
        aside: seconds that the measuring of memory took.
    """

    def __init__(self):
        self.aside = 0.0
        self._memory: Memory | None = None
        self._seconds, self._steps = 0.0, 0
        self._known: set[Hashable] = set()
        self._is_new, self._gradients, self._activations = True, 0, 0

    def gradients(self, worker: Trainer, inputs: Tensor, targets: Tensor, loss: Loss, seed: tuple[int, ...]) -> float:
        """Let the worker compute its gradients, and give its loss."""
        size = inputs.shape, worker.size
        self._is_new = size not in self._known
        self._known.add(size)
        if self._is_new:
            return self._measured_gradients(worker, inputs, targets, loss, seed)
        begin = time.perf_counter()
        value = worker.gradients(inputs, targets, loss, seed)
        self._seconds += time.perf_counter() - begin
        self._steps += 1
        return value

    def _measured_gradients(
        self, worker: Trainer, inputs: Tensor, targets: Tensor, loss: Loss, seed: tuple[int, ...]
    ) -> float:
        def counting_loss(outputs: Tensor, targets: Tensor) -> Tensor:
            value = loss(outputs, targets)
            self._activations = kept.count()
            return value

        with KeptForBackward(worker.module) as kept:
            value = worker.gradients(inputs, targets, counting_loss, seed)
        begin = time.perf_counter()
        self._activations += most_of_a_block(worker.plain, inputs)
        self._gradients = bytes_of(p.grad for p in worker.module.parameters() if p.grad is not None)
        self.aside += time.perf_counter() - begin
        return value

    def stepped(self, worker: Trainer) -> None:
        """The worker has taken its step."""
        if self._is_new:
            begin = time.perf_counter()
            self._memory = memory_of(worker, self._gradients, self._activations).most(self._memory)
            self.aside += time.perf_counter() - begin

    def measured(self) -> dict[str, Any]:
        """Bytes by kind, at most in any round, and seconds a step, without what is sent; None if not measured."""
        memory = dict.fromkeys(field.name for field in dataclasses.fields(Memory))
        if self._memory is not None:
            memory = dataclasses.asdict(self._memory)
        return memory | {"step_seconds": self._seconds / self._steps if self._steps else None}


def peak_memory() -> int:
    """Bytes that this process has had at most: of the GPU's memory where it uses one, else resident."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # bytes there, elsewhere kilobytes
