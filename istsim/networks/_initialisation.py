"""Initial values of a model, one layer at a time: whoever needs only a part never has all of them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from istsim.networks._layout import tensors_of, with_values
from istsim.networks._trainer import drawing


def initial_values(model: nn.Module, seed: int) -> Iterator[tuple[str, Tensor]]:
    """Names and initial values of the tensors of a model that was made on the device "meta", and has none.

    Each layer draws its own from a stream of its own, by the model's `_init_weights(layer)` if it has one, as models of
    transformers do, else by the layer's `reset_parameters()`. Buffers that are not part of the model's state, such as
    tables of angles, are put into `model`.

    Raises:
        ValueError: for a layer that has neither.

    Example:
        >>> import torch
        >>> from istsim import networks
        >>> with torch.device("meta"):
        ...     model = networks.mlp([64, 32, 10])
        >>> [(name, tuple(values.shape)) for name, values in networks.initial_values(model, seed=0)][:2]
        [('1.weight', (32, 64)), ('1.bias', (32,))]
    """
    draw = getattr(model, "_init_weights", None) or _by_reset_parameters
    names = {id(tensor): name for name, tensor in tensors_of(model).items()}
    for layer_name, layer in list(model.named_modules()):
        own = layer._parameters | layer._buffers
        if all(tensor is None for tensor in own.values()):
            continue
        real = copy.deepcopy(layer).to_empty(device="cpu", recurse=False)
        with drawing("initial", seed, layer_name):
            draw(real)
        for name, tensor in own.items():
            if tensor is None:
                continue
            if id(tensor) in names:
                yield names[id(tensor)], getattr(real, name).detach()
            elif name in layer._non_persistent_buffers_set:
                layer._buffers[name] = getattr(real, name)


def _by_reset_parameters(layer: Any) -> None:
    if not hasattr(layer, "reset_parameters"):
        raise ValueError(
            f"a {type(layer).__name__} has no reset_parameters(), and its model no _init_weights(layer), to draw its "
            "initial values by"
        )
    layer.reset_parameters()


def initialised(model: nn.Module, seed: int) -> nn.Module:
    """A model with initial values, from one that was made on the device "meta".

    Example:
        >>> import torch
        >>> from istsim import networks
        >>> with torch.device("meta"):
        ...     model = networks.mlp([64, 32, 10])
        >>> networks.initialised(model, seed=0)(torch.zeros(1, 64)).shape
        torch.Size([1, 10])
    """
    return copy.deepcopy(model, with_values(model, dict(initial_values(model, seed))))
