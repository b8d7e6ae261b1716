"""Comparisons of simulated means that rare runs carry: nothing right is called wrong, and what is wrong is found."""

import itertools

import numpy as np
import pytest
import scipy.stats

import istsim
from istsim import theory
from istsim.verify import compare_means
from istsim.verify._tails import farthest_share, tells_apart

METHODS = (istsim.CompressedGradient, istsim.IST, istsim.CompressedIterates)
SKETCHES = (istsim.Permutation(2, 4), istsim.RandK(2, 4, 2), istsim.Bernoulli(2, 4, 0.5))
FRACTIONS = (0.3, 0.6, 0.9, 0.95)


def quadratic(interpolation):
    return istsim.random_quadratic(
        3,
        2,
        4,
        condition_number=4.0,
        matrix_heterogeneity=0.5,
        vector_heterogeneity=0.0 if interpolation else 1.0,
        interpolation=interpolation,
    )


def exact_and_simulated(problem, method, fraction, rounds, repetitions, key):
    """The exact gaps, and the simulated ones, at a fraction of the largest stable step size."""
    run = {"step_size": fraction * theory.max_stable_step_size(problem, method), "rounds": rounds}
    solution = istsim.simulate(problem, method, **run, key=key, repetitions=repetitions)
    return theory.exact_moments(problem, method, **run).objective_gap, solution.metrics["objective_gap"][0]


@pytest.mark.sample(1)
@pytest.mark.parametrize("interpolation", [False, True])
def test_right_values_near_the_largest_stable_step_size_are_not_called_wrong(
    interpolation, key, count_false_alarm_rate
):
    method = istsim.IST(istsim.RandK(2, 4, 2))
    exact, gaps = exact_and_simulated(quadratic(interpolation), method, 0.95, 100, 10_000, key)
    agreements = [compare_means(some, exact) for some in np.split(gaps, 10)]
    count_false_alarm_rate(sum(agreement.false_alarm_rate for agreement in agreements))
    assert all(agreement.agrees for agreement in agreements)
    # It is not for want of deviations: standard errors alone would call most of these wrong.
    assert sum(agreement.largest > 5 for agreement in agreements) > 5
    assert all("cannot be decided" in agreement.reason for agreement in agreements if agreement.undecided.any())


@pytest.mark.slow
def test_false_alarms_are_as_rare_as_stated_up_to_the_largest_stable_step_size(key, false_alarm_rate):
    """Over a grid of settings, at the usual five standard errors and at fewer, where the stated rate is not tiny."""
    sets, allowed = 10, (3.5, 5.0)
    alarms, stated, trials = dict.fromkeys(allowed, 0), {}, 0
    for interpolation, method, sketch, fraction in itertools.product((False, True), METHODS, SKETCHES, FRACTIONS):
        exact, gaps = exact_and_simulated(quadratic(interpolation), method(sketch), fraction, 60, sets * 1000, key)
        trials += sets
        for some, count in itertools.product(np.split(gaps, sets), allowed):
            agreement = compare_means(some[:, 1::6], exact[1::6], standard_errors=count)
            alarms[count] += not agreement.agrees
            stated[count] = agreement.false_alarm_rate
    for count in allowed:
        print(f"{count} standard errors: {alarms[count]} alarms of {trials}, stated {stated[count]:.2g} each")
        bound = scipy.stats.binom.isf(false_alarm_rate / len(allowed), trials, stated[count])
        assert alarms[count] <= bound


SAMPLED = {
    "exponential": lambda chance, shape: chance.exponential(size=shape),
    "lognormal": lambda chance, shape: np.exp(2 * chance.normal(size=shape) - 2),
    "lognormal, its mean beyond all seen": lambda chance, shape: np.exp(8 * chance.normal(size=shape) - 32),
    "power tail": lambda chance, shape: chance.random(shape) ** (-1 / 1.2) / 6,
}


@pytest.mark.parametrize("repetitions", [200, 1000])
@pytest.mark.parametrize("name", SAMPLED)
def test_the_stated_rate_holds_for_skewed_and_heavy_tailed_samples(name, repetitions, seed, false_alarm_rate):
    samples = SAMPLED[name](np.random.default_rng(seed), (repetitions, 2000))  # each of mean 1
    agreement = compare_means(samples, np.ones(2000), standard_errors=3.5)
    alarms = int(((agreement.deviations > 3.5) & ~agreement.undecided).sum())
    assert alarms <= scipy.stats.binom.isf(false_alarm_rate, 2000, agreement.false_alarm_rate / 2000)


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    ("method", "fraction"),
    [
        (istsim.IST(istsim.Permutation(2, 4)), 0.3),
        (istsim.IST(istsim.Permutation(2, 4)), 0.9),
        (istsim.CompressedGradient(istsim.RandK(2, 4, 2)), 0.1),
        (istsim.CompressedIterates(istsim.Bernoulli(2, 4, 0.5)), 0.3),
    ],
)
def test_a_curve_that_is_two_percent_off_is_found(method, fraction, key, count_false_alarm_rate):
    exact, gaps = exact_and_simulated(quadratic(False), method, fraction, 30, 20_000, key)
    agreement = compare_means(gaps, exact)
    count_false_alarm_rate(agreement.false_alarm_rate)
    assert agreement.agrees
    assert not compare_means(gaps[:, 1:], 1.02 * exact[1:]).agrees
    assert not compare_means(gaps[:, 1:], exact[1:] / 1.02).agrees


@pytest.mark.parametrize("fraction", [0.1, 0.3, 0.9])
def test_a_law_with_a_wrong_covariance_is_found(fraction, key, count_false_alarm_rate):
    """Masks of which workers share no coordinate have the same means as independent ones, and another covariance."""
    problem, method = quadratic(False), istsim.CompressedGradient(istsim.RandK(2, 4, 2))
    exact, gaps = exact_and_simulated(problem, method, fraction, 60, 1000, key)
    run = {"step_size": fraction * theory.max_stable_step_size(problem, method), "rounds": 60}
    wrong = theory.exact_moments(problem, istsim.CompressedGradient(istsim.Permutation(2, 4)), **run)
    right = theory.exact_moments(problem, method, **run)
    np.testing.assert_allclose(wrong.mean, right.mean, rtol=1e-9, atol=1e-12)
    agreement = compare_means(gaps, exact)
    count_false_alarm_rate(agreement.false_alarm_rate)
    assert agreement.agrees
    assert not compare_means(gaps, wrong.objective_gap).agrees


def test_what_cannot_be_decided_is_said_with_its_reason():
    samples = np.r_[np.ones(998), 1.5, 30.0][:, None]
    agreement = compare_means(samples, [1.3])
    assert agreement.agrees
    assert agreement.undecided.tolist() == [True]
    # Of squared deviations the run of 30 has 28.97 squared out of 842, nearly all.
    assert agreement.reason.startswith("1 of 1 means cannot be decided: a single run has up to 100% of all squared")
    assert "undecided=1" in repr(agreement)
    decided = compare_means(samples, [1.03])
    assert not decided.reason
    assert "undecided" not in repr(decided)


def test_only_tails_towards_the_exact_value_leave_it_open():
    samples = np.r_[np.linspace(0.9, 1.1, 999), 2.0]
    assert not tells_apart(samples, 1.1, 5.0)
    assert tells_apart(samples, 0.9, 5.0)
    assert farthest_share(samples, 1.1) > 0.2
    assert farthest_share(samples, 0.9) < 0.01
