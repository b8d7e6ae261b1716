"""What the local quadratic of a network predicts, and what training does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from istsim.figures._labels import EndLabel, write_end_labels
from istsim.figures._style import DISTINCT_COLORS, column_figure, paper_style

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure


def prediction(data: xarray.Dataset) -> Figure:
    """Loss (above) and spread of the parameters (below) against rounds, a column for each method.

    Args:
        data: those of `istsim.networks.compare_with_quadratic`, one after the other along `algorithm`.

    Example:
        >>> import numpy as np, xarray
        >>> from istsim import figures
        >>> names = ("predicted_loss", "predicted_spread", "trained_spread")
        >>> lines = {name: (("algorithm", "round"), np.ones((1, 3))) for name in names}
        >>> runs = {"loss": (("algorithm", "repetition", "round"), np.ones((1, 2, 3)))}
        >>> figure = figures.prediction(xarray.Dataset(lines | runs, {"algorithm": ["SDP"], "round": range(3)}))
        >>> [ax.get_ylabel() for ax in figure.axes]
        ['loss', 'spread']
    """
    predicted, trained = DISTINCT_COLORS[0], DISTINCT_COLORS[1]
    with paper_style():
        figure, axes = column_figure(2, data.sizes["algorithm"], 0.7)
        error = 2 * data.loss.std("repetition", ddof=1) / data.sizes["repetition"] ** 0.5
        for i, (above, below) in enumerate(axes.T):
            one, rounds = data.isel(algorithm=i), data["round"]
            above.plot(rounds, one.predicted_loss, color=predicted)
            dots = {"fmt": "o", "color": trained, "markersize": 2.5, "elinewidth": 0.8}
            above.errorbar(rounds, one.loss.mean("repetition"), error.isel(algorithm=i), **dots)
            below.plot(rounds, one.predicted_spread, color=predicted)
            below.plot(rounds, one.trained_spread, "o", color=trained, markersize=2.5)
            above.set_title(str(one.algorithm.values))
            above.tick_params(labelbottom=False)
            below.set(xlabel="round", ylim=(0, None))
        axes[0, 0].set(ylabel="loss")
        axes[1, 0].set(ylabel="spread")
        last = data.isel(algorithm=-1, round=-1)
        ends = (("predicted", last.predicted_spread, predicted), ("trained", last.trained_spread, trained))
        write_end_labels(figure, [EndLabel(axes[1, -1], float(y), name, color) for name, y, color in ends])
    return figure
