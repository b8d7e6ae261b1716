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

_PREFIXES = ("", "k", "M", "G", "T", "P", "E")


def training_curves(runs: Mapping[str, Sequence[Mapping[str, Any]]], title: str = "") -> Figure:
    """Training and test loss (above) and test accuracy (below) against rounds, bytes sent and operations.

    Bytes are those sent to workers and by them; bytes and operations are in such units that no number is long.

    Args:
        runs: for each name the rows of a log: see `istsim.networks.Log`.
        title: what was run; if it is "", the name of a single run.

    Raises:
        ValueError: if there are no runs, or one has no rows.

    Example:
        >>> from istsim import figures
        >>> row = {"round": 1, "loss": 0.9, "bytes_down": 4e6, "bytes_up": 2e6, "flops": 3e9}
        >>> figure = figures.training_curves({"IST": [row | {"test_loss": 0.8, "accuracy": 0.7}]}, "an MLP on digits")
        >>> [ax.get_xlabel() for ax in figure.axes[3:]]
        ['round', 'MB sent', 'GFLOP']
    """
    empty = [name for name, rows in runs.items() if not rows]
    if empty or not runs:
        raise ValueError(f"runs must be at least one, each with rows, got {f'none of {empty[0]!r}' if empty else runs}")
    curves = {name: _columns(rows) for name, rows in runs.items()}
    scales, names = {"round": 1.0}, {"round": "round"}
    for cost, unit in (("bytes", "B sent"), ("flops", "FLOP")):
        scales[cost], prefix = _unit(max(columns[cost].max() for columns in curves.values()))
        names[cost] = prefix + unit
    with paper_style():
        figure, axes = column_figure(2, 3, 0.75)
        labels, dotted = [], {"marker": ".", "markersize": 2.0}  # a run that was tested once has a dot and no line
        for (name, columns), color in zip(curves.items(), itertools.cycle(DISTINCT_COLORS), strict=False):
            tested = np.isfinite(columns["accuracy"])
            for (cost, scale), (above, below) in zip(scales.items(), axes.T, strict=True):
                x = columns[cost] / scale
                above.plot(x, columns["loss"], color=color, alpha=0.35, linewidth=0.7)
                above.plot(x[tested], columns["test_loss"][tested], color=color, **dotted)
                below.plot(x[tested], columns["accuracy"][tested], color=color, **dotted)
            if len(runs) > 1:
                ends = ((axes[1, 2], "accuracy", name, color),)
            else:
                ends = ((axes[0, 2], "loss", "training", "0.4"), (axes[0, 2], "test_loss", "test", color))
            labels += [EndLabel(ax, _last(columns[key]), *text) for ax, key, *text in ends]
        for cost, (above, below) in zip(scales, axes.T, strict=True):
            above.set(yscale="log")
            below.set(xlabel=names[cost])
            above.sharey(axes[0, 0])
            below.sharey(axes[1, 0])
            below.sharex(above)
            above.tick_params(labelbottom=False, labelleft=cost == "round")
            below.tick_params(labelleft=cost == "round")
            if len(runs) > 1 and cost != "round":
                above.set(xscale="log")
                for ax in (above, below):
                    ax.tick_params(axis="x", which="minor", length=0)
        axes[0, 0].set(ylabel="loss" if len(runs) == 1 else "test loss (faint: training)")
        axes[1, 0].set(ylabel="test accuracy")
        figure.suptitle(title or (next(iter(runs)) if len(runs) == 1 else ""))
        write_end_labels(figure, [label for label in labels if np.isfinite(label.y)])
    return figure


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    columns = {key: np.array([row[key] for row in rows], float) for key in rows[0]}
    return columns | {"bytes": columns["bytes_down"] + columns["bytes_up"]}


def _unit(largest: float) -> tuple[float, str]:
    """The power of 1000 that leaves at most three digits before the point, and its prefix.

    Example:
        >>> from istsim.figures._training import _unit
        >>> _unit(999.0), _unit(1e3), _unit(2.5e11)
        ((1.0, ''), (1000.0, 'k'), (1000000000.0, 'G'))
    """
    power = next((power for power in range(len(_PREFIXES)) if largest < 1000.0 ** (power + 1)), len(_PREFIXES) - 1)
    return 1000.0**power, _PREFIXES[power]


def _last(values: np.ndarray) -> float:
    """The last value that is finite; not a number if none is."""
    finite = values[np.isfinite(values)]
    return float(finite[-1]) if finite.size else np.nan
