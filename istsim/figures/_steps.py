"""Figures of steps to a result against the batch size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from istsim.figures._labels import EndLabel, write_end_labels
from istsim.figures._style import DISTINCT_COLORS, REFERENCE_COLOR, column_figure, paper_style
from istsim.sweeps import fit_batch_scaling

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure


def steps_to_gap(data: xarray.Dataset) -> Figure:
    """Rounds to an objective gap (above) and the step size that takes fewest (below) against the batch size.

    Lines: exact. Dots: simulated. Dashed: the law c1 / B + c2. Dotted: linear scaling from the smallest batch.

    Args:
        data: a scan, as `istsim reproduce` stores it.
    """
    groups = list(dict.fromkeys(data.line_group.values.tolist()))
    colors = _colors(data.line_kept.values)
    gaps = data.simulated.sel(metric="objective_gap")
    with paper_style():
        figure, axes = _panels(len(groups), "rounds to the gap")
        labels = []
        for (above, below), group in zip(axes.T, groups, strict=True):
            for line in (data.isel(line=i) for i in np.flatnonzero(data.line_group.values == group)):
                x, y, color = line.line_x.values, line.line_y.values, colors[float(line.line_kept)]
                above.plot(x, y, color=color)
                _draw_laws(above, x, y, color)
                below.plot(x, line.line_step_size, color=color)
                if group == groups[-1]:
                    labels += _labels(above, below, y, line.line_step_size.values, float(line.line_kept), color)
            for curve in np.flatnonzero(data.group.values == group):
                there = data["round"].values[gaps[curve].values <= float(data.goal[curve])]
                color, x = colors[float(data.dot_kept[curve])], float(data.x[curve])
                above.plot([x] * len(there[:1]), there[:1], "o", color=color, markerfacecolor="w", markeredgewidth=0.8)
            above.set_title(group)
        write_end_labels(figure, labels)
    return figure


def steps_study(data: xarray.Dataset) -> Figure:
    """Steps of a network to a result (above) and the best step size (below) against the batch size.

    Dots: means over seeds, small ones the seeds. Dashed: the law c1 / B + c2. Dotted: linear scaling from the smallest
    batch.

    Args:
        data: those of the study "steps-to-result" of `istsim.studies`.

    Example:
        >>> import numpy as np, xarray
        >>> from istsim import figures
        >>> steps = [[[[40.0], [25.0]], [[90.0], [60.0]]]]
        >>> figure = figures.steps_study(xarray.Dataset(
        ...     {"steps": (("masking", "kept", "batch_size", "seed"), steps),
        ...      "step_size": (("masking", "kept", "batch_size"), np.ones((1, 2, 2)))},
        ...     {"masking": ["forward"], "kept": [1.0, 0.5], "batch_size": [4, 8], "seed": [0]}))
        >>> [ax.get_ylabel() for ax in figure.axes]
        ['steps to the result', 'best step size']
    """
    colors = _colors(data.kept.values)
    with paper_style():
        figure, axes = _panels(data.sizes["masking"], "steps to the result")
        labels = []
        for (above, below), masking in zip(axes.T, data.masking.values, strict=True):
            for kept, color in colors.items():
                one = data.sel(masking=masking, kept=kept)
                x, y, sizes = one.batch_size.values, one.steps.mean("seed").values, one.step_size.values
                for seed in one.seed:
                    above.plot(x, one.steps.sel(seed=seed), "o", color=color, markersize=1.2, alpha=0.6)
                above.plot(x, y, "o", color=color)
                _draw_laws(above, x, y, color)
                below.plot(x, sizes, "-o", color=color, markersize=2)
                if masking == data.masking.values[-1]:
                    labels += _labels(above, below, y, sizes, kept, color)
            above.set_title(str(masking))
        write_end_labels(figure, labels)
    return figure


def _panels(columns: int, name: str) -> tuple[Figure, Any]:
    """Steps above, step sizes below, with the same axes in all columns."""
    figure, axes = column_figure(2, columns, 0.75)
    for row in axes:
        for ax in row:
            ax.set(xscale="log", yscale="log")
            ax.tick_params(labelleft=ax is row[0])
        for ax in row[1:]:
            ax.sharey(row[0])
    for above, below in axes.T:
        above.sharex(below)
        above.tick_params(labelbottom=False)
        below.set(xlabel="batch size B")
    axes[0, 0].set(ylabel=name)
    axes[1, 0].set(ylabel="best step size")
    return figure, axes


def _colors(kept: np.ndarray) -> dict[float, str]:
    """By the fraction that is kept, all of it first."""
    return dict(zip(sorted(set(kept.tolist()), reverse=True), DISTINCT_COLORS, strict=False))


def _draw_laws(ax: Any, batch_sizes: np.ndarray, steps: np.ndarray, color: str) -> None:
    """The law as fitted, and linear scaling."""
    fine = np.geomspace(batch_sizes[0], batch_sizes[-1], 100)
    law = fit_batch_scaling(batch_sizes, steps).steps(fine)
    ax.plot(fine, law, color=color, linewidth=0.7, linestyle=(0, (4, 2)))
    ideal = steps[0] * batch_sizes[0] / fine
    shown = ideal > 0.7 * steps.min()
    ax.plot(fine[shown], ideal[shown], color=REFERENCE_COLOR, linewidth=0.7, linestyle=":", zorder=1)


def _labels(above: Any, below: Any, steps: np.ndarray, sizes: np.ndarray, kept: float, color: str) -> list[EndLabel]:
    ends = ((above, steps), (below, sizes))
    return [EndLabel(ax, float(values[-1]), f"C = {kept:g}", color) for ax, values in ends if np.isfinite(values[-1])]
