"""Steps to a result against the batch size, for networks of which workers hold a part."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import istsim
from istsim import figures, networks
from istsim.studies._parts import Part, parts_of
from istsim.studies._study import Study
from istsim.sweeps._least import least_over_step_sizes

if TYPE_CHECKING:
    import matplotlib.figure
    import xarray
    from torch import nn

GOAL = 0.95
_WORKERS, _UNITS = 4, 128
_MASKINGS = ("pruned", "forward", "backward")
_KEPT = (1.0, 0.5, 0.25)
_BATCH_SIZES = tuple(4**power for power in range(1, 6))  # from one example of each worker
_STEP_SIZES = tuple(2.0**power for power in range(-6, 0))  # more where the best is the first or last
_SEEDS = 3
_MOST = 4000  # steps after which all are given up


@dataclasses.dataclass(frozen=True)
class _Point:
    """A way to train, of which the step size is to be chosen.

    Attributes:
        masking: "pruned", all workers have the same part of the hidden units, for ever; else that of SDP, where units
            are dealt anew in every step.
        kept: the fraction of the hidden units that a worker has.
        batch_size: of all workers together.
    """

    masking: str
    kept: float
    batch_size: int

    @property
    def file(self) -> str:
        """The name of what is stored."""
        return f"{self.masking if self.kept < 1 else 'all'}-{self.kept:g}-{self.batch_size}"

    def network(self, seed: int) -> nn.Module:
        """Initialised by the seed."""
        import torch

        units = round(_UNITS * self.kept) if self.masking == "pruned" else _UNITS
        with torch.device("meta"):
            model = networks.mlp([64, units, 10])
        return networks.initialised(model, seed)

    def method(self) -> networks.DataParallel | networks.SDP:
        """How the workers train."""
        if self.masking == "pruned":
            return networks.DataParallel(_WORKERS)
        return networks.SDP(_WORKERS, self.kept, "forward" if self.masking == "forward" else "backward", 1)


class StepsToResult(Study):
    """Steps to 95 % of the digits against the batch size, with the best step size for each."""

    name = "steps-to-result"
    title = "Steps to a result against the batch size and the part that workers hold"
    seconds = 900.0

    def num_runs(self, quick: bool) -> int:
        """One for each choice of masks and batch size."""
        return len(_points(quick))

    def measure(self, quick: bool, folder: Path, on_run: Callable[[], object] = lambda: None) -> xarray.Dataset:
        """Train with several step sizes at once, until the best is found.

        Returns:
            Over `masking`, `kept` (the fraction of the hidden units that a worker holds), `batch_size` of all workers
            and `seed`: `steps`, infinite where the goal was not reached; without seeds: `step_size`, with which their
            mean is least. Where all is kept, all are the same.
        """
        import xarray

        points, seeds = _points(quick), list(range(1 if quick else _SEEDS))
        longest = sorted(points, key=lambda point: (point.batch_size, point.kept))
        parts = {point.file: Part(_sweep, {"point": point, "seeds": seeds}) for point in longest}
        found = parts_of(parts, folder, on_run=on_run)
        kept, batch_sizes = (sorted({getattr(point, name) for point in points}) for name in ("kept", "batch_size"))
        shape = len(_MASKINGS), len(kept), len(batch_sizes)
        steps, step_size = np.empty((*shape, len(seeds))), np.empty(shape)
        for at in np.ndindex(shape):
            point = _Point(_MASKINGS[at[0]], kept[at[1]], batch_sizes[at[2]])
            tried = found[point.file].steps
            best = least_over_step_sizes(tried.mean("seed"))
            steps[at], step_size[at] = tried[int(best.place)], best.best_step_size
        dims = ("masking", "kept", "batch_size")
        return xarray.Dataset(
            {"steps": ((*dims, "seed"), steps), "step_size": (dims, step_size)},
            {"masking": list(_MASKINGS), "kept": kept, "batch_size": batch_sizes, "seed": seeds},
            self.attributes(),
        )

    def figure(self, data: xarray.Dataset) -> matplotlib.figure.Figure:
        """From the data to a figure."""
        return figures.steps_study(data)

    def caption(self, data: xarray.Dataset) -> str:
        """What the figure shows, in numbers."""
        mean, batch_sizes, told = data.steps.mean("seed"), data.batch_size.values, []
        whole = istsim.fit_batch_scaling(batch_sizes, mean.sel(kept=1.0).isel(masking=0).values)
        for masking, kept in itertools.product(data.masking.values, data.kept.values[data.kept.values < 1]):
            law = istsim.fit_batch_scaling(batch_sizes, mean.sel(masking=masking, kept=kept).values)
            told.append(
                f"{masking}, C = {kept:g}: {law.examples:.0f}/B + {law.least:.0f}, that is "
                f"{law.examples / whole.examples:.1f} and {law.least / whole.least:.1f} times as much "
                f"(off by {law.deviation:.0%} at the most)"
            )
        return (
            f"A network with {_UNITS} hidden units and {_WORKERS} workers, until it is right about {GOAL:.0%} of the "
            "test digits, with batches of B examples over all workers, which hold the fraction C of the hidden units. "
            "Pruned: the same ones for all, for ever. Forward and backward: the maskings of SDP, dealt anew in every "
            "step. Dots: means over seeds (small) with the step size that takes fewest, below; larger and smaller ones "
            "were tried at every place. Dotted: linear scaling. Dashed: the law c1/B + c2 "
            f"of arXiv 2003.11316 as fitted. All held: {whole.examples:.0f}/B + {whole.least:.0f} steps (off by "
            f"{whole.deviation:.0%} at the most). {'; '.join(told)}."
        )


def _points(quick: bool) -> list[_Point]:
    """What to train; where all is kept, there is nothing to mask."""
    kept, batch_sizes = ((1.0, 0.25), (16, 64, 256)) if quick else (_KEPT, _BATCH_SIZES)
    return [
        _Point(masking, fraction, batch_size)
        for masking, fraction, batch_size in itertools.product(_MASKINGS, kept, batch_sizes)
        if fraction < 1 or masking == _MASKINGS[0]
    ]


def _sweep(point: _Point, seeds: Sequence[int]) -> xarray.Dataset:
    """The steps to the goal over `step_size` and `seed`, infinite where they cannot be the fewest.

    While the best step size is the least or the largest of all, one more is tried beyond it.
    """
    import xarray

    data, steps = networks.digits(), {}
    wanted = list(_STEP_SIZES)
    while True:
        fewest = min(map(sum, steps.values()), default=math.inf)
        steps |= _race({step_size: _runs(point, data, step_size, seeds) for step_size in wanted}, fewest)
        tried = sorted(steps)
        found = xarray.Dataset(
            {"steps": (("step_size", "seed"), [steps[step_size] for step_size in tried])},
            {"step_size": tried, "seed": list(seeds)},
        )
        best = least_over_step_sizes(found.steps.mean("seed"))
        if not best.at_end:
            return found
        wanted = [2 * tried[-1] if int(best.place) else tried[0] / 2]


def _race(runs: Mapping[float, Sequence[Iterator[bool]]], fewest: float) -> dict[float, list[float]]:
    """Let runs take steps in turn, and count for each step size those of its runs until they are at the goal.

    Args:
        runs: that tell after each step whether they are there.
        fewest: steps of all runs of a step size, of which there must be fewer.

    Returns:
        Only infinite ones for step sizes that were given up: they would take more in all than another one, or a run
        ended, or there were too many.
    """
    counts = {step_size: [math.inf] * len(some) for step_size, some in runs.items()}
    racing = set(runs)
    for step in range(1, _MOST + 1):
        for step_size in sorted(racing):
            ours = counts[step_size]
            if sum(min(count, step) for count in ours) >= fewest:
                racing.remove(step_size)
                continue
            for i, run in enumerate(runs[step_size]):
                if math.isinf(ours[i]) and next(run, False):
                    ours[i] = step
            if not any(map(math.isinf, ours)):
                racing.remove(step_size)
                fewest = min(fewest, sum(ours))
    return {
        step_size: [math.inf] * len(ours) if any(map(math.isinf, ours)) else ours for step_size, ours in counts.items()
    }


def _runs(point: _Point, data: networks.Data, step_size: float, seeds: Sequence[int]) -> list[Iterator[bool]]:
    """Trainings that tell after each step whether the whole network is at the goal; they end where they diverge."""
    return [_run(point, data, step_size, seed) for seed in seeds]


def _run(point: _Point, data: networks.Data, step_size: float, seed: int) -> Iterator[bool]:
    import torch

    model, method = point.network(seed), point.method()
    layout = networks.neurons(model)
    batches = networks.Batches(data, _WORKERS, point.batch_size // _WORKERS, seed)
    for _ in networks.train(
        model,
        layout,
        method,
        batches,
        make_optimizer=lambda parameters: torch.optim.SGD(parameters, step_size),
        steps=_MOST,
        seed=seed,
    ):
        yield networks.evaluate(model, layout, method, data.test_inputs, data.test_targets).accuracy >= GOAL
