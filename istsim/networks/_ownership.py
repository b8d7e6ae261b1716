"""Who holds the cells of a model's tensors, and where each is at home."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from istsim.networks._cells import Grid, Placement
from istsim.networks._part import Part


class Ownership:
    """Which workers hold each cell, and which one is its home.

    Every cell has one home: one of its holders, or, if it has none, its home before. What holders have computed is
    averaged there. The holders of the cells of a tensor take turns, so that homes have equally much to do.

    Args:
        grids: of the tensors.
        parts: of the workers.
        before: the homes until now, for each tensor an array of workers, shape (number of cells,).

    Attributes:
        held: for each tensor and worker the placement of the cells that it holds.
        home: for each tensor the cells' homes, as `before`.
    """

    def __init__(self, grids: Mapping[str, Grid], parts: Sequence[Part], before: Mapping[str, np.ndarray]):
        self.held: dict[str, list[Placement]] = {}
        self.home: dict[str, np.ndarray] = {}
        self._size = {name: grid.cell_size for name, grid in grids.items()}
        for name, grid in grids.items():
            self.held[name] = [Placement(grid, _held_along(part, name, grid)) for part in parts]
            holders = np.zeros((len(parts), grid.count), bool)
            for worker, placement in enumerate(self.held[name]):
                holders[worker, placement.cells] = True
            count = holders.sum(axis=0)
            turn = np.arange(grid.count) % np.maximum(count, 1)
            its_turn = holders & (holders.cumsum(axis=0) == turn + 1)
            self.home[name] = np.where(count > 0, its_turn.argmax(axis=0), before[name])

    def held_at(self, name: str, worker: int, home: int) -> np.ndarray:
        """The cells that a worker holds, of those with this home."""
        cells = self.held[name][worker].cells
        return cells[self.home[name][cells] == home]

    def away(self, name: str) -> int:
        """Entries that workers hold of a tensor whose home is another one: what goes home, or comes from there."""
        placements = enumerate(self.held[name])
        return sum(int((self.home[name][each.cells] != worker).sum()) for worker, each in placements) * self._size[name]

    def others(self, name: str, worker: int) -> np.ndarray:
        """The cells that a worker does not hold, but another one."""
        held = [placement.cells for placement in self.held[name]]
        return np.setdiff1d(np.unique(np.concatenate(held)), held[worker], assume_unique=True)


def _held_along(part: Part, name: str, grid: Grid) -> list[np.ndarray]:
    if name not in part.names:
        return [np.arange(0) for _ in grid.axes]
    return [part.held_along(name, axis) for axis in grid.axes]
