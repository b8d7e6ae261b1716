"""Which step size: what the best ones are, and what a longer one trades for a shorter one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

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
    x, line, color = data.step_size.values, data.line_step_size.values, METHOD_COLORS["IST"]
    with paper_style():
        figure, axes = column_figure(2, 1, 0.6)
        above, below = axes[:, 0]
        low = np.maximum(data.simulated - 2 * data.standard_error, data.simulated / 10)
        above.fill_between(x, low, data.simulated + 2 * data.standard_error, color=color, alpha=0.16, linewidth=0)
        above.plot(line, data.line_exact, color=color)
        above.plot(x, data.simulated, "o", color=color, markerfacecolor="white", markeredgewidth=0.8)
        below.plot(line, data.line_rate, color=color)
        above.set(xscale="log", yscale="log", ylabel=r"$f(x) - f^\star$")
        below.set(xscale="log", xlabel=r"step size $\gamma$", ylabel="factor a round")
        above.tick_params(labelbottom=False)
        below.sharex(above)
        above.set_xlim(x[0], data.attrs["mark_largest_stable"] * 1.08)
        _draw_what_remains(above, data)
        _draw_marks(above, below, data.attrs)
        end = EndLabel(above, float(data.line_exact[-1]), f"after {data.attrs['rounds']} rounds", color)
        write_end_labels(figure, [end])
    return figure


def _draw_what_remains(ax: Any, data: xarray.Dataset) -> None:
    """A line with its name at its left end: at the right one it meets the gap after the last round."""
    remains = data.line_stationary.values
    settled = np.isfinite(remains) & (remains > 1e-9 * data.exact.values[0])
    if not settled.any():
        return
    x, y = data.line_step_size.values[settled], remains[settled]
    ax.plot(x, y, color=REFERENCE_COLOR, linestyle=":")
    ax.annotate(
        "remains",
        (x[0], y[0]),
        xytext=(4, 3),
        textcoords="offset points",
        color=REFERENCE_COLOR,
        fontsize="small",
        va="bottom",
    )


def _draw_marks(above: Any, below: Any, attributes: Mapping[Any, Any]) -> None:
    """Vertical lines that reach up to their names, over the axes: from left to right each is higher than the last."""
    marks = {name: attributes[f"mark_{name}"] for name in _MARKS}
    if attributes["mark_theorem_applies"]:
        del marks["theorem"]
    shown = sorted((mark, name) for name, mark in marks.items() if np.isfinite(mark))
    for level, (mark, name) in enumerate(shown):
        text, color = _MARKS[name]
        height = 1.06 + 0.1 * level
        style = {"color": color, "linewidth": 0.7, "linestyle": (0, (4, 2)), "zorder": 1}
        above.axvline(mark, ymax=height, clip_on=False, **style)
        below.axvline(mark, **style)
        above.annotate(
            text,
            (mark, height),
            xytext=(-3, 0),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="right",
            va="center",
            color=color,
            fontsize="small",
        )
