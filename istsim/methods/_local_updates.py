from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from istsim._validation import instance_of, one_of, positive_int, positive_ints
from istsim.methods._method import Method
from istsim.problems._quadratic import Quadratic

MODES = ("greedy", "chunked", "overlapping")
SHARED = ("sum", "farthest")


@dataclasses.dataclass(frozen=True)
class LocalUpdates(Method):
    """Local-update parallelism: every block of coordinates ("layer") follows a loss that sees no later block.

    A block that follows the loss at block e gets its rows of `Lbar x - bbar` with only the columns of
    the blocks up to e (the quadratic counterpart of arXiv 2012.03837).

    Args:
        blocks: the sizes of the blocks, in order; they add up to d.
        mode: "greedy": every block follows its own loss. "chunked": the loss at the end of its chunk of
            `window` blocks; one chunk of all blocks is gradient descent. "overlapping": the losses at
            the ends of all runs of `window` blocks that contain it.
        window: for "chunked" and "overlapping", at least 1; the last chunk may be shorter.
        shared: for "overlapping": "sum" adds up a block's gradients of all its windows, "farthest" takes the
            one that sees farthest.

    Raises:
        ValueError: for sizes that are not positive, an unknown mode, a window that is missing, superfluous or, when
            overlapping, longer than there are blocks.

    Example:
        >>> import istsim
        >>> istsim.LocalUpdates([1, 1, 1]).mask.astype(int).tolist()
        [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
        >>> istsim.LocalUpdates([1, 1, 1], "overlapping", window=2).mask.astype(int).tolist()
        [[1, 1, 0], [2, 2, 1], [1, 1, 1]]
    """

    blocks: Sequence[int]
    mode: str = "greedy"
    _: dataclasses.KW_ONLY
    window: int | None = None
    shared: str = "sum"

    def __post_init__(self):
        sizes = tuple(positive_ints("blocks", self.blocks, each="blocks: every block size"))
        if not sizes:
            raise ValueError("blocks must hold at least one block size, got none")
        object.__setattr__(self, "blocks", sizes)
        one_of("mode", self.mode, MODES)
        one_of("shared", self.shared, SHARED)
        if (self.mode == "greedy") != (self.window is None):
            needed = f"the mode {self.mode!r} needs window, the number of blocks that a loss sees, got none"
            other = f"window belongs to the modes 'chunked' and 'overlapping', got {self.window} for 'greedy'"
            raise ValueError(needed if self.window is None else other)
        if self.window is not None:
            object.__setattr__(self, "window", positive_int("window", self.window))
            if self.mode == "overlapping" and self.window > len(sizes):
                raise ValueError(f"window must be at most the number of blocks, {len(sizes)}, got {self.window}")

    @property
    def mask(self):
        """How often each entry of Lbar counts, shape (d, d)."""
        counts = self._block_counts()
        of_coordinate = np.repeat(np.arange(len(self.blocks)), self.blocks)
        return counts[np.ix_(of_coordinate, of_coordinate)]

    @property
    def losses(self):
        """How many losses each coordinate follows, shape (d,)."""
        return self.mask[:, 0]  # every loss sees the first block

    def _block_counts(self) -> np.ndarray:
        count = len(self.blocks)
        counts = np.zeros((count, count))
        for block in range(count):
            for end in self._ends(block, count):
                counts[block, : end + 1] += 1
        return counts

    def _ends(self, block: int, count: int) -> list[int]:
        """The last blocks seen by the losses that a block follows."""
        if self.window is None:
            return [block]
        if self.mode == "chunked":
            return [min((block // self.window + 1) * self.window, count) - 1]
        starts = range(max(0, block - self.window + 1), min(block, count - self.window) + 1)
        ends = [start + self.window - 1 for start in starts]
        return ends if self.shared == "sum" else ends[-1:]

    def sketch_for(self, problem):
        """The identity: nothing is random.

        Raises:
            ValueError: if the blocks do not add up to d.
        """
        if sum(self.blocks) != problem.dim:
            raise ValueError(f"blocks must add up to d = {problem.dim}, got {list(self.blocks)}")
        return super().sketch_for(problem)

    def combine(self, problem, sums, step_size, x):
        """A step along what every block sees of the gradient."""
        mask, losses = self.mask.astype(x.dtype), self.losses.astype(x.dtype)
        return x - step_size * (x @ (mask * problem.mean_hessian).T - losses * problem.mean_vector)

    def floats_per_round(self, problem):
        """Every block reads what its losses see, and sends its own coordinates on."""
        instance_of("problem", problem, Quadratic, "an istsim.Quadratic")
        self.sketch_for(problem)
        reads = sum(
            sum(self.blocks[: max(self._ends(block, len(self.blocks))) + 1]) for block in range(len(self.blocks))
        )
        return float(reads), float(problem.dim)
