"""What of a model may be held by some workers only."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor, nn

from istsim._validation import keep_checked, positive_int

ROWS = ("weight", "bias", "running_mean", "running_var")  # what a layer or norm has for each of its outputs


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

    def __post_init__(self):
        keep_checked(self, positive_int, "width")


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

    def __post_init__(self):
        keep_checked(self, positive_int, "count")


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


@dataclasses.dataclass(frozen=True, repr=False)
class Layout:
    """What of a model may be held by some workers only: groups of units, which together are counted from 0.

    All other parameters are held by every worker. `neurons` and `blocks` find the groups of known models; for others
    `Layout.of` takes those that you name.

    Attributes:
        groups: `Units` or `Blocks`.
        sizes: the parameters that come and go with each unit, shape (number of units,).

    Example:
        >>> import torch
        >>> from istsim.networks import Layout, Slice, Units
        >>> net = torch.nn.Module()  # whose forward might be b(relu(a(x)))
        >>> net.a, net.b = torch.nn.Linear(4, 8), torch.nn.Linear(8, 2)
        >>> slices = (Slice("a.weight", 0), Slice("a.bias", 0), Slice("b.weight", 1))
        >>> layout = Layout.of(net, (Units("a", 8, slices, consumers=("b",)),))
        >>> layout, layout.sizes[0]
        (Layout('a': 8 units), 7)
    """

    groups: tuple[Units | Blocks, ...]
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, model: nn.Module, groups: tuple[Units | Blocks, ...]) -> Layout:
        """The layout of a model by these groups, which are checked against it.

        Without any, nothing can be held by some workers only: for local updates, whose units hold all.

        Raises:
            ValueError: if a tensor, block or consumer is not the model's, if a tensor has not that
                length or has other names too, as tied weights have, if two groups claim the same axis of a tensor, or
                if a slice is missing: of a bias, where the weight's rows have one, or of what a consumer takes in.
        """
        tensors, names = tensors_of(model), _all_names(model)
        claimed: set[tuple[str, int]] = set()
        sizes: list[int] = []
        for group in groups:
            if isinstance(group, Blocks):
                for block in group.names:
                    mine = block_tensors(model, block)
                    _check_not_tied(mine, names, block)
                    sizes.append(_num_parameters(mine))
                continue
            each = 0
            for one in group.slices:
                check_slice(group, one, tensors)
                _check_not_tied({one.tensor: tensors[one.tensor]}, names)
                if (one.tensor, one.axis) in claimed:
                    raise ValueError(f"{one.tensor} is shared by two layers: {group.name} cannot be partitioned")
                claimed.add((one.tensor, one.axis))
                if isinstance(tensors[one.tensor], nn.Parameter):
                    each += tensors[one.tensor].numel() // group.count
            _check_nothing_is_forgotten(model, group, tensors)
            sizes += [each] * group.count
        return cls(tuple(groups), tuple(sizes))

    def __repr__(self) -> str:
        return f"Layout({', '.join(f'{g.name!r}: {g.count} {type(g).__name__.lower()}' for g in self.groups)})"

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


def check_slice(group: Units, one: Slice, tensors: Mapping[str, Tensor]) -> None:
    """Raise ValueError unless the units fill that axis of one of these tensors."""
    if one.tensor not in tensors:
        raise ValueError(
            f"{group.name} cannot be partitioned: {one.tensor} is tied to another weight, used twice, or no parameter "
            "or buffer of this model; is the layout that of another one?"
        )
    shape = tensors[one.tensor].shape
    if not 0 <= one.axis < len(shape) or shape[one.axis] != group.count * one.width:
        raise ValueError(
            f"{group.name}: {group.count} units of {one.width} do not fill axis {one.axis} of {one.tensor}, shape "
            f"{tuple(shape)}; is the layout that of another model?"
        )


def _check_nothing_is_forgotten(model: nn.Module, group: Units, tensors: Mapping[str, Tensor]) -> None:
    """All that a sliced layer has for each output must be sliced, and so must what consumers have for each input."""
    modules, sliced = dict(model.named_modules(remove_duplicate=False)), {one.tensor for one in group.slices}
    for name in group.consumers:
        if name not in modules:
            raise ValueError(f"{group.name}: the consumer {name!r} is no module of the model")
        if not any(tensor.startswith(f"{name}.") for tensor in sliced):
            raise ValueError(
                f"{group.name}: {name} takes its units in, but no slice says where they lie in it; add one, such as "
                f"Slice('{name}.weight', 1)"
            )
    for one in group.slices:
        layer, _, last = one.tensor.rpartition(".")
        if one.axis != 0 or last not in ROWS or layer in group.consumers:
            continue
        for other in (f"{layer}.{row}".lstrip(".") for row in ROWS):
            if other not in sliced and other in tensors and tensors[other].shape[:1] == tensors[one.tensor].shape[:1]:
                raise ValueError(
                    f"{group.name}: the rows of {one.tensor} are sliced, but those of {other} are not; add "
                    f"Slice('{other}', 0" + (f", {one.width})" if one.width > 1 else ")")
                )


def _all_names(model: nn.Module) -> dict[int, list[str]]:
    """For each parameter or buffer, by its id, all names that it has."""
    found: dict[int, list[str]] = {}
    for named in (model.named_parameters, model.named_buffers):
        for name, tensor in named(remove_duplicate=False):
            found.setdefault(id(tensor), []).append(name)
    return found


def _check_not_tied(tensors: Mapping[str, Tensor], names: Mapping[int, list[str]], block: str = "") -> None:
    """Raise ValueError for a tensor with several names, unless all lie within the branches of a block."""
    for name, tensor in tensors.items():
        for other in names[id(tensor)]:
            inside = block and other.startswith(f"{block}.") and not other.startswith(f"{block}.shortcut.")
            if other != name and not inside:
                raise ValueError(
                    f"{name} is tied to {other}, or its module is used twice: it cannot come and go with units or a "
                    "block; untie them, or leave it out of the layout"
                )


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
    """What comes and goes with a residual block: all but its shortcut.

    Raises:
        ValueError: if the model has no module of that name.
    """
    try:
        inside = tensors_of(model.get_submodule(block))
    except AttributeError:
        raise ValueError(f"{block!r} is no module of this model; is the layout that of another one?") from None
    return {f"{block}.{name}": tensor for name, tensor in inside.items() if not name.startswith("shortcut.")}
