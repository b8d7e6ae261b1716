"""One round of a method, and the checks that every run shares."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from istsim._precision import require_x64
from istsim._types import Array, Numbers
from istsim._validation import finite_array, finite_number, is_concrete, ndim_of
from istsim.methods._method import Draws, Method
from istsim.problems._quadratic import Quadratic


def advance(
    problem: Quadratic, method: Method, draws: Draws, step_size: Any, x: Float[Array, "*_ d"]
) -> Float[Array, "*_ d"]:
    """The next iterate, for what was drawn; in NumPy of many points and masks at once, along leading axes."""
    return method.combine(problem, method.worker_sums(problem, draws, step_size, x), step_size, x)


def check_problem_and_method(problem: Any, method: Any) -> None:
    """Refuse what is not a problem and a method that go together, and to compute by JAX without float64."""
    require_x64()
    if not isinstance(problem, Quadratic):
        raise ValueError(f"problem must be an istsim.Quadratic, got {type(problem).__name__}")
    if not isinstance(method, Method):
        raise ValueError(f"method must be a method such as istsim.IST(sketch), got {method!r}")
    sketch = method.sketch_for(problem)
    if sketch.size is not None and not 1 <= sketch.size <= sketch.d:
        raise ValueError(
            f"a sketch's size must be None or a number of coordinates from 1 to d = {sketch.d}, but {sketch!r} states "
            f"{sketch.size}; correct `size` or the sketch's arguments"
        )


def starting_point(problem: Quadratic, x0: Numbers | None) -> Float[Any, " d"]:
    """x0 in the problem's precision; the vector of ones if None."""
    if x0 is None:
        return np.ones(problem.dim, problem.dtype)
    start = finite_array("x0", x0, f"(d,) = ({problem.dim},)", 1)
    if start.shape != (problem.dim,):
        raise ValueError(f"x0 must have shape (d,) = ({problem.dim},), got shape {start.shape}")
    return start.astype(problem.dtype)


def checked_step_size(step_size: Any, dtype: Any) -> Float[Array, ""]:
    """One positive, finite step size in the problem's precision."""
    if is_concrete(step_size):
        if ndim_of(step_size) != 0 or callable(step_size):
            raise ValueError(f"step_size must be one positive number, got {step_size!r}")
        step_size = finite_number("step_size", step_size)
        if step_size <= 0:
            raise ValueError(f"step_size must be positive, got {step_size}")
    return np.asarray(step_size, dtype) if is_concrete(step_size) else jnp.asarray(step_size, dtype)
