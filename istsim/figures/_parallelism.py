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
_NEAR = 3  # a limit of memory further away than so many times the longest bar is not drawn
_TIMES = {"computing": "0.35", "waiting for each other": DISTINCT_COLORS[4], "sending": "0.75"}
_CONVERGENCE = {"exact": "0.35", "unbiased": DISTINCT_COLORS[2], "biased": DISTINCT_COLORS[1]}


def parallelism(found: Comparison) -> Figure:
    """Memory by kind, bytes sent and time of a step, a row for each kind of parallelism, and what becomes of the step.

    What does not fit into a device's memory (dashed, where that is not far away) is pale. Rows are in the order of the
    comparison.

    Args:
        found: by `istsim.costs.compare`.

    Example:
        >>> from istsim import costs, figures
        >>> cluster = costs.Cluster(4, memory=2**30)
        >>> figure = figures.parallelism(costs.compare(costs.named("resnet18"), cluster, costs.Training()))
        >>> [ax.get_xlabel() for ax in figure.axes[:3]]
        ['MiB of a device', 'MB sent a step', 'ms a step']
    """
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    from istsim.costs import label
    from istsim.costs._units import BYTES, MEMORY, SECONDS, unit_for

    costs, places = found.costs, np.arange(len(found.costs))
    strength = [1.0 if found.fits(cost) else 0.35 for cost in costs]
    most = max(cost.memory for cost in costs)
    memory_name, memory_unit = unit_for([most], MEMORY)
    sent_name, sent_unit = unit_for((cost.sent for cost in costs), BYTES)
    time_name, time_unit = unit_for((cost.seconds for cost in costs), SECONDS)
    limit = found.cluster.memory

    def stack(ax: Any, parts: Iterable[Sequence[float]], colors: dict[str, str], unit: float) -> None:
        start = np.zeros(len(costs))
        for color, values in zip(colors.values(), parts, strict=True):
            lengths = np.asarray(values) / unit
            bars = ax.barh(places, lengths, left=start, color=color, height=0.7)
            for bar, alpha in zip(bars, strength, strict=True):
                bar.set_alpha(alpha)
            start += lengths

    with paper_style():
        figure, axes = column_figure(1, 4, 0.95)
        memory, sent, time, words = axes[0]
        memory.get_gridspec().set_width_ratios((1, 1, 1, 0.35))
        words.axis("off")
        stack(memory, ([getattr(cost, kind) for cost in costs] for kind in _KINDS), _KINDS, memory_unit)
        if limit <= _NEAR * most:  # else bars would be too short to be seen
            memory.axvline(limit / memory_unit, color="black", linestyle="--", linewidth=0.8)
        stack(sent, [[cost.sent for cost in costs]], {"": "0.55"}, sent_unit)
        busy = [cost.compute_seconds * (1 - cost.bubble) for cost in costs]
        waiting = [cost.compute_seconds * cost.bubble for cost in costs]
        rest = [cost.seconds - cost.compute_seconds for cost in costs]
        stack(time, [busy, waiting, rest], _TIMES, time_unit)
        titles = (f"{memory_name} of a device", f"{sent_name} sent a step", f"{time_name} a step")
        for ax, name in zip((memory, sent, time), titles, strict=True):
            ax.set_yticks(places, [])
            ax.tick_params(axis="y", length=0)
            ax.invert_yaxis()
            ax.grid(visible=False, axis="y")
            ax.set(xlabel=name, xlim=(0, None if ax.dataLim.x1 > 0 else 1))
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
        handles: list[Any] = [Patch(color=color, label=name) for name, color in (_KINDS | _TIMES).items()]
        if limit <= _NEAR * most:
            handles.append(Line2D([], [], color="black", linestyle="--", linewidth=0.8, label="limit"))
        place = "outside upper center"
        figure.legend(handles=handles, loc=place, ncols=len(handles), frameon=False, columnspacing=1.0)
    return figure
