"""One worker's part of a model: which entries of which tensors."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

from istsim.networks._layout import Blocks, Layout, Units, block_tensors, check_slice, tensors_of


class Part:
    """What one worker holds of a model.

    Args:
        model: the whole one.
        layout: its units.
        mask: shape (number of units,), which of them the worker holds.

    Raises:
        ValueError: for another number of units, if it holds none of a layer, which would be orphaned, or if the
            layout is not one of this model.

    Attributes:
        held: for each group of the layout the units held, in increasing order.
        names: of the tensors of which the worker holds anything.
        shapes: of the model's tensors.
    """

    def __init__(self, model: nn.Module, layout: Layout, mask: np.ndarray):
        self.layout = layout
        self.held = [np.flatnonzero(some) for some in layout.split(np.asarray(mask, bool))]
        self._axes: dict[str, dict[int, tuple[Tensor, int]]] = {}
        self._indices: dict[tuple[str, torch.device], tuple[Tensor | slice, ...]] = {}
        tensors = tensors_of(model)
        missing: set[str] = set()
        for group, held in zip(layout.groups, self.held, strict=True):
            if isinstance(group, Blocks):
                missing |= {t for i, b in enumerate(group.names) if i not in held for t in block_tensors(model, b)}
            elif held.size == 0:
                raise ValueError(f"{group.name}: a worker without any of its {group.count} units cannot run the model")
            else:
                for one in group.slices:
                    check_slice(group, one, tensors)
                self._take_units(group, held)
        self.names = [name for name in tensors if name not in missing]
        self.shapes = {name: tensor.shape for name, tensor in tensors.items()}

    def _take_units(self, group: Units, held: np.ndarray) -> None:
        rest = np.setdiff1d(np.arange(group.count), held)
        for one in group.slices:
            first_held = np.concatenate([held, rest])[:, None] * one.width + np.arange(one.width)
            entries = torch.from_numpy(first_held.reshape(-1))
            self._axes.setdefault(one.tensor, {})[one.axis] = entries, len(held) * one.width

    def take(self, name: str, whole: Tensor) -> Tensor:
        """The entries held, as a new tensor."""
        piece = whole.detach()
        for axis, (entries, held) in self._axes.get(name, {}).items():
            piece = piece.index_select(axis, entries[:held].to(piece.device))
        return piece.clone() if piece.data_ptr() == whole.data_ptr() else piece

    def add(self, name: str, whole: Tensor, piece: Tensor | float) -> None:
        """Add a piece, or a number, to the entries of `whole` that are held."""
        at = self._index(name, whole)
        whole[at] += piece

    def put(self, name: str, whole: Tensor, piece: Tensor) -> None:
        """Write a piece over the entries of `whole` that are held."""
        whole[self._index(name, whole)] = piece

    def _index(self, name: str, whole: Tensor) -> tuple[Tensor | slice, ...]:
        """Of what is held: slices where that is all there is along an axis."""
        if (name, whole.device) not in self._indices:
            own = self._axes.get(name, {})
            some = {axis: entries[:held] for axis, (entries, held) in own.items() if held < len(entries)}
            index: list[Tensor | slice] = [slice(None)] * whole.dim()
            if some:
                # Torch keeps the order of axes only if those that are indexed are neighbours.
                first, last = min(some), max(some)
                for axis in range(first, last + 1):
                    entries = some.get(axis, torch.arange(whole.shape[axis])).to(whole.device)
                    index[axis] = entries.view(-1, *[1] * (last - axis))
            self._indices[name, whole.device] = tuple(index)
        return self._indices[name, whole.device]

    def held_first(self, name: str, whole: Tensor) -> Tensor:
        """All entries, as a new tensor in which those held come first along every axis."""
        ordered = whole.detach()
        for axis, (entries, _) in self._axes.get(name, {}).items():
            ordered = ordered.index_select(axis, entries.to(ordered.device))
        return ordered.clone() if ordered.data_ptr() == whole.data_ptr() else ordered

    def narrow(self, name: str, ordered: Tensor) -> Tensor:
        """The entries held of a tensor in which they come first, as a view."""
        for axis, (_, held) in self._axes.get(name, {}).items():
            ordered = ordered.narrow(axis, 0, held)
        return ordered

    def held_along(self, name: str, axis: int) -> np.ndarray:
        """The indices held along an axis of a tensor, in increasing order."""
        entries, held = self._axes.get(name, {}).get(axis, (torch.arange(self._length(name, axis)), None))
        return entries[:held].numpy()

    def order_along(self, name: str, axis: int) -> np.ndarray:
        """All indices along an axis of a tensor, those held first."""
        entries, _ = self._axes.get(name, {}).get(axis, (torch.arange(self._length(name, axis)), None))
        return entries.numpy()

    def _length(self, name: str, axis: int) -> int:
        shape = self.shapes[name]
        return shape[axis] if shape else 1

    def is_sliced(self, name: str) -> bool:
        """Whether only some entries of the tensor are held."""
        return any(held < len(entries) for entries, held in self._axes.get(name, {}).values())

    def missing_blocks(self) -> Iterable[str]:
        """Names of the residual blocks not held."""
        for group, held in zip(self.layout.groups, self.held, strict=True):
            if isinstance(group, Blocks):
                yield from (block for i, block in enumerate(group.names) if i not in held)

    def kept(self) -> list[float]:
        """The fraction of its units that is held, for each group."""
        return [len(held) / group.count for group, held in zip(self.layout.groups, self.held, strict=True)]
