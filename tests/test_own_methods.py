"""Methods and sketches that users define: all routes know them, or refuse."""

import dataclasses
import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from windows import Window

import istsim
from istsim import theory

PROBLEM = istsim.random_quadratic(1, 2, 6, condition_number=10.0, matrix_heterogeneity=0.3, vector_heterogeneity=0.5)


@dataclasses.dataclass(frozen=True)
class Preconditioned(istsim.Method):
    """Gradient descent divided by the diagonal of the mean Hessian."""

    def combine(self, problem, sums, step_size, x):
        return x - step_size * problem.gradient(x) / jnp.diag(problem.mean_hessian)


class HalfStep(istsim.IST):
    """IST that goes half the way."""

    def combine(self, problem, sums, step_size, x):
        return (x + super().combine(problem, sums, step_size, x)) / 2


class Renamed(istsim.IST):
    """IST under another name."""


class ListedWindow(Window):
    """With all that can happen."""

    def outcomes(self):
        for starts in itertools.product(range(self.d), repeat=self.n):
            mask = np.zeros((self.n, self.d), bool)
            np.put_along_axis(mask, (np.array(starts)[:, None] + np.arange(self.k)) % self.d, True, axis=1)
            yield mask, self.d**-self.n


OWN = [Preconditioned(), HalfStep(istsim.Permutation(2, 6), forward_scale=1.0)]


@pytest.mark.parametrize("method", OWN, ids=lambda method: type(method).__name__)
def test_formulas_refuse_a_round_of_the_users_own(method):
    for exact in (
        lambda: theory.exact_moments(PROBLEM, method, step_size=0.1, rounds=2),
        lambda: theory.fixed_point(PROBLEM, method),
        lambda: theory.max_stable_step_size(PROBLEM, method),
        lambda: theory.mean_operator(PROBLEM, method),
        lambda: istsim.compare_step_sizes(PROBLEM, method, rounds=2),
    ):
        with pytest.raises(theory.NotCoveredError, match=r"of its own; enumerate its outcomes"):
            exact()


@pytest.mark.parametrize("method", OWN, ids=lambda method: type(method).__name__)
def test_simulation_and_enumeration_follow_a_round_of_the_users_own(method):
    run = {"step_size": 0.1, "rounds": 8}
    exact = theory.exact_moments(PROBLEM, method, **run, route="enumeration").objective_gap
    runs = istsim.simulate(PROBLEM, method, **run, repetitions=1000, key=0).metrics["objective_gap"][0]
    assert istsim.verify.compare_means(runs, exact).agrees


def test_a_subclass_that_changes_nothing_has_the_formulas():
    method = Renamed(istsim.Permutation(2, 6))
    run = {"step_size": 0.1, "rounds": 3}
    expected = theory.exact_moments(PROBLEM, istsim.IST(istsim.Permutation(2, 6)), **run)
    np.testing.assert_array_equal(theory.exact_moments(PROBLEM, method, **run).mean, expected.mean)


def test_step_sizes_are_chosen_by_enumeration_where_there_are_no_formulas():
    method = istsim.IST(ListedWindow(2, 6, 3), forward_scale=1.0)
    limit = theory.mean_step_size_limit(PROBLEM, method, route="enumeration")
    best = theory.best_step_size(PROBLEM, method, rounds=20, route="enumeration")
    gaps = {
        size: theory.exact_moments(PROBLEM, method, step_size=size, rounds=20, route="enumeration").objective_gap[-1]
        for size in (best, best / 1.2, best * 1.2)
    }
    assert 0 < best < limit
    assert gaps[best] == min(gaps.values())
    with pytest.raises(theory.NotCoveredError, match="route='enumeration'"):
        theory.best_step_size(PROBLEM, method, rounds=20)


def test_the_stationary_law_by_enumeration_is_where_the_moments_go():
    method = istsim.IST(ListedWindow(2, 6, 3), forward_scale=1.0)
    settled = theory.stationary(PROBLEM, method, 0.2, route="enumeration")
    late = theory.exact_moments(PROBLEM, method, step_size=0.2, rounds=1000, route="enumeration")
    assert settled.objective_gap == pytest.approx(float(late.objective_gap[-1]), rel=1e-9)


def test_the_stationary_law_by_enumeration_takes_few_products(monkeypatch):
    # Rounding of sums over many outcomes must not keep the solver going for a digit that it cannot reach.
    from istsim.theory._enumerated_law import EnumeratedLaw

    products = []
    counted = EnumeratedLaw.parts
    monkeypatch.setattr(EnumeratedLaw, "parts", lambda *round_: products.append(1) or counted(*round_))
    problem = istsim.random_quadratic(
        1, 3, 9, condition_number=10.0, matrix_heterogeneity=0.3, vector_heterogeneity=0.5
    )
    theory.stationary(problem, istsim.IST(ListedWindow(3, 9, 3), forward_scale=1.0), 0.1, route="enumeration")
    assert 0 < len(products) < 1000
