from __future__ import annotations

from typing import ClassVar

import jax
import numpy as np
import sympy as sp

from istsim.theorems._premises import SLACK, equal_matrices
from istsim.theorems._theorem import Instance, Kind, Premise, Theorem, rounds_of
from istsim.theorems._weighted_permutation import weighted_permutation

k = sp.Symbol("k")
expected, of_mean = sp.symbols("expected_gap gap_of_mean")


class HomogeneousZeroVariance(Theorem):
    """Equal workers weighted by their diagonal: nothing is random, though every worker holds a random coordinate.

    All workers have the same `D^-1/2 b`, so it does not matter who holds which coordinate: `sigma^2 = 0`.
    """

    name = "homogeneous-zero-variance"
    title = "Equal workers, weighted by their diagonal, have no variance"
    kind = Kind.EXACT
    source = "Shulgin and Richtarik, arXiv 2306.16484, version 1, equation (31)"

    notation: ClassVar = {
        expected: r"(\mathbb{E}f(x_k)-f_\star)",
        of_mean: r"(f(\mathbb{E}x_k)-f_\star)",
    }

    @property
    def statement(self):
        """The expected objective is that of the expected iterate."""
        return sp.Eq(expected, of_mean, evaluate=False)

    @property
    def premises(self):
        """The setting of Theorem 2 with equal workers."""
        return weighted_permutation(), equal_matrices(), Premise("all b_i are equal", _different)

    def sequences(self, instance):
        """From the exact second moments, and from the exact mean."""
        gaps = jax.vmap(instance.problem.objective_gap)(instance.exact.mean)
        return {k: rounds_of(instance), expected: instance.exact.objective_gap, of_mean: np.asarray(gaps)}


def _different(instance: Instance) -> str:
    b = np.asarray(instance.problem.b)
    largest = float(np.abs(b - b[0]).max())
    return "" if largest <= SLACK * np.abs(b).max() else f"they differ by up to {largest:.6g}"
