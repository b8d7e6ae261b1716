"""Dropout and Stochastic Depth, where other methods would leave units out."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from istsim.networks._architectures import residual
from istsim.networks._layout import Blocks, Layout


def drop_outputs(model: nn.Module, layout: Layout, keep: float) -> None:
    """Keep, in every pass from now on, a random fraction of what units give to the rest of `model`.

    What is kept is divided by the fraction. Of neurons and heads these are single entries, of an example's channels
    whole ones, of blocks an example's branches, each for itself.
    """
    for group in layout.groups:
        if isinstance(group, Blocks):
            for block in map(model.get_submodule, group.names):
                for branch in residual(block).branches:
                    getattr(block, branch).register_forward_hook(_dropped_branch(keep))
        else:
            for consumer in map(model.get_submodule, group.consumers):
                consumer.register_forward_pre_hook(_dropped_input(keep))


def _dropped_input(keep: float):
    def drop(module, inputs):
        dropout = functional.dropout2d if isinstance(module, nn.Conv2d) else functional.dropout
        return (dropout(inputs[0], 1 - keep), *inputs[1:])

    return drop


def _dropped_branch(keep: float):
    def dropped(output: Tensor) -> Tensor:
        shape = len(output), *[1] * (output.dim() - 1)
        return output * torch.empty(shape, dtype=output.dtype, device=output.device).bernoulli_(keep) / keep

    def drop(_module, _inputs, output):
        return (dropped(output[0]), *output[1:]) if isinstance(output, tuple) else dropped(output)

    return drop
