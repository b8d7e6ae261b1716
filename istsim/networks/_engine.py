"""Who plays the workers of a training run."""

from __future__ import annotations

import abc
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from istsim.networks._checkpoint import Checkpoint
from istsim.networks._evaluation import Evaluation
from istsim.networks._layout import Layout
from istsim.networks._methods import Method
from istsim.networks._trainer import BatchOf


class Engine(abc.ABC):
    """One process that plays all workers, or one of several processes, each of which plays one.

    Attributes:
        model: what is trained; without values where no process has all of it.
        layout: which parts of it only some workers hold.
        method: how workers are masked, and what is averaged.
    """

    model: nn.Module
    layout: Layout
    method: Method

    @abc.abstractmethod
    def deal(self, held: np.ndarray) -> None:
        """Give every worker its part, with the optimizer's state; `held` has shape (n, number of units)."""

    @abc.abstractmethod
    def steps(self, batch_of: BatchOf, numbers: range) -> list[float]:
        """Take these steps of a round, up to one whose loss is not finite, and give their losses."""

    @abc.abstractmethod
    def merge(self) -> bool:
        """End a round; whether all values are finite."""

    @abc.abstractmethod
    def keep(self) -> None:
        """Remember the values at the beginning of this round: they are known to be good."""

    @abc.abstractmethod
    def restore(self) -> None:
        """Go back to the values that were kept last."""

    @abc.abstractmethod
    def spent(self) -> tuple[int, int, int]:
        """Bytes sent to workers, bytes sent by them, and floating point operations, so far and all together."""

    @abc.abstractmethod
    def aside(self) -> float:
        """Seconds that went into counting operations and measuring memory so far, and not into training."""

    @abc.abstractmethod
    def costs(self) -> dict[str, Any]:
        """What was measured: for each worker bytes of memory by kind and seconds a step, for each process its peak."""

    @abc.abstractmethod
    def evaluate(self, inputs: Tensor, targets: Tensor, calibration: Sequence[Tensor] = ()) -> Evaluation:
        """The whole model's loss and accuracy."""

    @abc.abstractmethod
    def save(self, folder: Path, number: int, facts: Mapping[str, Any]) -> None:
        """Write a checkpoint of round `number`."""

    @abc.abstractmethod
    def load(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint."""


class LockStepEngine(Engine):
    """An engine whose workers take every step together."""

    @abc.abstractmethod
    def gradients(self, batch_of: BatchOf, step: int) -> list[float]:
        """Compute the gradients of all workers, and give their losses."""

    @abc.abstractmethod
    def update(self) -> None:
        """Let all workers take the step, with averaged gradients where the method shares them."""

    def steps(self, batch_of: BatchOf, numbers: range) -> list[float]:
        """Take these steps of a round, up to one whose loss is not finite; the means of the workers' losses."""
        losses: list[float] = []
        for step in numbers:
            of_workers = self.gradients(batch_of, step)
            losses.append(sum(of_workers) / len(of_workers))
            if not math.isfinite(losses[-1]):
                break
            self.update()
        return losses
