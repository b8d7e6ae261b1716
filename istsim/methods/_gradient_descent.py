from __future__ import annotations

import dataclasses

import jax.numpy as jnp

from istsim.methods._method import Method
from istsim.sketches._identity import Identity


@dataclasses.dataclass(frozen=True)
class GradientDescent(Method):
    """Nothing is masked: `x+ = x - step_size grad f(x)`. Data parallelism.

    Example:
        >>> import numpy as np, istsim
        >>> problem = istsim.Quadratic(L=np.eye(2)[None], b=np.zeros((1, 2)))
        >>> istsim.trajectory(problem, istsim.GradientDescent(), step_size=0.5, rounds=2, key=0).tolist()
        [[1.0, 1.0], [0.5, 0.5], [0.25, 0.25]]
    """

    def sketch_for(self, problem):
        """The identity: every worker holds everything."""
        return Identity(problem.num_workers, problem.dim)

    def draw(self, key):
        """No sets: nothing is masked."""
        return jnp.zeros((0, 0), jnp.int32)

    def update_sum(self, problem, held, x):
        """`n grad f(x)`."""
        return problem.num_workers * problem.gradient(x)
