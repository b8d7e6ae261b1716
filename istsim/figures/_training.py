"""Loss and accuracy of networks in training, against what they cost."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from istsim.figures._labels import EndLabel, write_end_labels
from istsim.figures._style import DISTINCT_COLORS, column_figure, paper_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COSTS = {"round": "rounds", "bytes": "bytes sent", "flops": "floating point operations"}


def training_curves(runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figure:
    """Training and test loss (above) and test accuracy (below) against rounds, bytes sent and operations.

    Args:
        runs: for each name the rows of a log: see `istsim.networks.Log`.
    """
    colors = dict(zip(runs, itertools.cycle(DISTINCT_COLORS), strict=False))
    with paper_style():
        figure, axes = column_figure(2, 3, 0.75)
        labels = []
        for name, rows in runs.items():
            columns = {key: np.array([row[key] for row in rows], float) for key in rows[0]}
            columns["bytes"] = columns["bytes_down"] + columns["bytes_up"]
            tested = np.isfinite(columns["accuracy"])
            for cost, (above, below) in zip(_COSTS, axes.T, strict=True):
                x = columns[cost]
                above.plot(x, columns["loss"], color=colors[name], alpha=0.35, linewidth=0.7)
                above.plot(x[tested], columns["test_loss"][tested], color=colors[name])
                below.plot(x[tested], columns["accuracy"][tested], color=colors[name])
            if len(runs) > 1:
                labels.append(EndLabel(axes[1, 2], columns["accuracy"][tested][-1], name, colors[name]))
            elif np.isfinite(columns["loss"][-1]):
                labels.append(EndLabel(axes[0, 2], columns["loss"][-1], "training", "0.4"))
                labels.append(EndLabel(axes[0, 2], columns["test_loss"][tested][-1], "test", colors[name]))
        for cost, (above, below) in zip(_COSTS, axes.T, strict=True):
            above.set(yscale="log")
            above.tick_params(labelbottom=False)
            below.set(xlabel=_COSTS[cost], ylim=(None, 1))
            below.sharex(above)
            if len(runs) > 1 and cost != "round":
                above.set(xscale="log")
        axes[0, 0].set(ylabel="loss")
        axes[1, 0].set(ylabel="test accuracy")
        write_end_labels(figure, labels)
    return figure
