"""A chain of blocks cut into chunks."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence

from istsim.costs._model import Block


def chunks(chain: Sequence[Block], count: int) -> list[tuple[Block, ...]]:
    """Consecutive chunks of which the largest has as few operations as can be.

    Raises:
        ValueError: for more chunks than blocks.

    Example:
        >>> from istsim.costs import Amount, Block
        >>> from istsim.costs._chunks import chunks
        >>> chain = [Block(name, flops=Amount(flops)) for name, flops in zip("abcd", (1, 1, 1, 3))]
        >>> [[block.name for block in chunk] for chunk in chunks(chain, 2)]
        [['a', 'b', 'c'], ['d']]
    """
    _check(chain, count)
    before = [0.0, *itertools.accumulate(block.flops.total for block in chain)]

    @functools.cache
    def best(end: int, parts: int) -> tuple[float, tuple[int, ...]]:
        """The largest chunk, and where chunks end, of the first blocks."""
        if parts == 1:
            return before[end], (end,)
        found = []
        for cut in range(parts - 1, end):
            largest, ends = best(cut, parts - 1)
            found.append((max(largest, before[end] - before[cut]), (*ends, end)))
        return min(found)

    ends = (0, *best(len(chain), count)[1])
    return [tuple(chain[start:end]) for start, end in itertools.pairwise(ends)]


def even_chunks(chain: Sequence[Block], count: int) -> list[tuple[Block, ...]]:
    """Consecutive chunks of nearly equal numbers of blocks, the first ones the longer.

    Raises:
        ValueError: for more chunks than blocks.
    """
    _check(chain, count)
    length, longer = divmod(len(chain), count)
    ends = [0, *itertools.accumulate(length + (number < longer) for number in range(count))]
    return [tuple(chain[start:end]) for start, end in itertools.pairwise(ends)]


def _check(chain: Sequence[Block], count: int) -> None:
    if not 1 <= count <= len(chain):
        raise ValueError(f"{len(chain)} blocks cannot be cut into {count} chunks")
