"""Formulas against the exact engine, which shares nothing with them but the list of patterns."""

import numpy as np
import pytest
import scipy.optimize
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from listed import SharedBlock

import istsim
from istsim import symbolic, theory
from istsim.verify import strategies

SHAPE = (2, 4)
MERGES = ("mean", "owners", "literal")
GAMMA = 0.3
X = np.random.default_rng(0).normal(size=(4, 4))  # not symmetric
SYMBOLS = {"n", "d", "q", "k", "p", "c", "m", "G", "alpha", "beta", "gamma", "K"}
MATRICES = {"Lbar", "Dbar", "bbar", "x_0", "I", "E", "X", "L_i", "D_i"}


class FirstBlock(SharedBlock):
    """Always the first k coordinates, which makes them differ from the others."""

    @property
    def exchangeable(self):
        return False


class EverySecond(istsim.RandK):
    """Not what its base class says."""

    def inclusion_probability(self, size):
        return 0.5

    def joint_probability(self, left, right, shared):
        return 0.5


SKETCHES = [
    istsim.Identity(2, 4),
    istsim.Permutation(2, 4),
    istsim.Permutation(3, 4),
    istsim.Permutation(4, 4),
    istsim.Permutation(5, 4),
    istsim.Permutation(8, 4),
    istsim.RandK(2, 4, 3),
    istsim.Bernoulli(2, 4, 0.3),
    istsim.Coverage(3, 4, 2),
    istsim.Coverage(2, 4, 1),
    istsim.Grouped(istsim.Permutation(2, 3), [0, 1, 2, 1]),
    istsim.Grouped(istsim.Grouped(istsim.RandK(2, 2, 1), [0, 1, 1]), [0, 1, 2, 1]),
    SharedBlock(2, 4, 3),
]
SKETCHED = [istsim.IST, istsim.CompressedGradient, istsim.CompressedIterates]
UNEQUAL = [istsim.Permutation(3, 4), istsim.Permutation(5, 4), istsim.Coverage(3, 4, 2), SharedBlock(3, 4, 2)]


def problem_of(n):
    return istsim.random_quadratic(3, n, 4, condition_number=6.0, matrix_heterogeneity=0.8, vector_heterogeneity=1.0)


def assert_close(formula, number, tolerance=1e-12):
    number = np.asarray(number)
    np.testing.assert_allclose(formula, number, rtol=0, atol=tolerance * max(np.abs(number).max(), 1.0))


def assert_mean_is_the_engines(problem, method):
    B, c = symbolic.mean_operator(method)
    numeric_B, numeric_c = theory.mean_operator(problem, method, step_size=GAMMA)
    assert_close(symbolic.evaluate(B, problem, method, gamma=GAMMA), numeric_B)
    assert_close(symbolic.evaluate(c, problem, method, gamma=GAMMA)[:, 0], numeric_c)
    limit = symbolic.evaluate(symbolic.fixed_point(method), problem, method, gamma=GAMMA)[:, 0]
    numeric_limit = theory.fixed_point(problem, method, step_size=GAMMA)
    assert_close(limit, numeric_limit, 1e-13 * np.linalg.cond(numeric_B))


# Means


@given(strategies.problems(*SHAPE), strategies.methods(*SHAPE, merges=MERGES, participation=True))
def test_mean_operator_and_fixed_point_are_the_numeric_ones(problem, method):
    assert_mean_is_the_engines(problem, method)


@pytest.mark.parametrize("sketch", SKETCHES, ids=repr)
def test_the_mean_of_ist_is_the_engines_with_every_sketch(sketch):
    assert_mean_is_the_engines(problem_of(sketch.n), istsim.IST(sketch, forward_scale=0.8, gradient_scale=1.3))


@pytest.mark.parametrize(
    "sketch", [istsim.Permutation(3, 4), istsim.Permutation(5, 4), istsim.Permutation(8, 4), istsim.Coverage(3, 4, 2)]
)
@pytest.mark.parametrize("participants", [None, 2])
def test_the_mean_of_owners_counts_how_often_a_coordinate_is_reported(sketch, participants):
    method = istsim.IST(sketch, merge="owners", participants=participants)
    assert_mean_is_the_engines(problem_of(sketch.n), method)


@pytest.mark.sample(4)
@pytest.mark.parametrize("merge", MERGES)
@pytest.mark.parametrize("sketch", [istsim.Permutation(2, 4), istsim.RandK(2, 4, 3), SKETCHES[-3]], ids=repr)
def test_two_local_steps_have_the_engines_mean(sketch, merge):
    assert_mean_is_the_engines(problem_of(2), istsim.IST(sketch, merge=merge, local_steps=2))


@pytest.mark.parametrize("kind", [istsim.CompressedGradient, istsim.CompressedIterates])
def test_two_local_steps_with_one_mask_have_the_engines_mean(kind):
    assert_mean_is_the_engines(problem_of(2), kind(istsim.Bernoulli(2, 4, 0.3), local_steps=2))


BLOCKS = [
    istsim.LocalUpdates([1, 2, 1]),
    istsim.LocalUpdates([1, 1, 2], "chunked", window=2),
    istsim.LocalUpdates([2, 1, 1], "overlapping", window=2),
    istsim.LocalUpdates([2, 1, 1], "overlapping", window=2, shared="farthest"),
]


@pytest.mark.parametrize("method", BLOCKS, ids=lambda method: f"{method.mode}, {method.shared}")
def test_local_updates_have_the_engines_mean(method):
    assert_mean_is_the_engines(problem_of(2), method)


@pytest.mark.sample(4)
@pytest.mark.parametrize(
    "method",
    [
        istsim.GradientDescent(),
        istsim.IST(istsim.Permutation(2, 4)),
        istsim.IST(istsim.RandK(2, 4, 3)),
        istsim.CompressedGradient(istsim.RandK(2, 4, 3)),
        istsim.CompressedIterates(istsim.Bernoulli(2, 4, 0.3)),
        istsim.IST(istsim.RandK(2, 4, 3), merge="literal"),
        istsim.IST(istsim.Permutation(2, 4), merge="owners", participants=1),
        istsim.IST(istsim.RandK(2, 4, 3), local_steps=2),
    ],
    ids=repr,
)
def test_expected_iterate_is_the_exact_mean(method):
    problem = problem_of(2)
    exact = theory.exact_mean(problem, method, step_size=0.07, rounds=6)
    expression = symbolic.expected_iterate(method)
    for round_index in (0, 1, 6):
        count = {str(symbolic.round_symbol(method)): round_index}
        mean = symbolic.evaluate(expression, problem, method, gamma=0.07, x_0=np.ones((4, 1)), **count)
        np.testing.assert_allclose(mean[:, 0], exact[round_index], rtol=1e-12, atol=1e-13)


# Second moments


def assert_second_moment_is_the_engines(problem, method):
    found = symbolic.second_moment(method).evaluate(problem, method, X, gamma=GAMMA)
    assert_close(found, theory.second_moment(problem, method, X, step_size=GAMMA))


@pytest.mark.slow
@settings(max_examples=10)  # the engine compiles each method anew
@given(strategies.problems(*SHAPE), strategies.methods(*SHAPE, merges=("mean", "literal"), participation=True))
def test_second_moment_is_the_engines(problem, method):
    if isinstance(method, istsim.IST) and isinstance(method.sketch, istsim.Grouped):
        with pytest.raises(theory.NotCoveredError, match="grouped coordinates"):
            symbolic.second_moment(method)
    else:
        assert_second_moment_is_the_engines(problem, method)


@pytest.mark.sample(2)
@pytest.mark.parametrize("sketch", [istsim.Permutation(2, 4), istsim.RandK(2, 4, 3), *UNEQUAL], ids=repr)
def test_the_second_moment_of_ist_is_the_engines_with_every_sketch(sketch):
    method = istsim.IST(sketch, forward_scale=0.8, gradient_scale=1.3)
    assert_second_moment_is_the_engines(problem_of(sketch.n), method)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "sketch"),
    [
        (istsim.IST, istsim.Permutation(3, 4)),
        (istsim.IST, istsim.Coverage(3, 4, 2)),
        (istsim.CompressedIterates, istsim.Coverage(3, 4, 2)),
        (istsim.CompressedIterates, istsim.Grouped(istsim.Permutation(3, 3), [0, 1, 2, 1])),
    ],
    ids=repr,
)
def test_the_second_moment_of_literal_knows_the_models_loss(kind, sketch):
    method = kind(sketch, merge="literal", participants=2)
    assert_second_moment_is_the_engines(problem_of(3), method)


@pytest.mark.slow
@pytest.mark.parametrize(("sketch", "participants"), [(istsim.Permutation(3, 4), 2), (istsim.Coverage(3, 4, 2), None)])
def test_the_second_moment_of_owners_is_the_engines_where_holders_are_equally_many(sketch, participants):
    method = istsim.IST(sketch, merge="owners", participants=participants)
    assert_second_moment_is_the_engines(problem_of(3), method)


@pytest.mark.parametrize("sketch", [istsim.Permutation(1, 1), istsim.RandK(1, 1, 1), istsim.RandK(1, 3, 2)], ids=repr)
def test_formulas_hold_where_four_coordinates_cannot_differ(sketch):
    d = sketch.d
    problem = istsim.random_quadratic(
        0, 1, d, condition_number=3.0 if d > 1 else 1.0, matrix_heterogeneity=0.0, vector_heterogeneity=1.0
    )
    method = istsim.IST(sketch, forward_scale=0.7)
    assert_mean_is_the_engines(problem, method)
    found = symbolic.second_moment(method).evaluate(problem, method, X[:d, :d])
    assert_close(found, theory.second_moment(problem, method, X[:d, :d]))


def test_masked_gradients_have_few_terms():
    moment = symbolic.second_moment(istsim.CompressedGradient(istsim.Permutation(2, 4)))
    assert [len(sp.Add.make_args(expression)) for expression in moment] == [2, 2]


# Rates


@given(strategies.problems(*SHAPE), strategies.methods(*SHAPE, merges=MERGES, participation=True), st.floats(0.01, 2.0))
def test_convergence_rate_is_the_spectral_radius(problem, method, step_size):
    rate = symbolic.evaluate(symbolic.convergence_rate(method), problem, method, gamma=step_size)
    assert_close(rate, theory.mean_rate(problem, method, step_size), 1e-11)


@pytest.mark.parametrize("method", BLOCKS[:2], ids=lambda method: method.mode)
def test_the_rate_of_local_updates_is_that_of_their_blocks(method):
    rate = symbolic.evaluate(symbolic.convergence_rate(method), problem_of(2), method, gamma=GAMMA)
    # T is not symmetric: its eigenvalues are known to fewer digits where they nearly coincide.
    assert_close(rate, theory.mean_rate(problem_of(2), method, GAMMA), 1e-8)


@pytest.mark.parametrize(
    "method",
    [
        *(kind(istsim.RandK(2, 4, 3), merge=merge) for kind in SKETCHED for merge in ("mean", "literal")),
        istsim.IST(istsim.RandK(2, 4, 3), merge="owners", participants=1),
        istsim.CompressedGradient(istsim.RandK(2, 4, 3), merge="owners", participants=1),
    ],
    ids=repr,
)
def test_no_step_size_has_a_lower_rate_than_the_best(method):
    problem = problem_of(2)
    best = symbolic.evaluate(symbolic.best_step_size(method), problem, method)
    found = scipy.optimize.minimize_scalar(
        lambda size: theory.mean_rate(problem, method, size), bounds=(0, 3 * best), method="bounded"
    )
    assert best == pytest.approx(found.x, rel=1e-4)
    assert theory.mean_rate(problem, method, best) <= found.fun + 1e-12


def test_the_best_step_size_is_the_limit_less_the_least_eigenvalues_share():
    # The mean diverges above 2 / (s lambda_max), and 2 / (s (lambda_min + lambda_max)) is the best.
    problem, method = problem_of(2), istsim.IST(istsim.Permutation(2, 4))
    best = symbolic.evaluate(symbolic.best_step_size(method), problem, method)
    known = symbolic.values(problem, method)
    share = known["lambda_max"] / (known["lambda_min"] + known["lambda_max"])
    assert best == pytest.approx(share * theory.mean_step_size_limit(problem, method), rel=1e-12)


@pytest.mark.parametrize(
    "method",
    [
        istsim.IST(istsim.Permutation(3, 4), participants=2),
        istsim.IST(istsim.RandK(3, 4, 2), merge="literal"),
        istsim.IST(istsim.Coverage(3, 4, 2), merge="owners"),
        istsim.CompressedGradient(istsim.Coverage(3, 4, 2), participants=2),
        istsim.CompressedIterates(istsim.Bernoulli(3, 4, 0.4), merge="literal", participants=2),
        istsim.LocalUpdates([2, 2]),
    ],
    ids=repr,
)
def test_mean_square_rate_is_the_engines_on_equal_isotropic_workers(method):
    eigenvalue = 0.6
    problem = istsim.Quadratic(L=np.broadcast_to(eigenvalue * np.eye(4), (3, 4, 4)), b=np.zeros((3, 4)))
    rate = symbolic.evaluate(symbolic.mean_square_rate(method), problem, method, gamma=GAMMA, **{"lambda": eigenvalue})
    assert rate == pytest.approx(theory.mean_square_rate(problem, method, GAMMA), rel=1e-12)


def test_a_permutation_makes_isotropic_workers_deterministic():
    method = istsim.IST(istsim.Permutation(2, 4))
    gamma, alpha, beta, n, eigenvalue = sp.symbols("gamma alpha beta n lambda")
    assert sp.simplify(symbolic.mean_square_rate(method) - (1 - gamma * alpha * beta * eigenvalue / n) ** 2) == 0


# Probabilities


@pytest.mark.parametrize("sketch", SKETCHES, ids=repr)
def test_symbolic_probabilities_are_the_sketchs_own(sketch):
    problem, method = problem_of(sketch.n), istsim.IST(sketch)

    def value(formula):
        return float(symbolic.evaluate(formula, problem, method))

    for size in range(5):
        own = sketch.inclusion_probability(size)
        assert value(symbolic.inclusion_probability(sketch, size)) == pytest.approx(own, rel=1e-13, abs=1e-14)
    for left, right in ((0, 2), (1, 1), (1, 2), (2, 1), (2, 2)):
        for shared in range(min(left, right) + 1):
            own = sketch.joint_probability(left, right, shared)
            formula = symbolic.joint_probability(sketch, left, right, shared)
            assert value(formula) == pytest.approx(own, rel=1e-13, abs=1e-14)


def test_permutation_probabilities_are_those_of_counting():
    # Of d = n q coordinates a block holds q: one given one with probability q/d = 1/n, two given ones with
    # (q/d) ((q-1)/(d-1)). Of two blocks, one holds a coordinate and the other another with (q/d) (q/(d-1)).
    n, q = sp.symbols("n q")
    sketch = istsim.Permutation(2, 4)
    assert sp.simplify(symbolic.inclusion_probability(sketch, 1) - 1 / n) == 0
    assert sp.simplify(symbolic.inclusion_probability(sketch, 2) - (q - 1) / (n * (n * q - 1))) == 0
    assert sp.simplify(symbolic.joint_probability(sketch, 1, 1, 0) - q / (n * (n * q - 1))) == 0
    assert symbolic.joint_probability(sketch, 1, 1, 1) == 0


def test_coverage_probabilities_are_those_of_counting():
    # Of n workers, s = c d - q n hold q + 1 coordinates, the others q.
    n, d, c, q = sp.symbols("n d c q")
    longer = c * d - q * n
    sketch = istsim.Coverage(3, 4, 2)
    pairs = (longer * (q + 1) * q + (n - longer) * q * (q - 1)) / (n * d * (d - 1))
    assert sp.simplify(symbolic.inclusion_probability(sketch, 1) - c / n) == 0
    assert sp.simplify(symbolic.inclusion_probability(sketch, 2) - pairs) == 0


def test_a_subclass_is_not_taken_for_its_base_class():
    assert str(symbolic.inclusion_probability(EverySecond(2, 4, 1), 2)) == "p_2"


# Symbols


@pytest.mark.sample(2)
@pytest.mark.parametrize("sketch", SKETCHES, ids=repr)
def test_formulas_hold_only_documented_symbols(sketch):
    method = istsim.IST(sketch, merge="literal", participants=1)
    expressions = [symbolic.expected_iterate(method), symbolic.convergence_rate(method)]
    if not isinstance(sketch, istsim.Grouped):
        expressions += symbolic.second_moment(method)
    found = {str(symbol) for expression in expressions for symbol in expression.free_symbols}
    left = found - SYMBOLS - MATRICES - {"lambda_min", "lambda_max"}
    assert all(name.startswith("p_") for name in left), left


def test_expected_iterate_of_a_permutation_is_written_in_the_usual_symbols():
    expression = symbolic.expected_iterate(istsim.IST(istsim.Permutation(2, 4)))
    names = {str(symbol) for symbol in expression.free_symbols}
    assert names == {"n", "d", "q", "gamma", "alpha", "beta", "k", "Lbar", "Dbar", "bbar", "x_0"}


@pytest.mark.parametrize("sketch", [istsim.RandK(2, 4, 3), SKETCHES[-2]], ids=repr)
def test_rounds_are_not_confused_with_the_size_of_rand_k(sketch):
    assert str(symbolic.round_symbol(istsim.IST(sketch))) == "K"
    assert str(symbolic.round_symbol(istsim.GradientDescent())) == "k"


def test_participants_are_in_a_mean_only_where_they_change_it():
    sketch = istsim.Permutation(2, 4)
    m = sp.Symbol("m")
    assert not symbolic.mean_operator(istsim.IST(sketch, participants=1))[0].has(m)
    assert not symbolic.mean_operator(istsim.IST(sketch, merge="owners"))[0].has(m)
    assert symbolic.mean_operator(istsim.IST(sketch, merge="owners", participants=1))[0].has(m)


def test_evaluate_says_which_symbols_lack_a_value():
    method = istsim.GradientDescent()
    with pytest.raises(ValueError, match="needs values for gamma, k, x_0"):
        symbolic.evaluate(symbolic.expected_iterate(method), problem_of(2), method)


# Refusals


@pytest.mark.parametrize(
    ("formula", "method"),
    [
        (symbolic.mean_operator, istsim.IST(istsim.RandK(2, 4, 2), local_steps=3)),
        (symbolic.mean_operator, istsim.IST(istsim.RandK(2, 4, 2), weights=np.ones((2, 4)))),
        (symbolic.mean_operator, istsim.IST(FirstBlock(2, 4, 2))),
        (symbolic.mean_operator, istsim.IST(SharedBlock(2, 4, 2), merge="owners")),
        (symbolic.second_moment, istsim.IST(istsim.RandK(2, 4, 2), local_steps=2)),
        (symbolic.second_moment, istsim.IST(istsim.RandK(2, 4, 2), noise=istsim.RowSampling(1))),
        (symbolic.second_moment, istsim.IST(istsim.RandK(2, 4, 2), merge="owners")),
        (symbolic.second_moment, istsim.IST(istsim.Coverage(3, 4, 2), merge="owners", participants=2)),
        (symbolic.convergence_rate, istsim.IST(istsim.RandK(2, 4, 2), local_steps=2)),
        (symbolic.convergence_rate, BLOCKS[2]),
        (symbolic.best_step_size, BLOCKS[2]),
        (symbolic.mean_square_rate, istsim.IST(istsim.RandK(2, 4, 2), noise=istsim.RowSampling(1))),
        (symbolic.mean_square_rate, istsim.IST(istsim.RandK(2, 4, 2), merge="owners")),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_formulas_are_refused_where_there_are_none(formula, method):
    with pytest.raises(theory.NotCoveredError, match=r"formulas|reported_probability"):
        formula(method)


@pytest.mark.parametrize("arguments", [(5,), (-1,), (3, 1, 0), (1, 1, 2), (-1, 1, 0)], ids=str)
def test_probabilities_of_too_many_coordinates_are_refused(arguments):
    formula = symbolic.inclusion_probability if len(arguments) == 1 else symbolic.joint_probability
    with pytest.raises(ValueError, match="must be"):
        formula(istsim.Bernoulli(2, 4, 0.5), *arguments)
