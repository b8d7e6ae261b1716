from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from istsim.experiments._curve import Curve, measure

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
    """

    name: str
    title: str
    text: str
    curves: Callable[[bool], Sequence[Curve]]
    figure: Callable[[xarray.Dataset], matplotlib.figure.Figure]

    def measure(self, curves: Sequence[Curve], on_curve: Callable[[], object] = lambda: None) -> xarray.Dataset:
        """Measure the curves one after the other, calling `on_curve` after each: all data as one dataset."""
        import xarray

        parts = []
        for curve in curves:
            parts.append(measure(curve))
            on_curve()
        data: Any = xarray.concat(parts, dim="curve")
        data.attrs = {"experiment": self.name, "title": self.title, "text": self.text}
        return data


def agrees(data: xarray.Dataset) -> bool:
    """Whether every recorded mean lies within five standard errors of its exact value."""
    return bool((data.deviation <= ALLOWED_STANDARD_ERRORS).all())


def caption(data: xarray.Dataset) -> str:
    """What a figure shows, what was run, and how far simulation and exact values lie apart."""
    largest, points = float(data.deviation.max()), data.deviation.size
    verdict = (
        f"Every one of the {points} recorded means (three metrics) lies within {ALLOWED_STANDARD_ERRORS:g} standard "
        f"errors of its exact value; the largest deviation is {largest:.2f}"
        if agrees(data)
        else f"DISAGREEMENT: of {points} recorded means, {int((data.deviation > ALLOWED_STANDARD_ERRORS).sum())} lie "
        f"more than {ALLOWED_STANDARD_ERRORS:g} standard errors from their exact value; the largest deviation is "
        f"{largest:.2f}"
    )
    return (
        f"{data.attrs['text']} Lines: exact E f(x_k) - f*, computed without sampling. Dots: mean of "
        f"{int(np.min(data.repetitions))} simulated runs. Bands: from the 10th to the 90th percentile of the runs. "
        f"{verdict} (under normality the probability of any false alarm is below "
        f"{float(data.false_alarm_rate.sum()):.1g})."
    )


def curve_names(data: xarray.Dataset) -> list[str]:
    """The label of each curve, with its panel's where there are several."""
    labels, groups = data.label.values, data.group.values
    return [f"{label} ({group})" if group else str(label) for label, group in zip(labels, groups, strict=True)]
