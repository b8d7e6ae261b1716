"""Who trains a unit: some blocks, by a loss of their own."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from istsim.networks._layout import tensors_of
from istsim.networks._local_unit import Unit
from istsim.networks._trainer import MakeOptimizer, OptimizerState, Trainer
from istsim.networks.local._chain import Segment
from istsim.networks.local._heads import PREFIX


class UnitModule(nn.Module):
    """What a unit runs.

    Args:
        own: the blocks that it trains.
        ahead: those behind them, which it only looks through.
        head: what makes an answer of that.
    """

    def __init__(self, own: Segment, ahead: Segment, head: nn.Module):
        super().__init__()
        self.own, self.ahead, self.head = own, ahead, head

    def forward(self, x: Tensor) -> Tensor:
        """The unit's answer."""
        return self.head(self.ahead(self.own(x)))


class UnitTrainer(Trainer):
    """Trains a unit, and hands its output on as soon as it has it.

    Args:
        unit: which blocks.
        module: what it runs.
        make_optimizer: gives an optimizer for the unit's own blocks and head.
        state: of the optimizer, by the names of all the model's parameters, and more.
        size: the unit's number.

    Attributes:
        unit: which blocks.
        hand_over: called with what comes out of its own blocks, before the loss is computed.
    """

    module: UnitModule

    def __init__(self, unit: Unit, module: UnitModule, make_optimizer: MakeOptimizer, state: OptimizerState, size: int):
        module.train()
        self.unit = unit
        self._tensors = module.own.tensors() | {
            f"{PREFIX}.{unit.last}.{name}": tensor for name, tensor in tensors_of(module.head).items()
        }
        trained = {name: p for name, p in self._tensors.items() if isinstance(p, nn.Parameter) and p.requires_grad}
        super().__init__(module, trained, make_optimizer, {name: state[name] for name in trained if name in state})
        self.size = size
        self.hand_over: Callable[[Tensor], object] = lambda handed: None

    def outputs(self, inputs: Tensor) -> Tensor:
        """The unit's answer.

        Raises:
            ValueError: if blocks ahead or the head overwrite what is handed on.
        """
        handed = self.module.own(inputs)
        self.hand_over(handed.detach())
        version = handed._version
        answer = self.module.head(self.module.ahead(handed))
        if handed._version != version:
            raise ValueError(
                f"what comes behind block {self.unit.own[-1]} works in place on what that hands on, so that the next "
                "unit gets something else: leave out inplace=True"
            )
        return answer

    def tensors(self) -> dict[str, Tensor]:
        """Of its own blocks and head, by name."""
        return {name: tensor.detach() for name, tensor in self._tensors.items()}

    def gradients_ahead(self) -> dict[str, Tensor]:
        """Of what its loss has to say on blocks that others train; empty where that is not asked for."""
        found = {name: tensor.grad for name, tensor in self.module.ahead.tensors().items()}
        return {name: gradient for name, gradient in found.items() if gradient is not None}

    def add_first(self, told: Sequence[Mapping[str, Tensor]]) -> None:
        """Add its own gradients to the sum of what other losses have to say, in their order."""
        for name, p in self.parameters.items():
            parts = [gradients[name] for gradients in told if name in gradients]
            if parts:
                p.grad = functools.reduce(torch.add, [*parts, p.grad] if p.grad is not None else parts)


def look_through(segment: Segment, *, trained: bool) -> Segment:
    """A segment with the same parameters, whose gradients are its own, and with buffers of its own.

    Args:
        segment: of which blocks.
        trained: whether gradients of its parameters are to be computed.
    """
    memo: dict[int, Any] = {id(p): nn.Parameter(p.detach(), requires_grad=trained) for p in segment.parameters()}
    return copy.deepcopy(segment, memo)
