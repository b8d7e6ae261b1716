from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import numpy as np

from istsim.methods import IST
from istsim.problems import Quadratic, random_quadratic, tridiagonal_quadratic
from istsim.sketches import Permutation


@dataclasses.dataclass(frozen=True)
class Workload:
    """Rounds of IST with `Permutation(n, d)`, masks drawn and metrics recorded in each.

    Attributes:
        n, d: workers and coordinates, n dividing d.
        dtype: the precision.
        structure: of the L_i, "dense", "factored" with rank d/10, or "tridiagonal".
        repetitions: how many runs a step size.
        step_sizes: how many.
    """

    n: int
    d: int
    dtype: str = "float64"
    structure: str = "dense"
    repetitions: int = 1
    step_sizes: int = 1

    @property
    def rank(self) -> int:
        """Of a factor."""
        return self.d // 10

    @property
    def sizes(self) -> list[float]:
        """The step sizes."""
        return [0.01 * (index + 1) for index in range(self.step_sizes)]

    def problem(self) -> Quadratic:
        """The problem, the same each time."""
        if self.structure == "tridiagonal":
            return tridiagonal_quadratic(
                0, self.n, self.d, noise_scale=0.1, smallest_eigenvalue=0.1, dtype=jnp.dtype(self.dtype)
            )
        if self.structure == "factored":
            rng = np.random.default_rng(0)
            features = rng.standard_normal((self.n, self.rank, self.d)) / np.sqrt(self.d)
            return Quadratic.from_least_squares(features, features.sum(axis=2), ridge=0.1).astype(self.dtype)
        return random_quadratic(
            0, self.n, self.d, condition_number=10.0, matrix_heterogeneity=0.5, vector_heterogeneity=0.5
        ).astype(self.dtype)

    def method(self) -> IST:
        """The method."""
        return IST(Permutation(self.n, self.d))
