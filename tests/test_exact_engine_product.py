"""The whole product of what can be combined: every exact second moment against the list, every refusal counted."""

import itertools

import jax
import pytest
from listed import (
    MORE_SKETCHES,
    SKETCHES,
    STEP_SIZE,
    Spec,
    close,
    compare_moments,
    fixed,
    problem_of,
    refused,
    weights_of,
)

from istsim import theory

# Most of the time goes into compiling: a program for every combination.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

LISTED = SKETCHES | MORE_SKETCHES


@pytest.fixture(autouse=True)
def empty_caches():
    """Thousands of programs in one process would exhaust its memory maps."""
    yield
    jax.clear_caches()


def combinations(listed, estimator):
    """Every method of one sketch and one estimator."""
    n, d = listed.shape
    merges = ("mean", "literal") if estimator == "iterates" else ("mean", "literal", "owners")
    for merge, participants in itertools.product(merges, (None, 2)):
        # Of two workers, two participants are all of them: stated, it must make no difference.
        # Noise only adds to the moments of exact gradients, so that one comparison serves for both.
        noise = None if participants is None else fixed(d)[2]
        yield Spec(listed, estimator, merge, 1.4, 0.7, participants=participants, noise=noise)
        if estimator == "both" and merge != "owners":
            noise = None if noise is not None else fixed(d)[2]
            yield Spec(listed, estimator, merge, 1.1, 1.2, weights_of(n, d), participants, noise)


def expected_refusals(name, estimator):
    """By sketch: owners are known of independent workers, of one holder, and of equally many if all report."""
    if estimator == "iterates":
        return 0  # whole gradients have no owners
    return {
        "own": 2,  # whoever reports: nothing is known of its holders
        "permutation-few-coordinates": 2,  # coordinates have one holder or two
        "coverage": 1,
        "coverage-of-four": 1,
        "permutation-few-coordinates-divisible": 1,
        "grouped-coverage": 1,
    }.get(name, 0)


@pytest.mark.parametrize("estimator", ["gradient", "iterates", "both"])
@pytest.mark.parametrize("name", LISTED)
def test_every_combination_has_the_second_moments_of_the_list_or_is_refused(name, estimator):
    listed = LISTED[name]
    n, d = listed.shape
    problem, (_, _, _, X) = problem_of(n, d), fixed(d)
    refusals = 0
    for spec in combinations(listed, estimator):
        print(spec.merge, spec.participants, spec.weights is not None, spec.noise is not None, flush=True)
        if not spec.covered_by_formula():
            refused(problem, spec)
            refusals += 1
            continue
        second = theory.second_moment(problem, spec.method(), X, step_size=STEP_SIZE)
        expected = spec.second_moment(problem, X, STEP_SIZE)
        close(second, expected, "second moment")
        compare_moments(problem, spec)
    assert refusals == expected_refusals(name, estimator)
