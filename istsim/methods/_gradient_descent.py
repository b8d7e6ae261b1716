from __future__ import annotations

import dataclasses

from istsim.methods._method import Method


@dataclasses.dataclass(frozen=True)
class GradientDescent(Method):
    """Nothing is masked: `x+ = x - step_size grad f(x)`. Data parallelism.

    Example:
        >>> import numpy as np, istsim
        >>> problem = istsim.Quadratic(L=np.eye(2)[None], b=np.zeros((1, 2)))
        >>> istsim.trajectory(problem, istsim.GradientDescent(), step_size=0.5, rounds=2, key=0).tolist()
        [[1.0, 1.0], [0.5, 0.5], [0.25, 0.25]]
    """

    def combine(self, problem, sums, step_size, x):
        """A step along the whole gradient."""
        return x - step_size * problem.gradient(x)
