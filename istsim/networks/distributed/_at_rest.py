"""A model that is spread over processes between rounds: each entry where it is at home."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Shard

from istsim.networks._cells import Grid, Placement
from istsim.networks._checkpoint import Checkpoint, CheckpointWriter, Field
from istsim.networks.distributed._exchange import Places, Transfer, exchange
from istsim.networks.distributed._group import Group


class AtRest:
    """What of a model, and of the optimizer's state for it, is at home in this process.

    Args:
        group: the processes.
        grids: of the model's tensors.

    Attributes:
        home: of each tensor's cells the process, shape (number of cells,); at first rows in as many chunks.
        kept: of each tensor, and of each part of the optimizer's state, the cells at home here, in their order.
        numbers: what belongs to no entry, such as counts of steps, which all processes know.
    """

    def __init__(self, group: Group, grids: Mapping[str, Grid]):
        self.group, self.grids = group, grids
        self.home = {name: grid.row_homes(group.size) for name, grid in grids.items()}
        self.kept: dict[Field, Tensor] = {}
        self.numbers: dict[Field, Any] = {}
        self._mesh = DeviceMesh(group.device.type, list(range(group.size)))

    def put(self, name: str, values: Tensor) -> None:
        """Keep what is at home here of a whole tensor."""
        if name in self.grids:
            kept = self.grids[name].cells(values)[self.grids[name].whole.at(self.cells(name))]
            self.kept[name, None] = kept.to(self.group.device)
        else:
            self.numbers[name, None] = values

    def cells(self, name: str) -> np.ndarray:
        """The cells of a tensor that are at home here."""
        return np.flatnonzero(self.home[name] == self.group.rank)

    def whole(self, name: str) -> Tensor:
        """All of a tensor, in every process; its grid's shape."""
        if name not in self.grids:
            return self.numbers[name, None].clone()
        grid, here, home, kept = self.grids[name], self.cells(name), self.home[name], self.kept[name, None]
        whole = kept.new_empty(grid.shape)
        transfer = Transfer(
            grid,
            kept,
            self._places(positions(here, here) for _ in range(self.group.size)),
            grid.cells(whole),
            self._places(grid.whole.at(np.flatnonzero(home == peer)) for peer in range(self.group.size)),
        )
        exchange(self.group, [transfer])
        return whole

    def save(self, folder: Path, number: int, facts: Mapping[str, Any]) -> None:
        """Write a checkpoint of round `number`, each process a shard of every tensor."""
        writer = CheckpointWriter(folder, number)
        if self.group.rank == 0:
            writer.begin()
        self.group.gather([0])  # of nothing at all, torch would not wait
        shards = {field: self._as_shard(field) for field in self.kept}
        with self.group.watched():
            writer.write(shards, alone=False)
        self.group.gather([0])
        if self.group.rank == 0:
            writer.end(facts, self.numbers)

    def load(self, checkpoint: Checkpoint) -> None:
        """Take over a checkpoint, which may be of another number of processes.

        Raises:
            ValueError: if it is of another model.
        """
        checkpoint.check({name: grid.shape for name, grid in self.grids.items()})
        shards = {field: self._empty_shard(field, checkpoint.dtype(field)) for field in checkpoint.shapes}
        with self.group.watched():
            checkpoint.read(shards, alone=False)
        self.home = {name: grid.row_homes(self.group.size) for name, grid in self.grids.items()}
        self.kept = {
            (name, key): self.grids[name].cells(shard.to_local())[self._rows(name).at(self.cells(name))]
            for (name, key), shard in shards.items()
        }
        self.numbers = dict(checkpoint.numbers)

    def _places(self, of: Iterable[Tensor]) -> Places:
        return Places(of, self.group.device)

    def _rows(self, name: str) -> Placement:
        """Where the rows that are this process's in a checkpoint lie."""
        grid = self.grids[name]
        others = [np.arange(length) for length in grid.lengths[1:]]
        return Placement(grid, [grid.rows(self.group.rank, self.group.size), *others])

    def _empty_shard(self, field: Field, dtype: torch.dtype) -> DTensor:
        grid = self.grids[field[0]]
        local = torch.empty(self._rows(field[0]).shape, dtype=dtype, device=self.group.device)
        stride = torch.empty(grid.shape, device="meta").stride()
        return DTensor.from_local(
            local, self._mesh, [Shard(grid.axes[0])], run_check=False, shape=torch.Size(grid.shape), stride=stride
        )

    def _as_shard(self, field: Field) -> DTensor:
        name, kept = field[0], self.kept[field]
        grid, rows, here, home = self.grids[name], self._rows(name), self.cells(name), self.home[name]
        shard = self._empty_shard(field, kept.dtype)
        local, row_of = shard.to_local(), grid.row_homes(self.group.size)
        transfer = Transfer(
            grid,
            kept,
            self._places(positions(here, here[row_of[here] == peer]) for peer in range(self.group.size)),
            grid.cells(local),
            self._places(rows.at(rows.cells[home[rows.cells] == peer]) for peer in range(self.group.size)),
        )
        exchange(self.group, [transfer])
        return shard


def positions(sorted_cells: np.ndarray, cells: np.ndarray) -> Tensor:
    """Where cells are among sorted ones."""
    return torch.from_numpy(np.searchsorted(sorted_cells, cells))
