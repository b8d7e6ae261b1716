"""A sketch that is exchangeable, but whose numbers of holders depend on what else a worker holds."""

import numpy as np
import pytest

import istsim
from istsim import symbolic, theory
from istsim.verify._all_or_one import AllOrOne


@pytest.fixture
def problem():
    return istsim.random_quadratic(3, 2, 4, condition_number=8.0, matrix_heterogeneity=0.5, vector_heterogeneity=1.0)


def test_it_is_exchangeable_and_has_the_probabilities_that_it_says():
    istsim.verify.check_sketch(AllOrOne(2, 4, 0.7))


def test_averages_over_owners_are_refused_by_formulas(problem):
    method = istsim.IST(AllOrOne(2, 4, 0.7), forward_scale=1.0, merge="owners")
    for formula in (
        lambda: theory.fixed_point(problem, method),
        lambda: theory.exact_mean(problem, method, step_size=0.1, rounds=2),
        lambda: symbolic.mean_operator(method),
    ):
        with pytest.raises(theory.NotCoveredError, match="may depend on what else a worker holds"):
            formula()


@pytest.mark.parametrize("participants", [None, 1])
def test_means_over_workers_are_those_of_the_outcomes(problem, participants):
    method = istsim.IST(AllOrOne(2, 4, 0.7), forward_scale=1.0, participants=participants)
    by_formula, by_outcomes = (theory.fixed_point(problem, method, route=route) for route in ("formula", "enumeration"))
    np.testing.assert_allclose(by_formula, by_outcomes, rtol=1e-12)


def test_the_theorem_on_overlap_is_false_of_it_and_does_not_apply(problem):
    sketch = AllOrOne(2, 4, 0.7)
    method = istsim.IST(sketch, forward_scale=1.0, merge="owners")
    limit = theory.fixed_point(problem, method, route="enumeration")
    # The bound, were it to apply: by the eigenvalues of Dbar^-1/2 Lbar Dbar^-1/2 and r.
    D = np.diag(np.diag(problem.mean_hessian))
    root = np.diag(np.diag(D) ** -0.5)
    mu = np.linalg.eigvalsh(root @ problem.mean_hessian @ root)[0]
    r = sketch.inclusion_probability(2) / sketch.inclusion_probability(1)
    alone = problem.objective_gap(np.linalg.solve(D, problem.mean_vector))
    assert problem.objective_gap(limit) > ((1 - r) / (1 - r + r * mu)) ** 2 * alone
    theorem = istsim.theorems.get("overlap-reduces-bias")
    check = theorem.check(problem, method, step_size=0.1, rounds=2)
    assert not check.applicable
    assert "does not depend on what else its worker holds" in check.reason
    averaged = theorem.check(problem, istsim.IST(sketch, forward_scale=1.0), step_size=0.1, rounds=2)
    assert averaged.applicable
    assert averaged.holds
