"""Auxiliary heads: what makes of a block's output an answer of its own."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from istsim.networks._fake import fake_copy
from istsim.networks._initialisation import initialised
from istsim.networks._local_parallelism import LocalParallelism
from istsim.networks._local_unit import Unit
from istsim.networks.local._chain import Chain

PREFIX = "auxiliary"  # of the names of heads' tensors


def auxiliary_head(shape: tuple[int, ...], num_outputs: int, width: int | None = None, depth: int = 1) -> nn.Sequential:
    """A head of the kind that suits a shape: as models of images and of sequences end themselves, then dense layers.

    Args:
        shape: of what it takes in, for one example: (features,), (channels, height, width) or (time, features).
        num_outputs: of each example, or at each time.
        width: of hidden layers; the number of features or channels if None.
        depth: dense layers.

    Raises:
        ValueError: for another shape.

    Example:
        >>> from istsim.networks import local
        >>> [type(layer).__name__ for layer in local.auxiliary_head((16, 4, 4), 10)]
        ['BatchNorm2d', 'ReLU', 'AdaptiveAvgPool2d', 'Flatten', 'Linear']
    """
    layers: list[nn.Module] = []
    if len(shape) == 1:
        features = shape[0]
    elif len(shape) == 3:
        features = shape[0]
        layers += [nn.BatchNorm2d(features), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    elif len(shape) == 2:
        features = shape[1]
        layers += [nn.RMSNorm(features, eps=1e-6)]
    else:
        raise ValueError(f"no auxiliary head is known for activations of the shape {shape}: give a head of your own")
    widths = [features, *[width or features] * (depth - 1), num_outputs]
    for number, (before, after) in enumerate(itertools.pairwise(widths), start=1):
        layers.append(nn.Linear(before, after))
        if number < depth:
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)


def outputs_of_blocks(chain: Chain, inputs: Tensor) -> list[Tensor]:
    """What each block gives out for a batch: sizes only, on the device "meta"."""
    found = []
    with FakeTensorMode() as mode, torch.no_grad():
        x = mode.from_tensor(inputs)
        for block in range(len(chain.blocks)):
            x = fake_copy(chain.segment([block]), mode, inputs.device).eval()(x)
            found.append(torch.empty(x.shape, dtype=x.dtype, device="meta"))
    return found


def make_heads(
    method: LocalParallelism, units: Sequence[Unit], outputs: Sequence[Tensor], seed: int
) -> dict[int, nn.Module]:
    """The heads of units, but for the model's last, by the blocks that they come after, with initial values.

    Args:
        method: with what heads are to be.
        units: some of the model's.
        outputs: of its blocks, with or without values.
        seed: of the initial values: every layer draws from a stream of its own.

    Raises:
        ValueError: for a head that is no module, or does not give what the model gives.
    """
    heads = nn.ModuleDict()
    with torch.device("meta"):
        for unit in units:
            if unit.last == len(outputs) - 1:
                continue  # it has the model's own
            shape, num_outputs = tuple(outputs[unit.last].shape[1:]), outputs[-1].shape[-1]
            if method.head is not None:
                heads[str(unit.last)] = _checked(method.head(shape, num_outputs), outputs[unit.last], outputs[-1])
            else:
                heads[str(unit.last)] = auxiliary_head(shape, num_outputs, method.head_width, method.head_depth)
        named = nn.ModuleDict({PREFIX: heads})
    if not heads:
        return {}
    made: Any = initialised(named, seed).get_submodule(PREFIX)
    return {int(last): head.to(outputs[int(last)].dtype) for last, head in made.items()}


def _checked(head: Any, taken: Tensor, wanted: Tensor) -> nn.Module:
    """A head of the user's, which must make answers of the model's kind; nothing is computed."""
    if not isinstance(head, nn.Module):
        raise ValueError(f"head must make a torch.nn.Module, got {head!r}")
    shape, training = tuple(taken.shape), head.training
    try:
        given = head.eval()(torch.empty(shape, dtype=taken.dtype, device="meta"))
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"the head cannot take what it is given, a tensor of shape {shape}: {error}") from error
    finally:
        head.train(training)
    if given.shape != wanted.shape:
        raise ValueError(
            f"the head gives shape {tuple(given.shape)} for a batch of shape {shape}, it must be that of the model's "
            f"outputs, {tuple(wanted.shape)}"
        )
    return head
