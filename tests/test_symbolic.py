"""Formulas against the numeric engine, which shares no code with them but the probabilities' definitions."""

import numpy as np
import pytest
import sympy as sp
from hypothesis import given

import istsim
from istsim.verify import strategies

SHAPE = (2, 4)
SYMBOLS_OF_A_PERMUTATION = {"n", "d", "q", "gamma", "alpha", "beta", "k", "Lbar", "Dbar", "bbar", "x_0"}


@given(strategies.problems(*SHAPE), strategies.methods(*SHAPE))
def test_mean_operator_and_fixed_point_are_the_numeric_ones(problem, method):
    B, c = istsim.symbolic.mean_operator(method)
    numeric_B, numeric_c = istsim.theory.mean_operator(problem, method)
    np.testing.assert_allclose(istsim.symbolic.evaluate(B, problem, method), numeric_B, rtol=0, atol=1e-12)
    np.testing.assert_allclose(istsim.symbolic.evaluate(c, problem, method)[:, 0], numeric_c, rtol=0, atol=1e-12)
    limit = istsim.symbolic.evaluate(istsim.symbolic.fixed_point(method), problem, method)[:, 0]
    numeric_limit = istsim.theory.fixed_point(problem, method)
    size = np.abs(numeric_limit).max() * np.linalg.cond(numeric_B)
    np.testing.assert_allclose(limit, numeric_limit, rtol=0, atol=1e-13 * size)


@pytest.mark.parametrize("sketch", [istsim.Permutation(2, 4), istsim.RandK(2, 4, 3), istsim.Bernoulli(2, 4, 0.3)])
@pytest.mark.parametrize("kind", [istsim.IST, istsim.CompressedGradient, istsim.CompressedIterates])
def test_expected_iterate_is_the_exact_mean(sketch, kind):
    problem = istsim.random_quadratic(3, 2, 4, condition_number=6.0, matrix_heterogeneity=0.8, vector_heterogeneity=1.0)
    method = kind(sketch)
    exact = istsim.theory.exact_moments(problem, method, step_size=0.07, rounds=6)
    expression = istsim.symbolic.expected_iterate(method)
    for round_index in (0, 1, 6):
        count = {str(istsim.symbolic.round_symbol(method)): round_index}
        mean = istsim.symbolic.evaluate(expression, problem, method, gamma=0.07, x_0=np.ones((4, 1)), **count)
        np.testing.assert_allclose(mean[:, 0], exact.mean[round_index], rtol=1e-12, atol=1e-13)


def test_expected_iterate_of_a_permutation_is_written_in_the_usual_symbols():
    expression = istsim.symbolic.expected_iterate(istsim.IST(istsim.Permutation(2, 4)))
    assert {str(symbol) for symbol in expression.free_symbols} <= SYMBOLS_OF_A_PERMUTATION


def test_permutation_probabilities_are_those_of_counting():
    # Of d = n q coordinates a block holds q: one given one with probability q/d = 1/n, two given
    # ones with (q/d) ((q-1)/(d-1)).
    n, q = sp.symbols("n q")
    sketch = istsim.Permutation(2, 4)
    assert sp.simplify(istsim.symbolic.inclusion_probability(sketch, 1) - 1 / n) == 0
    assert sp.simplify(istsim.symbolic.inclusion_probability(sketch, 2) - (q - 1) / (n * (n * q - 1))) == 0


@pytest.mark.parametrize("sketch", [istsim.Permutation(2, 6), istsim.RandK(2, 6, 4), istsim.Bernoulli(2, 6, 0.25)])
def test_symbolic_probabilities_are_the_sketchs_own(sketch):
    problem = istsim.random_quadratic(0, 2, 6, condition_number=2.0, matrix_heterogeneity=0.0, vector_heterogeneity=0.0)
    for size in (0, 1, 2):
        formula = istsim.symbolic.inclusion_probability(sketch, size)
        value = istsim.symbolic.evaluate(formula, problem, istsim.IST(sketch))
        assert float(value) == pytest.approx(sketch.inclusion_probability(size), rel=1e-14)


def test_evaluate_says_which_symbols_lack_a_value():
    problem = istsim.random_quadratic(0, 2, 4, condition_number=2.0, matrix_heterogeneity=0.0, vector_heterogeneity=0.0)
    method = istsim.GradientDescent()
    with pytest.raises(ValueError, match="needs values for gamma, k, x_0"):
        istsim.symbolic.evaluate(istsim.symbolic.expected_iterate(method), problem, method)


@pytest.mark.parametrize(
    "sketch",
    [
        istsim.Permutation(2, 5),
        istsim.Permutation(5, 3),
        istsim.Coverage(3, 4, 2),
        istsim.Grouped(istsim.Permutation(2, 3), [0, 1, 2, 1]),
    ],
    ids=repr,
)
@pytest.mark.parametrize("kind", [istsim.IST, istsim.CompressedGradient])
def test_formulas_of_other_sketches_are_in_their_probabilities(kind, sketch):
    problem = istsim.random_quadratic(
        3, sketch.n, sketch.d, condition_number=6.0, matrix_heterogeneity=0.8, vector_heterogeneity=1.0
    )
    B, c = istsim.symbolic.mean_operator(kind(sketch))
    numeric_B, numeric_c = istsim.theory.mean_operator(problem, kind(sketch))
    np.testing.assert_allclose(istsim.symbolic.evaluate(B, problem, kind(sketch)), numeric_B, rtol=0, atol=1e-12)
    np.testing.assert_allclose(istsim.symbolic.evaluate(c, problem, kind(sketch))[:, 0], numeric_c, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "method",
    [
        istsim.IST(istsim.RandK(2, 4, 2), merge="owners"),
        istsim.IST(istsim.RandK(2, 4, 2), merge="literal"),
        istsim.IST(istsim.RandK(2, 4, 2), local_steps=2),
        istsim.IST(istsim.RandK(2, 4, 2), weights=np.ones((2, 4))),
        istsim.LocalUpdates([2, 2]),
    ],
    ids=["owners", "literal", "local steps", "weights", "local updates"],
)
def test_formulas_are_refused_where_there_are_none(method):
    with pytest.raises(istsim.theory.NotCoveredError, match="formulas are for"):
        istsim.symbolic.mean_operator(method)
