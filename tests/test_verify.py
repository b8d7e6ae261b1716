import numpy as np
import pytest
import scipy.stats

import istsim
from istsim.verify import compare_means


def test_false_alarms_are_as_rare_as_stated(seed, false_alarm_rate):
    rng = np.random.default_rng(seed)
    trials = [compare_means(rng.normal(5.0, 1.0, (40, 50)), np.full(50, 5.0), standard_errors=3.5) for _ in range(400)]
    alarms = sum(not trial.agrees for trial in trials)
    # Student's t with 39 degrees of freedom exceeds 3.5 in size with probability 0.00118: 50 of them 0.059.
    stated = trials[0].false_alarm_rate
    assert stated == pytest.approx(50 * 0.00118, rel=0.01)
    # The stated rate adds up over the 50 means; for independent ones the probability of any alarm is known.
    any_alarm = 1 - (1 - stated / 50) ** 50
    assert scipy.stats.binomtest(alarms, 400, any_alarm).pvalue > false_alarm_rate


def test_a_wrong_mean_is_found():
    # The quantiles of a normal law, with its mean and nearly its spread.
    samples = np.tile(scipy.stats.norm.ppf((np.arange(1000) + 0.5) / 1000, 1.0, 0.1)[:, None], 4)
    assert compare_means(samples, np.ones(4)).agrees
    shifted = compare_means(samples, [1.0, 1.0, 1.02, 1.0])  # 0.02 is 6.3 standard errors of 0.1/sqrt(1000)
    assert not shifted.agrees
    assert shifted.deviations.argmax() == 2


def test_deviations_are_counted_in_standard_errors():
    samples = np.array([[1.0], [3.0]])  # mean 2, standard deviation sqrt(2), standard error 1
    assert compare_means(samples, [0.5]).largest == pytest.approx(1.5)


def test_without_spread_only_rounding_is_forgiven():
    constant = np.full((5, 2), 0.3)
    assert compare_means(constant, [0.3 + 1e-15, 0.3 - 1e-15]).agrees
    assert not compare_means(constant, [0.3 + 1e-6, 0.3]).agrees


def test_squares_near_zero_are_compared_with_the_rounding_of_their_roots():
    # Iterates of size 1 have squared errors that are wrong by about (1e-16)^2, not by 1e-16.
    assert compare_means(np.array([[1.0, 1e-30]] * 2), [1.0, 2e-30]).agrees
    assert not compare_means(np.array([[1.0, 1e-20]] * 2), [1.0, 2e-20]).agrees


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_an_overflow_is_no_agreement(value):
    samples = np.ones((4, 1))
    samples[2] = value
    with np.errstate(all="ignore"):
        assert not compare_means(samples, [1.0]).agrees


def test_repetitions_may_lie_along_any_axis():
    samples = np.random.default_rng(2).normal(1.0, 0.1, (3, 100))
    assert compare_means(samples, np.ones(3), axis=1).points == 3


@pytest.mark.parametrize(
    ("samples", "exact", "options", "message"),
    [
        (np.ones((1, 2)), np.ones(2), {}, "at least 2 repetitions"),
        (np.ones((3, 2)), np.ones(3), {}, r"exact must have shape \(2,\)"),
        (np.ones((3, 2)), np.ones(2), {"standard_errors": 0.0}, "standard_errors must be positive"),
    ],
)
def test_bad_input(samples, exact, options, message):
    with pytest.raises(ValueError, match=message):
        compare_means(samples, exact, **options)


def test_strategies_are_there_on_use():
    assert hasattr(istsim.verify.strategies, "problems")


def test_means_of_runs_that_diverged_disagree_without_a_warning():
    assert not compare_means(np.array([[np.inf, 1.0], [1.0, 1.0]]), [1.0, 1.0]).agrees
    assert not compare_means(np.array([[1e308], [1e308], [1e308]]), [1.0]).agrees


@pytest.mark.parametrize(
    ("samples", "options", "message"),
    [
        ("abc", {}, "samples must hold real numbers"),
        (1.0, {}, "axis must be one of the samples' 0 axes, got 0"),
        (np.ones((3, 2)), {"axis": 2}, "axis must be one of the samples' 2 axes, got 2"),
        (np.ones((3, 2)), {"standard_errors": "5"}, "standard_errors must be a finite number"),
    ],
)
def test_what_is_no_sample_or_axis_is_refused(samples, options, message, unchecked):
    with pytest.raises(ValueError, match=message):
        compare_means(samples, np.ones(2), **options)
