"""Hypothesis strategies that draw problems, sketches, methods and step sizes, for any test suite.

Shapes come from a small set, because JAX compiles anew for each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from hypothesis import assume as assume
from hypothesis import strategies as st

from istsim import theorems
from istsim.methods import IST, CompressedGradient, CompressedIterates, GradientDescent, Method
from istsim.problems import Quadratic, random_quadratic
from istsim.sketches import Bernoulli, Coverage, Grouped, Identity, Permutation, RandK, Sketch

# Shapes (n, d) and numbers of rounds.
SHAPES = ((1, 3), (2, 2), (2, 4), (3, 3), (3, 6))
ROUNDS = (1, 4)


@st.composite
def problems(
    draw: Callable[..., Any], n: int | None = None, d: int | None = None, interpolation: bool | None = None
) -> Quadratic:
    """Quadratics of every degree of heterogeneity, homogeneous ones included.

    Args:
        n, d: the shape; drawn from a small set where None.
        interpolation: whether all b_i = 0; either where None.

    Example:
        >>> from hypothesis import given, settings
        >>> from istsim.verify import strategies
        >>> @settings(max_examples=5, deadline=None, database=None)
        ... @given(strategies.problems(n=2, d=4))
        ... def test_minimizer(problem):
        ...     assert abs(problem.gradient(problem.minimizer)).max() < 1e-9
        >>> test_minimizer()
    """
    drawn_n, drawn_d = draw(st.sampled_from(SHAPES))
    num_workers: int = drawn_n if n is None else n
    dim: int = drawn_d if d is None else d
    shared_minimizer: bool = draw(st.booleans()) if interpolation is None else interpolation
    return random_quadratic(
        draw(st.integers(0, 2**31 - 1)),
        num_workers,
        dim,
        condition_number=draw(st.floats(1.0, 100.0)) if dim > 1 else 1.0,
        matrix_heterogeneity=draw(st.sampled_from([0.0, 1.0]) | st.floats(0.0, 1.0)),
        vector_heterogeneity=0.0 if shared_minimizer else draw(st.just(0.0) | st.floats(0.0, 3.0)),
        interpolation=shared_minimizer,
    )


@st.composite
def integer_problems(
    draw: Callable[..., Any],
    n: int | None = None,
    d: int | None = None,
    *,
    interpolation: bool | None = None,
    equal: bool = False,
) -> Quadratic:
    """Quadratics of small integers, which hypothesis shrinks to the plainest that still show something.

    `L_i = I + F_i F_i'`, so that every L_i is definite.

    Args:
        n, d: the shape; drawn from a small set where None.
        interpolation: whether all b_i = 0; either where None.
        equal: whether all L_i are equal.

    Example:
        >>> from hypothesis import given, settings
        >>> from istsim.verify import strategies
        >>> @settings(max_examples=5, deadline=None, database=None)
        ... @given(strategies.integer_problems(n=2, d=4, equal=True))
        ... def test_equal_workers(problem):
        ...     assert (problem.L[0] == problem.L[1]).all() and (problem.L % 1 == 0).all()
        >>> test_equal_workers()
    """
    drawn_n, drawn_d = draw(st.sampled_from(SHAPES))
    workers, dim = drawn_n if n is None else n, drawn_d if d is None else d
    factors = _integers(draw, 1 if equal else workers, dim, dim)
    L = np.eye(dim) + factors @ factors.transpose(0, 2, 1)
    shared = draw(st.booleans()) if interpolation is None else interpolation
    b = np.zeros((workers, dim)) if shared else _integers(draw, workers, dim)
    return Quadratic(np.broadcast_to(L, (workers, dim, dim)), b)


def _integers(draw: Callable[..., Any], *shape: int) -> np.ndarray:
    count = int(np.prod(shape))
    return np.array(draw(st.lists(st.integers(-2, 2), min_size=count, max_size=count)), float).reshape(shape)


@st.composite
def sketches(draw: Callable[..., Any], n: int, d: int) -> Sketch:
    """Every kind of sketch for n workers and d coordinates."""
    match draw(st.sampled_from(["identity", "rand_k", "bernoulli", "permutation", "coverage", "grouped"])):
        case "identity":
            return Identity(n, d)
        case "rand_k":
            return RandK(n, d, draw(st.integers(1, d)))
        case "bernoulli":
            return Bernoulli(n, d, draw(st.floats(0.05, 1.0)))
        case "permutation":
            return Permutation(n, d)
        case "coverage":
            return Coverage(n, d, draw(st.integers(1, n)))
        case _:
            count = max(1, d // 2)
            inner = draw(st.sampled_from([Permutation(n, count), RandK(n, count, 1)]))
            return Grouped(inner, [j % count for j in range(d)])


@st.composite
def methods(
    draw: Callable[..., Any],
    n: int,
    d: int,
    *,
    merges: Sequence[str] = ("mean",),
    participation: bool = False,
) -> Method:
    """Every kind of method for n workers and d coordinates, with unbiased and other scales.

    Args:
        n, d: the shape.
        merges: which merges are drawn; "owners" only where gradients are masked.
        participation: whether fewer than all workers may report.
    """
    scales = st.none() | st.floats(0.1, 5.0)
    sketch = draw(sketches(n, d))
    estimator = draw(st.sampled_from(["gradient descent", "gradient", "iterates", "both"]))
    allowed = [merge for merge in merges if merge != "owners" or estimator != "iterates"]
    options: dict[str, Any] = {"merge": draw(st.sampled_from(allowed))}
    if participation:
        options["participants"] = draw(st.none() | st.integers(1, n))
    match estimator:
        case "gradient descent":
            return GradientDescent()
        case "gradient":
            return CompressedGradient(sketch, gradient_scale=draw(scales), **options)
        case "iterates":
            return CompressedIterates(sketch, forward_scale=draw(scales), **options)
        case _:
            return IST(sketch, forward_scale=draw(scales), gradient_scale=draw(scales), **options)


def step_sizes(smallest: float = 1e-3, largest: float = 2.0) -> st.SearchStrategy[float]:
    """Step sizes, evenly spread over orders of magnitude."""
    return st.floats(0.0, 1.0).map(lambda t: smallest * (largest / smallest) ** t)


@st.composite
def instances(
    draw: Callable[..., Any],
    problem: Quadratic | None = None,
    method: Method | None = None,
    step_size: float | None = None,
    parameters: Mapping[str, float] | None = None,
) -> theorems.Instance:
    """What a theorem is asked about: a problem, a method, and a run of a few rounds from integers.

    Args:
        problem, method, step_size: drawn where None.
        parameters: free constants of a theorem's statement.
    """
    quadratic: Quadratic = draw(integer_problems()) if problem is None else problem
    return theorems.Instance.of(
        quadratic,
        draw(methods(quadratic.num_workers, quadratic.dim)) if method is None else method,
        step_size=draw(step_sizes()) if step_size is None else step_size,
        rounds=draw(st.sampled_from(ROUNDS)),
        x0=1 + _integers(draw, quadratic.dim),
        parameters=parameters,
    )


def numbers(smallest: float, largest: float) -> st.SearchStrategy[float]:
    """Numbers in an interval, such as scales: those with few digits are drawn, and shrunk to, first."""
    return st.integers(0, 64).map(lambda t: smallest + (largest - smallest) * t / 64)


def indices(count: int) -> st.SearchStrategy[int]:
    """0 to count - 1."""
    return st.integers(0, count - 1)


def square_sizes() -> st.SearchStrategy[int]:
    """Numbers of workers for theorems about n = d."""
    return st.sampled_from(sorted({n for n, d in SHAPES if n == d}))
