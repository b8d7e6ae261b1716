"""The setting of Theorem 2: n = d workers hold one coordinate each, weighted by their own diagonals."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float

from istsim import verify
from istsim.methods import IST
from istsim.problems import Quadratic
from istsim.sketches import Permutation
from istsim.theorems._instance import Instance
from istsim.theorems._premises import BEYOND, is_ist_by_single_coordinates
from istsim.theorems._theorem import Premise


@dataclasses.dataclass(frozen=True, eq=False)
class WeightedPermutation:
    """What the theorems in this setting are about.

    With `weights = D_i^-1/2`, D_i the diagonal of L_i, and scales `sqrt(n)`, `B = I` whatever is drawn, and
    coordinate j of c is that of `D_i^-1/2 b_i / sqrt(n)` for a random worker i.

    Attributes:
        limit: the expected iterate's, `n^-3/2 sum D_i^-1/2 b_i`.
        h: `x* - limit`.
        bias: `||h||^2` in the norm of Lbar.
        variance: `sigma^2 = tr(Lbar Cov c)`.
    """

    limit: Float[np.ndarray, " d"]
    h: Float[np.ndarray, " d"]
    bias: float
    variance: float

    @classmethod
    def of(cls, problem: Quadratic) -> WeightedPermutation:
        """From the L_i and b_i, by counting."""
        n, scaled = problem.num_workers, scaled_vectors(problem)
        Lbar, limit = np.asarray(problem.mean_hessian), scaled.sum(axis=0) / n**1.5
        h = np.asarray(problem.minimizer) - limit
        # Two coordinates see the same worker never, any two different ones equally often.
        spread = scaled - scaled.mean(axis=0)
        S = spread.T @ spread / n
        diagonal = np.diag(np.diag(S))
        covariance = (diagonal - (S - diagonal) / max(n - 1, 1)) / n
        return cls(limit, h, float(h @ Lbar @ h), float(np.sum(Lbar * covariance)))


def scaled_vectors(problem: Quadratic) -> Float[np.ndarray, "n d"]:
    """The `D_i^-1/2 b_i`."""
    return np.asarray(problem.b) / np.sqrt(np.asarray(problem.hessians.diagonal()))


def weighted_ist(problem: Quadratic) -> IST:
    """The corrected (23): IST with one coordinate for each of n = d workers, weights `D_i^-1/2`, scales `sqrt(n)`."""
    n, scale = problem.num_workers, problem.num_workers**0.5
    weights = 1 / np.sqrt(np.asarray(problem.hessians.diagonal()))
    return IST(Permutation(n, n), weights=weights, forward_scale=scale, gradient_scale=scale)


def draw_weighted(
    draw: Callable[[Any], Any], longest: float = 2.0, *, equal: bool = False, **parameters: float
) -> Instance:
    """An instance of it, with a step size up to the longest.

    Args:
        draw: hypothesis' `draw`.
        longest: the longest step size.
        equal: whether all L_i, and all b_i, are equal.
        parameters: free constants of the statement.
    """
    n = draw(verify.strategies.square_sizes())
    problem = draw(verify.strategies.integer_problems(n, n, equal=equal))
    if equal:
        problem = Quadratic(problem.L, np.broadcast_to(np.asarray(problem.b[0]), problem.b.shape))
    step_size = longest * draw(verify.strategies.numbers(0.05, 1.0))
    return draw(verify.strategies.instances(problem, weighted_ist(problem), step_size, parameters))


def weighted_permutation(merge: str = "mean") -> Premise:
    """IST of that kind on this problem."""

    def failure(instance: Instance) -> str:
        method, n = instance.method, instance.problem.num_workers
        if not is_ist_by_single_coordinates(method):
            return f"the method is {method!r}"
        if method.merge != merge or method.num_reports(n) != n or method.noise is not None or method.local_steps > 1:
            return f"the method is {method!r}"
        if not np.allclose([method.forward_scale, method.gradient_scale], np.sqrt(n), rtol=1e-12):
            return f"the scales are {method.forward_scale:.6g} and {method.gradient_scale:.6g}, sqrt(n) is {n**0.5:.6g}"
        diagonals = np.asarray(instance.problem.hessians.diagonal())
        if diagonals.min() <= 0:
            return "a D_i has a zero"
        weights = np.ones_like(diagonals) if method.weights is None else np.asarray(method.weights)
        different = float(np.abs(weights * np.sqrt(diagonals) - 1).max())
        return "" if different <= 1e-9 else f"weights times D_i^1/2 differ from 1 by up to {different:.6g}"

    def break_just(instance: Instance) -> Instance:
        weights = np.array(weighted_ist(instance.problem).weights)
        weights[0, 0] *= 1 + BEYOND
        assert isinstance(instance.method, IST)
        return instance.changed(method=dataclasses.replace(instance.method, weights=weights))

    text = f"IST with n = d, one coordinate each, weights D_i^-1/2, scales sqrt(n), merge {merge}"
    return Premise(text, failure, break_just=break_just)
