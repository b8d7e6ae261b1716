"""The ways of cells between workers, found once each time that all is dealt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from istsim.networks._cells import Grid, Placement
from istsim.networks._merging import sum_dtype
from istsim.networks._ownership import Ownership
from istsim.networks.distributed._at_rest import positions
from istsim.networks.distributed._exchange import Places, Transfer, exchange
from istsim.networks.distributed._group import Group

_NOTHING = np.arange(0)


class Way:
    """Of one tensor's cells from this worker to their homes, and from other workers to those at home here.

    Args:
        grid: of the tensor.
        held: which cells of this worker's have which home.
        home: which cells that are at home here which worker holds.
        here: the number of these.

    Attributes:
        holders: how many workers hold each cell that is at home here, shape (number of cells, 1, ...).
    """

    def __init__(self, grid: Grid, held: Places, home: Places, here: int):
        self._grid, self._held, self._home = grid, held, home
        counts = torch.bincount(home.all, minlength=here).view(-1, *[1] * len(grid.cell_shape))
        self.holders = counts.to(torch.float32)
        self._divisors = self.holders.clamp(min=1)

    def total(self, dtype: torch.dtype) -> Tensor:
        """What values of a type are added up in: zeros."""
        shape = len(self.holders), *self._grid.cell_shape
        return torch.zeros(shape, dtype=sum_dtype(dtype), device=self.holders.device)

    def up(self, own: Tensor | None, dtype: torch.dtype, total: Tensor) -> Transfer:
        """From holders, of which this one has `own`, to homes, where it is added up."""
        return Transfer(self._grid, self._cells(own, dtype), self._held, total, self._home, adds=True)

    def average(self, total: Tensor, dtype: torch.dtype) -> Tensor:
        """Over holders; zero where there are none."""
        return (total / self._divisors).to(dtype)

    def down(self, average: Tensor, own: Tensor | None) -> Transfer:
        """From homes to holders."""
        return Transfer(self._grid, average, self._home, self._cells(own, average.dtype), self._held)

    def _cells(self, own: Tensor | None, dtype: torch.dtype) -> Tensor:
        if own is None:
            return torch.empty((0, *self._grid.cell_shape), dtype=dtype, device=self.holders.device)
        return self._grid.cells(own)


class Ways:
    """Those of all tensors.

    Args:
        group: the processes.
        grids: of the tensors.
        ownership: who holds what, and where it is at home.
        placements: of each tensor and worker, what the worker has of it: at least what it holds.
    """

    def __init__(
        self,
        group: Group,
        grids: Mapping[str, Grid],
        ownership: Ownership,
        placements: Mapping[str, Sequence[Placement]],
    ):
        self._group, self._grids, self._ownership = group, grids, ownership
        self._mine = {name: each[group.rank] for name, each in placements.items()}
        self._known: dict[tuple[str, tuple[int, ...]], Way] = {}
        self._to_others: dict[str, tuple[Places, Places]] = {}

    def home(self, name: str, workers: Sequence[int] | None = None) -> Way:
        """The way of what some workers have, or all."""
        every, rank = range(self._group.size), self._group.rank
        workers = tuple(every if workers is None else workers)
        if (name, workers) not in self._known:
            ours = self._ownership
            here = np.flatnonzero(ours.home[name] == rank)
            held = [ours.held_at(name, rank, peer) if rank in workers else _NOTHING for peer in every]
            home = [ours.held_at(name, peer, rank) if peer in workers else _NOTHING for peer in every]
            self._known[name, workers] = Way(
                self._grids[name],
                Places(map(self._mine[name].at, held), self._group.device),
                Places((positions(here, cells) for cells in home), self._group.device),
                len(here),
            )
        return self._known[name, workers]

    def average(self, tensors: Mapping[str, tuple[Tensor | None, torch.dtype]]) -> tuple[int, int]:
        """Give holders the averages over them, in place; the bytes sent to homes and from them.

        Args:
            tensors: what this worker has of each, which may be nothing, and the type.
        """
        ways = {name: self.home(name) for name in tensors}
        totals = {name: ways[name].total(dtype) for name, (_, dtype) in tensors.items()}
        up = exchange(self._group, (ways[name].up(*tensors[name], totals[name]) for name in tensors))
        averages = {name: ways[name].average(totals.pop(name), dtype) for name, (_, dtype) in tensors.items()}
        down = exchange(self._group, (ways[name].down(averages[name], own) for name, (own, _) in tensors.items()))
        return up, down

    def give_others(self, tensors: Mapping[str, Tensor]) -> int:
        """Let workers take over what they have and do not hold from its home, in place; the bytes sent."""
        return exchange(self._group, (self._given(name, tensor) for name, tensor in tensors.items()))

    def _given(self, name: str, tensor: Tensor) -> Transfer:
        if name not in self._to_others:
            every, rank, home = range(self._group.size), self._group.rank, self._ownership.home[name]
            others = [self._ownership.others(name, peer) for peer in every]
            sent = [cells[home[cells] == rank] for cells in others]
            received = [others[rank][home[others[rank]] == peer] for peer in every]
            sides = (Places(map(self._mine[name].at, side), self._group.device) for side in (sent, received))
            self._to_others[name] = tuple[Places, Places](sides)
        sent, received = self._to_others[name]
        cells = self._grids[name].cells(tensor)
        return Transfer(self._grids[name], cells, sent, cells, received)
