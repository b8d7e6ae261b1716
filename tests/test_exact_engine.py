"""The exact engine against the definition of a round, listed outcome by outcome in listed.py."""

import dataclasses
import itertools
import re

import enumeration
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from listed import (
    COVARIANCE_AT,
    MORE_SKETCHES,
    ROUNDS,
    SKETCHES,
    STEP_SIZE,
    D,
    N,
    Spec,
    close,
    compare_moments,
    fixed,
    metrics,
    problem_of,
    refused,
    weights_of,
)

import istsim
from istsim import theory


def test_the_list_is_the_definition_of_a_round_worker_by_worker():
    """The list runs a round on coordinates of (1, x, noise). Here it is run on numbers."""
    problem = problem_of(N, D)
    x, rng = np.array([1.0, -0.5, 2.0, 0.7]), np.random.default_rng(0)
    L, b = np.asarray(problem.L), np.asarray(problem.b)
    spec = Spec(SKETCHES["coverage"], "both", "owners", 0.8, 1.4, noise=np.eye(D), local_steps=2)
    noise = rng.normal(size=(N, 2, D))
    maps = spec.rounds(L, b, STEP_SIZE, (0, 2))
    for matrix, mask in zip(maps, spec.listed.outcomes[0], strict=True):
        reports = {}
        for i in (0, 2):
            w = start = 0.8 * mask[i] * x
            for t in range(2):
                w = w - STEP_SIZE * mask[i] * (L[i] @ w - b[i] + noise[i, t])
            reports[i] = 1.4 * mask[i] * (start - w) / STEP_SIZE
        new = x.copy()
        for j in range(D):
            holders = [i for i in reports if mask[i, j]]
            if holders:
                new[j] -= STEP_SIZE * np.mean([reports[i][j] for i in holders])
        close(matrix @ np.concatenate([[1.0], x, noise.ravel()]), new)


# --- Against the list ------------------------------------------------------------------------------------------------


# Sketches, estimators, merges, participation, weights and noise, each met several times. Their whole product takes
# a quarter of an hour, most of it to compile; numbers cost nothing.
COMBINED = [
    ("permutation", "both", "mean", 2, "weights and noise"),
    ("rand-k", "both", "owners", 2, "noise"),
    ("bernoulli", "gradient", "owners", None, ""),
    ("bernoulli", "iterates", "mean", 2, "noise"),
    ("coverage", "both", "owners", None, "noise"),
    ("coverage", "iterates", "literal", 2, ""),
    ("grouped-equal", "both", "literal", 2, "weights"),
    ("grouped-unequal", "both", "owners", 2, ""),
    ("grouped-unequal", "gradient", "literal", None, "noise"),
    ("own", "both", "mean", None, "noise"),
]


@pytest.mark.parametrize(
    ("name", "estimator", "merge", "participants", "extras"),
    [pytest.param(*combined, marks=[pytest.mark.slow] * (number % 3 > 0)) for number, combined in enumerate(COMBINED)],
)
@settings(max_examples=12)
@given(alpha=st.floats(0.3, 3.0), beta=st.floats(0.3, 3.0), step_size=st.floats(0.01, 1.0))
def test_exact_moments_are_those_of_the_list_whatever_is_combined(
    name, estimator, merge, participants, extras, alpha, beta, step_size
):
    weights = weights_of(N, D) if "weights" in extras else None
    noise = fixed(D)[2] if "noise" in extras else None
    spec = Spec(SKETCHES[name], estimator, merge, alpha, beta, weights, participants, noise)
    compare_moments(problem_of(N, D), spec, step_size)


@pytest.mark.parametrize(
    "spec",
    [
        Spec(SKETCHES["grouped-unequal"], "both", "mean", 1.3, 2.0, weights_of(N, D), participants=2),
        Spec(SKETCHES["coverage"], "both", "literal", 1.2, 0.9),
        Spec(SKETCHES["rand-k"], "gradient", "owners", beta=1.7, participants=2),
        Spec(MORE_SKETCHES["permutation-few-coordinates"], "iterates", "mean", 1.6, participants=3),
    ],
    ids=["unequal groups", "literal", "owners", "more workers than coordinates"],
)
def test_second_moments_are_those_of_the_list_for_matrices_without_symmetry(spec):
    n, d = spec.listed.shape
    problem, (_, _, _, X) = problem_of(n, d), fixed(d)
    expected = spec.second_moment(problem, X, STEP_SIZE)
    assert abs(expected - expected.T).max() > 0.01 * abs(expected).max()
    for route in ("formula", "enumeration"):
        close(theory.second_moment(problem, spec.method(), X, step_size=STEP_SIZE, route=route), expected, route)


def test_schedules_take_the_step_size_of_each_round():
    # Literal averages of masked models: there the mean map depends on the step size too.
    spec = Spec(SKETCHES["permutation"], "both", "literal", 1.8, 1.1, participants=2, noise=fixed(D)[2])
    compare_moments(problem_of(N, D), spec, lambda k: 0.2 / (1 + k), [0.2, 0.1])


@pytest.mark.parametrize(
    "spec",
    [
        Spec(SKETCHES["rand-k"], "both", "owners", 0.9, 1.2, participants=2, local_steps=2),
        Spec(SKETCHES["coverage"], "gradient", "literal", beta=1.3, local_steps=4),
        Spec(SKETCHES["permutation"], "iterates", "mean", 2.5, participants=2, noise=fixed(D)[2], local_steps=2),
        Spec(MORE_SKETCHES["permutation-few-coordinates"], "both", "owners", 1.1, 0.8, participants=2),
    ],
    ids=["owners", "literal", "iterates", "uneven holders"],
)
def test_the_second_route_gives_what_has_no_formula(spec):
    problem = problem_of(*spec.listed.shape)
    refused(problem, spec)
    compare_moments(problem, spec, route="enumeration")


@pytest.mark.parametrize(
    "spec",
    [
        Spec(SKETCHES["permutation"], "both", "mean", 1.3, 1.1, local_steps=2),
        Spec(SKETCHES["rand-k"], "both", "owners", 0.9, 1.2, participants=2, local_steps=3),
        Spec(SKETCHES["coverage"], "gradient", "owners", beta=1.3, local_steps=5),
        Spec(SKETCHES["grouped-unequal"], "iterates", "literal", 1.5, participants=2, local_steps=4),
    ],
    ids=["two", "three", "five of gradients", "four of iterates"],
)
def test_means_are_exact_with_local_steps(spec):
    problem, (x0, _, _, _) = problem_of(N, D), fixed(D)
    means, _ = spec.moments(problem, [STEP_SIZE] * ROUNDS, x0)
    for route in ("formula", "enumeration"):
        exact = theory.exact_mean(problem, spec.method(), step_size=STEP_SIZE, rounds=ROUNDS, x0=x0, route=route)
        close(exact, means, route)


# --- Refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spec",
    [
        Spec(SKETCHES["coverage"], "both", "owners", participants=2),
        Spec(SKETCHES["own"], "gradient", "owners"),
        Spec(MORE_SKETCHES["permutation-few-coordinates"], "both", "owners"),
        Spec(SKETCHES["permutation"], "both", local_steps=2),
        Spec(SKETCHES["rand-k"], "iterates", local_steps=2),
    ],
    ids=["two holders, two report", "holders unknown", "holders vary", "local steps", "local steps of iterates"],
)
def test_second_moments_without_a_formula_are_refused_and_another_way_is_named(spec):
    refused(problem_of(*spec.listed.shape), spec)


def test_four_local_steps_of_ist_and_formulas_for_rows_drawn_at_random_are_refused():
    problem, spec = problem_of(N, D), Spec(SKETCHES["rand-k"], local_steps=4)
    with pytest.raises(theory.NotCoveredError, match="enumeration"):
        theory.exact_mean(problem, spec.method(), step_size=STEP_SIZE, rounds=1)
    rng = np.random.default_rng(0)
    rows = istsim.Quadratic.from_least_squares(rng.normal(size=(N, 5, D)), rng.normal(size=(N, 5)), ridge=0.1)
    sampled = istsim.IST(istsim.RandK(N, D, 2), noise=istsim.RowSampling(2))
    with pytest.raises(theory.NotCoveredError, match=r"RowSampling.*simulate"):
        theory.exact_moments(rows, sampled, step_size=STEP_SIZE, rounds=1)
    several = istsim.IST(istsim.RandK(N, D, 2), noise=istsim.RowSampling(2), local_steps=2)
    with pytest.raises(theory.NotCoveredError, match="not one for each local step"):
        theory.exact_moments(rows, several, step_size=STEP_SIZE, rounds=1, route="enumeration")


def test_rows_drawn_at_random_are_listed_batch_by_batch():
    rng = np.random.default_rng(1)
    A, y, ridge, batch = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 3)), 0.2, 2
    problem = istsim.Quadratic.from_least_squares(A, y, ridge=ridge)
    sketch = istsim.Permutation(2, 4)
    maps, probability = [], []
    batches = list(itertools.combinations(range(3), batch))
    for (mask, p), choice in itertools.product(sketch.outcomes(), itertools.product(batches, repeat=2)):
        rows = [(A[i, list(chosen)], y[i, list(chosen)]) for i, chosen in enumerate(choice)]
        L = np.array([a.T @ a / batch + ridge * np.eye(4) for a, _ in rows])
        b = np.array([a.T @ t / batch for a, t in rows])
        maps.append(enumeration.round_map(L, b, mask, model=True, gradient=True, alpha=2.0, beta=2.0))
        probability.append(p / len(batches) ** 2)
    B, c = (np.array(values) for values in zip(*maps, strict=True))
    law = enumeration.Law(np.asarray(problem.L), np.asarray(problem.b), B, c, np.array(probability))
    mean, gap, gradient, distance = law.trajectories(STEP_SIZE, 3, np.ones(4))

    method = istsim.IST(sketch, noise=istsim.RowSampling(batch))
    found = theory.exact_moments(problem, method, step_size=STEP_SIZE, rounds=3, route="enumeration")
    close(found.mean, mean)
    close(found.objective_gap, gap)
    close(found.gradient_norm_squared, gradient)
    close(found.distance_squared, distance)
    close(theory.exact_mean(problem, method, step_size=STEP_SIZE, rounds=3), mean)


def test_a_sketch_without_a_list_is_refused_by_the_second_route():
    with pytest.raises(theory.NotCoveredError, match="SharedBlock does not list its outcomes"):
        theory.exact_moments(
            problem_of(N, D), Spec(SKETCHES["own"]).method(), step_size=STEP_SIZE, rounds=1, route="enumeration"
        )


@pytest.mark.parametrize("changes", [{"route": "sampling"}, {"covariance_at": [3]}, {"gradient_weighting": np.eye(3)}])
def test_arguments_out_of_range_are_refused(changes, unchecked):
    method = Spec(SKETCHES["permutation"]).method()
    with pytest.raises(ValueError, match=next(iter(changes))):
        theory.exact_moments(problem_of(N, D), method, **{"step_size": STEP_SIZE, "rounds": 2} | changes)


# --- Derivatives -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "spec",
    [
        Spec(SKETCHES["grouped-unequal"], participants=2),
        Spec(SKETCHES["permutation"], merge="literal", noise=fixed(D)[2]),
        Spec(SKETCHES["rand-k"], merge="owners", participants=2),
    ],
    ids=["mean", "literal", "owners"],
)
def test_gaps_are_differentiable_in_the_step_size_and_both_scales(spec):
    problem, (x0, H, _, _) = problem_of(N, D), fixed(D)
    at = jnp.array([STEP_SIZE, 1.4, 0.9])

    def exact(parameters):
        step_size, alpha, beta = parameters
        method = dataclasses.replace(spec.method(), forward_scale=alpha, gradient_scale=beta)
        return theory.exact_moments(problem, method, step_size=step_size, rounds=ROUNDS, x0=x0).objective_gap[-1]

    def listed(parameters):
        step_size, alpha, beta = map(float, parameters)
        changed = dataclasses.replace(spec, alpha=alpha, beta=beta)
        return metrics(problem, *changed.moments(problem, [step_size] * ROUNDS, x0), H)[0][-1]

    value, gradient = jax.value_and_grad(exact)(at)
    close(value, listed(at))
    # Fourth-order differences: rounding and truncation are both below 1e-10.
    steps = 1e-3 * np.eye(3)
    differences = [
        (8 * (listed(at + s) - listed(at - s)) - (listed(at + 2 * s) - listed(at - 2 * s))) / 12e-3 for s in steps
    ]
    np.testing.assert_allclose(gradient, differences, rtol=1e-7, atol=1e-9)


# --- Long runs -------------------------------------------------------------------------------------------------------

LONG = {
    "mean": Spec(SKETCHES["rand-k"], "both", "mean", 1.3, 1.1, noise=fixed(D)[2]),
    "literal": Spec(SKETCHES["permutation"], "both", "literal", 2.2, 1.5, participants=2),
    "owners": Spec(SKETCHES["coverage"], "gradient", "owners", beta=1.2),
}


def settled(spec, problem, step_size):
    """Mean and second moment that a round reproduces, as the solution of two linear systems."""
    A, h, probability, noise = spec.law(problem, step_size)
    d = A.shape[-1]
    mean = np.linalg.solve(np.eye(d) - np.einsum("m,mab->ab", probability, A), probability @ h)
    cross = np.einsum("m,mab,b,mc->ac", probability, A, mean, h, optimize=True)
    constant = cross + cross.T + np.einsum("m,ma,mb->ab", probability, h, h) + noise
    matrix = np.einsum("m,mac,mbe->abce", probability, A, A, optimize=True).reshape(d * d, d * d)
    return mean, np.linalg.solve(np.eye(d * d) - matrix, constant.ravel()).reshape(d, d)


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG)
def test_stationary_moments_are_what_a_listed_round_reproduces_and_what_long_runs_come_to(name):
    problem, spec = problem_of(N, D), LONG[name]
    method, (x0, _, _, _) = spec.method(), fixed(D)
    limit = theory.max_stable_step_size(problem, method)
    step_size = 0.8 * limit
    exact = theory.stationary(problem, method, step_size)
    mean, second = settled(spec, problem, step_size)
    gap, gradient, distance = metrics(problem, mean[None], second[None], np.eye(D))
    close(exact.mean, mean, tolerance=1e-10)
    close(exact.covariance, second - np.outer(mean, mean), tolerance=1e-10)
    assert exact.objective_gap == pytest.approx(gap[0], rel=1e-10)
    assert exact.gradient_norm_squared == pytest.approx(gradient[0], rel=1e-10)
    assert exact.distance_squared == pytest.approx(distance[0], rel=1e-10)
    # `E[B] M + M E[B]'` as one product plus its transpose is right for symmetric M only: what is antisymmetric by
    # rounding, nothing shrinks, and `s^2 E[B M B']` lets it grow. In so many rounds it would exceed all else.
    B, probability = spec.operators(problem, step_size)
    swap = np.arange(D * D).reshape(D, D).T.ravel()
    squares = np.einsum("m,mac,mbe->abce", probability, B, B, optimize=True).reshape(D * D, D * D)
    assert 1 + step_size**2 * abs(np.linalg.eigvals((squares - squares[swap]) / 2)).max() > 1.5
    late = theory.exact_moments(problem, method, step_size=step_size, rounds=3000, x0=x0, covariance_at=[3000])
    np.testing.assert_allclose(late.objective_gap[-500:], exact.objective_gap, rtol=1e-9)
    close(late.covariance[0], exact.covariance, tolerance=1e-9)
    close(late.covariance[0], late.covariance[0].T, tolerance=1e-15)

    with pytest.raises(ValueError, match=re.escape(f"step_size must be below {limit:.6g}")):
        theory.stationary(problem, method, 1.01 * limit)


@pytest.mark.parametrize("name", [*LONG, "loses models"])
def test_rates_are_those_of_the_list_and_one_at_the_largest_stable_step_size(name):
    problem = problem_of(N, D)
    spec = LONG.get(name, Spec(SKETCHES["permutation"], "both", "literal", 1.0, 1.5, participants=2))
    method = spec.method()
    limit = theory.max_stable_step_size(problem, method)
    for step_size in (0.1, 0.5 * limit, limit, 1.2 * limit):
        expected = spec.rate(problem, step_size)
        assert theory.mean_square_rate(problem, method, step_size) == pytest.approx(expected, rel=1e-9)
    assert spec.rate(problem, limit) == pytest.approx(1.0, abs=1e-6)
    assert spec.rate(problem, 0.99 * limit) < 1 < spec.rate(problem, 1.01 * limit)
    A, _, probability, _ = spec.law(problem, 0.1)
    mean_rate = abs(np.linalg.eigvals(np.einsum("m,mab->ab", probability, A))).max()
    assert theory.mean_rate(problem, method, 0.1) == pytest.approx(mean_rate, rel=1e-9)
    assert theory.mean_rate(problem, method, 0.1) ** 2 <= theory.mean_square_rate(problem, method, 0.1) * (1 + 1e-12)
    # The second route states the same.
    assert theory.max_stable_step_size(problem, method, route="enumeration") == pytest.approx(limit, rel=1e-6)


def test_gaps_stay_below_and_grow_above_the_largest_stable_step_size_by_the_mean_square_rate():
    problem, spec = problem_of(N, D), dataclasses.replace(LONG["mean"], noise=None)
    method = spec.method()
    limit = theory.max_stable_step_size(problem, method)
    below = theory.exact_moments(problem, method, step_size=0.98 * limit, rounds=3000).objective_gap
    above = theory.exact_moments(problem, method, step_size=1.02 * limit, rounds=3000).objective_gap
    assert below[-1] == pytest.approx(float(below[-500]), rel=1e-6)
    rate = theory.mean_square_rate(problem, method, 1.02 * limit)
    assert above[-1] / above[-2] == pytest.approx(rate, rel=1e-9)
    assert rate > 1
    assert above[-1] > 1e6 * below[-1]


def test_the_squared_error_diverges_no_later_than_the_mean_and_sometimes_before():
    problem = problem_of(N, D)
    limits = []
    for name in ("identity", "permutation", "rand-k", "coverage", "grouped-unequal"):
        method = Spec(SKETCHES[name], alpha=2.0, beta=2.0).method()
        limits.append(
            (theory.max_stable_step_size(problem, method), float(theory.mean_step_size_limit(problem, method)))
        )
    for mean_square, mean in limits:
        assert mean_square <= mean * (1 + 1e-9)
    assert limits[0][0] == pytest.approx(limits[0][1], rel=1e-9)  # nothing is random
    assert min(mean_square / mean for mean_square, mean in limits) < 0.9


# --- What must come out by algebra -----------------------------------------------------------------------------------


def trajectories(problem, method, step_size=STEP_SIZE, x0=None):
    return theory.exact_moments(problem, method, step_size=step_size, rounds=ROUNDS, x0=x0, covariance_at=COVARIANCE_AT)


@pytest.mark.slow
@pytest.mark.parametrize(
    "sketch",
    [istsim.Bernoulli(N, D, 1.0), istsim.Coverage(N, D, N), istsim.RandK(N, D, D), istsim.Identity(N, D)],
    ids=lambda sketch: type(sketch).__name__,
)
def test_where_everyone_holds_everything_ist_is_gradient_descent(sketch):
    problem, (x, _, _, _) = problem_of(N, D), fixed(D)
    exact = trajectories(problem, istsim.IST(sketch), x0=x)
    L, b = np.asarray(problem.mean_hessian), np.asarray(problem.b).mean(axis=0)
    for k in range(ROUNDS + 1):
        close(exact.mean[k], x)
        e = x - np.linalg.solve(L, b)
        assert exact.objective_gap[k] == pytest.approx(e @ L @ e / 2, rel=1e-12)
        x = x - STEP_SIZE * (L @ x - b)
    np.testing.assert_allclose(exact.covariance, 0, atol=1e-14)


@pytest.mark.parametrize("merge", ["mean", "owners"])
def test_permutations_of_one_coordinate_are_deterministic_for_equal_preconditioned_workers(merge):
    L = np.asarray(problem_of(1, D, vector_heterogeneity=0.0).L)
    problem = istsim.Quadratic(L.repeat(D, axis=0), np.zeros((D, D))).preconditioned()
    x0 = fixed(D)[0]
    # The diagonal is one, so that B is the identity, scaled: by 1/n of beta for "mean", by beta for "owners".
    method = istsim.IST(
        istsim.Permutation(D, D), forward_scale=1.0, gradient_scale=D if merge == "mean" else 1.0, merge=merge
    )
    exact = trajectories(problem, method, x0=x0)
    close(exact.mean, [(1 - STEP_SIZE) ** k * x0 for k in range(ROUNDS + 1)])
    np.testing.assert_allclose(exact.covariance, 0, atol=1e-14)
    gap = x0 @ np.asarray(problem.mean_hessian) @ x0 / 2
    np.testing.assert_allclose(
        exact.objective_gap, [(1 - STEP_SIZE) ** (2 * k) * gap for k in range(ROUNDS + 1)], rtol=1e-12
    )


def test_scales_are_another_step_size_and_another_start():
    alpha, beta = 1.7, 2.3
    problem, (x0, _, _, _) = problem_of(N, D), fixed(D)
    sketch = SKETCHES["permutation"].sketch
    scaled = trajectories(problem, istsim.IST(sketch, alpha, beta), x0=x0)
    plain = trajectories(problem, istsim.IST(sketch, 1.0, 1.0), STEP_SIZE * alpha * beta, alpha * x0)
    close(scaled.mean, plain.mean / alpha)
    close(scaled.covariance, plain.covariance / alpha**2)


def test_the_best_forward_scale_at_a_fixed_product_is_a_ratio_of_stationary_moments():
    problem, sketch, product = problem_of(N, D), SKETCHES["rand-k"].sketch, 0.3
    plain = theory.stationary(problem, istsim.IST(sketch, 1.0, 1.0), product)
    L, x_star = np.asarray(problem.mean_hessian), np.asarray(problem.minimizer)
    M = plain.covariance + np.outer(plain.mean, plain.mean)
    alpha = np.trace(L @ M) / (x_star @ L @ plain.mean)
    assert alpha > 0

    def gap(forward_scale):
        method = istsim.IST(sketch, forward_scale, 0.9)
        return theory.stationary(problem, method, product / (0.9 * forward_scale)).objective_gap

    least = (x_star @ L @ x_star - (x_star @ L @ plain.mean) ** 2 / np.trace(L @ M)) / 2
    assert gap(alpha) == pytest.approx(least, rel=1e-9)
    assert gap(0.97 * alpha) > gap(alpha) < gap(1.03 * alpha)


def test_sketches_weighted_by_the_inverse_roots_of_the_diagonals_contract_at_one_minus_the_step_size():
    n, rounds, gamma = 4, ROUNDS, 0.6
    problem, (x0, _, _, _) = problem_of(n, n), fixed(n)
    L, b = np.asarray(problem.L), np.asarray(problem.b)
    Lbar, x_star = L.mean(axis=0), np.linalg.solve(L.mean(axis=0), b.mean(axis=0))
    roots = np.diagonal(L, axis1=1, axis2=2) ** -0.5
    method = istsim.IST(istsim.Permutation(n, n), n**0.5, n**0.5, roots)
    x_inf = n**-1.5 * (roots * b).sum(axis=0)
    S = np.cov((roots * b).T, bias=True)
    diagonal = np.diag(np.diag(S))
    covariance = (diagonal - (S - diagonal) / (n - 1)) / n
    exact = theory.exact_moments(
        problem,
        method,
        step_size=gamma,
        rounds=rounds,
        x0=x0,
        gradient_weighting=np.linalg.inv(Lbar),
        covariance_at=COVARIANCE_AT,
    )
    left = (1 - gamma) ** np.arange(rounds + 1)
    means = left[:, None] * x0 + (1 - left[:, None]) * x_inf
    spread = gamma / (2 - gamma) * (1 - left**2)  # a geometric sum
    close(exact.mean, means)
    close(exact.covariance, spread[COVARIANCE_AT, None, None] * covariance)
    h, sigma_squared = x_star - means, np.trace(Lbar @ covariance)
    close(exact.gradient_norm_squared, np.einsum("ka,ab,kb->k", h, Lbar, h) + spread * sigma_squared)
    close(exact.objective_gap, exact.gradient_norm_squared / 2)

    limit = theory.max_stable_step_size(problem, method)
    assert limit == pytest.approx(2.0, rel=1e-9)
    settles = theory.stationary(problem, method, gamma)
    h = x_star - x_inf
    assert 2 * settles.objective_gap == pytest.approx(h @ Lbar @ h + gamma * sigma_squared / (2 - gamma), rel=1e-10)
    close(settles.covariance, gamma / (2 - gamma) * covariance, tolerance=1e-10)


# --- Against simulation, at a size that nothing can list -------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "method",
    [
        istsim.IST(istsim.Permutation(10, 200), forward_scale=2.0, gradient_scale=3.0, participants=7),
        istsim.IST(istsim.RandK(10, 200, 60), merge="owners", participants=6),
    ],
    ids=["permutation of seven workers", "owners of rand-k"],
)
def test_simulated_averages_are_within_their_standard_errors_at_two_hundred_coordinates(method, seed, false_alarm_rate):
    repetitions, rounds = 400, 4
    problem = problem_of(10, 200)
    exact = theory.exact_moments(problem, method, step_size=0.5, rounds=rounds)
    runs = istsim.simulate(problem, method, step_size=0.5, rounds=rounds, key=seed, repetitions=repetitions)
    names = ["objective_gap", "gradient_norm_squared", "distance_squared"]
    sampled = [runs.x[0]] + [
        runs.dataset[name].isel(step_size=0).transpose("repetition", "round").values[:, 1:] for name in names
    ]
    expected = [np.asarray(exact.mean[-1])] + [np.asarray(getattr(exact, name))[1:] for name in names]
    sampled, expected = np.concatenate(sampled, axis=1), np.concatenate(expected)
    assert sampled.shape == (repetitions, 200 + 3 * rounds)
    error = sampled.std(axis=0, ddof=1) / np.sqrt(repetitions)
    allowed = scipy.stats.t.isf(false_alarm_rate / (2 * len(expected)), repetitions - 1)
    assert abs((sampled.mean(axis=0) - expected) / error).max() < allowed
    # The comparison has power: the spread that separates the gap from that of the mean is many errors wide.
    of_mean = float(problem.objective_gap(exact.mean[-1]))
    gap = exact.objective_gap[-1]
    error_of_gap = error[200 + rounds - 1]
    assert gap - of_mean > 20 * error_of_gap


@pytest.mark.parametrize("step_size", [0.13, 1e-4])
@pytest.mark.parametrize("scale", [1.4, 4 / 3 * (1 + 1e-6)])
def test_almost_reconstructed_models_lose_no_digits(scale, step_size):
    # Three copies on four workers reconstruct 3/4 scale of the model, always: what is lost is divided by the step size.
    listed = MORE_SKETCHES["coverage-of-four"]
    spec, problem, X = Spec(listed, "both", "literal", scale, 0.7), problem_of(4, 3), fixed(3)[3]
    expected = spec.second_moment(problem, X, step_size)
    found = theory.second_moment(problem, spec.method(), X, step_size=step_size)
    # The list itself divides by the step size after rounding.
    assert abs(np.asarray(found) - expected).max() <= 1e-11 * abs(expected).max()
