"""Rounds of the library's methods in NumPy: for runs that end before anything could be loaded or compiled for them."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from istsim._arrays import as_known
from istsim._random import round_key
from istsim._threefry import Threefry
from istsim.methods._method import Method, SketchedMethod
from istsim.problems._matrix_free import MatrixFreeHessians
from istsim.problems._quadratic import Quadratic
from istsim.simulation._draws import needs_jax
from istsim.simulation._rounds import advance


def covers(problem: Quadratic, method: Method) -> bool:
    """Whether a round is written in NumPy: that of a library's method, without noise, by a sketch of the library's."""
    return (
        type(method).__module__.startswith("istsim.methods.")
        and method.noise is None
        and not needs_jax(method.sketch_for(problem))
        and not isinstance(problem.hessians, MatrixFreeHessians)
    )


def one_round(
    problem: Quadratic,
    method: Method,
    sketch_keys: Threefry,
    repetition: Any,
    round_index: int,
    step_size: Any,
    x: Float[np.ndarray, "repetition point d"],
) -> Float[np.ndarray, "repetition point d"]:
    """The next iterates.

    Args:
        problem: The quadratic.
        method: The method.
        sketch_keys: A key, or one for each repetition.
        repetition: The numbers of the repetitions under a single key, or 0 where each has its own.
        round_index: The number of the round.
        step_size: A number, or shape (point, 1), one for each point.
        x: The points of a repetition all see the same sketches.
    """
    draws = method.draw(round_key(sketch_keys, repetition, round_index), problem.num_workers)
    if isinstance(method, SketchedMethod):
        reporting = None if draws.reporting is None else draws.reporting[:, None]
        draws = draws._replace(held=draws.held[:, None], reporting=reporting)
    return as_known(advance(problem, method, draws, step_size, x))
