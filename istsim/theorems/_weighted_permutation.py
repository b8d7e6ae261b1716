"""The setting of Theorem 2: n = d workers hold one coordinate each, weighted by their own diagonals."""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float

from istsim.methods._method import SketchedMethod
from istsim.theorems._premises import is_ist_by_single_coordinates
from istsim.theorems._theorem import Instance, Premise


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
    def of(cls, instance: Instance) -> WeightedPermutation:
        """From the L_i and b_i, by counting."""
        problem, n = instance.problem, instance.problem.num_workers
        scaled = np.asarray(problem.b) / np.sqrt(np.asarray(problem.hessians.diagonal()))
        Lbar, limit = np.asarray(problem.mean_hessian), scaled.sum(axis=0) / n**1.5
        h = np.asarray(problem.minimizer) - limit
        # Two coordinates see the same worker never, any two different ones equally often.
        spread = scaled - scaled.mean(axis=0)
        S = spread.T @ spread / n
        diagonal = np.diag(np.diag(S))
        covariance = (diagonal - (S - diagonal) / max(n - 1, 1)) / n
        return cls(limit, h, float(h @ Lbar @ h), float(np.sum(Lbar * covariance)))


def weighted_permutation() -> Premise:
    """IST of that kind on this problem."""

    def failure(instance: Instance) -> str:
        method, n = instance.method, instance.problem.num_workers
        if not is_ist_by_single_coordinates(method) or not isinstance(method, SketchedMethod):
            return f"the method is {method!r}"
        if method.merge != "mean" or method.participants not in (None, n) or method.noise is not None:
            return f"the method is {method!r}"
        if not np.allclose([method.forward_scale, method.gradient_scale], np.sqrt(n), rtol=1e-12):
            return f"the scales are {method.forward_scale:.6g} and {method.gradient_scale:.6g}, sqrt(n) is {n**0.5:.6g}"
        diagonals = np.asarray(instance.problem.hessians.diagonal())
        if diagonals.min() <= 0:
            return "a D_i has a zero"
        weights = np.ones_like(diagonals) if method.weights is None else np.asarray(method.weights)
        different = float(np.abs(weights * np.sqrt(diagonals) - 1).max())
        return "" if different <= 1e-9 else f"weights times D_i^1/2 differ from 1 by up to {different:.6g}"

    return Premise("IST with n = d, one coordinate each, weights D_i^-1/2, scales sqrt(n), merge mean", failure)
