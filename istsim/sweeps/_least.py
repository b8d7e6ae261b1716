"""Which step size of a grid is best."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import xarray


def least_over_step_sizes(mean: xarray.DataArray) -> xarray.Dataset:
    """The step size at which a mean over runs is least; NaN and infinite ones are out of the question.

    Args:
        mean: over `step_size`, in any order, and other dimensions.

    Returns:
        `best_step_size`, NaN where none is left; `place`, its index; and `at_end`, whether it is the least or the
        largest of the grid, so that a better one may lie beyond.

    Example:
        >>> import numpy as np, xarray
        >>> from istsim.sweeps._least import least_over_step_sizes
        >>> steps = [[40.0, 20.0, np.inf], [90.0, 70.0, 60.0]]
        >>> steps = xarray.DataArray(steps, {"step_size": [0.1, 0.2, 0.4]}, ("batch", "step_size"))
        >>> best = least_over_step_sizes(steps)
        >>> best.best_step_size.values.tolist(), best.at_end.values.tolist()
        ([0.2, 0.4], [False, True])
    """
    import xarray

    comparable = mean.fillna(np.inf)
    place = comparable.argmin("step_size")
    found = np.isfinite(comparable.min("step_size"))
    chosen = mean.step_size[place].drop_vars("step_size")
    at_end = (chosen == mean.step_size.min()) | (chosen == mean.step_size.max())
    return xarray.Dataset({"best_step_size": chosen.where(found), "place": place, "at_end": at_end & found})
