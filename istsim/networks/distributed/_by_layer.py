"""Models that have the values of one layer at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn


def fetch_layer_by_layer(model: nn.Module, original: nn.Module, fetch: Callable[[str], Tensor]) -> None:
    """Let a copy of `original` have each layer's parameters while the layer computes, and no longer.

    Args:
        model: the copy, whose parameters are on the device "meta".
        original: what it is a copy of.
        fetch: gives the values of a parameter by its name in `original`.
    """
    names = {id(parameter): name for name, parameter in original.named_parameters()}
    for layer, before in zip(model.modules(), original.modules(), strict=True):
        own = {key: names[id(p)] for key, p in before._parameters.items() if p is not None}
        if own:
            layer.register_forward_pre_hook(_fetching(own, fetch))
            layer.register_forward_hook(_forgetting(own))


def _fetching(own: dict[str, str], fetch: Callable[[str], Tensor]) -> Callable[[Any, Any], None]:
    def before(layer: Any, _inputs: Any) -> None:
        for key, name in own.items():
            layer._parameters[key] = nn.Parameter(fetch(name), requires_grad=False)

    return before


def _forgetting(own: dict[str, str]) -> Callable[[Any, Any, Any], None]:
    def after(layer: Any, _inputs: Any, _outputs: Any) -> None:
        for key in own:
            layer._parameters[key] = nn.Parameter(layer._parameters[key].to("meta"), requires_grad=False)

    return after
