"""One worker: the part of the model that it trains, and its optimizer."""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from torch import Tensor, nn

from istsim.networks._checkpointing import compute_blocks_twice
from istsim.networks._dropout import drop_outputs
from istsim.networks._layout import Blocks, tensors_of
from istsim.networks._methods import DataParallel, Method
from istsim.networks._part import Part
from istsim.networks._partly_trained import partly_trained
from istsim.networks._subnetwork import scale_outputs, subnetwork
from istsim.networks._trainer import MakeOptimizer, OptimizerState, Trainer

COUNT = "step"  # what torch's optimizers call the one number of their state that belongs to no entry


class Worker(Trainer):
    """Trains its part of the model; its optimizer's state follows the coordinates from round to round.

    Args:
        model: the whole one.
        part: what it holds of it.
        method: how it is masked and scaled.
        make_optimizer: gives an optimizer for parameters.
        state: of the optimizer, for what the part holds; may lack parameters that no one has trained yet.
        values: for a `model` without any, what `subnetwork` or `partly_trained` takes.
        wrap: makes of a module what runs in its place, such as torch's DistributedDataParallel.

    Attributes:
        inner: the module without a wrapper, with the names that the model has.
    """

    def __init__(
        self,
        model: nn.Module,
        part: Part,
        method: Method,
        make_optimizer: MakeOptimizer,
        state: OptimizerState,
        values: Mapping[str, Tensor] | None = None,
        wrap: Callable[[nn.Module], nn.Module] | None = None,
    ):
        build = subnetwork if method.masking == "forward" else partly_trained
        self.part, self.inner = part, build(model, part, values)
        self.inner.train()
        alter(self.inner, part, method)
        module, plain = self.inner, None
        if wrap is not None:
            plain = copy.deepcopy(self.inner)
            module = wrap(self.inner)
        trained = {name: p for name, p in self.inner.named_parameters() if p.requires_grad}
        super().__init__(module, trained, make_optimizer, state, plain, _size(part))

    def tensors(self) -> dict[str, Tensor]:
        """What it holds, parameters and buffers, as views."""
        found = tensors_of(self.module)
        return {name: self.part.narrow(name, found[name].detach()) for name in self.part.names}


def alter(module: nn.Module, part: Part, method: Method) -> None:
    """Let what a worker runs compute as the method says: rescaled, with dropout, or with blocks computed twice."""
    if method.rescale == "forward":
        scale_outputs(module, part.layout, (1 / kept if kept else 1.0 for kept in part.kept()))
    if isinstance(method, DataParallel) and method.keep < 1:
        drop_outputs(module, part.layout, method.keep)
    if isinstance(method, DataParallel) and method.checkpointing:
        compute_blocks_twice(module)


def state_of_part(part: Part, parameters: Mapping[str, Tensor], state: OptimizerState) -> OptimizerState:
    """What a part holds of the optimizer's state for the whole model."""
    return {
        name: {
            key: part.take(name, value) if per_entry(key, value, parameters[name]) else _copied(value)
            for key, value in state[name].items()
        }
        for name in part.names
        if name in state
    }


def per_entry(key: str, value: Any, parameter: Tensor) -> bool:
    """Whether a value of the optimizer's state belongs to the single entries of a parameter."""
    return isinstance(value, Tensor) and value.shape == parameter.shape and key != COUNT


def _copied(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) else value


def _size(part: Part) -> Hashable:
    """How many units of each layer it holds, and which blocks."""
    groups = zip(part.layout.groups, part.held, strict=True)
    return tuple(tuple(held.tolist()) if isinstance(group, Blocks) else len(held) for group, held in groups)
