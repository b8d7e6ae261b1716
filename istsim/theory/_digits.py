"""W and theta in many digits, for the few problems where rounding would decide."""

from __future__ import annotations

import copy
import math

import mpmath
import numpy as np

from istsim.problems._dense import DenseHessians
from istsim.theory._affine import AffineLaw
from istsim.theory._diagonal_law import DiagonalLaw
from istsim.theory._sketched_law import SketchedLaw

_DIGITS = 80
_ZERO = mpmath.mpf(10) ** -50  # what is smaller, beside the largest, is 0
_MOST_PRODUCTS = 100_000  # each takes some microseconds


def are_few_enough(law: AffineLaw) -> bool:
    """Whether its numbers are so few that it takes a second or two."""
    return law.problem.num_workers * law.problem.dim**3 <= _MOST_PRODUCTS


def extremes(law: SketchedLaw | DiagonalLaw) -> tuple[float, bool, float]:
    """The smallest eigenvalue of `Lbar^-1/2 W Lbar^-1/2`, whether W is semidefinite, and theta, inf if there is none.

    The law's formulas run in NumPy with mpmath's numbers, from the problem's own, which are taken to be exact.
    """
    with mpmath.workdps(_DIGITS):
        wide = _in_digits(law)
        Lbar = wide.problem.average.dense()[0]
        B, second = wide.mean_operator(), mpmath.matrix(wide.transposed_second(Lbar).tolist())
        W = mpmath.matrix(((Lbar @ B + B.T @ Lbar) / 2).tolist())
        # Any root will do in the place of Lbar^1/2: R' R = Lbar.
        inverse = mpmath.inverse(mpmath.cholesky(mpmath.matrix(Lbar.tolist()))).T
        eigenvalues, directions = mpmath.eigsy(inverse.T * W * inverse)
        smallest, nothing = min(eigenvalues), _ZERO * max(map(abs, eigenvalues))
        if smallest < -nothing:
            return float(smallest), False, math.inf
        basis = inverse * directions
        moment = basis.T * second * basis
        count = range(len(B))
        # In the kernel of W the second moment must vanish as well.
        vanishes = _ZERO * mpmath.mnorm(moment, 1)
        if any(abs(moment[i, j]) > vanishes for i in count if eigenvalues[i] <= nothing for j in count):
            return float(smallest), True, math.inf
        roots = [mpmath.sqrt(value) if value > nothing else mpmath.inf for value in eigenvalues]
        scaled = mpmath.matrix([[moment[i, j] / roots[i] / roots[j] for j in count] for i in count])
        return float(smallest), True, float(max(mpmath.eigsy(scaled, eigvals_only=True)))


def _in_digits(law: SketchedLaw | DiagonalLaw) -> SketchedLaw:
    """The same law of the same numbers, in objects of mpmath."""
    matrices = np.vectorize(mpmath.mpf, otypes=[object])(np.asarray(law.problem.L))
    problem = copy.copy(law.problem)
    vars(problem).update(
        hessians=DenseHessians(matrices), average=DenseHessians(matrices.sum(axis=0)[None] / len(matrices))
    )
    return SketchedLaw(problem, law.method, law.centre)
