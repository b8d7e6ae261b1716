"""The best member of a family of methods, and its step size."""

import pytest

import istsim
from istsim import theory

ROUNDS = 4


def problem_of(seed, **changes):
    options = {"condition_number": 8.0, "matrix_heterogeneity": 0.5, "vector_heterogeneity": 0.0}
    return istsim.random_quadratic(seed, 2, 4, **options | changes)


HETEROGENEOUS = problem_of(3, vector_heterogeneity=2.0)
INTERPOLATING = problem_of(4, interpolation=True)


def scaled(scale):
    return istsim.IST(istsim.Permutation(2, 4), forward_scale=scale, gradient_scale=2.0 / scale)


def test_the_best_candidate_is_the_one_with_the_least_gap():
    gaps = {
        k: float(
            theory.exact_moments(
                HETEROGENEOUS, istsim.IST(istsim.RandK(2, 4, k)), step_size=0.05, rounds=ROUNDS
            ).objective_gap[-1]
        )
        for k in (1, 2, 4)
    }
    found = theory.best(
        HETEROGENEOUS, lambda k: istsim.IST(istsim.RandK(2, 4, k)), candidates=[1, 2, 4], goal=ROUNDS, step_size=0.05
    )
    assert found.value == min(gaps, key=gaps.get)
    assert found.score == pytest.approx(min(gaps.values()))
    assert found.step_size == 0.05
    assert found.method.sketch.k == found.value


@pytest.mark.sample(1)
@pytest.mark.parametrize("goal", [ROUNDS, "rate", "stationary"])
def test_the_best_value_between_bounds_is_better_than_its_neighbours(goal):
    problem = INTERPOLATING if goal == "rate" else HETEROGENEOUS

    def member(p):
        return istsim.IST(istsim.Bernoulli(2, 4, p), forward_scale=1.0, gradient_scale=1.0)

    found = theory.best(problem, member, bounds=(0.05, 1.0), goal=goal, step_size=0.4)

    def score(p):
        if goal == "rate":
            return theory.mean_square_rate(problem, member(p), 0.4)
        if goal == "stationary":
            return theory.stationary(problem, member(p), 0.4).objective_gap
        return theory.exact_moments(problem, member(p), step_size=0.4, rounds=goal).objective_gap[-1]

    for factor in (0.9, 0.97, 1.03, 1.1):
        assert found.score <= score(min(max(found.value * factor, 0.05), 1.0)) * (1 + 1e-6)


def test_every_member_may_have_its_own_step_size():
    # By scale equivalence the rate depends on the product of the step size and both scales alone.
    found = [theory.best(INTERPOLATING, scaled, candidates=[scale], goal="rate") for scale in (0.5, 2.0)]
    assert found[0].score == pytest.approx(found[1].score, rel=1e-3)
    limit = theory.max_stable_step_size(INTERPOLATING, scaled(1.0))
    assert 0 < found[0].step_size < limit
    for factor in (0.9, 1.1):
        assert found[0].score <= theory.mean_square_rate(INTERPOLATING, scaled(0.5), found[0].step_size * factor) + 1e-9


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"goal": 5}, "pass either candidates or bounds"),
        ({"goal": 5, "candidates": [1.0], "bounds": (1.0, 2.0)}, "pass either candidates or bounds"),
        ({"goal": "speed", "candidates": [1.0]}, "goal must be a number of rounds, 'rate' or 'stationary'"),
        ({"goal": 0, "candidates": [1.0]}, "goal must be an integer of at least 1"),
        ({"goal": 5, "bounds": (2.0, 1.0)}, "two positive numbers, the lower first"),
    ],
)
def test_best_refuses_what_makes_no_sense(options, words):
    with pytest.raises(ValueError, match=words):
        theory.best(HETEROGENEOUS, scaled, **options)


def test_where_shorter_steps_always_settle_nearer_the_shortest_of_three_orders_of_magnitude_is_taken():
    # An unbiased method: what it settles at falls with the step size, to 0.
    def member(_):
        return istsim.CompressedGradient(istsim.Bernoulli(2, 4, 0.5))

    found = theory.best(HETEROGENEOUS, member, candidates=[None], goal="stationary")
    assert found.step_size == pytest.approx(1e-3 * theory.max_stable_step_size(HETEROGENEOUS, member(None)), rel=1e-5)
