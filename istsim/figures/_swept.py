"""What became of a grid of runs."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from istsim.figures._labels import EndLabel, write_end_labels
from istsim.figures._style import DISTINCT_COLORS, column_figure, paper_style, plain, shades

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

_BY_LINE = ("algorithm", "sketch", "forward_scale", "gradient_scale")
_WORDS = {"forward_scale": "α = ", "gradient_scale": "β = "}


def swept(data: xarray.Dataset) -> Figure:
    """Mean objective gap at the last round against the step size, a panel for each problem.

    Bands are two standard errors wide on each side. Where runs diverged, the line ends.

    Args:
        data: the dataset of an `istsim.sweeps.Swept`.
    """
    gap = data.objective_gap.isel(round=-1).stack(run=("seed", "repetition"))
    mean, error = gap.mean("run", skipna=False), gap.std("run", ddof=1) / np.sqrt(gap.sizes["run"])
    starts = data.objective_gap.isel(round=0)
    lines = [
        dict(zip(_BY_LINE, choice, strict=True))
        for choice in itertools.product(*(data[name].values for name in _BY_LINE))
    ]
    colors = DISTINCT_COLORS if len(lines) <= len(DISTINCT_COLORS) else shades(DISTINCT_COLORS[2], len(lines))
    with paper_style():
        figure, axes = column_figure(data.sizes["problem"], 1, 0.72)
        labels = []
        for ax, problem in zip(axes[:, 0], data.problem.values, strict=True):
            for line, color in zip(lines, colors, strict=False):
                here = {"problem": problem, **line}
                y, spread = mean.sel(here).values, error.sel(here).values
                order = np.argsort(data.step_size.values)
                x, y, spread = data.step_size.values[order], y[order], spread[order]
                shown = np.isfinite(y) & (y <= float(starts.sel(here).max()))
                if not shown.any():
                    continue
                x, y, spread = x[shown], y[shown], spread[shown]
                low = np.maximum(y - 2 * spread, y / 10)
                ax.fill_between(x, low, y + 2 * spread, color=color, alpha=0.16, linewidth=0)
                ax.plot(x, y, "-o", color=color, markerfacecolor="white", markeredgewidth=0.8)
                labels.append(EndLabel(ax, float(y[-1]), _label(data, line), color))
            ax.set(xscale="log", yscale="log", ylabel=f"$f(x_{{{int(data['round'][-1])}}}) - f^\\star$")
            if data.sizes["problem"] > 1:
                ax.set_title(plain(str(problem)))
        axes[-1, 0].set_xlabel(r"step size $\gamma$")
        write_end_labels(figure, labels)
    return figure


def _label(data: Any, line: Mapping[Any, Any]) -> str:
    """What tells this line from the others; where there is one line only, its sketch."""
    telling = [name for name in _BY_LINE if data.sizes[name] > 1] or ["sketch"]
    return ", ".join(f"{_WORDS.get(name, '')}{plain(str(line[name]))}" for name in telling)
