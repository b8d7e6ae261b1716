from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from istsim._types import Array
from istsim.problems._dense import DenseHessians
from istsim.problems._factored import FactoredHessians
from istsim.problems._hessians import Hessians
from istsim.problems._quadratic import Quadratic
from istsim.problems._tridiagonal import TridiagonalHessians

METRICS = {
    "objective_gap": "f(x) - f(x*)",
    "gradient_norm_squared": "||grad f(x)||^2",
    "distance_squared": "||x - x*||^2",
}


def metrics(problem: Quadratic, x: Float[Array, "... d"]) -> dict[str, Float[Array, "..."]]:
    """All metrics at points of shape (..., d), by one matrix product for them all.

    From x - x*, because the difference of two values of f loses all digits near the optimum.
    """
    error = x - problem.minimizer
    gradient = problem.mean_hessian_times(error)
    return {
        "objective_gap": 0.5 * (error * gradient).sum(axis=-1),
        "gradient_norm_squared": (gradient**2).sum(axis=-1),
        "distance_squared": (error**2).sum(axis=-1),
    }


def metrics_by_numpy(problem: Quadratic, error: Float[np.ndarray, "... d"]) -> dict[str, Float[np.ndarray, "..."]]:
    """The same at points of which `x - x*` is known, without anything to compile."""
    rows = error.reshape(-1, error.shape[-1])
    # Numbers beyond floating point are a result: the run diverges.
    with np.errstate(over="ignore", invalid="ignore"):
        gradient = _times(problem.average, rows)
        found = {
            "objective_gap": 0.5 * _row_products(rows, gradient),
            "gradient_norm_squared": _row_products(gradient, gradient),
            "distance_squared": _row_products(rows, rows),
        }
    return {name: values.reshape(error.shape[:-1]) for name, values in found.items()}


def _row_products(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.einsum("rj,rj->r", left, right)


def _times(average: Hessians, rows: Float[np.ndarray, "row d"]) -> Float[np.ndarray, "row d"]:
    """Lbar times each row; its structure is dense, factored, tridiagonal or else diagonal."""
    parts: list[Any] = [np.asarray(getattr(average, name)) for name in average.data_fields]
    if isinstance(average, DenseHessians):
        return rows @ parts[0][0]
    if isinstance(average, FactoredHessians):
        return rows @ parts[0][0] @ parts[0][0].T + parts[1] * rows
    product = parts[0][0] * rows
    if isinstance(average, TridiagonalHessians):
        couplings = parts[1][0, 1:-1]
        product[:, 1:] += couplings * rows[:, :-1]
        product[:, :-1] += couplings * rows[:, 1:]
    return product
