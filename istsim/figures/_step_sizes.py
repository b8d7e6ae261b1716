"""Which step size: what the best ones are, and what a longer one trades for a shorter one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from istsim.figures._labels import EndLabel, write_end_labels
from istsim.figures._style import DISTINCT_COLORS, METHOD_COLORS, REFERENCE_COLOR, column_figure, paper_style

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

_MARKS = {
    "exact": ("exact best", DISTINCT_COLORS[0]),
    "empirical": ("best simulated", DISTINCT_COLORS[2]),
    "theorem": ("1/θ of Theorem 1", DISTINCT_COLORS[4]),
    "largest_stable": ("largest stable", REFERENCE_COLOR),
}


def step_sizes(data: xarray.Dataset) -> Figure:
    """Gap after the last round, and gap that remains (above), and the factor a round (below), against the step size.

    Args:
        data: the dataset of `istsim.compare_step_sizes`.
    """
    x, color = data.step_size.values, METHOD_COLORS["IST"]
    with paper_style():
        figure, axes = column_figure(2, 1, 0.6)
        above, below = axes[:, 0]
        low = np.maximum(data.simulated - 2 * data.standard_error, data.simulated / 10)
        above.fill_between(x, low, data.simulated + 2 * data.standard_error, color=color, alpha=0.16, linewidth=0)
        above.plot(x, data.exact, color=color)
        above.plot(x, data.simulated, "o", color=color, markerfacecolor="white", markeredgewidth=0.8)
        settled = np.isfinite(data.stationary.values) & (data.stationary.values > 1e-9 * data.exact.values[0])
        if settled.any():
            above.plot(x[settled], data.stationary[settled], color=REFERENCE_COLOR, linestyle=":")
        below.plot(x, data.rate, color=color)
        above.set(xscale="log", yscale="log", ylabel=r"$f(x) - f^\star$")
        below.set(xscale="log", xlabel=r"step size $\gamma$", ylabel="factor a round")
        above.tick_params(labelbottom=False)
        below.sharex(above)
        above.set_xlim(x[0], data.attrs["mark_largest_stable"] * 1.15)
        labels = [EndLabel(above, float(data.exact[-1]), f"after {data.attrs['rounds']} rounds", color)]
        if settled.any():
            labels.append(EndLabel(above, float(data.stationary[settled][-1]), "remains", REFERENCE_COLOR))
        shown = {name: data.attrs[f"mark_{name}"] for name in _MARKS if np.isfinite(data.attrs[f"mark_{name}"])}
        for name, mark in shown.items():
            for ax in (above, below):
                ax.axvline(mark, color=_MARKS[name][1], linewidth=0.7, linestyle=(0, (4, 2)), zorder=1)
        middle = np.sqrt(x[0] * x[-1])
        for i, (name, mark) in enumerate(sorted(shown.items(), key=lambda item: item[1])):
            text, line_color = _MARKS[name]
            right = mark < middle  # the text lies where the axes have room for it
            above.annotate(
                text,
                (mark, 0.94 - 0.12 * i),
                xytext=(3 if right else -3, 0),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                ha="left" if right else "right",
                va="center",
                color=line_color,
                fontsize="small",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
                zorder=1.5,  # over the marks, under the curves
            )
        write_end_labels(figure, labels)
    return figure
