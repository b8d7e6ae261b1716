"""All workers played by one process, one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from istsim.networks._checkpoint import Checkpoint
from istsim.networks._costs import Costs, peak_memory
from istsim.networks._engine import LockStepEngine
from istsim.networks._evaluation import Evaluation, evaluate
from istsim.networks._flops import FlopCount
from istsim.networks._layout import Layout, tensors_of
from istsim.networks._merging import average_gradients, average_state, average_values
from istsim.networks._meter import Meter
from istsim.networks._methods import Method
from istsim.networks._part import Part
from istsim.networks._partly_trained import refresh
from istsim.networks._trainer import BatchOf, Loss, MakeOptimizer, OptimizerState, cross_entropy
from istsim.networks._whole_checkpoint import read_whole, write_whole
from istsim.networks._worker import Worker, state_of_part


class OneProcess(LockStepEngine):
    """The workers of a model that is trained in place.

    Args:
        model: the whole one.
        layout: which parts of it only some workers hold.
        method: how workers are masked, and what is averaged.
        make_optimizer: gives an optimizer for parameters.
        loss: of outputs and targets.
        seed: of what the model draws, such as dropout.
    """

    def __init__(
        self,
        model: nn.Module,
        layout: Layout,
        method: Method,
        *,
        make_optimizer: MakeOptimizer,
        loss: Loss = cross_entropy,
        seed: int = 0,
    ):
        self.model, self.layout, self.method = model, layout, method
        self._make_optimizer, self._loss, self._seed = make_optimizer, loss, seed
        self._parameters, self._tensors = dict(model.named_parameters()), tensors_of(model)
        self._state: OptimizerState = {}
        self._workers: list[Worker] = []
        self._meter, self._flops = Meter(model, layout, method), FlopCount()
        self._costs = [Costs() for _ in range(method.num_workers)]
        self.keep()

    def deal(self, held: np.ndarray) -> None:
        """Give every worker its part, with the optimizer's state."""
        self._average_state()
        parts = [Part(self.model, self.layout, mask) for mask in held]
        self._meter.dealt(parts, self._state)
        self._workers = []
        for part in parts:
            state = state_of_part(part, self._parameters, self._state)
            self._workers.append(Worker(self.model, part, self.method, self._make_optimizer, state))

    def gradients(self, batch_of: BatchOf, step: int) -> list[float]:
        """Compute the gradients of all workers, and give their losses."""
        losses = []
        for number, worker in enumerate(self._workers):
            mine = batch_of(number, step)
            self._flops.add(worker, *mine, self._loss)
            seed = self._seed, number, step
            losses.append(self._costs[number].gradients(worker, *mine, self._loss, seed))
        return losses

    def update(self) -> None:
        """Let all workers take the step."""
        if self.method.shares_gradients:
            average_gradients(self._workers)
        for worker, costs in zip(self._workers, self._costs, strict=True):
            worker.step()
            costs.stepped(worker)

    def merge(self) -> bool:
        """Give the model the averages of the workers' values; whether all are finite."""
        with torch.no_grad():
            average_values(self._tensors, self._workers, self.method.shares_gradients)
        if self.method.masking == "backward":
            for worker in self._workers:
                refresh(worker.module, self.model, worker.part)
        if not self.method.shares_gradients:
            self._average_state()
            self._workers = []
        self._meter.merged(self._state)
        return all(bool(parameter.isfinite().all()) for parameter in self._parameters.values())

    def _average_state(self) -> None:
        same = self.method.shares_gradients
        self._state = average_state(self._parameters, self._workers, self._state, same)

    def keep(self) -> None:
        """Remember the model's values."""
        self._kept = {name: tensor.detach().clone() for name, tensor in self._tensors.items()}

    def restore(self) -> None:
        """Go back to the values that were kept last."""
        with torch.no_grad():
            for name, tensor in self._tensors.items():
                tensor.copy_(self._kept[name])

    def spent(self) -> tuple[int, int, int]:
        """Bytes sent to workers, bytes sent by them, and floating point operations, so far."""
        return self._meter.bytes_down, self._meter.bytes_up, self._flops.total

    def aside(self) -> float:
        """Seconds that went into counting operations and measuring memory so far, and not into training."""
        return self._flops.seconds + sum(costs.aside for costs in self._costs)

    def costs(self) -> dict[str, Any]:
        """What was measured: of each worker, and of this process."""
        workers = [costs.measured() for costs in self._costs]
        return {"workers": workers, "processes": [{"peak_memory": peak_memory(), "bytes_sent": 0}]}

    def evaluate(self, inputs: Tensor, targets: Tensor, calibration: Sequence[Tensor] = ()) -> Evaluation:
        """The whole model's loss and accuracy: see `istsim.networks.evaluate`."""
        return evaluate(self.model, self.layout, self.method, inputs, targets, calibration=calibration, loss=self._loss)

    def save(self, folder: Path, number: int, facts: Mapping[str, Any]) -> None:
        """Write a checkpoint of round `number`."""
        self._average_state()
        write_whole(folder, number, facts, self._tensors, self._state)

    def load(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint, which may be of another number of workers."""
        self._state, self._workers = read_whole(checkpoint, self._tensors), []
        self.keep()
