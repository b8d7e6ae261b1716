"""All units of local updates played by one process, one after the other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from istsim.networks._checkpoint import Checkpoint
from istsim.networks._costs import Costs, peak_memory
from istsim.networks._engine import Engine
from istsim.networks._evaluation import Evaluation, evaluate
from istsim.networks._flops import FlopCount
from istsim.networks._layout import Layout, tensors_of
from istsim.networks._local_parallelism import LocalParallelism
from istsim.networks._trainer import BatchOf, Loss, MakeOptimizer, OptimizerState, cross_entropy
from istsim.networks._whole_checkpoint import read_whole, write_whole
from istsim.networks.local._chain import Chain
from istsim.networks.local._heads import PREFIX, make_heads, outputs_of_blocks
from istsim.networks.local._unit import UnitModule, UnitTrainer, look_through


class LocalOneProcess(Engine):
    """The units of a model that is trained in place.

    In every step all units compute their gradients with the values from before it, then all take it.

    Args:
        model: the whole one.
        layout: of the model.
        method: which blocks follow which loss.
        example: a batch of inputs, for the sizes of auxiliary heads.
        make_optimizer: gives an optimizer for parameters; every unit has one of its own.
        loss: of outputs and targets.
        seed: of the heads' initial values, and of what the model draws.

    Raises:
        ValueError: for a model that is not known to be blocks one after the other, or has too few of them; for
            asynchronous units.

    Attributes:
        loss: of outputs and targets.
        units: who trains them, once all is dealt.
    """

    def __init__(
        self,
        model: nn.Module,
        layout: Layout,
        method: LocalParallelism,
        example: Tensor,
        *,
        make_optimizer: MakeOptimizer,
        loss: Loss = cross_entropy,
        seed: int = 0,
    ):
        if method.asynchronous:
            raise ValueError("asynchronous units take a process each, or several: see torchrun")
        self.model, self.layout, self.method = model, layout, method
        self._make_optimizer, self.loss, self._seed = make_optimizer, loss, seed
        self._sums = method.shared == "sum"
        self._chain = Chain.of(model)
        self._units = method.units(len(self._chain.blocks))
        self._heads = make_heads(method, self._units, outputs_of_blocks(self._chain, example), seed)
        self._tensors = tensors_of(model) | {
            f"{PREFIX}.{last}.{name}": tensor
            for last, head in self._heads.items()
            for name, tensor in tensors_of(head).items()
        }
        self._state: OptimizerState = {}
        self._costs, self._flops, self._sent = [Costs() for _ in self._units], FlopCount(), 0
        self.units: list[UnitTrainer] = []
        self._begun = self._values()
        self.keep()

    def deal(self, held: np.ndarray) -> None:
        """Make the units; `held` is everything."""
        del held
        self._state |= {name: own for unit in self.units for name, own in unit.state().items()}
        self.units = []
        for number, unit in enumerate(self._units):
            ahead = look_through(self._chain.segment(unit.ahead), trained=self._sums)
            module = UnitModule(self._chain.segment(unit.own), ahead, self._heads.get(unit.last, nn.Identity()))
            self.units.append(UnitTrainer(unit, module, self._make_optimizer, self._state, number))

    def steps(self, batch_of: BatchOf, numbers: range) -> list[float]:
        """Take these steps, up to one in which a loss is not finite; the losses of the last unit, the model's."""
        self._begun, losses = self._values(), []
        for step in numbers:
            of_units = self.gradients(*batch_of(0, step), step)
            losses.append(of_units[-1] if all(map(math.isfinite, of_units)) else math.nan)
            if not math.isfinite(losses[-1]):
                break
            for unit, costs in zip(self.units, self._costs, strict=True):
                unit.step()
                costs.stepped(unit)
        return losses

    def gradients(self, inputs: Tensor, targets: Tensor, step: int = 0) -> list[float]:
        """Let all units compute their gradients on a batch, and give their losses.

        Args:
            inputs: of the model.
            targets: of every loss.
            step: what the model draws, such as dropout, is a function of it.
        """
        losses, handed = [], [inputs]
        for number, unit in enumerate(self.units):
            unit.hand_over = handed.append
            taken = handed.pop()
            self._flops.add(unit, taken, targets, self.loss)
            losses.append(self._costs[number].gradients(unit, taken, targets, self.loss, (self._seed, number, step)))
            if number + 1 < len(self.units):
                self._sent += _bytes(handed)
        told = [unit.gradients_ahead() for unit in self.units]
        for number, unit in enumerate(self.units):
            unit.add_first(told[:number])
        self._sent += sum(_bytes(gradients.values()) for gradients in told)
        # Who looks ahead is told the values of others' blocks after every step.
        self._sent += sum(_bytes(unit.module.ahead.parameters()) for unit in self.units)
        return losses

    def merge(self) -> bool:
        """Nothing to average; whether all values are finite."""
        return all(
            bool(tensor.isfinite().all()) for tensor in self._tensors.values() if isinstance(tensor, nn.Parameter)
        )

    def _values(self) -> dict[str, Tensor]:
        return {name: tensor.detach().clone() for name, tensor in self._tensors.items()}

    def keep(self) -> None:
        """Remember the values at the beginning of this round."""
        self._kept = self._begun

    def restore(self) -> None:
        """Go back to the values that were kept last."""
        with torch.no_grad():
            for name, tensor in self._tensors.items():
                tensor.copy_(self._kept[name])

    def spent(self) -> tuple[int, int, int]:
        """Nothing to workers, the bytes that units would have sent to each other, and floating point operations."""
        return 0, self._sent, self._flops.total

    def aside(self) -> float:
        """Seconds that went into counting operations and measuring memory so far, and not into training."""
        return self._flops.seconds + sum(costs.aside for costs in self._costs)

    def costs(self) -> dict[str, Any]:
        """What was measured: of each unit, and of this process."""
        units = [costs.measured() for costs in self._costs]
        return {"workers": units, "processes": [{"peak_memory": peak_memory(), "bytes_sent": 0}]}

    def evaluate(self, inputs: Tensor, targets: Tensor, calibration: Sequence[Tensor] = ()) -> Evaluation:
        """The model's loss and accuracy, by its own head: see `istsim.networks.evaluate`."""
        return evaluate(self.model, self.layout, self.method, inputs, targets, calibration=calibration, loss=self.loss)

    def save(self, folder: Path, number: int, facts: Mapping[str, Any]) -> None:
        """Write a checkpoint of round `number`, with the heads."""
        state = {name: own for unit in self.units for name, own in unit.state().items()}
        write_whole(folder, number, facts, self._tensors, state)

    def load(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint."""
        self._state, self.units = read_whole(checkpoint, self._tensors), []
        self._begun = self._values()
        self.keep()


def _bytes(tensors: Any) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
