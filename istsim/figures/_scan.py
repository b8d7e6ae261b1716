"""Figures over a parameter: exact lines with simulated dots on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from istsim._optional import require
from istsim.figures._labels import EndLabel, write_end_labels
from istsim.figures._style import METHOD_COLORS, REFERENCE_COLOR, column_figure, paper_style, shades
from istsim.figures._ticks import tidy_log_axes

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

GAP = r"$f(x) - f^\star$"


def bias(data: xarray.Dataset) -> Figure:
    """Objective gap at the fixed point against the forward scale, a line for each subnetwork size q.

    Args:
        data: a scan, as `istsim reproduce` stores it.
    """
    with paper_style():
        figure, axes = column_figure(1, 1, 0.72)
        ax = axes[0, 0]
        labels = _scan(ax, data, dots=data.mean_gap)
        ax.set(xscale="log", yscale="log", xlabel=r"forward scale $\alpha$", ylabel=r"$f(x_\infty) - f^\star$")
        ax.set_xticks([0.5, 1, 2, 5, 10, 20], ["0.5", "1", "2", "5", "10", "20"])
        ax.minorticks_off()
        write_end_labels(figure, labels)
    return figure


def rate(data: xarray.Dataset) -> Figure:
    """Factor of the squared error a round against the step size, with the limits of stability.

    Args:
        data: a scan, as `istsim reproduce` stores it.
    """
    rounds = 4

    def factors(values: Any) -> Any:
        gap = values.sel(metric="objective_gap")
        return (gap.isel(round=-1) / gap.isel(round=-1 - rounds)) ** (1 / rounds)

    with paper_style():
        figure, axes = column_figure(1, 1, 0.72)
        ax = axes[0, 0]
        ax.axhline(1.0, color=REFERENCE_COLOR, linewidth=0.6)
        labels = _scan(ax, data, dots=factors(data.simulated))
        ax.plot(data.x, factors(data.exact), "x", color="black", markeredgewidth=0.8, zorder=4)
        _marks(ax, data)
        ax.set(xlabel=r"step size $\gamma$", ylabel="factor a round", ylim=(0, 1.6), xlim=(0, float(data.line_x.max())))
        write_end_labels(figure, labels)
    return figure


def stationary(data: xarray.Dataset) -> Figure:
    """Stationary objective gap, its bias and its spread against the step size.

    Args:
        data: a scan, as `istsim reproduce` stores it.
    """
    last = data.simulated.sel(metric="objective_gap").isel(round=-1)
    with paper_style():
        figure, axes = column_figure(1, 1, 0.72)
        ax = axes[0, 0]
        labels = _scan(ax, data, dots=last)
        _marks(ax, data)
        ax.set(xscale="log", yscale="log", xlabel=r"step size $\gamma$", ylabel=GAP)
        write_end_labels(figure, labels)
    return figure


def forward_scale(data: xarray.Dataset) -> Figure:
    """The best forward scale, and the stationary gap with it and with two fixed ones, against heterogeneity.

    Args:
        data: a scan, as `istsim reproduce` stores it.
    """
    with paper_style():
        figure, axes = column_figure(2, 1, 0.5)
        above, below = axes[:, 0]
        color = shades(METHOD_COLORS["IST"], 3)[0]
        above.plot(data.best_scale_x, data.best_scale, color=color)
        above.set(
            ylabel=r"best $\alpha$",
            xlim=(0, float(data.best_scale_x.max())),
            ylim=(0, 1.05 * float(data.best_scale.max())),
        )
        labels = _scan(below, data, dots=data.simulated.sel(metric="objective_gap").isel(round=-1))
        below.set(xlabel="vector heterogeneity", ylabel=GAP, yscale="log")
        write_end_labels(figure, labels)
    return figure


def phase_diagram(data: xarray.Dataset) -> Figure:
    """Where Theorem 1 applies to `L = [[a, c], [c, b]]`, and what share of the stable step sizes it promises.

    Args:
        data: the scan over the family, as `istsim reproduce` stores it.
    """
    gap = data.simulated.sel(metric="objective_gap")
    grew = np.asarray(gap.isel(round=1) > gap.isel(round=0))
    with paper_style():
        figure, axes = column_figure(1, 1, 0.8)
        ax = axes[0, 0]
        ax.grid(False)
        ax.set_facecolor("#EFEFEF")
        threshold, ratio = data.line_x[0], data.line_y[0]
        ax.fill_betweenx(ratio, threshold, 1.0, facecolor="none", edgecolor="#B5B5B5", hatch="////", linewidth=0)
        colors = require("matplotlib", extra="plot").colormaps["viridis"]
        ax.fill_betweenx(ratio, 0, threshold, color=colors(0.0), linewidth=0)  # the share tends to 0 at the threshold
        image = ax.pcolormesh(
            data.coupling, data.ratio, data.share, cmap=colors, vmin=0, vmax=0.5, rasterized=True, shading="nearest"
        )
        ax.plot(threshold, ratio, color="black")
        for filled, face in ((False, "white"), (True, "black")):
            chosen = grew == filled
            ax.plot(
                np.asarray(data.x)[chosen],
                np.asarray(data.dot_ratio)[chosen],
                "o",
                color="black",
                markerfacecolor=face,
                markersize=4,
                clip_on=False,
            )
        ax.set(xlabel=r"$|c| / \sqrt{ab}$", ylabel="$a / b$", yscale="log", xlim=(0, 1), ylim=(1, 100))
        tidy_log_axes(figure)
        figure.colorbar(image, ax=ax, label=r"$(1/\theta) \,/\, \gamma_{\max}$")
    return figure


def _scan(ax: Any, data: xarray.Dataset, dots: Any) -> list[EndLabel]:
    """The exact lines, labelled at their ends, and the simulated dots in the colour of their line."""
    groups = [str(group) for group in data.line_group.values]
    colors = dict(zip(groups, shades(METHOD_COLORS["IST"], len(groups)), strict=True))
    labels = []
    for i, group in enumerate(groups):
        x, y = np.asarray(data.line_x[i]), np.asarray(data.line_y[i])
        ax.plot(x, y, color=colors[group])
        labels.append(EndLabel(ax, float(y[-1]), group, colors[group]))
    ax.set_xlim(float(data.line_x.min()), float(data.line_x.max()))
    for x, y, group in zip(np.asarray(data.x), np.asarray(dots), data.group.values, strict=True):
        color = colors.get(str(group), colors[groups[0]])
        ax.plot(x, y, "o", color=color, markerfacecolor="white", markeredgewidth=0.8, clip_on=False, zorder=3)
    return labels


def _marks(ax: Any, data: xarray.Dataset) -> None:
    """Dotted vertical lines with their names along them."""
    for x, label in zip(data.mark_x.values, data.mark_label.values, strict=True):
        ax.axvline(float(x), color=REFERENCE_COLOR, linestyle=":", linewidth=1.0)
        ax.set_xlim(right=max(ax.get_xlim()[1], 1.05 * float(x)))
        ax.annotate(
            str(label),
            (float(x), 0.04),
            xycoords=("data", "axes fraction"),
            xytext=(-2, 0),
            textcoords="offset points",
            rotation=90,
            ha="right",
            va="bottom",
            color=REFERENCE_COLOR,
            fontsize="x-small",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.8},
        )
