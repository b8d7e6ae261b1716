"""Units of a model as modules without values, from which their costs are learned."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from istsim.networks._flops import flops_of_step
from istsim.networks._local_parallelism import LocalParallelism
from istsim.networks._trainer import Loss, cross_entropy
from istsim.networks.local._chain import Chain
from istsim.networks.local._heads import make_heads, outputs_of_blocks
from istsim.networks.local._unit import UnitModule, look_through


def modules_of_units(model: nn.Module, method: LocalParallelism, inputs: Tensor) -> Iterator[tuple[UnitModule, Tensor]]:
    """What each unit runs, and what it takes in for a batch of the model's inputs: for later units, without values."""
    chain = Chain.of(model)
    units, outputs = method.units(len(chain.blocks)), outputs_of_blocks(chain, inputs)
    heads = make_heads(method, units, outputs, seed=0)
    for unit in units:
        ahead = look_through(chain.segment(unit.ahead), trained=method.shared == "sum")
        module = UnitModule(chain.segment(unit.own), ahead, heads.get(unit.last, nn.Identity())).train()
        yield module, outputs[unit.own.start - 1] if unit.own.start else inputs


def flops_of_units(
    model: nn.Module, method: LocalParallelism, inputs: Tensor, targets: Tensor, loss: Loss = cross_entropy
) -> list[int]:
    """Floating point operations of a step of each unit, forward and backward, as torch counts them.

    Where each unit has a device of its own, all as fast, and handing on costs nothing, a step takes as long as the unit
    with most of them.

    Args:
        model: with or without values.
        method: which blocks follow which loss.
        inputs: of the model's step.
        targets: likewise.
        loss: of outputs and targets.

    Example:
        >>> import torch
        >>> from istsim import networks
        >>> from istsim.networks import local
        >>> batch = torch.zeros(5, 64), torch.zeros(5, dtype=torch.long)
        >>> local.flops_of_units(networks.mlp([64, 32, 32, 10]), networks.LocalParallelism(), *batch)
        [50560, 30080]
    """
    return [
        flops_of_step(module, torch.zeros(taken.shape, dtype=taken.dtype), targets, loss)
        for module, taken in modules_of_units(model, method, inputs)
    ]
