"""One worker: the part of the model that it trains, and its optimizer."""

from __future__ import annotations

import contextlib
import copy
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from istsim.networks._checkpointing import compute_blocks_twice
from istsim.networks._dropout import drop_outputs
from istsim.networks._layout import Blocks, tensors_of
from istsim.networks._methods import DataParallel, Method
from istsim.networks._part import Part
from istsim.networks._partly_trained import partly_trained
from istsim.networks._subnetwork import scale_outputs, subnetwork

BatchOf = Callable[[int, int], tuple[Tensor, Tensor]]  # of a worker and a step, inputs and targets
Loss = Callable[[Tensor, Tensor], Tensor]
MakeOptimizer = Callable[[Iterable[Tensor]], torch.optim.Optimizer]
COUNT = "step"  # what torch's optimizers call the one number of their state that belongs to no entry
OptimizerState = dict[str, dict[str, Any]]  # of the whole model, by names of parameters


class Worker:
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
        module: what it runs.
        inner: the same without a wrapper, with the names that the model has.
        plain: likewise, perhaps without values: for what is learned from sizes.
        parameters: those that it trains, by their names in the model.
        gathered: bytes of parameters that are there at most only while they are computed with.
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
        self.part, self.gathered = part, 0
        build = subnetwork if method.masking == "forward" else partly_trained
        self.module = build(model, part, values)
        self.module.train()
        alter(self.module, part, method)
        self.inner = self.plain = self.module
        if wrap is not None:
            self.plain = copy.deepcopy(self.inner)
            self.module = wrap(self.inner)
        self.parameters = {name: p for name, p in self.inner.named_parameters() if p.requires_grad}
        self.optimizer = make_optimizer(self.parameters.values())
        if isinstance(self.optimizer, torch.optim.LBFGS):
            raise ValueError("LBFGS looks at all parameters at once: use an optimizer such as SGD or Adam")
        self._checked = False
        for name, values in state.items():
            self.optimizer.state[self.parameters[name]] = values

    def gradients(self, inputs: Tensor, targets: Tensor, loss: Loss, seed: tuple[int, ...]) -> float:
        """Compute the gradients, and give the loss; what the module draws is a function of `seed`."""
        self.optimizer.zero_grad(set_to_none=True)
        with drawing(*seed):
            value = loss(outputs_of(self.module, inputs), targets)
            value.backward()
        return float(value.detach())

    def step(self) -> None:
        """Let the optimizer take a step.

        Raises:
            ValueError: for an optimizer whose state does not belong to single entries of parameters.
        """
        self.optimizer.step()
        if not self._checked:
            self.state()
            self._checked = True

    def size(self) -> tuple[object, ...]:
        """How many units of each layer it holds, and which blocks: what the cost of a step depends on."""
        groups = zip(self.part.layout.groups, self.part.held, strict=True)
        return tuple(tuple(held.tolist()) if isinstance(group, Blocks) else len(held) for group, held in groups)

    def state(self) -> OptimizerState:
        """The optimizer's, by names of parameters.

        Raises:
            ValueError: for an optimizer whose state does not belong to single entries of parameters.
        """
        found = {}
        for name, p in self.parameters.items():
            if p in self.optimizer.state:
                found[name] = dict(self.optimizer.state[p])
                for key, value in found[name].items():
                    if isinstance(value, Tensor) and value.shape != p.shape and value.dim():
                        raise ValueError(
                            f"the optimizer's {key!r} of {name} has the shape {tuple(value.shape)}, which is not that "
                            "of the parameter: it cannot follow entries from worker to worker; use an optimizer such "
                            "as SGD or Adam"
                        )
        return found

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


def outputs_of(module: nn.Module, inputs: Tensor) -> Tensor:
    """The module's outputs, or the logits of those that give more."""
    found = module(inputs)
    return found if isinstance(found, Tensor) else found.logits


def cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Of outputs (batch, classes) and targets (batch,), or of sequences of both."""
    return functional.cross_entropy(outputs.flatten(0, -2), targets.flatten())


@contextlib.contextmanager
def drawing(*seed: object) -> Iterator[None]:
    """Let torch draw random numbers that are a function of `seed`, and forget that it did."""
    generators = [torch.default_generator]
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        generators.append(torch.cuda.default_generators[torch.cuda.current_device()])
    states = [generator.get_state() for generator in generators]
    number = int.from_bytes(hashlib.sha256(repr(seed).encode()).digest()[:8])
    try:
        for generator in generators:
            generator.manual_seed(number)
        yield
    finally:
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)


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
