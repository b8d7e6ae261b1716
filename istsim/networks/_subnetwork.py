"""Forward masking: a small dense model that consists of what a worker holds."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from istsim.networks._architectures import residual
from istsim.networks._layout import Blocks, Layout, tensors_of, with_values
from istsim.networks._part import Part


class Skipped(nn.Module):
    """A residual block without its branches."""

    def __init__(self, shortcut: nn.Module | None, after: nn.Module | None):
        super().__init__()
        self.shortcut, self.after = shortcut, after

    def forward(self, x: Tensor, *_: object, **__: object) -> Tensor:
        """What came in, through the shortcut."""
        x = x if self.shortcut is None else self.shortcut(x)
        return x if self.after is None else self.after(x)


def subnetwork(model: nn.Module, part: Part, pieces: Mapping[str, Tensor] | None = None) -> nn.Module:
    """A dense model of its own that consists of what `part` holds; nothing larger is ever made.

    Its tensors are named as in `model`: `write_back` brings them back.

    Args:
        model: the whole one.
        part: what to take of it.
        pieces: what `part` holds of each tensor, by name, for a `model` without values; copies of its own if None.

    Example:
        >>> import numpy as np
        >>> from istsim import networks
        >>> model = networks.mlp([64, 32, 10])
        >>> part = networks.Part(model, networks.neurons(model), np.arange(32) % 3 == 0)
        >>> networks.subnetwork(model, part)[1]
        Linear(in_features=64, out_features=11, bias=True)
    """
    if pieces is None:
        tensors = tensors_of(model)
        pieces = {name: part.take(name, tensors[name]) for name in part.names}
    memo = with_values(model, pieces)
    for name in part.missing_blocks():
        block = model.get_submodule(name)
        kind = residual(block)
        rest = (
            copy.deepcopy(getattr(block, inside), memo) if inside else None for inside in (kind.shortcut, kind.after)
        )
        memo[id(block)] = Skipped(*rest)
    small = copy.deepcopy(model, memo)
    for module in small.modules():
        _state_sizes(module)
    return small


def write_back(model: nn.Module, part: Part, small: nn.Module) -> None:
    """Write the parameters and buffers of a `subnetwork` over the entries of `model` that it consists of."""
    tensors, pieces = tensors_of(model), tensors_of(small)
    with torch.no_grad():
        for name in part.names:
            part.put(name, tensors[name], pieces[name])


def scale_outputs(model: nn.Module, layout: Layout, factors: Iterable[float]) -> list[RemovableHandle]:
    """Multiply what the units of each group give to the rest of `model` by a factor, until the handles are removed."""
    handles = []
    for group, factor in zip(layout.groups, factors, strict=True):
        if factor == 1:
            continue
        if isinstance(group, Blocks):
            for name in group.names:
                block = model.get_submodule(name)
                if not isinstance(block, Skipped):
                    branches = (getattr(block, branch) for branch in residual(block).branches)
                    handles += [branch.register_forward_hook(_scaled_output(factor)) for branch in branches]
        else:
            consumers = (model.get_submodule(name) for name in group.consumers)
            handles += [consumer.register_forward_pre_hook(_scaled_input(factor)) for consumer in consumers]
    return handles


def _scaled_output(factor: float):
    def scale(_module, _inputs, output):
        return (output[0] * factor, *output[1:]) if isinstance(output, tuple) else output * factor

    return scale


def _scaled_input(factor: float):
    return lambda _module, inputs: (inputs[0] * factor, *inputs[1:])


def _state_sizes(module: nn.Module) -> None:
    """Let a copied module say the sizes that its tensors have."""
    if isinstance(module, nn.Linear):
        module.out_features, module.in_features = module.weight.shape
    elif isinstance(module, nn.Conv2d):
        module.out_channels, module.in_channels = module.weight.shape[:2]
    elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and module.affine:
        module.num_features = len(module.weight)
