"""What of a model may be held by some workers only."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor, nn


@dataclasses.dataclass(frozen=True)
class Slice:
    """Where units lie in a tensor: unit u owns the entries `u * width` to `u * width + width - 1` along an axis.

    Attributes:
        tensor: name of a parameter or buffer.
        axis: of that tensor.
        width: entries of each unit.
    """

    tensor: str
    axis: int
    width: int = 1


@dataclasses.dataclass(frozen=True)
class Units:
    """The neurons, channels or heads of one layer: each is held, or not, as a whole.

    Attributes:
        name: of the layer whose output they are.
        count: how many.
        slices: where they lie.
        consumers: names of the layers whose input they are.
    """

    name: str
    count: int
    slices: tuple[Slice, ...]
    consumers: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Blocks:
    """Residual blocks: one that is not held is left out, and its skip connection remains.

    Attributes:
        name: what they are called together.
        names: of the modules.
    """

    name: str
    names: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many."""
        return len(self.names)


@dataclasses.dataclass(frozen=True)
class Layout:
    """What of a model may be held by some workers only: groups of units, which together are counted from 0.

    All other parameters are held by every worker.

    Attributes:
        groups: `Units` or `Blocks`.
        sizes: the parameters that come and go with each unit, shape (number of units,).
    """

    groups: tuple[Units | Blocks, ...]
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, model: nn.Module, groups: tuple[Units | Blocks, ...]) -> Layout:
        """The layout of a model by these groups, which are checked against it.

        Raises:
            ValueError: if there are none, if a tensor is not the model's or has not that length, or if two groups
                claim the same axis of a tensor.
        """
        if not groups:
            raise ValueError(f"{type(model).__name__} has nothing that only some workers could hold")
        tensors = tensors_of(model)
        claimed: set[tuple[str, int]] = set()
        sizes: list[int] = []
        for group in groups:
            if isinstance(group, Blocks):
                sizes += [_num_parameters(block_tensors(model, name)) for name in group.names]
                continue
            each = 0
            for one in group.slices:
                if one.tensor not in tensors:
                    raise ValueError(
                        f"{group.name} cannot be partitioned: {one.tensor} is tied to another weight, used twice, or "
                        "no parameter or buffer of the model"
                    )
                shape = tensors[one.tensor].shape
                if one.axis >= len(shape) or shape[one.axis] != group.count * one.width:
                    raise ValueError(
                        f"{group.name}: {group.count} units of {one.width} do not fill axis {one.axis} of "
                        f"{one.tensor}, shape {tuple(shape)}"
                    )
                if (one.tensor, one.axis) in claimed:
                    raise ValueError(f"{one.tensor} is shared by two layers: {group.name} cannot be partitioned")
                claimed.add((one.tensor, one.axis))
                if isinstance(tensors[one.tensor], nn.Parameter):
                    each += tensors[one.tensor].numel() // group.count
            sizes += [each] * group.count
        return cls(tuple(groups), tuple(sizes))

    @property
    def num_units(self) -> int:
        """Of all groups together."""
        return sum(group.count for group in self.groups)

    def sliced_axes(self, tensor: str) -> set[int]:
        """The axes of a tensor along which units lie."""
        units = (group for group in self.groups if isinstance(group, Units))
        return {one.axis for group in units for one in group.slices if one.tensor == tensor}

    def split(self, mask: np.ndarray) -> list[np.ndarray]:
        """Cut the last axis of `mask`, `(..., num_units)`, at the groups.

        Raises:
            ValueError: for another number of units.
        """
        if mask.shape[-1] != self.num_units:
            raise ValueError(f"a mask must be for {self.num_units} units, got shape {mask.shape}")
        return np.split(mask, np.cumsum([group.count for group in self.groups])[:-1], axis=-1)


def tensors_of(model: nn.Module) -> dict[str, Tensor]:
    """The parameters and persistent buffers of a model, those that are used twice once."""
    lasting = model.state_dict(keep_vars=True)
    buffers = {name: buffer for name, buffer in model.named_buffers() if name in lasting}
    return dict(model.named_parameters()) | buffers


def with_values(model: nn.Module, values: Mapping[str, Tensor]) -> dict[int, Any]:
    """A memo for `copy.deepcopy`, so that the copy of `model` has these values, of whatever shapes, and no others."""
    memo: dict[int, Any] = {}
    for name, whole in tensors_of(model).items():
        if name in values:
            parameter = isinstance(whole, nn.Parameter)
            value = values[name]
            memo[id(whole)] = nn.Parameter(value, requires_grad=whole.requires_grad) if parameter else value
    return memo


def _num_parameters(tensors: Mapping[str, Tensor]) -> int:
    return sum(tensor.numel() for tensor in tensors.values() if isinstance(tensor, nn.Parameter))


def block_tensors(model: nn.Module, block: str) -> Mapping[str, Tensor]:
    """What comes and goes with a residual block: all but its shortcut."""
    return {
        f"{block}.{name}": tensor
        for name, tensor in tensors_of(model.get_submodule(block)).items()
        if not name.startswith("shortcut.")
    }
