"""Direct labels: a curve's name beside its right end instead of a legend."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def label_line_ends(figure: Figure) -> None:
    """Write the label of every labelled line at its last point, moved apart where they would overlap."""
    for ax in figure.axes:
        lines = [line for line in ax.get_lines() if not line.get_label().startswith("_")]
        if lines:
            _label_axes(ax, lines)


def _label_axes(ax: Axes, lines: list) -> None:
    figure = ax.get_figure()
    size = _font_size()
    height = ax.get_position().height * figure.get_figheight() * 72  # in points
    transform = ax.transData + ax.transAxes.inverted()
    wanted = np.array([transform.transform((line.get_xdata()[-1], line.get_ydata()[-1]))[1] for line in lines])
    placed = spread(np.clip(wanted, 0, 1), 1.1 * size / height)
    right = ax.get_xlim()[1]
    for line, y, own in zip(lines, placed, wanted, strict=True):
        x_end = line.get_xdata()[-1]
        near_edge = transform.transform((x_end, 1))[0] > 0.9 or x_end >= right
        x = 1.0 if near_edge else transform.transform((x_end, 1))[0]
        ax.annotate(
            line.get_label(),
            (x, y if near_edge else own),
            xytext=(3, 0),
            textcoords="offset points",
            xycoords="axes fraction",
            color=line.get_color(),
            fontsize=size,
            va="center",
            annotation_clip=False,
        )


def _font_size() -> float:
    from matplotlib import rcParams
    from matplotlib.font_manager import FontProperties

    return FontProperties(size=rcParams["legend.fontsize"]).get_size_in_points()


def spread(positions: np.ndarray, gap: float) -> np.ndarray:
    """Move positions apart as little as needed for neighbours to be at least `gap` apart.

    Example:
        >>> import numpy as np
        >>> from istsim.figures._labels import spread
        >>> spread(np.array([0.5, 0.5, 0.9]), 0.1).round(2).tolist()
        [0.45, 0.55, 0.9]
    """
    order = np.argsort(positions, kind="stable")
    # Least squares under "sorted by at least gap": isotonic regression of the positions less their slots.
    slots = gap * np.arange(len(positions))
    blocks: list[list[float]] = []  # mean and size of pooled runs
    for value in positions[order] - slots:
        blocks.append([float(value), 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            value2, size2 = blocks.pop()
            value1, size1 = blocks.pop()
            blocks.append([(value1 * size1 + value2 * size2) / (size1 + size2), size1 + size2])
    pooled = np.concatenate([np.full(int(size), value) for value, size in blocks])
    placed = np.empty(len(positions))
    placed[order] = pooled + slots
    return placed
