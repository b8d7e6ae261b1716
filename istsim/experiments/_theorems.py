"""What the picture of each theorem shows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from istsim import theorems, theory
from istsim.experiments._picture import Picture
from istsim.experiments._setting import KEY
from istsim.methods import IST, CompressedGradient, CompressedIterates, GradientDescent, LocalUpdates, Method
from istsim.problems import Quadratic, random_quadratic, remark_1_quadratic
from istsim.sketches import Bernoulli, Permutation, RandK
from istsim.theorems import Instance
from istsim.theorems._erratum_23 import printed_weights
from istsim.theorems._local_updates_contraction import least_constant
from istsim.theorems._weighted_permutation import weighted_ist

Instances = Mapping[float | None, Instance]
ROUNDS = 30
STEP_SIZES = (0.1, 0.4, 0.7, 1.0, 1.3, 1.6, 1.9)


def _problem(n: int = 3, d: int = 6, **changes: Any) -> Quadratic:
    settings: dict[str, Any] = {"condition_number": 10.0, "matrix_heterogeneity": 0.5, "vector_heterogeneity": 1.0}
    return random_quadratic(KEY, n, d, **(settings | changes))


def _run(problem: Quadratic, method: Method, step_size: float, rounds: int = ROUNDS, **parameters: float) -> Instance:
    return Instance.of(problem, method, step_size=step_size, rounds=rounds, parameters=parameters)


def _single(make: Callable[[], Instance]) -> Callable[[], Instances]:
    return lambda: {None: make()}


def _over(values: Iterable[float], make: Callable[[Any], Instance]) -> Callable[[], Instances]:
    return lambda: {value: make(value) for value in values}


def _interpolating(step_size: float = 1.0, rounds: int = ROUNDS) -> Instance:
    """The step size is in units of 1/theta."""
    problem, method = _problem(vector_heterogeneity=0.0, interpolation=True), IST(Permutation(3, 6))
    return _run(problem, method, step_size / theory.contraction(problem, method).theta, rounds)


def _single_coordinates(step_size: float = 0.2, rounds: int = ROUNDS, **parameters: float) -> Instance:
    problem = _problem(4, 4)
    return _run(problem, weighted_ist(problem), step_size, rounds, **parameters)


def _identical_workers() -> Instance:
    problem = _problem(4, 4, matrix_heterogeneity=0.0)
    problem = Quadratic(problem.L, np.broadcast_to(np.asarray(problem.b[0]), problem.b.shape))
    return _run(problem, weighted_ist(problem), 0.2)


def _preconditioned(n: int) -> Instance:
    problem = _problem(n, n, matrix_heterogeneity=0.0).preconditioned()
    return _run(problem, IST(Permutation(n, n)), 0.1, 1)


def _at_forward_scale(scale: float) -> Instance:
    """At a fixed product of step size and scales."""
    problem = _problem(vector_heterogeneity=0.5)
    method = IST(Permutation(3, 6), forward_scale=scale, gradient_scale=3.0)
    # The same run z, from the same point.
    run = _run(problem, method, 0.15 / scale)
    return run.changed(x0=np.ones(6) / scale)


def _printed(problem: Quadratic) -> IST:
    n, scale = problem.num_workers, problem.num_workers**0.5
    return IST(Permutation(n, n), weights=printed_weights(problem), forward_scale=scale, gradient_scale=scale)


def _counterexample(name: str) -> Instance:
    problem, method, arguments = theorems.get(name).counterexample()
    return Instance.of(problem, method, **arguments)


def _identical_diagonal(n: int) -> Instance:
    problem = Quadratic.from_diagonals(np.ones((n, n)), np.ones((n, n)))
    return _run(problem, weighted_ist(problem), 0.5, 1)


def _literal() -> Instance:
    run = _single_coordinates(0.2, 20)
    assert isinstance(run.method, IST)
    return run.changed(method=dataclasses.replace(run.method, merge="literal"))


def _chunks(window: int) -> LocalUpdates:
    return LocalUpdates([1] * 6, "chunked", window=window)


def _greedy_at_half_the_longest_step() -> Instance:
    run = _run(_problem(), LocalUpdates([2, 2, 2]), 1.0)
    return run.changed(step_size=1 / least_constant(run))


def _two_coordinates() -> Instance:
    problem = Quadratic([[[1.0, -0.9], [-0.9, 1.0]]], [[0.0, 0.0]])
    return _run(problem, LocalUpdates([1, 1]), 0.2).changed(x0=np.array([1.0, 0.0]))


COORDINATES = {f"coordinate {j + 1}": (j,) for j in (0, 2, 5)}
FEW_COORDINATES = {f"coordinate {j + 1}": (j,) for j in (0, 1, 3)}
ENTRIES = {"entry 1, 1": (0, 0), "entry 1, 2": (0, 1), "entry 3, 3": (2, 2)}
ROUND, STEP_SIZE = "round k", "step size γ"

PICTURES = (
    Picture(
        "theorem-1-gradients",
        "IST under interpolation, three workers with two of six coordinates each, at the longest step size allowed.",
        ROUND,
        _single(_interpolating),
    ),
    Picture("theorem-1-iterates", "The same run.", ROUND, _single(_interpolating)),
    Picture(
        "theorem-1-long-steps",
        "The same setting after ten rounds, at step sizes up to the longest allowed.",
        "step size γ, times θ",
        _over(
            (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0),
            lambda multiple: _interpolating(multiple, 10),
        ),
    ),
    Picture(
        "identity-is-gradient-descent",
        "Gradient descent on one problem, of which all L_i are multiplied by a number.",
        "multiple",
        _over(
            (0.5, 1.5, 2.5, 3.5, 4.5),
            lambda multiple: _run(Quadratic(multiple * _problem().L, _problem().b), GradientDescent(), 0.01, 1),
        ),
    ),
    Picture(
        "remark-1-indefinite",
        "Two equal workers with L = [[4, c], [c, 1]]: W is indefinite beyond c = 1.6, while L is definite up to c = 2.",
        "coupling c",
        _over(
            np.linspace(0.0, 1.95, 14),
            lambda c: _run(remark_1_quadratic(4.0, 1.0, float(c)), IST(Permutation(2, 2)), 0.1, 1),
        ),
    ),
    Picture(
        "homogeneous-preconditioning",
        "Equal, preconditioned workers with one coordinate each.",
        "workers n",
        _over((2, 3, 4), _preconditioned),
    ),
    Picture(
        "heterogeneous-preconditioning",
        "The fixed point of four heterogeneous workers with one coordinate each, coordinate by coordinate.",
        "coordinate",
        _single(_single_coordinates),
    ),
    Picture(
        "expected-iterate",
        "Three of the six coordinates of the expected iterate of IST, two coordinates a worker.",
        ROUND,
        _single(lambda: _run(_problem(), IST(Permutation(3, 6)), 0.1)),
        COORDINATES,
    ),
    Picture(
        "theorem-2",
        "Four heterogeneous workers with one coordinate each, Young's constant 1/4.",
        ROUND,
        _single(lambda: _single_coordinates(young=0.25)),
    ),
    Picture("sharper-theorem-2", "The run of the picture of Theorem 2.", ROUND, _single(_single_coordinates)),
    Picture(
        "homogeneous-zero-variance",
        "Four equal workers with one coordinate each, weighted by their diagonal.",
        ROUND,
        _single(_identical_workers),
    ),
    Picture(
        "stationary-gradient-norm",
        "Four heterogeneous workers with one coordinate each, weighted by their diagonals.",
        STEP_SIZE,
        _over(STEP_SIZES, _single_coordinates),
    ),
    Picture(
        "perm-q-mean",
        "All entries of the mean operator, row by row, of three workers with two of six coordinates each.",
        "entry of E[B]",
        _single(lambda: _run(_problem(), IST(Permutation(3, 6)), 0.1, 1)),
    ),
    Picture(
        "scale-equivalence",
        "Three entries of the second moment of IST with the unbiased scales.",
        ROUND,
        _single(lambda: _run(_problem(), IST(Permutation(3, 6)), 0.05)),
        ENTRIES,
    ),
    Picture(
        "best-forward-scale",
        "IST after 30 rounds, at one product of step size and scales.",
        "forward scale α",
        _over((0.5, 0.7, 1.0, 1.4, 2.0, 3.0, 4.0), _at_forward_scale),
    ),
    Picture(
        "overlap-reduces-bias",
        "IST at forward scale 1 with random subsets of k of six coordinates.",
        "subnetwork size k",
        _over(
            (1, 2, 3, 4, 5, 6),
            lambda k: _run(_problem(), IST(RandK(3, 6, k), forward_scale=1.0), 0.1, 1),
        ),
    ),
    Picture(
        "local-steps-single-coordinates",
        "Three coordinates of the fixed point after three local steps.",
        STEP_SIZE,
        _over(
            (0.05, 0.3, 0.6, 0.9, 1.2),
            lambda gamma: _run(
                _problem(4, 4), IST(Permutation(4, 4), local_steps=3, forward_scale=1.0), float(gamma), 1
            ),
        ),
        FEW_COORDINATES,
    ),
    Picture(
        "participation-second-moment",
        "Three entries of the second moment, where m of four workers report.",
        "reports m",
        _over(
            (1, 2, 3, 4),
            lambda m: _run(_problem(4, 4), IST(RandK(4, 4, 2), participants=m), 0.1, 1),
        ),
        ENTRIES,
    ),
    Picture(
        "gradient-masking-unbiased",
        "Three coordinates of the fixed point of compressed gradients that keep each coordinate with probability p.",
        "probability p",
        _over(
            (0.2, 0.4, 0.6, 0.8, 1.0),
            lambda p: _run(_problem(), CompressedGradient(Bernoulli(3, 6, p)), 0.1, 1),
        ),
        COORDINATES,
    ),
    Picture(
        "model-masking-biased",
        "Three coordinates of the fixed point of compressed iterates, half of the coordinates held.",
        "forward scale α",
        _over(
            (0.5, 1.0, 1.5, 2.0, 3.0),
            lambda alpha: _run(_problem(), CompressedIterates(RandK(3, 6, 3), forward_scale=alpha), 0.1, 1),
        ),
        COORDINATES,
    ),
    Picture(
        "local-updates-fixed-point",
        "The fixed point of windows of two of three blocks, two coordinates each, whose gradients add up.",
        "coordinate",
        _single(lambda: _run(_problem(), LocalUpdates([2, 2, 2], "overlapping", window=2), 0.1, 1)),
    ),
    Picture(
        "local-updates-contraction",
        "Greedy local updates, three blocks of two coordinates, at half of the longest step size allowed.",
        ROUND,
        _single(_greedy_at_half_the_longest_step),
    ),
    Picture(
        "greedy-loss",
        "Chunks of one, two, three, four, five and all six coordinates, the last chunk of what is left.",
        "coordinates a chunk",
        _over(range(1, 7), lambda window: _run(_problem(), _chunks(window), 0.1, 1)),
    ),
    Picture(
        "greedy-stages",
        "Chunks of one, two, three, four and five of six coordinates, the last chunk of what is left.",
        "coordinates a chunk",
        _over(range(1, 6), lambda window: _run(_problem(), _chunks(window), 0.1, 1)),
    ),
    Picture(
        "greedy-rate",
        "Greedy local updates, three blocks of two coordinates: entries of the slowest block, at the step size 1.",
        ROUND,
        _single(lambda: _run(_problem(), LocalUpdates([2, 2, 2]), 1.0)),
        {"entry 1, 1": (0, 0), "entry 1, 2": (0, 1), "entry 2, 2": (1, 1)},
    ),
    Picture(
        "greedy-eigenvalues",
        "Greedy local updates in blocks of one, two, three and all six coordinates, each at its best step.",
        "block size",
        _over((1, 2, 3, 6), lambda size: _run(_problem(), LocalUpdates([size] * (6 // size)), 0.1, 1)),
    ),
    Picture(
        "greedy-transient",
        "Two coordinates of curvature 1, coupled by -0.9; only the earlier one starts away from its fixed point.",
        ROUND,
        _single(_two_coordinates),
    ),
    Picture("erratum-17", "Its counterexample.", ROUND, _single(lambda: _counterexample("erratum-17"))),
    Picture(
        "erratum-21",
        "Equal, preconditioned workers with one coordinate each.",
        "workers n",
        _over((2, 3, 4), _preconditioned),
    ),
    Picture(
        "erratum-23",
        "All entries of the mean operator with the printed weights, row by row.",
        "entry of E[B]",
        _single(lambda: _run(p := _problem(4, 4), _printed(p), 0.1, 1)),
    ),
    Picture(
        "erratum-literal-algorithm",
        "Three coordinates of the expected iterate, four heterogeneous workers.",
        ROUND,
        _single(_literal),
        FEW_COORDINATES,
    ),
    Picture(
        "erratum-limit",
        "Equal workers with L = I.",
        "workers n",
        _over((2, 4, 8, 16, 32), _identical_diagonal),
    ),
    Picture(
        "erratum-gamma-one",
        "The step size 1 against the end of the printed range.",
        "Young's constant",
        _over(np.linspace(0.01, 0.49, 13), lambda young: _single_coordinates(1.0, 1, young=float(young))),
    ),
    Picture(
        "overlapping-stability",
        "Its counterexample, at several step sizes: from 1 at step size 0 the factor only grows.",
        STEP_SIZE,
        _over(
            np.linspace(0.002, 0.018, 9),
            lambda gamma: _counterexample("overlapping-stability").changed(step_size=float(gamma)),
        ),
    ),
)
