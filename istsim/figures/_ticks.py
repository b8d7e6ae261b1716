"""Ticks of logarithmic axes that do not run into each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from istsim._optional import require

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def tidy_log_axes(figure: Figure) -> None:
    """Label powers of ten only, or a few plain numbers where there are too few of them; once the axes are finished.

    matplotlib would label 2, 3, 4 and 6 times a power of ten, each as a power, side by side.
    """
    for ax in figure.axes:
        for axis, ends in ((ax.xaxis, ax.get_xlim()), (ax.yaxis, ax.get_ylim())):
            if axis.get_scale() == "log" and not _are_set_by_hand(axis):
                _tidy(axis, np.log10(sorted(ends)))


def _tidy(axis: Any, decades: np.ndarray) -> None:
    ticker = require("matplotlib.ticker", extra="plot")
    axis.set_minor_formatter(ticker.NullFormatter())
    low, high = decades
    if np.floor(high) - np.ceil(low) >= 2:  # three powers of ten
        return
    axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5) if high - low < 1.5 else (1, 3)))
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: _plain(value)))


def _are_set_by_hand(axis: Any) -> bool:
    return isinstance(axis.get_major_locator(), require("matplotlib.ticker", extra="plot").FixedLocator)


def _plain(value: float) -> str:
    r"""A number as one writes it, with a power of ten only where there would be many zeros.

    Example:
        >>> from istsim.figures._ticks import _plain
        >>> print(_plain(0.02), _plain(5000.0), _plain(2e-7))
        0.02 5000 $2\times10^{-7}$
    """
    if 1e-4 <= value < 1e5:
        return f"{value:.6g}"
    digits, _, exponent = f"{value:.6e}".partition("e")
    return rf"${float(digits):g}\times10^{{{int(exponent)}}}$"
