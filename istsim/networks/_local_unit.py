"""A unit of local updates: which blocks one loss is computed through."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Unit:
    """Consecutive blocks that one loss is computed through.

    Attributes:
        own: the blocks that it trains, and hands the output of on.
        ahead: the blocks behind these that its loss sees as well; other units train them.
    """

    own: range
    ahead: range

    @property
    def last(self) -> int:
        """The block after which its loss is."""
        return max((*self.own, *self.ahead))
