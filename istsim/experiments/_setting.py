"""The setting that most experiments share."""

from __future__ import annotations

from istsim.problems import Quadratic, random_quadratic
from istsim.sketches import Permutation

KEY = 2306  # of the problems and of the runs
N, D = 5, 20
SKETCH = Permutation(N, D)


def usual_repetitions(quick: bool) -> int:
    return 200 if quick else 1000


def heterogeneous_quadratic(vector_heterogeneity: float) -> Quadratic:
    return random_quadratic(
        KEY, N, D, condition_number=10.0, matrix_heterogeneity=0.5, vector_heterogeneity=vector_heterogeneity
    )
