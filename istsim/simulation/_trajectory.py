from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from istsim._random import as_key, round_key, stream
from istsim._types import Numbers
from istsim._validation import is_concrete, positive_int
from istsim.methods._method import Method
from istsim.problems._quadratic import Quadratic
from istsim.simulation import _numpy
from istsim.simulation._draws import check_first
from istsim.simulation._programs import forget_if_many
from istsim.simulation._rounds import advance, check_problem_and_method, checked_step_size, starting_point
from istsim.simulation._run import Run
from istsim.simulation._step_sizes import StepSizes


def trajectory(
    problem: Quadratic,
    method: Method,
    *,
    step_size: Any,
    rounds: int,
    key: Any,
    x0: Numbers | None = None,
) -> Float[Array, "iterates d"]:
    """All iterates of one run, x_0 to x_K: a function that JAX can jit, vmap and differentiate.

    The sketches are those of repetition 0 of `simulate` with the same key.

    Args:
        problem: what is minimised.
        method: how.
        step_size: a positive number, a tracer, or a schedule: a callable that gives the step size of a
            round, counted from 0.
        rounds: K, at least 1; a Python int.
        key: a JAX key or an int.
        x0: shape (d,); the vector of ones if None.

    Returns:
        The iterates, shape (rounds + 1, d).

    Raises:
        ValueError: for arguments outside these ranges, or a sketch for another n or d.
        RuntimeError: where JAX's x64 mode is switched off.

    Example:
        The derivative of the final value in the step size:

        >>> import jax, istsim
        >>> problem = istsim.random_quadratic(0, 2, 4, condition_number=5.0,
        ...                                   matrix_heterogeneity=0.1, vector_heterogeneity=0.0)
        >>> method = istsim.IST(istsim.Permutation(2, 4))
        >>> def final_value(step_size):
        ...     return problem.value(istsim.trajectory(problem, method, step_size=step_size, rounds=5, key=1)[-1])
        >>> jax.grad(final_value)(0.1).shape
        ()
    """
    forget_if_many(problem, method, step_size, key, x0)
    check_problem_and_method(problem, method)
    rounds = positive_int("rounds", rounds)
    if callable(step_size):
        steps = StepSizes.of(step_size, rounds, problem.dtype)
    else:
        steps = StepSizes(checked_step_size(step_size, problem.dtype)[None], None)
    x0 = starting_point(problem, x0)
    run_key = as_key(key)
    if is_concrete(problem, method, steps, run_key, x0):
        run = Run(problem, method, steps, run_key, 1, np.asarray(x0), rounds, 1)
        if _numpy.covers(run) and _numpy.is_short(run):
            return jnp.asarray(_numpy.iterates(run))
    sketch_key = stream(run_key, "sketch")
    check_first(method, sketch_key, rounds, problem.num_workers)
    return _trajectory(problem, method, steps, sketch_key, x0, rounds=rounds)


@functools.partial(jax.jit, static_argnames="rounds")
def _trajectory(
    problem: Quadratic, method: Method, steps: StepSizes, sketch_key: Array, x0: Float[Array, " d"], *, rounds: int
) -> Float[Array, "iterates d"]:
    def one_round(x, round_index):
        draws = method.draw(round_key(sketch_key, 0, round_index), problem.num_workers)
        x = advance(problem, method, draws, steps.at(round_index)[0], x)
        return x, x

    _, iterates = jax.lax.scan(one_round, x0, jnp.arange(rounds))
    return jnp.concatenate([x0[None], iterates])
