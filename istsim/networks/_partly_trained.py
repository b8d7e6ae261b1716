"""Backward masking: the whole model runs, and only what a worker holds is trained.

The hidden units are put in an order in which those held come first. Such a model computes the same, and what is held
of a weight is then a view of it: no copy, no index, and its gradient and optimizer state have its size.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn import grad as convolution_gradients

from istsim.networks._layout import tensors_of, with_values
from istsim.networks._part import Part


def partly_trained(model: nn.Module, part: Part, ordered: Mapping[str, Tensor] | None = None) -> nn.Module:
    """A model that computes what `model` computes, and whose parameters are only the entries that `part` holds.

    Gradients pass through every layer. Those of weights that are not held are neither computed nor stored, nor is
    what only they would need. Tensors are named as in `model`.

    Args:
        model: the whole one.
        part: what is trained of it.
        ordered: the values of each tensor, by name, what `part` holds first along every axis, for a `model` without
            values; copies of its own if None.

    Raises:
        ValueError: with the layer's name, for one that cannot be trained in part.

    Example:
        >>> import numpy as np
        >>> from istsim import networks
        >>> model = networks.mlp([4, 6, 2])
        >>> part = networks.Part(model, networks.neurons(model), np.arange(6) < 2)
        >>> {name: tuple(p.shape) for name, p in networks.partly_trained(model, part).named_parameters()}
        {'1.weight': (2, 4), '1.bias': (2,), '3.weight': (2, 2), '3.bias': (2,)}
    """
    if ordered is None:
        ordered = {name: part.held_first(name, whole) for name, whole in tensors_of(model).items()}
    partial = copy.deepcopy(model, with_values(model, ordered))
    for name, parameter in partial.named_parameters():
        if name not in part.names:
            parameter.requires_grad_(False)
    for name, module in list(partial.named_modules()):
        inside = {
            tensor: f"{name}.{tensor}" if name else tensor for tensor, _ in module.named_parameters(recurse=False)
        }
        if any(part.is_sliced(whole) and getattr(module, tensor).requires_grad for tensor, whole in inside.items()):
            kind = next((partly for kind, partly in _PARTLY.items() if isinstance(module, kind)), None)
            if kind is None:
                raise ValueError(f"{name}: a {type(module).__name__} cannot be trained in part")
            held_here = {tensor: _narrowed(part, whole, getattr(module, tensor)) for tensor, whole in inside.items()}
            try:
                partial.set_submodule(name, kind(module, held_here))
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
    return partial


def _narrowed(part: Part, name: str, whole: nn.Parameter) -> nn.Parameter:
    """What is held of a parameter in which it comes first, sharing its memory."""
    return nn.Parameter(part.narrow(name, whole.detach()), requires_grad=whole.requires_grad)


def refresh(partial: nn.Module, model: nn.Module, part: Part) -> None:
    """Take over the values that `model` has by now, also those of what is not held."""
    mine = whole_tensors(partial)
    with torch.no_grad():
        for name, whole in tensors_of(model).items():
            mine[name].copy_(part.held_first(name, whole))


def whole_tensors(partial: nn.Module) -> dict[str, Tensor]:
    """All that a `partly_trained` model computes with, by name: what is held comes first along every axis."""
    found = {name: tensor.detach() for name, tensor in tensors_of(partial).items()}
    for name, buffer in partial.named_buffers():
        layer, _, tensor = name.rpartition(".")
        if tensor.startswith("whole_"):
            found[f"{layer}.{tensor.removeprefix('whole_')}".lstrip(".")] = buffer
    return found


class _Partly(nn.Module):
    """A layer whose parameters are what is held of larger tensors, its buffers `whole_weight` and `whole_bias`.

    They share memory, also after a change of dtype or device and in copies.
    """

    whole_weight: Tensor | None
    whole_bias: Tensor | None

    def __init__(self, whole: nn.Module, held: Mapping[str, nn.Parameter]):
        super().__init__()
        for name in ("weight", "bias"):
            self.register_parameter(name, held.get(name))
            self.register_buffer(
                f"whole_{name}", getattr(whole, name).detach() if name in held else None, persistent=False
            )

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        super()._apply(fn, recurse)
        self._share_memory()
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        copied = memo[id(self)] = self.__new__(type(self))
        copied.__setstate__(copy.deepcopy(self.__dict__, memo))
        copied._share_memory()
        return copied

    def _share_memory(self) -> None:
        for name in ("weight", "bias"):
            held, whole = self._parameters[name], self._buffers[f"whole_{name}"]
            if held is not None and whole is not None:
                held.data = whole[tuple(slice(length) for length in held.shape)]


class _PartlyLinear(_Partly):
    def forward(self, x: Tensor) -> Tensor:
        return _Linear.apply(x, _is_kept(x), self.weight, self.bias, self.whole_weight, self.whole_bias)


def _is_kept(x: Tensor) -> bool:
    """Whether the operation that made `x`, such as a ReLU, keeps it for its own backward pass."""
    return hasattr(x.grad_fn, "_saved_result")


def _kept(part: Tensor, is_kept: bool) -> Tensor:
    """A copy of a part of the inputs, so that the rest can be forgotten, unless all of it is kept anyway."""
    return part if is_kept else part.contiguous()


class _Linear(torch.autograd.Function):
    """A dense layer whose weight has a gradient for its first rows and columns only."""

    @staticmethod
    def forward(ctx, x, is_kept, weight, bias, whole_weight, whole_bias):
        held_inputs = _kept(x[..., : weight.shape[1]], is_kept) if ctx.needs_input_grad[2] else None
        ctx.save_for_backward(held_inputs, whole_weight)
        ctx.rows, ctx.bias_rows = weight.shape[0], None if bias is None else len(bias)
        return functional.linear(x, whole_weight, whole_bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:  # type: ignore[override]
        held_inputs, whole_weight = ctx.saved_tensors
        flat = gradient.flatten(0, -2)
        by_weight = None if held_inputs is None else flat[:, : ctx.rows].T @ held_inputs.flatten(0, -2)
        by_bias = None if ctx.bias_rows is None else flat[:, : ctx.bias_rows].sum(0)
        by_inputs = gradient @ whole_weight if ctx.needs_input_grad[0] else None
        return by_inputs, None, by_weight, by_bias, None, None


class _PartlyConv2d(_Partly):
    def __init__(self, whole: nn.Conv2d, held: Mapping[str, nn.Parameter]):
        super().__init__(whole, held)
        if whole.padding_mode != "zeros":
            raise ValueError(f"a convolution with padding_mode={whole.padding_mode!r} cannot be trained in part")
        self.where = (whole.stride, _padding(whole), whole.dilation)

    def forward(self, x: Tensor) -> Tensor:
        return _Conv2d.apply(x, _is_kept(x), self.weight, self.bias, self.whole_weight, self.whole_bias, self.where)


def _padding(convolution: nn.Conv2d) -> tuple[int, ...]:
    """On either side, in numbers."""
    if convolution.padding == "valid":
        return (0, 0)
    if convolution.padding != "same":
        return tuple(int(length) for length in convolution.padding)
    both = [(size - 1) * apart for size, apart in zip(convolution.kernel_size, convolution.dilation, strict=True)]
    if any(length % 2 for length in both):
        raise ValueError(
            f"a convolution with padding 'same' and kernels {convolution.kernel_size} is padded by more on one side, "
            "and cannot be trained in part; use odd sizes"
        )
    return tuple(length // 2 for length in both)


class _Conv2d(torch.autograd.Function):
    """A convolution whose weight has a gradient for its first output and input channels only."""

    @staticmethod
    def forward(ctx, x, is_kept, weight, bias, whole_weight, whole_bias, where):
        held_inputs = _kept(x[:, : weight.shape[1]], is_kept) if ctx.needs_input_grad[2] else None
        ctx.save_for_backward(held_inputs, whole_weight)
        ctx.held, ctx.inputs, ctx.where = weight.shape, x.shape, where
        ctx.bias_channels = None if bias is None else len(bias)
        return functional.conv2d(x, whole_weight, whole_bias, *where)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:  # type: ignore[override]
        held_inputs, whole_weight = ctx.saved_tensors
        by_inputs = by_weight = None
        if ctx.needs_input_grad[0]:
            by_inputs = convolution_gradients.conv2d_input(ctx.inputs, whole_weight, gradient, *ctx.where)
        if held_inputs is not None:
            held_outputs = gradient[:, : ctx.held[0]].contiguous()
            by_weight = convolution_gradients.conv2d_weight(held_inputs, ctx.held, held_outputs, *ctx.where)
        by_bias = None if ctx.bias_channels is None else gradient[:, : ctx.bias_channels].sum((0, 2, 3))
        return by_inputs, None, by_weight, by_bias, None, None, None


class _PartlyBatchNorm(_Partly):
    """A batch norm whose scale and shift are trained for its first features only."""

    def __init__(self, whole: nn.Module, held: Mapping[str, nn.Parameter]):
        super().__init__(whole, held)
        for name, buffer in whole.named_buffers(recurse=False):
            self.register_buffer(name, buffer)
        for name in held:
            setattr(whole, name, None)
        self.plain = whole

    def _share_memory(self) -> None:
        super()._share_memory()
        self._buffers.update(self.plain._buffers)  # which it goes on with

    def forward(self, x: Tensor) -> Tensor:
        # Lent for this one call: the scale and shift of all features, of which gradients reach those held.
        lent = {name: self._all(name) for name, held in self._parameters.items() if held is not None}
        self.plain._parameters.update(lent)  # type: ignore[arg-type]
        try:
            return self.plain(x)
        finally:
            self.plain._parameters.update(dict.fromkeys(lent))

    def _all(self, name: str) -> Tensor:
        held = getattr(self, name)
        return torch.cat([held, getattr(self, f"whole_{name}")[len(held) :]])


_PARTLY = {
    nn.Linear: _PartlyLinear,
    nn.Conv2d: _PartlyConv2d,
    nn.BatchNorm1d: _PartlyBatchNorm,
    nn.BatchNorm2d: _PartlyBatchNorm,
}
