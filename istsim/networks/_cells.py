"""Tensors as grids of cells, each of which a worker holds, or does not, as a whole."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from istsim.networks._layout import Layout, tensors_of


@dataclasses.dataclass(frozen=True)
class Grid:
    """The cells of a tensor: what lies at one index of each of some axes, all of it along the others.

    Args:
        shape: of the tensor.
        axes: along which some workers hold some indices only, and those between them; axis 0 if there are none, so
            that the cells of what all workers hold can still have different homes.
    """

    shape: tuple[int, ...]
    axes: tuple[int, ...]

    @classmethod
    def of(cls, shape: Sequence[int], sliced: Iterable[int] = ()) -> Grid:
        """The grid of a tensor by the axes that are sliced; a single number is a vector of one."""
        axes = sorted(sliced) or [0]
        return cls(tuple(shape) or (1,), tuple(range(axes[0], axes[-1] + 1)))

    @functools.cached_property
    def lengths(self) -> tuple[int, ...]:
        """Of its axes."""
        return tuple(self.shape[axis] for axis in self.axes)

    @functools.cached_property
    def count(self) -> int:
        """Of cells, which are numbered in the order of their indices."""
        return math.prod(self.lengths)

    @functools.cached_property
    def cell_shape(self) -> tuple[int, ...]:
        """The tensor's along its other axes."""
        return tuple(length for axis, length in enumerate(self.shape) if axis not in self.axes)

    @functools.cached_property
    def cell_size(self) -> int:
        """Entries of a cell."""
        return math.prod(self.cell_shape)

    def cells(self, tensor: Tensor) -> Tensor:
        """A view of the tensor, or of what a worker has of it, shape (number of cells, *cell_shape)."""
        shape, first, last = tensor.shape or (1,), self.axes[0], self.axes[-1]
        number = math.prod(shape[first : last + 1])
        return tensor.view(*shape[:first], number, *shape[last + 1 :]).movedim(first, 0)

    @functools.cached_property
    def whole(self) -> Placement:
        """All cells in their order."""
        return Placement(self, [np.arange(length) for length in self.lengths])

    def rows(self, number: int, of: int) -> np.ndarray:
        """The indices of its first axis in chunk `number` of `of`, as `torch.chunk` cuts them."""
        length = -(-self.lengths[0] // of)
        return np.arange(self.lengths[0])[number * length : (number + 1) * length]

    def row_homes(self, of: int) -> np.ndarray:
        """Of each cell, the number of the chunk that it lies in; shape (count,)."""
        chunk = np.arange(self.lengths[0]) // -(-self.lengths[0] // of)
        return np.repeat(chunk, self.count // self.lengths[0])


def grids_of(model: nn.Module, layout: Layout) -> dict[str, Grid]:
    """Of all tensors of a model that can be averaged, by name."""
    return {
        name: Grid.of(tensor.shape, layout.sliced_axes(name))
        for name, tensor in tensors_of(model).items()
        if tensor.is_floating_point()
    }


class Placement:
    """Where cells lie in a tensor that has some of them, or all in another order.

    Args:
        grid: of the whole tensor.
        orders: along each of the grid's axes, the whole tensor's indices in the order in which this one has them.

    Attributes:
        cells: the numbers of those that it has, in increasing order.
        shape: of the tensor.
    """

    def __init__(self, grid: Grid, orders: Sequence[np.ndarray]):
        self.grid = grid
        self.shape = list(grid.shape)
        self._place = []
        for axis, length, order in zip(grid.axes, grid.lengths, orders, strict=True):
            self.shape[axis] = len(order)
            place = np.full(length, -1)
            place[order] = np.arange(len(order))
            self._place.append(place)
        indices = np.meshgrid(*map(np.sort, orders), indexing="ij")
        self.cells = np.ravel_multi_index(indices, grid.lengths).reshape(-1)

    def at(self, cells: np.ndarray) -> Tensor:
        """Where some cells are among those of the tensor, as `Grid.cells` shows them."""
        indices = np.unravel_index(cells, self.grid.lengths)
        places = tuple(place[index] for place, index in zip(self._place, indices, strict=True))
        return torch.from_numpy(np.ravel_multi_index(places, [self.shape[axis] for axis in self.grid.axes]))
