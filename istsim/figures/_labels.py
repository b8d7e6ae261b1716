"""Direct labels: a curve's name beside its right end instead of a legend."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from istsim.figures._ticks import tidy_log_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclasses.dataclass(frozen=True)
class EndLabel:
    """A text to write at the right edge of some axes, at the height where a curve ends."""

    ax: Any
    y: float
    text: str
    color: Any


def write_end_labels(figure: Figure, labels: Sequence[EndLabel]) -> None:
    """Write the labels, moved apart where they would overlap; to be called when the axes are finished.

    Ticks of logarithmic axes are tidied before.
    """
    tidy_log_axes(figure)
    for ax in figure.axes:
        ours = [label for label in labels if label.ax is ax]
        if not ours:
            continue
        height = ax.get_position().height * figure.get_figheight() * 72  # in points
        to_axes = ax.transData + ax.transAxes.inverted()
        wanted = np.array([to_axes.transform((1.0, label.y))[1] for label in ours])
        for label, y in zip(ours, spread(np.clip(wanted, 0, 1), 1.1 * _font_size() / height), strict=True):
            ax.annotate(
                label.text,
                (1.0, y),
                xytext=(4, 0),
                textcoords="offset points",
                xycoords="axes fraction",
                color=label.color,
                fontsize=_font_size(),
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
