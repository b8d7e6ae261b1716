"""The picture of a theorem: both sides, and the left one from simulation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from istsim.figures._labels import EndLabel, write_end_labels
from istsim.figures._style import DISTINCT_COLORS, REFERENCE_COLOR, column_figure, paper_style
from istsim.figures._ticks import tidy_log_axes

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

# From this ratio of largest to smallest value on, an axis is logarithmic.
WIDE = 30.0
# Simulated points shown where there are many.
DOTS = 16


def theorem(data: xarray.Dataset) -> Figure:
    """Both sides of a theorem over its rounds, entries or a parameter; below a bound its tightness.

    Args:
        data: as `istsim reproduce` stores it.
    """
    is_bound = data.attrs["kind"] == "upper"
    with paper_style():
        figure, axes = column_figure(2 if is_bound else 1, 1, 0.5 if is_bound else 0.72)
        ax = axes[0, 0]
        labels = []
        several = data.sizes["line"] > 1
        for line, name in enumerate(data.line.values):
            color = DISTINCT_COLORS[1 + line] if several else DISTINCT_COLORS[1]
            one = data.isel(line=line)
            _sides(ax, one, color if several else REFERENCE_COLOR, color)
            if several:
                labels.append(EndLabel(ax, float(one.rhs[-1]), str(name), color))
        ax.set_title(f"${data.attrs['lhs']}$", loc="left", fontsize="medium")
        is_whole = bool(np.all(data.x == np.round(data.x)))
        if _is_wide(data.x) and not is_whole:
            ax.set_xscale("log")
        if _is_wide(data.rhs) and _is_wide(data.lhs):
            ax.set_yscale("log")
        below = axes[-1, 0]
        if is_bound:
            _tightness(below, data)
            below.set_xscale(ax.get_xscale())
            ax.tick_params(labelbottom=False)
        below.set_xlabel(_axis(data.attrs["axis"]))
        if is_whole:
            for panel in axes[:, 0]:
                panel.xaxis.get_major_locator().set_params(integer=True)
        tidy_log_axes(figure)
        if several:
            ax.get_ylim()  # matplotlib sets the limits when they are asked for
            write_end_labels(figure, labels)
    return figure


def _sides(ax: Any, one: xarray.Dataset, bound_color: str, color: str) -> None:
    kind = one.attrs["kind"]
    joined = bool(one.attrs["is_curve"])
    ax.plot(one.x, one.rhs, {"refuted": "--"}.get(kind, "-") if joined else "_", color=bound_color, markersize=9)
    chosen = np.unique(np.linspace(0, one.sizes["x"] - 1, DOTS).astype(int)) if joined else slice(None)
    shown = one.isel(x=chosen)
    if joined and kind != "exact":
        ax.plot(one.x, one.lhs, ":", color=color)
    else:
        ax.plot(shown.x, shown.lhs, "x", color=color, markersize=4, zorder=4)
    if float(one.error.max()) > 0:
        ax.errorbar(shown.x, shown.simulated, 3 * shown.error, fmt="o", color=color, markersize=2.5, elinewidth=0.7)


def _tightness(ax: Any, data: xarray.Dataset) -> None:
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (data.lhs / data.rhs).where(data.rhs > 0)
    ax.plot(data.x, ratio.T, color=DISTINCT_COLORS[1])
    ax.set(ylabel="tightness", ylim=(0, 1.05))


def _is_wide(values: xarray.DataArray) -> bool:
    smallest, largest = float(values.min()), float(values.max())
    return smallest > 0 and largest > WIDE * smallest


def _axis(name: str) -> str:
    """A Greek or Latin symbol at the end of a name is set as one."""
    words, _, last = name.rpartition(" ")
    symbol = {"γ": r"$\gamma$", "α": r"$\alpha$", "E[B]": r"$\mathbb{E}B$"}.get(last)
    if symbol is None:
        symbol = f"${last}$" if len(last) == 1 else last
    return f"{words} {symbol}".strip()
