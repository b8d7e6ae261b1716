"""One look for all figures: paper-sized, colour-blind safe, one colour a method."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from istsim._files import written_whole
from istsim._optional import require

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's palette, which people with any common colour blindness can tell apart.
METHOD_COLORS = {
    "GradientDescent": "#000000",
    "IST": "#D55E00",
    "CompressedGradient": "#0072B2",
    "CompressedIterates": "#009E73",
}
DISTINCT_COLORS = ("#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00")
METHOD_MARKERS = {"GradientDescent": "s", "IST": "o", "CompressedGradient": "^", "CompressedIterates": "D"}
REFERENCE_COLOR = "#555555"


@contextmanager
def paper_style() -> Iterator[None]:
    """Fonts and lines of a paper's column, for figures made inside `with`; the same bytes for the same data.

    Example:
        >>> from istsim import figures
        >>> with figures.paper_style():
        ...     figure, axes = figures.column_figure(1, 1, 0.7)
        ...     line = axes[0, 0].plot([1, 2, 3], [0.3, 0.2, 0.1], color=figures.METHOD_COLORS["IST"])
    """
    matplotlib = require("matplotlib", extra="plot")
    fontsizes = require("tueplots.fontsizes", extra="plot")
    settings = {
        **fontsizes.icml2024(),
        "font.family": "STIXGeneral",
        "mathtext.fontset": "stix",
        "axes.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.grid": True,
        "axes.grid.which": "major",
        "grid.color": "#E4E4E4",
        "grid.linewidth": 0.5,
        "lines.linewidth": 1.1,
        "lines.markersize": 3.0,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "ytick.minor.size": 0.0,
        "figure.constrained_layout.use": True,
        "svg.hashsalt": "istsim",
        "savefig.dpi": 300,
    }
    with matplotlib.rc_context(settings):
        yield


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure as the kind of file its name says, without a date in it.

    The file appears whole or not at all.

    Args:
        figure: any matplotlib figure.
        path: a file whose name ends in .svg, .png, .pdf or another that matplotlib writes, in a folder that exists.

    Raises:
        ValueError: for another ending, or if the folder does not exist.

    Example:
        >>> import tempfile
        >>> from istsim import figures
        >>> with figures.paper_style():
        ...     figure, axes = figures.column_figure(1, 1, 0.7)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     figures.save(figure, f"{folder}/mine.svg")
    """
    path = checked_path(path)
    metadata = {"Date": None} if path.suffix == ".svg" else {}
    with paper_style(), written_whole(path) as part:
        figure.savefig(part, format=path.suffix[1:], metadata=metadata)


def checked_path(path: str | Path) -> Path:
    """The path of a figure's file, as a path, if `save` can write there.

    Raises:
        ValueError: if it cannot.
    """
    path = Path(path)
    kinds = require("matplotlib.backend_bases", extra="plot").FigureCanvasBase.get_supported_filetypes()
    if path.suffix[1:] not in kinds:
        raise ValueError(
            f"a figure's file must end in {', '.join(f'.{kind}' for kind in sorted(kinds))}, got {str(path)!r}"
        )
    if not path.parent.is_dir():
        raise ValueError(f"there is no folder {str(path.parent)!r} for the figure {path.name!r}: make it first")
    return path


def column_figure(rows: int, columns: int, panel_ratio: float) -> tuple[Figure, Any]:
    """A figure of a paper's column width (two columns' width for four panels and more), to make in `paper_style`.

    Args:
        rows, columns: of panels.
        panel_ratio: height of a panel by its width.

    Returns:
        The figure, and its panels as an array of shape (rows, columns).

    Example:
        >>> from istsim import figures
        >>> with figures.paper_style():
        ...     figure, axes = figures.column_figure(2, 1, 0.6)
        >>> axes.shape
        (2, 1)
    """
    pyplot_figure = require("matplotlib.figure", extra="plot").Figure
    figsizes = require("tueplots.figsizes", extra="plot")
    size = figsizes.icml2024_half if rows * columns < 4 else figsizes.icml2024_full
    figure = pyplot_figure(figsize=size(nrows=rows, ncols=columns, height_to_width_ratio=panel_ratio)["figure.figsize"])
    return figure, figure.subplots(rows, columns, squeeze=False)


def plain(text: str) -> str:
    """Text that matplotlib shows as it is: what is between dollars it would set as a formula, or fail to."""
    return text.replace("$", r"\$")


def shades(color: str, count: int) -> list[tuple[float, float, float]]:
    """`count` shades of one colour, from dark to light."""
    red, green, blue = require("matplotlib.colors", extra="plot").to_rgb(color)
    found = []
    for i in range(count):
        t = i / max(count - 1, 1)
        dark, light = 0.5, 0.3  # how far towards black and white the extremes go
        if t < 0.5:
            factor = dark + (1 - dark) * 2 * t
            found.append((red * factor, green * factor, blue * factor))
        else:
            mix = light * (2 * t - 1)
            found.append((red + (1 - red) * mix, green + (1 - green) * mix, blue + (1 - blue) * mix))
    return found
