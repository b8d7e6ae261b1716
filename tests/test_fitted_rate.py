"""The rate fitted to simulated gaps: what is told by them, and how precisely."""

import numpy as np
import pytest

from istsim.sweeps._fitted_rate import first_fitted, fitted_rate


def test_a_rate_needs_enough_rounds_and_runs():
    rounds, gaps = np.arange(3), np.ones((5, 3))
    assert np.isnan(fitted_rate(rounds, gaps)).all()
    rounds = np.arange(30)
    rate, low, high = fitted_rate(rounds, (0.5 + 0.7**rounds)[None])
    assert rate == pytest.approx(0.7, abs=1e-6)
    assert np.isnan([low, high]).all()


@pytest.mark.parametrize("rate", [0.5, 0.8, 0.95])
@pytest.mark.parametrize("count", [20, 200])
@pytest.mark.parametrize("floor", [0.0, 0.1])
def test_the_rate_of_a_plain_decay_is_found_whether_it_ends_at_its_floor_or_not(rate, count, floor):
    rounds = np.arange(count)
    found = fitted_rate(rounds, np.tile(floor + rate**rounds, (5, 1)))
    np.testing.assert_allclose(found, rate, rtol=1e-6)


@pytest.mark.parametrize("runs", [50, 1000, 20_000])
def test_more_runs_tell_a_rate_more_precisely(runs, seed):
    rounds = np.arange(60)
    rate, low, high = fitted_rate(rounds, 0.9**rounds * np.random.default_rng(seed).exponential(size=(runs, 60)))
    assert 0 < high - low < 0.1 / np.sqrt(runs)
    assert abs(rate - 0.9) < 4 * (high - low)  # eight times the interval's half: never by chance


def test_what_falls_and_clearly_rises_again_has_no_rate(seed):
    rounds, chance = np.arange(60), np.random.default_rng(seed)
    gaps = np.maximum(0.8**rounds, 0.9 ** (60 - rounds)) * chance.uniform(0.5, 1.5, size=(200, 60))
    assert np.isnan(fitted_rate(rounds, gaps)).all()


@pytest.mark.parametrize(("rounds", "first"), [(60, 7), (6, 0)])
def test_a_fit_begins_where_a_quarter_is_left_if_enough_rounds_follow(rounds, first):
    # 0.8^7 is the first power below a quarter; of six rounds the whole is fitted.
    assert first_fitted((0.8 ** np.arange(rounds))[None]) == first


def test_means_that_chance_alone_lifts_above_the_floor_are_not_fitted():
    # Four rounds lie above the floor: by 4.5 and by 3.5 standard errors of two runs.
    mean = np.array([3.0, 2.9, 2.8, 2.7] + [1.0] * 40)
    for errors, begins in ((4.5, True), (3.5, False)):
        spread = np.where(mean > 1, (mean - 1) / errors, 0.0)
        assert (first_fitted(np.stack([mean - spread, mean + spread])) == 0) is begins
