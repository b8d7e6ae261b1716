"""Cells on their way from process to process, many tensors at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from istsim.networks._cells import Grid
from istsim.networks.distributed._group import Group

_BUCKET = 32 * 2**20  # bytes of the whole tensors that travel together


@dataclasses.dataclass(frozen=True)
class Transfer:
    """Cells of one tensor that are to travel.

    Attributes:
        grid: of the tensor.
        dtype: of the tensor.
        sent: the cells for each process.
        received: the cells from each process.
        read: gives the values of cells that are sent.
        write: takes a process, cells and values that it has sent. It is called in the order of the processes.
    """

    grid: Grid
    dtype: torch.dtype
    sent: Sequence[np.ndarray]
    received: Sequence[np.ndarray]
    read: Callable[[np.ndarray], Tensor]
    write: Callable[[int, np.ndarray, Tensor], None]


def exchange(group: Group, transfers: Iterable[Transfer]) -> None:
    """Carry out transfers, which all processes must name in the same order."""
    for bucket in _buckets(transfers):
        outgoing = [torch.cat([one.read(one.sent[peer]).reshape(-1) for one in bucket]) for peer in range(group.size)]
        lengths = [sum(len(one.received[peer]) * one.grid.cell_size for one in bucket) for peer in range(group.size)]
        for peer, vector in enumerate(group.exchange(outgoing, lengths)):
            pieces = vector.split([len(one.received[peer]) * one.grid.cell_size for one in bucket])
            for one, piece in zip(bucket, pieces, strict=True):
                if len(one.received[peer]):
                    one.write(peer, one.received[peer], piece.view(-1, *one.grid.cell_shape))


def _buckets(transfers: Iterable[Transfer]) -> Iterator[list[Transfer]]:
    """Those of one type together, until there is enough: a function of what all processes know."""
    filling: dict[torch.dtype, list[Transfer]] = {}
    for one in transfers:
        bucket = filling.setdefault(one.dtype, [])
        bucket.append(one)
        if sum(each.grid.count * each.grid.cell_size for each in bucket) * one.dtype.itemsize >= _BUCKET:
            yield filling.pop(one.dtype)
    yield from filling.values()
