"""What a step of training keeps in memory: measured, and predicted from sizes."""

from __future__ import annotations

import copy
import dataclasses
import math

import numpy as np
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from istsim.networks._checkpointing import most_of_a_block
from istsim.networks._fake import fake_copy
from istsim.networks._kept import KeptForBackward, bytes_of
from istsim.networks._layout import Blocks, Layout, block_tensors, tensors_of
from istsim.networks._methods import Method
from istsim.networks._part import Part
from istsim.networks._partly_trained import partly_trained
from istsim.networks._subnetwork import subnetwork
from istsim.networks._trainer import Loss, MakeOptimizer, Trainer, outputs_of
from istsim.networks._worker import alter, per_entry


@dataclasses.dataclass(frozen=True)
class Memory:
    """Bytes that a worker has at its fullest: when the forward pass has ended, and when the optimizer has stepped.

    Attributes:
        parameters: and buffers, also those that are not trained.
        gradients: of what is trained.
        optimizer: its state.
        activations: what the forward pass keeps for the backward pass; and, where blocks are computed twice, the most
            that one of them has then.

    Example:
        >>> from istsim import networks
        >>> networks.Memory(parameters=400, gradients=200, optimizer=400, activations=100).total
        1100
    """

    parameters: int
    gradients: int
    optimizer: int
    activations: int

    @property
    def total(self) -> int:
        """Of all kinds, though not all are at their fullest at once."""
        return self.parameters + self.gradients + self.optimizer + self.activations

    def most(self, other: Memory | None) -> Memory:
        """The larger of each kind."""
        if other is None:
            return self
        pairs = zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)
        return Memory(*(max(pair) for pair in pairs))


KINDS = tuple(field.name for field in dataclasses.fields(Memory))


def memory_of(worker: Trainer, gradients: int, activations: int) -> Memory:
    """What a worker has after its step, in which it had so much of both."""
    module = worker.module
    state = (value for own in worker.state().values() for value in own.values() if isinstance(value, Tensor))
    return Memory(
        parameters=bytes_of([*module.parameters(), *module.buffers()]) + worker.gathered,
        gradients=gradients,
        optimizer=bytes_of(state),
        activations=activations,
    )


def predicted_memory(
    model: nn.Module,
    layout: Layout,
    method: Method,
    *,
    make_optimizer: MakeOptimizer,
    inputs: Tensor,
    targets: Tensor,
    loss: Loss,
) -> Memory:
    """What a worker needs that holds exactly the expected fraction C of every layer's units.

    An entry whose tensor is sliced along k axes is held with probability C^k. With forward masking that goes for
    parameters, gradients and the optimizer's state; with backward masking parameters stay whole. Activations are those
    of a worker with C of the units, by the sizes of what torch keeps, without computing.

    Args:
        model: with or without values.
        layout: which parts of it only some workers hold.
        method: how workers are masked.
        make_optimizer: gives an optimizer for parameters.
        inputs: of a worker's step.
        targets: likewise.
        loss: of outputs and targets.
    """
    fractions = method.kept(layout)
    held = dict.fromkeys(tensors_of(model), 1.0)
    for group, fraction in zip(layout.groups, fractions, strict=True):
        if isinstance(group, Blocks):
            for name in (name for block in group.names for name in block_tensors(model, block)):
                held[name] *= fraction
        else:
            for one in group.slices:
                held[one.tensor] *= fraction
    tensors = tensors_of(model)
    size = {name: tensor.numel() * tensor.element_size() for name, tensor in tensors.items()}
    everything = method.masking == "backward"
    trained = sum(held[name] * size[name] for name, tensor in tensors.items() if tensor.requires_grad)
    return Memory(
        parameters=round(sum(size[name] * (1.0 if everything else held[name]) for name in tensors)),
        gradients=round(trained),
        optimizer=round(trained * state_tensors(make_optimizer)),
        activations=_activations(model, layout, method, inputs, targets, loss),
    )


def state_tensors(make_optimizer: MakeOptimizer) -> int:
    """How many numbers an optimizer keeps for an entry."""
    parameter = nn.Parameter(torch.zeros(2))
    parameter.grad = torch.ones(2)
    optimizer = make_optimizer([parameter])
    optimizer.step()
    return sum(per_entry(key, value, parameter) for key, value in optimizer.state[parameter].items())


def _activations(
    model: nn.Module,
    layout: Layout,
    method: Method,
    inputs: Tensor,
    targets: Tensor,
    loss: Loss,
) -> int:
    mask = []
    for group, fraction in zip(layout.groups, method.kept(layout), strict=True):
        # Of blocks, which differ, those in the middle of the model.
        count = max(1, math.floor(fraction * group.count + 0.5))
        first = (group.count - count) // 2 if isinstance(group, Blocks) else 0
        mask.append(np.isin(np.arange(group.count), np.arange(first, first + count)))
    empty = copy.deepcopy(model).to("meta")
    part = Part(empty, layout, np.concatenate(mask))
    small = (partly_trained if method.masking == "backward" else subnetwork)(empty, part).train()
    alter(small, part, method)
    with FakeTensorMode() as mode:
        fake_model = fake_copy(small, mode, inputs.device)
        with KeptForBackward(fake_model) as kept:
            loss(outputs_of(fake_model, mode.from_tensor(inputs)), mode.from_tensor(targets))
    return kept.count() + most_of_a_block(small, inputs)
