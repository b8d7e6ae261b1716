import numpy as np
import pytest

import istsim

pytestmark = pytest.mark.slow  # the exact engine is compiled for every quantity compared


@pytest.fixture(scope="module")
def problem():
    return istsim.random_quadratic(0, 4, 8, condition_number=5.0, matrix_heterogeneity=0.2, vector_heterogeneity=0.5)


@pytest.fixture(scope="module")
def found(problem):
    return istsim.compare_step_sizes(problem, istsim.IST(istsim.Permutation(4, 8)), rounds=40, points=10)


def test_the_exact_best_is_better_than_all_that_were_tried(found, problem):
    gaps = istsim.theory.exact_moments(
        problem, istsim.IST(istsim.Permutation(4, 8)), step_size=found.exact, rounds=40
    ).objective_gap
    assert float(gaps[-1]) <= float(found.dataset.exact.min()) * 1.001


def test_the_empirical_best_has_the_least_simulated_mean(found):
    assert found.empirical == float(found.dataset.simulated.idxmin())


def test_simulation_agrees_with_the_exact_gaps(found):
    deviations = np.abs(found.dataset.simulated - found.dataset.exact) / found.dataset.standard_error
    assert float(deviations.max()) < 7  # 100 runs, 10 step sizes: a false alarm has probability 1e-8 for normal means


def test_a_longer_step_is_faster_until_it_is_too_long_and_its_floor_is_higher(found):
    data = found.dataset
    assert (np.diff(data.stationary) > 0).all()
    assert (np.diff(data.rate[:5]) < 0).all()
    assert (data.step_size < found.largest_stable).all()


def test_theorem_1_says_which_of_its_premises_fails(found):
    assert "b_i" in found.theorem_applies
    assert 0 < found.theorem < found.largest_stable


def test_it_is_drawn_with_all_marks(found):
    above, below = found.plot().axes
    marks = {"exact best", "best simulated", "largest stable"}
    assert {text.get_text() for text in above.texts} == {*marks, "after 40 rounds", "remains"}
    assert len(below.lines) == 1 + len(marks)


def test_theorem_1_is_drawn_where_its_premises_hold(problem):
    agreeing = istsim.Quadratic(problem.L, np.zeros((4, 8)))
    found = istsim.compare_step_sizes(agreeing, istsim.IST(istsim.Permutation(4, 8)), rounds=40, points=4)
    assert found.theorem_applies == ""
    assert "1/θ of Theorem 1" in {text.get_text() for text in found.plot().axes[0].texts}


def test_the_exact_curves_are_smooth_and_pass_through_what_was_tried(found):
    line, data = found.dataset.line_step_size.values, found.dataset
    assert np.diff(np.log(line)).max() < 0.12
    assert found.exact in line
    for name in ("exact", "stationary", "rate"):
        np.testing.assert_array_equal(data[f"line_{name}"].sel(line_step_size=data.step_size.values), data[name])


def test_both_routes_agree_on_the_exact_values():
    problem = istsim.random_quadratic(0, 2, 3, condition_number=3.0, matrix_heterogeneity=0.2, vector_heterogeneity=0.5)
    method = istsim.IST(istsim.RandK(2, 3, 2))
    run = {"rounds": 5, "points": 3, "repetitions": 2}
    by_formula = istsim.compare_step_sizes(problem, method, **run)
    by_outcomes = istsim.compare_step_sizes(problem, method, **run, route="enumeration")
    assert by_outcomes.exact == pytest.approx(by_formula.exact, rel=1e-3)
    for name in ("exact", "stationary", "rate"):
        np.testing.assert_allclose(by_outcomes.dataset[name], by_formula.dataset[name], rtol=1e-6)


def test_methods_without_formulas_have_exact_values_by_enumeration():
    problem = istsim.random_quadratic(0, 3, 3, condition_number=3.0, matrix_heterogeneity=0.2, vector_heterogeneity=0.5)
    method = istsim.IST(istsim.Coverage(3, 3, copies=2), merge="owners", participants=2)
    with pytest.raises(istsim.theory.NotCoveredError):
        istsim.compare_step_sizes(problem, method, rounds=5)
    found = istsim.compare_step_sizes(problem, method, rounds=5, points=3, repetitions=2, route="enumeration")
    assert np.isfinite(found.dataset.line_exact).all()
    assert found.theorem_applies


def test_where_no_step_size_is_stable_there_is_none_to_choose():
    problem = istsim.remark_1_quadratic(4.0, 1.0, 1.9)
    method = istsim.IST(istsim.RandK(2, 2, 1), merge="literal", forward_scale=4.0)
    with pytest.raises(ValueError, match="no step size is stable"):
        istsim.compare_step_sizes(problem, method, rounds=5)
