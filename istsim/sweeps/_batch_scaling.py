from __future__ import annotations

from typing import NamedTuple

import numpy as np

from istsim._types import Numbers
from istsim._validation import finite_array, real_array


class BatchScaling(NamedTuple):
    """The law `steps = examples / batch size + least`, as fitted.

    Attributes:
        examples: how many it takes where batches are small: there twice the batch halves the steps.
        least: the steps that remain where batches are large.
        deviation: by how much the law is off from the steps it was fitted to, relative to them, at the most.
    """

    examples: float
    least: float
    deviation: float

    def steps(self, batch_sizes: Numbers) -> np.ndarray:
        """By the law, in the shape of the batch sizes."""
        return self.examples / np.asarray(batch_sizes, float) + self.least


def fit_batch_scaling(batch_sizes: Numbers, steps: Numbers) -> BatchScaling:
    """Fit `c1 / B + c2` to the steps that a result takes with batches of B examples.

    That is the law of Lee et al. (arXiv 2003.11316): linear scaling where B is far below c1 / c2, none where it is far
    above, and diminishing returns between. The squares of relative errors are least; neither c1 nor c2 is negative.

    Args:
        batch_sizes: shape (count,), positive, all different.
        steps: shape (count,), positive; infinite where the result was not reached, which is left out.

    Returns:
        A `BatchScaling`, of NaN where the result was reached with fewer than two batch sizes.

    Raises:
        ValueError: for arguments outside these ranges.

    Example:
        >>> import istsim
        >>> law = istsim.fit_batch_scaling([1, 2, 4, 8], [110, 60, 35, 22.5])
        >>> round(law.examples, 9), round(law.least, 9), law.deviation < 1e-9
        (100.0, 10.0, True)
    """
    from scipy.optimize import nnls

    sizes = finite_array("batch_sizes", batch_sizes, "(count,)", 1)
    counts = real_array("steps", steps, "(count,)", 1)
    if len(set(sizes.tolist())) < len(sizes):
        raise ValueError(f"batch_sizes must differ from each other, got {sizes}")
    if sizes.shape != counts.shape:
        raise ValueError(
            f"batch_sizes and steps: there must be one number of steps for each batch size, got {counts} for {sizes}"
        )
    if not ((sizes > 0).all() and (counts > 0).all()):
        raise ValueError(f"batch_sizes and steps must be positive, got {sizes} and {counts}")
    sizes, counts = sizes[np.isfinite(counts)], counts[np.isfinite(counts)]
    if len(counts) < 2:
        return BatchScaling(np.nan, np.nan, np.nan)
    terms = np.stack([1 / sizes, np.ones(len(sizes))], axis=1)
    (examples, least), _ = nnls(terms / counts[:, None], np.ones(len(counts)))
    law = BatchScaling(float(examples), float(least), 0.0)
    return law._replace(deviation=float(np.abs(law.steps(sizes) / counts - 1).max()))
