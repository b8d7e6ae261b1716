"""Who trains a module: its parameters, their gradients and the optimizer."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

BatchOf = Callable[[int, int], tuple[Tensor, Tensor]]  # of a worker and a step, inputs and targets
Loss = Callable[[Tensor, Tensor], Tensor]
MakeOptimizer = Callable[[Iterable[Tensor]], torch.optim.Optimizer]
OptimizerState = dict[str, dict[str, Any]]  # of the whole model, by names of parameters


class Trainer:
    """Trains a module, step by step.

    Args:
        module: what it runs.
        parameters: those that it trains, by their names in the model.
        make_optimizer: gives an optimizer for parameters.
        state: of the optimizer; may lack parameters that no one has trained yet.

    Attributes:
        module: what it runs.
        plain: the same without a wrapper, perhaps without values: for what is learned from sizes.
        parameters: those that it trains.
        optimizer: of these.
        gathered: bytes of parameters that are there at most only while they are computed with.
        size: what the cost of a step depends on.
    """

    def __init__(
        self,
        module: nn.Module,
        parameters: Mapping[str, nn.Parameter],
        make_optimizer: MakeOptimizer,
        state: OptimizerState,
        plain: nn.Module | None = None,
        size: Hashable = None,
    ):
        self.module, self.plain, self.gathered, self.size = module, plain or module, 0, size
        self.parameters = dict(parameters)
        self.optimizer = make_optimizer(self.parameters.values())
        if isinstance(self.optimizer, torch.optim.LBFGS):
            raise ValueError("LBFGS looks at all parameters at once: use an optimizer such as SGD or Adam")
        self._checked = False
        for name, values in state.items():
            self.optimizer.state[self.parameters[name]] = values

    def gradients(self, inputs: Tensor, targets: Tensor, loss: Loss, seed: tuple[int, ...]) -> float:
        """Compute the gradients, and give the loss; what the module draws is a function of `seed`."""
        self.module.zero_grad(set_to_none=True)
        with drawing(*seed):
            value = loss(self.outputs(inputs), targets)
            value.backward()
        return float(value.detach())

    def outputs(self, inputs: Tensor) -> Tensor:
        """What the module gives out."""
        return outputs_of(self.module, inputs)

    def step(self) -> None:
        """Let the optimizer take a step.

        Raises:
            ValueError: for an optimizer whose state does not belong to single entries of parameters.
        """
        self.optimizer.step()
        if not self._checked:
            self.state()
            self._checked = True

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
