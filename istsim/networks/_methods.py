"""Which worker holds what, how it is masked, and what is averaged."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Literal

import numpy as np

from istsim._validation import finite_number, keep_checked, one_of, positive_int
from istsim.networks._architectures import blocks
from istsim.networks._layout import Blocks, Layout
from istsim.networks._local_parallelism import LocalParallelism
from istsim.networks._sketches import BalancedCoverage, PerLayer
from istsim.sketches import Coverage, Identity, Permutation, Sketch

MASKINGS = ("forward", "backward")
RESCALES = ("none", "forward", "evaluation")
_SKETCHES = "such as istsim.Permutation, or sketch=lambda n, d: istsim.RandK(n, d, d // 2)"


@dataclasses.dataclass(frozen=True)
class IST:
    """Independent subnetwork training: workers train subnetworks for some steps, which are then averaged.

    Every round each layer's units are dealt to the workers anew (Yuan et al., arXiv 1910.02120). What several
    workers hold is averaged over them.

    Args:
        num_workers: n.
        local_steps: that a worker takes between two rounds.
        rescale: "none" as in the paper; "forward", in training what the units give out is divided by the fraction
            held; "evaluation", in evaluation it is multiplied by it.
        sketch: for n workers and a layer's number of units, who holds which.

    Raises:
        ValueError: for arguments outside these ranges, or a sketch that cannot be made from two numbers.

    Example:
        >>> import istsim
        >>> from istsim import networks
        >>> networks.IST(4, local_steps=20).local_steps
        20
        >>> halves = networks.IST(4, sketch=lambda n, d: istsim.RandK(n, d, d // 2))
        >>> halves.kept(networks.neurons(networks.mlp([64, 32, 16, 10])))
        [0.5, 0.5]
    """

    num_workers: int
    local_steps: int = 10
    rescale: Literal["none", "forward", "evaluation"] = "none"
    sketch: Callable[[int, int], Sketch] = Permutation

    masking = "forward"
    shares_gradients = False
    rounds_a_draw = 1

    def __post_init__(self):
        keep_checked(self, positive_int, "num_workers", "local_steps")
        one_of("rescale", self.rescale, RESCALES)
        expected = f"sketch must make one from the numbers of workers and of a layer's units, {_SKETCHES}"
        try:
            inspect.signature(self.sketch).bind(self.num_workers, 1)
        except TypeError as error:
            raise ValueError(f"{expected}, got {self.sketch!r}: {error}") from None

    def sketch_for(self, layout: Layout) -> Sketch:
        """Who holds which of its units: a `Sketch` over all of them."""
        return _over_layers(self._sketches(layout))

    def kept(self, layout: Layout) -> list[float]:
        """The expected fraction of each layer's units that a worker holds."""
        return [sketch.inclusion_probability(1) for sketch in self._sketches(layout)]

    def _sketches(self, layout: Layout) -> list[Sketch]:
        return [self.sketch(self.num_workers, group.count) for group in _partitioned(layout).groups]


@dataclasses.dataclass(frozen=True)
class SDP:
    """Subnetwork data parallelism: every step, each unit's gradient is averaged over the workers that hold it.

    (arXiv 2507.09029.) With coverage 1 it is data parallelism.

    A weight between units of two hidden layers is held by the workers that hold both. If there is none, it is not
    trained until all is dealt anew. With c = C n holders of each unit that is `comb(n - c, c) / comb(n, c)` of these
    weights: 1/6 with 4 workers and coverage 1/2, none with a coverage above 1/2.

    Args:
        num_workers: n.
        coverage: C, the fraction of the workers that hold a unit, and of the units that a worker holds; C n whole.
        masking: "forward", workers compute with small models; "backward", with the whole one, and only the gradients
            of what they hold.
        resample_every: steps after which all is dealt anew; None for never, and then a weight that no worker holds
            is never trained.

    Raises:
        ValueError: for arguments outside these ranges, or a coverage that n workers cannot have.

    Example:
        >>> from istsim import networks
        >>> networks.SDP(8, coverage=0.375, masking="backward").copies
        3
    """

    num_workers: int
    coverage: float
    masking: Literal["forward", "backward"]
    resample_every: int | None = None

    shares_gradients = True
    local_steps = 1
    rescale = "none"

    def __post_init__(self):
        keep_checked(self, positive_int, "num_workers")
        keep_checked(self, finite_number, "coverage")
        n = self.num_workers
        one_of("masking", self.masking, MASKINGS)
        if self.resample_every is not None:
            keep_checked(self, positive_int, "resample_every")
        if not 0 < self.coverage <= 1 or abs(self.coverage * n - round(self.coverage * n)) > 1e-9:
            choices = ", ".join(f"{copies / n:g}" for copies in range(1, n + 1))
            raise ValueError(f"a coverage of {self.coverage} cannot be met by {n} workers; they can have {choices}")
        if self.copies == 1 and n > 1 and self.resample_every is None:
            raise ValueError(
                f"with a coverage of 1/{n} each unit stays on one worker, and the workers learn nothing from each "
                "other; raise the coverage or give resample_every"
            )

    @property
    def copies(self) -> int:
        """Workers that hold a unit."""
        return round(self.coverage * self.num_workers)

    @property
    def rounds_a_draw(self) -> int | None:
        """How long who holds what stays the same."""
        return self.resample_every

    def sketch_for(self, layout: Layout) -> Sketch:
        """Who holds which of its units: a `Sketch` over all of them.

        Raises:
            ValueError: for a layer with fewer units than it takes for every worker to hold one.
        """
        n, sketches = self.num_workers, []
        for group, sizes in zip(_partitioned(layout).groups, layout.split(np.asarray(layout.sizes)), strict=True):
            if group.count * self.copies < n:
                raise ValueError(
                    f"{group.name}: {group.count} units on {self.copies} of {n} workers each leave workers without "
                    f"any; it takes a coverage of at least {-(-n // group.count) / n:g}, or fewer workers"
                )
            if isinstance(group, Blocks) or self.resample_every is None:
                sketches.append(BalancedCoverage(n, group.count, self.copies, tuple(sizes.tolist())))
            else:
                sketches.append(Coverage(n, group.count, self.copies))
        return _over_layers(sketches)

    def kept(self, layout: Layout) -> list[float]:
        """The fraction of each layer's units that a worker holds."""
        return [self.coverage for _ in layout.groups]


@dataclasses.dataclass(frozen=True)
class DataParallel:
    """Every worker holds all of the model: what the others are compared with.

    With one local step gradients are averaged in every step. With more, values are, after so many: local SGD.

    Args:
        num_workers: n.
        local_steps: that a worker takes between two rounds.
        keep: of what the layout's units give out in training, the fraction that is kept, drawn anew each time and
            divided by this fraction. Below 1 that is Dropout, of single entries, and of whole channels of an example's
            images; of blocks it is Stochastic Depth, of examples (Huang et al., arXiv 1603.09382).
        checkpointing: in the forward pass blocks keep nothing but their inputs, and compute all else once more in the
            backward pass.

    Raises:
        ValueError: for arguments outside these ranges.

    Example:
        >>> from istsim import networks
        >>> networks.DataParallel(4).shares_gradients, networks.DataParallel(4, local_steps=10).shares_gradients
        (True, False)
    """

    num_workers: int
    local_steps: int = 1
    keep: float = 1.0
    checkpointing: bool = False

    masking = "forward"
    rescale = "none"

    def __post_init__(self):
        keep_checked(self, positive_int, "num_workers", "local_steps")
        keep_checked(self, finite_number, "keep")
        if not 0 < self.keep <= 1:
            raise ValueError(f"keep must be a fraction above 0, at most 1, got {self.keep!r}")

    @property
    def shares_gradients(self) -> bool:
        """Whether gradients are averaged, in every step; else values are."""
        return self.local_steps == 1

    @property
    def rounds_a_draw(self) -> int | None:
        """After local steps workers begin anew from the average."""
        return None if self.shares_gradients else 1

    def sketch_for(self, layout: Layout) -> Sketch:
        """Who holds which of its units: all."""
        return Identity(self.num_workers, _partitioned(layout).num_units)

    def kept(self, layout: Layout) -> list[float]:
        """The fraction of each layer's units that a worker holds: all."""
        return [1.0 for _ in layout.groups]


Method = IST | SDP | DataParallel | LocalParallelism


def resist(model, num_workers: int) -> tuple[Layout, IST]:
    """ResIST (Dun et al., arXiv 2107.00961): the blocks of the third stage are dealt, all else is shared.

    50 local steps; in evaluation, branches are multiplied by the fraction held.

    Example:
        >>> from istsim import networks
        >>> layout, method = networks.resist(networks.ResNet(10, width=8, depths=(2, 2, 6, 2)), 3)
        >>> layout.num_units, method.local_steps, method.rescale
        (6, 50, 'evaluation')
    """
    stage = "stages.2" if hasattr(model, "stages") else "resnet.encoder.stages.2"
    return blocks(model, stage), IST(num_workers, local_steps=50, rescale="evaluation")


def _partitioned(layout: Layout) -> Layout:
    """The layout, which must have something for workers to hold."""
    if not layout.groups:
        raise ValueError("the layout has nothing that only some workers could hold: that is for local updates")
    return layout


def _over_layers(sketches: list[Sketch]) -> Sketch:
    return sketches[0] if len(sketches) == 1 else PerLayer(tuple(sketches))
