"""One worker: the part of the model that it trains, and its optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from istsim.networks._layout import tensors_of
from istsim.networks._methods import IST, SDP
from istsim.networks._part import Part
from istsim.networks._partly_trained import partly_trained
from istsim.networks._subnetwork import scale_outputs, subnetwork

Loss = Callable[[Tensor, Tensor], Tensor]
MakeOptimizer = Callable[[Iterable[Tensor]], torch.optim.Optimizer]
OptimizerState = dict[str, dict[str, Any]]  # of the whole model, by names of parameters


class Worker:
    """Trains its part of the model; its optimizer's state follows the coordinates from round to round.

    Args:
        model: the whole one.
        part: what it holds of it.
        method: how it is masked and scaled.
        make_optimizer: gives an optimizer for parameters.
        state: the optimizer's state for the whole model; may lack parameters that no one has trained yet.

    Attributes:
        module: what it runs.
        parameters: those that it trains, by their names in the model.
    """

    def __init__(
        self, model: nn.Module, part: Part, method: IST | SDP, make_optimizer: MakeOptimizer, state: OptimizerState
    ):
        self.part = part
        self.module = subnetwork(model, part) if method.masking == "forward" else partly_trained(model, part)
        self.module.train()
        if method.rescale == "forward":
            scale_outputs(self.module, part.layout, (1 / kept for kept in part.kept()))
        self.parameters = {name: p for name, p in self.module.named_parameters() if p.requires_grad}
        self.optimizer = make_optimizer(self.parameters.values())
        if isinstance(self.optimizer, torch.optim.LBFGS):
            raise ValueError("LBFGS looks at all parameters at once: use an optimizer such as SGD or Adam")
        whole = dict(model.named_parameters())
        for name, p in self.parameters.items():
            if name in state:
                self.optimizer.state[p] = {
                    key: part.take(name, value) if _follows(value, whole[name]) else _copied(value)
                    for key, value in state[name].items()
                }

    def gradients(self, inputs: Tensor, targets: Tensor, loss: Loss) -> Tensor:
        """Compute the loss and its gradients."""
        self.optimizer.zero_grad(set_to_none=True)
        value = loss(outputs_of(self.module, inputs), targets)
        value.backward()
        return value.detach()

    def state(self) -> OptimizerState:
        """The optimizer's, by names of parameters."""
        return {name: dict(self.optimizer.state[p]) for name, p in self.parameters.items() if p in self.optimizer.state}

    def tensors(self) -> dict[str, Tensor]:
        """What it holds, parameters and buffers, as views."""
        found = tensors_of(self.module)
        return {name: self.part.narrow(name, found[name].detach()) for name in self.part.names}


def outputs_of(module: nn.Module, inputs: Tensor) -> Tensor:
    """The module's outputs, or the logits of those that give more."""
    found = module(inputs)
    return found if isinstance(found, Tensor) else found.logits


def _follows(value: Any, parameter: Tensor) -> bool:
    return isinstance(value, Tensor) and value.shape == parameter.shape and value.dim() > 0


def _copied(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) else value
