"""Convergence figures: each a function from the data of an experiment to a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from istsim._optional import require
from istsim.figures._labels import EndLabel, write_end_labels
from istsim.figures._style import (
    DISTINCT_COLORS,
    METHOD_COLORS,
    METHOD_MARKERS,
    REFERENCE_COLOR,
    column_figure,
    paper_style,
    shades,
)

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

DOTS = 12  # simulated means drawn a curve; all of them are compared with the exact line
BAND_ALPHA = 0.16


def interpolation(data: xarray.Dataset) -> Figure:
    """Objective gap against rounds for several step sizes, each under its Theorem 1 bound (dashed).

    Args:
        data: curves over step sizes, as `istsim reproduce` stores them.
    """
    with paper_style():
        figure, axes = column_figure(1, 1, 0.72)
        ax, labels = axes[0, 0], []
        for curve, color in _with_shades(data):
            _draw(ax, curve, "objective_gap", color, x=curve["round"])
            ax.plot(curve["round"], curve.bound, color=color, linestyle=(0, (4, 2)), linewidth=0.8)
            y = float(curve.exact.sel(metric="objective_gap")[-1])
            labels.append(EndLabel(ax, y, str(curve.label.values), color))
        _finish(ax, "round", r"$f(x_k) - f^\star$")
        write_end_labels(figure, labels)
    return figure


def neighbourhood(data: xarray.Dataset) -> Figure:
    """Relative and absolute error against rounds for several step sizes, with the fixed point's level.

    Args:
        data: curves over step sizes, as `istsim reproduce` stores them.
    """
    panels = (
        ("objective_gap", "limit_gap", r"$(f(x_k) - f^\star)\,/\,(f(x_0) - f^\star)$"),
        ("distance_squared", "limit_distance_squared", r"$\|x_k - x^\star\|^2$"),
    )
    with paper_style():
        figure, axes = column_figure(2, 1, 0.58)
        labels = []
        for ax, (metric, limit, name) in zip(axes[:, 0], panels, strict=True):
            start = float(data.exact.sel(metric=metric).isel(curve=0, round=0))
            unit = start if metric == "objective_gap" else 1.0
            for curve, color in _with_shades(data):
                _draw(ax, curve, metric, color, x=curve["round"], unit=unit)
                y = float(curve.exact.sel(metric=metric)[-1]) / unit
                labels.append(EndLabel(ax, y, str(curve.label.values), color))
            level = float(data[limit].isel(curve=0)) / unit
            ax.axhline(level, color=REFERENCE_COLOR, linestyle=":", linewidth=1.0)
            labels.append(EndLabel(ax, level, "fixed point", REFERENCE_COLOR))
            _finish(ax, "round" if ax is axes[-1, 0] else "", name)
        write_end_labels(figure, labels)
    return figure


def local_updates(data: xarray.Dataset) -> Figure:
    """Objective gap with the level of each fixed point, and the squared distance to it, against rounds.

    Args:
        data: curves over methods, as `istsim reproduce` stores them.
    """
    with paper_style():
        figure, axes = column_figure(2, 1, 0.58)
        (gap, transient), labels = axes[:, 0], []
        for i, color in enumerate(DISTINCT_COLORS[: data.sizes["curve"]]):
            curve = data.isel(curve=i)
            _draw(gap, curve, "objective_gap", color, x=curve["round"])
            if float(curve.limit_gap) > 1e-12:
                gap.axhline(float(curve.limit_gap), color=color, linestyle=":", linewidth=0.8)
            distance = np.asarray(curve.transient)
            transient.plot(curve["round"], distance / distance[0], color=color)
            for ax, y in (
                (gap, float(curve.exact.sel(metric="objective_gap")[-1])),
                (transient, distance[-1] / distance[0]),
            ):
                labels.append(EndLabel(ax, y, str(curve.label.values), color))
        _finish(gap, "", r"$f(x_k) - f^\star$")
        _finish(transient, "round", r"$\|x_k - x_\infty\|^2$, relative")
        write_end_labels(figure, labels)
    return figure


def comparison(data: xarray.Dataset) -> Figure:
    """Objective gap of several methods, at equal rounds (left) and at equal floats communicated (right).

    Args:
        data: curves over methods, as `istsim reproduce` stores them; one row of panels a group.
    """
    groups = list(dict.fromkeys(data.group.values.tolist()))
    with paper_style():
        figure, axes = column_figure(len(groups), 2, 0.72 if len(groups) > 1 else 0.95)
        labels = []
        for row, group in enumerate(groups):
            by_round, by_floats = axes[row]
            curves = [data.isel(curve=i) for i in np.flatnonzero(data.group.values == group)]
            shared_floats = min(float(curve.floats_per_round) for curve in curves) * int(data["round"].max())
            for curve in curves:
                method = str(curve.method.values)
                color, marker = METHOD_COLORS[method], METHOD_MARKERS[method]
                y = curve.exact.sel(metric="objective_gap")
                _draw(by_round, curve, "objective_gap", color, x=curve["round"], marker=marker)
                floats = curve["round"] * float(curve.floats_per_round)
                shown = np.asarray(floats <= shared_floats)
                _draw(by_floats, curve, "objective_gap", color, x=floats, marker=marker, shown=shown)
                text = str(curve.label.values)
                labels.append(EndLabel(by_round, float(y[-1]), text, color))
                labels.append(EndLabel(by_floats, float(y[shown][-1]), text, color))
            last = row == len(groups) - 1
            _finish(by_round, "round" if last else "", r"$f(x_k) - f^\star$")
            _finish(by_floats, "floats communicated" if last else "", "")
            by_floats.set_xlim(0, shared_floats)
            by_floats.sharey(by_round)
            by_floats.tick_params(labelleft=False)
            if group:
                by_round.set_title(group)
                by_floats.set_title(group)
        write_end_labels(figure, labels)
    return figure


def _with_shades(data: xarray.Dataset) -> list[tuple[xarray.Dataset, Any]]:
    """Each curve with a shade of its method's colour."""
    count = data.sizes["curve"]
    color = METHOD_COLORS[str(data.method.values[0])]
    return [(data.isel(curve=i), shade) for i, shade in enumerate(shades(color, count))]


def _draw(
    ax: Any, curve: Any, metric: str, color: Any, *, x: Any, unit: float = 1.0, marker: str = "o", shown: Any = None
) -> None:
    """One curve: exact line, that of the mean alone, band of the runs, some of the simulated means."""
    values = curve.sel(metric=metric) if shown is None else curve.sel(metric=metric).isel(round=shown)
    x = np.asarray(x if shown is None else x[shown], float)
    ax.fill_between(x, values.low / unit, values.high / unit, color=color, alpha=BAND_ALPHA, linewidth=0)
    ax.plot(x, values.exact / unit, color=color)
    # An artist that leaves the axes' range alone: where a method is unbiased the mean's error falls to rounding.
    line = require("matplotlib.lines", extra="plot").Line2D
    ax.add_artist(line(x, values.at_mean / unit, color=color, linestyle=(0, (1, 1.5)), linewidth=0.7))
    dots = np.unique(np.linspace(0, len(x) - 1, DOTS).round().astype(int))
    ax.plot(
        x[dots],
        values.simulated[dots] / unit,
        marker,
        color=color,
        markerfacecolor="white",
        markeredgewidth=0.8,
        clip_on=False,
        zorder=3,
    )


def _finish(ax: Any, xlabel: str, ylabel: str) -> None:
    ax.set_yscale("log")
    ax.yaxis.get_major_locator().set_params(numticks=6)
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    ax.margins(x=0)
