"""Local-update parallelism: which blocks follow which loss."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal

import numpy as np
from torch import nn

from istsim._validation import keep_checked, one_of, positive_int
from istsim.networks._layout import Layout
from istsim.networks._local_unit import Unit
from istsim.sketches import Identity, Sketch

MODES = ("greedy", "chunked", "overlapping")
SHARED = ("sum", "farthest")
MakeHead = Callable[[tuple[int, ...], int], nn.Module]  # of an example's shape and a number of outputs


@dataclasses.dataclass(frozen=True)
class LocalParallelism:
    """Local updates: blocks follow losses of their own, and no gradient passes from unit to unit (arXiv 2012.03837).

    A unit takes what the one before hands on, computes its own loss by an auxiliary head, and hands its output on; the
    last one has the model's loss. One chunk is backpropagation.

    Args:
        mode: "greedy", every block is a unit; "chunked", blocks are cut into `chunks` units of nearly equal number;
            "overlapping", the loss of a block sees `window` blocks, this one and those behind it.
        chunks: of "chunked".
        window: of "overlapping"; 1 is greedy.
        shared: of "overlapping": a block takes the "sum" of its gradients from all windows that contain it, or that
            from the "farthest"-seeing one, which begins with it.
        asynchronous: of "overlapping", by several processes: a unit sees others' blocks with the values that came last,
            and waits for none; else all comes out as by one process.
        local_steps: that units take before they wait for each other.
        head_width: of the auxiliary heads' hidden layers; if None, as wide as what they take in.
        head_depth: their dense layers; with 1 they have no hidden layer.
        head: makes a head, from the shape of what it takes in for one example and the number of outputs; if None the
            model's own kind of end: for images a norm, ReLU and the mean over positions, for sequences a norm.

    Raises:
        ValueError: for arguments outside these ranges, or that the mode does not have.

    Example:
        >>> from istsim import networks
        >>> networks.LocalParallelism("chunked", chunks=2).units(5)
        (Unit(own=range(0, 3), ahead=range(3, 3)), Unit(own=range(3, 5), ahead=range(5, 5)))
        >>> networks.LocalParallelism("overlapping", window=2).units(3)
        (Unit(own=range(0, 1), ahead=range(1, 2)), Unit(own=range(1, 3), ahead=range(3, 3)))
    """

    mode: Literal["greedy", "chunked", "overlapping"] = "greedy"
    _: dataclasses.KW_ONLY
    chunks: int | None = None
    window: int | None = None
    shared: Literal["sum", "farthest"] = "sum"
    asynchronous: bool = False
    local_steps: int = 10
    head_width: int | None = None
    head_depth: int = 1
    head: MakeHead | None = None

    num_workers = 1  # whatever the units are, together they have one model and one stream of data
    masking = "forward"
    rescale = "none"
    shares_gradients = True
    rounds_a_draw = None

    def __post_init__(self):
        one_of("mode", self.mode, MODES)
        one_of("shared", self.shared, SHARED)
        keep_checked(self, positive_int, "local_steps", "head_depth")
        if self.head_width is not None:
            keep_checked(self, positive_int, "head_width")
            if self.head_depth == 1:
                raise ValueError("head_width is of hidden layers, of which heads with head_depth = 1 have none")
        if self.head is not None and (self.head_width, self.head_depth) != (None, 1):
            raise ValueError("head_width and head_depth are of the heads made here: with a head of your own leave them")
        for name, mode in (("chunks", "chunked"), ("window", "overlapping")):
            value = getattr(self, name)
            if self.mode == mode and value is None:
                raise ValueError(f"the mode {mode!r} needs {name}")
            if self.mode != mode and value is not None:
                raise ValueError(f"{name} = {value} is of the mode {mode!r}, got it for {self.mode!r}")
            if value is not None:
                keep_checked(self, positive_int, name)
        for name, plain in (("shared", "sum"), ("asynchronous", False)):
            value = getattr(self, name)
            if value != plain and self.mode != "overlapping":
                raise ValueError(f"{name} = {value!r} is of the mode 'overlapping', got it for {self.mode!r}")

    def units(self, num_blocks: int) -> tuple[Unit, ...]:
        """The units of a model of so many blocks.

        Raises:
            ValueError: for more chunks than blocks, or a window that is longer than all of them.
        """
        if self.mode == "chunked":
            assert self.chunks is not None
            if self.chunks > num_blocks:
                raise ValueError(f"chunks must be at most the model's blocks, {num_blocks}, got {self.chunks}")
            return tuple(Unit(part, range(part.stop, part.stop)) for part in consecutive(num_blocks, self.chunks))
        window = self.window or 1
        if window > num_blocks:
            raise ValueError(f"window must be at most the model's blocks, {num_blocks}, got {window}")
        count = num_blocks - window + 1
        units = [Unit(range(first, first + 1), range(first + 1, first + window)) for first in range(count - 1)]
        return (*units, Unit(range(count - 1, num_blocks), range(num_blocks, num_blocks)))

    def sketch_for(self, layout: Layout) -> Sketch:
        """Who holds which of its units: units of local updates together hold all."""
        return Identity(1, max(1, layout.num_units))

    def kept(self, layout: Layout) -> list[float]:
        """The fraction of each layer's units that is trained: all."""
        return [1.0 for _ in layout.groups]


def consecutive(count: int, parts: int) -> list[range]:
    """The numbers from 0 cut into parts whose lengths differ by at most 1.

    Example:
        >>> consecutive(5, 2)
        [range(0, 3), range(3, 5)]
    """
    return [range(int(part[0]), int(part[-1]) + 1) for part in np.array_split(np.arange(count), parts)]
