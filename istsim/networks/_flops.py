"""Floating point operations."""

from __future__ import annotations

import contextlib
from collections.abc import Hashable, Iterator

from torch.utils.flop_counter import FlopCounterMode


class FlopCount:
    """Counts floating point operations of forward and backward passes, those of the same sizes once.

    Attributes:
        total: so far.
    """

    def __init__(self):
        self.total = 0
        self._known: dict[Hashable, int] = {}

    @contextlib.contextmanager
    def counting(self, sizes: Hashable) -> Iterator[None]:
        """Add the operations of what is done inside, which are a function of `sizes`."""
        if sizes in self._known:
            yield
        else:
            with FlopCounterMode(display=False) as counter:
                yield
            self._known[sizes] = counter.get_total_flops()
        self.total += self._known[sizes]
