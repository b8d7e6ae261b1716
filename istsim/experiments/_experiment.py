from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from istsim.experiments._curve import Curve, measure
from istsim.experiments._seconds import SECONDS

if TYPE_CHECKING:
    import matplotlib.figure
    import xarray

ALLOWED_STANDARD_ERRORS = 5.0


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A figure and the runs behind it.

    Attributes:
        name: of its files.
        title: a line for people.
        text: what it shows and what was run, as plain text.
        curves: what to run; the argument asks for the quick form.
        figure: from the data to a figure.
        lines: for a scan, exact values on fine grids, as a dataset that joins the curves'.
    """

    name: str
    title: str
    text: str
    curves: Callable[[bool], Sequence[Curve]]
    figure: Callable[[xarray.Dataset], matplotlib.figure.Figure]
    lines: Callable[[], xarray.Dataset] | None = None

    @property
    def seconds(self) -> float:
        """The expected seconds of a processor, see `_seconds`."""
        return SECONDS.get(self.name, 1.0)

    def measure(self, quick: bool) -> xarray.Dataset:
        """Measure the curves one after the other: all data as one dataset."""
        import xarray

        data: Any = xarray.concat([measure(curve) for curve in self.curves(quick)], dim="curve")
        if self.lines is not None:
            data = data.merge(self.lines())
        data.attrs = {"experiment": self.name, "title": self.title, "text": self.text}
        return data


def agrees(data: xarray.Dataset) -> bool:
    """Whether every recorded mean that can be decided lies within five standard errors of its exact value."""
    wrong = decided(data) > ALLOWED_STANDARD_ERRORS
    return not bool(wrong.any()) and float(data.mean_deviation.max()) <= ALLOWED_STANDARD_ERRORS


def decided(data: xarray.Dataset) -> xarray.DataArray:
    """The deviations in standard errors, NaN where heavy tails leave it open what they mean."""
    return data.deviation.where(~(data.undecided > 0))


def caption(data: xarray.Dataset) -> str:
    """What a figure shows, what was run, and how far simulation and exact values lie apart."""
    deviations, coordinate = decided(data), float(data.mean_deviation.max())
    points, undecided = int(deviations.count()), int((data.undecided > 0).sum())
    largest, wrong = float(deviations.max()), int((deviations > ALLOWED_STANDARD_ERRORS).sum())
    verdict = (
        f"Every one of the {points} recorded means (three metrics) lies within {ALLOWED_STANDARD_ERRORS:g} standard "
        f"errors of its exact value; the largest deviation is {largest:.2f}, and {coordinate:.2f} for the coordinates "
        "of the mean last iterate"
        if agrees(data)
        else f"DISAGREEMENT: of {points} recorded means, {wrong} lie more than {ALLOWED_STANDARD_ERRORS:g} standard "
        f"errors from their exact value; the largest deviation is {largest:.2f}, and {coordinate:.2f} for the "
        "coordinates of the mean last iterate"
    )
    if undecided:
        verdict += (
            f"; {undecided} more means are undecided: rare runs carry them, so that a standard error cannot be trusted"
        )
    drawn = (
        "Lines: exact E f(x_k) - f*, computed without sampling; thin and dotted: f(E x_k) - f*, at the exact mean, "
        "below it by the exact spread. Dots: mean of {} simulated runs. "
        "Bands: from the 10th to the 90th percentile of the runs."
        if "line" not in data.dims
        else "Lines: exact, computed without sampling. Dots: from {} simulated runs each."
    ).format(int(np.min(data.repetitions)))
    return (
        f"{data.attrs['text']} {drawn} {verdict} (the probability of any false alarm is below "
        f"{float(data.false_alarm_rate.sum()):.1g})."
    )


def curve_names(data: xarray.Dataset) -> list[str]:
    """The label of each curve, with its panel's where there are several."""
    labels, groups = data.label.values, data.group.values
    return [f"{label} ({group})" if group else str(label) for label, group in zip(labels, groups, strict=True)]
