"""What kinds of parallelism cost, side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from istsim.figures._style import DISTINCT_COLORS, column_figure, paper_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from istsim.costs import Comparison

_KINDS = {
    "parameters": DISTINCT_COLORS[1],
    "gradients": DISTINCT_COLORS[5],
    "optimizer": DISTINCT_COLORS[2],
    "activations": DISTINCT_COLORS[3],
}
_TIMES = {"computing": "0.35", "waiting for each other": DISTINCT_COLORS[4], "sending": "0.75"}
_CONVERGENCE = {"exact": "0.35", "unbiased": DISTINCT_COLORS[2], "biased": DISTINCT_COLORS[1]}


def parallelism(found: Comparison) -> Figure:
    """Memory by kind, bytes sent and time of a step, a row for each kind of parallelism, and what becomes of the step.

    What does not fit into a device's memory (dashed) is pale. Rows are in the order of the comparison.

    Args:
        found: by `istsim.costs.compare`.

    Example:
        >>> from istsim import costs, figures
        >>> cluster = costs.Cluster(4, memory=2**30)
        >>> figure = figures.parallelism(costs.compare(costs.named("resnet18"), cluster, costs.Training()))
        >>> [ax.get_xlabel() for ax in figure.axes[:3]]
        ['GiB of a device', 'MB sent a step', 'ms a step']
    """
    from istsim.costs import label

    costs, places = found.costs, np.arange(len(found.costs))
    strength = [1.0 if found.fits(cost) else 0.35 for cost in costs]
    sent_unit, sent_name = _unit(max(cost.sent for cost in costs), {"GB": 1e9, "MB": 1e6, "kB": 1e3})
    time_unit, time_name = _unit(max(cost.seconds for cost in costs), {"s": 1.0, "ms": 1e-3, "µs": 1e-6})

    def stack(ax: Any, parts: Iterable[Sequence[float]], colors: dict[str, str], unit: float) -> None:
        start = np.zeros(len(costs))
        for (name, color), values in zip(colors.items(), parts, strict=True):
            lengths = np.asarray(values) / unit
            bars = ax.barh(places, lengths, left=start, color=color, height=0.7, label=name)
            for bar, alpha in zip(bars, strength, strict=True):
                bar.set_alpha(alpha)
            start += lengths

    with paper_style():
        figure, axes = column_figure(1, 4, 0.95)
        memory, sent, time, words = axes[0]
        memory.get_gridspec().set_width_ratios((1, 1, 1, 0.35))
        words.axis("off")
        stack(memory, ([getattr(cost, kind) for cost in costs] for kind in _KINDS), _KINDS, 2**30)
        memory.axvline(found.cluster.memory / 2**30, color="black", linestyle="--", linewidth=0.8)
        stack(sent, [[cost.sent for cost in costs]], {"": "0.55"}, sent_unit)
        busy = [cost.compute_seconds * (1 - cost.bubble) for cost in costs]
        waiting = [cost.compute_seconds * cost.bubble for cost in costs]
        rest = [cost.seconds - cost.compute_seconds for cost in costs]
        stack(time, [busy, waiting, rest], _TIMES, time_unit)
        titles = ("GiB of a device", f"{sent_name} sent a step", f"{time_name} a step")
        for ax, name in zip((memory, sent, time), titles, strict=True):
            ax.set_yticks(places, [])
            ax.tick_params(axis="y", length=0)
            ax.invert_yaxis()
            ax.grid(visible=False, axis="y")
            ax.set(xlabel=name)
        memory.set_yticks(places, [label(cost) for cost in costs])
        for place, cost in zip(places, costs, strict=True):
            time.annotate(
                cost.convergence.kind + ("" if found.fits(cost) else ", too large"),
                (1.0, place),
                xytext=(6, 0),
                textcoords="offset points",
                xycoords=("axes fraction", "data"),
                color=_CONVERGENCE[cost.convergence.kind],
                fontsize=time.xaxis.get_ticklabels()[0].get_fontsize(),
                va="center",
                annotation_clip=False,
            )
        handles, names = (
            [*left, *right]
            for left, right in zip(memory.get_legend_handles_labels(), time.get_legend_handles_labels(), strict=True)
        )
        figure.legend(handles, names, loc="outside upper center", ncols=len(names), frameon=False, columnspacing=1.2)
    return figure


def _unit(largest: float, units: dict[str, float]) -> tuple[float, str]:
    """The largest unit of which there is at least one, or else the smallest, with its name."""
    name = next((name for name, size in units.items() if largest >= size), list(units)[-1])
    return units[name], name
