"""Cells on their way from process to process, many tensors at once."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from istsim.networks._cells import Grid
from istsim.networks.distributed._group import Group

_BUCKET = 32 * 2**20  # bytes of the whole tensors that travel together


class Places:
    """Where the cells that go to each process, or come from each, are among those of a tensor.

    Args:
        of: for each process.
        device: of the tensor.

    Attributes:
        all: one process's after the other's.
        counts: how many are each one's.
    """

    def __init__(self, of: Iterable[Tensor], device: torch.device):
        each = list(of)
        self.all, self.counts = torch.cat(each).to(device), [len(places) for places in each]


@dataclasses.dataclass(frozen=True)
class Transfer:
    """Cells of one tensor that are to travel.

    Attributes:
        grid: of the tensor.
        source: cells, among them those that are sent, shape (any number, *cell_shape).
        sent: which of them go to each process.
        target: cells, likewise.
        received: which of them come from each process.
        adds: what comes is added, in the order of the processes; else it takes the place of what was there.
    """

    grid: Grid
    source: Tensor
    sent: Places
    target: Tensor
    received: Places
    adds: bool = False

    def take(self) -> Sequence[Tensor]:
        """The entries for each process."""
        return self.source.index_select(0, self.sent.all).reshape(-1).split_with_sizes(self.lengths(self.sent))

    def put(self, entries: Sequence[Tensor]) -> None:
        """Write what has come from each process."""
        places, shape = self.received, (-1, *self.grid.cell_shape)
        if self.adds:
            for count, at, values in zip(places.counts, places.all.split(places.counts), entries, strict=True):
                if count:
                    self.target.index_add_(0, at, values.view(shape).to(self.target.dtype))
        else:
            self.target.index_copy_(0, places.all, torch.cat(list(entries)).view(shape))

    def lengths(self, places: Places) -> list[int]:
        """Entries of the cells of each process."""
        return [count * self.grid.cell_size for count in places.counts]


def exchange(group: Group, transfers: Iterable[Transfer]) -> int:
    """Carry out transfers, which all processes must name in the same order, and give the bytes sent from here."""
    before = group.bytes_sent
    for bucket in _buckets(transfers):
        # Of each process, for all tensors: the pieces for it, their lengths, and those of what comes from it.
        leaving = list(zip(*(one.take() for one in bucket), strict=True))
        sizes = list(zip(*(one.lengths(one.sent) for one in bucket), strict=True))
        lengths = list(zip(*(one.lengths(one.received) for one in bucket), strict=True))
        sent = torch.cat(list(itertools.chain(*leaving)))
        received = group.exchange(sent, list(map(sum, sizes)), list(map(sum, lengths)))
        pieces = received.split_with_sizes(list(itertools.chain(*lengths)))
        for number, one in enumerate(bucket):
            one.put(pieces[number :: len(bucket)])
    return group.bytes_sent - before


def _buckets(transfers: Iterable[Transfer]) -> Iterator[list[Transfer]]:
    """Those of one type together, until there is enough: a function of what all processes know."""
    filling: dict[torch.dtype, list[Transfer]] = {}
    size: dict[torch.dtype, int] = {}
    for one in transfers:
        dtype = one.source.dtype
        filling.setdefault(dtype, []).append(one)
        size[dtype] = size.get(dtype, 0) + one.grid.count * one.grid.cell_size * dtype.itemsize
        if size[dtype] >= _BUCKET:
            size[dtype] = 0
            yield filling.pop(dtype)
    yield from filling.values()
