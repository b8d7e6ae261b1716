import numpy as np
import pytest
import sympy as sp
from hypothesis import assume, given
from hypothesis import strategies as st

import istsim
from istsim.theorems import Kind, TheoremCheck
from istsim.theorems._expected_iterate import ExpectedIterate
from istsim.theorems._theorem_1_iterates import Theorem1Iterates
from istsim.verify import strategies

SHAPE, ROUNDS = (2, 4), 12

interpolation = istsim.random_quadratic(
    5, 2, 4, condition_number=4.0, matrix_heterogeneity=0.3, vector_heterogeneity=0.0, interpolation=True
)
heterogeneous = istsim.random_quadratic(
    5, 2, 4, condition_number=4.0, matrix_heterogeneity=0.3, vector_heterogeneity=1.0
)
ist = istsim.IST(istsim.Permutation(2, 4))


def check(name: str, problem, method, step_size, **kwargs) -> TheoremCheck:
    return istsim.theorems.get(name).check(problem, method, step_size=step_size, rounds=ROUNDS, **kwargs)


@pytest.mark.slow
@given(strategies.problems(*SHAPE, interpolation=True), strategies.methods(*SHAPE), st.floats(0.01, 1.0))
def test_theorem_1_holds_wherever_it_applies(problem, method, fraction):
    theta = istsim.theory.contraction(problem, method).theta
    assume(np.isfinite(theta))
    found = check("theorem-1-iterates", problem, method, fraction / theta)
    assert found.applicable
    assert found.holds
    assert found.lhs.shape == found.rhs.shape == (ROUNDS + 1,)


@given(strategies.problems(*SHAPE), strategies.methods(*SHAPE), strategies.step_sizes(1e-3, 1.0))
def test_expected_iterate_holds_for_every_method(problem, method, step_size):
    found = check("expected-iterate", problem, method, step_size)
    assert found.applicable
    assert found.holds
    assert found.lhs.shape == found.rhs.shape == (ROUNDS + 1, SHAPE[1])


@given(strategies.problems(*SHAPE, interpolation=True), strategies.methods(*SHAPE))
def test_theorem_1_does_not_apply_just_above_its_largest_step_size(problem, method):
    theta = istsim.theory.contraction(problem, method).theta
    assume(np.isfinite(theta))
    found = check("theorem-1-iterates", problem, method, 1.001 / theta)
    assert not found.applicable
    assert "step size at most 1/theta" in found.reason
    assert found.lhs is None
    assert found.rhs is None
    assert found.holds is None


def test_theorem_1_does_not_apply_without_interpolation():
    found = check("theorem-1-iterates", heterogeneous, ist, 1e-3)
    assert not found.applicable
    assert "all b_i = 0" in found.reason


@pytest.mark.parametrize(("a", "b", "c"), [(1.0, 4.0, 1.7), (9.0, 1.0, 2.0)])
def test_theorem_1_does_not_apply_where_w_is_indefinite(a, b, c):
    # Remark 1: homogeneous L = [[a, c], [c, b]] under Perm-1 has indefinite W iff |c| > 2ab/(a+b).
    assert abs(c) > 2 * a * b / (a + b)
    problem = istsim.Quadratic(np.array([[[a, c], [c, b]]] * 2), np.zeros((2, 2)))
    method = istsim.IST(istsim.Permutation(2, 2))
    found = check("theorem-1-iterates", problem, method, 1e-3)
    assert not found.applicable
    assert "positive semidefinite" in found.reason
    assert istsim.theory.contraction(problem, method).smallest < 0


def test_theorem_1_applies_just_inside_remark_1():
    a, b = 1.0, 4.0
    c = 0.99 * 2 * a * b / (a + b)
    problem = istsim.Quadratic(np.array([[[a, c], [c, b]]] * 2), np.zeros((2, 2)))
    assert check("theorem-1-iterates", problem, istsim.IST(istsim.Permutation(2, 2)), 1e-3).applicable


def test_theorem_1_has_no_theta_where_w_is_singular_but_b_is_not():
    # |c| = 2ab/(a+b) makes det W = 0, while E[B' Lbar B] stays positive definite.
    a, b = 1.0, 4.0
    c = 2 * a * b / (a + b)
    problem = istsim.Quadratic(np.array([[[a, c], [c, b]]] * 2), np.zeros((2, 2)))
    method = istsim.IST(istsim.Permutation(2, 2))
    contraction = istsim.theory.contraction(problem, method)
    assert contraction.is_semidefinite
    assert contraction.theta == np.inf
    assert "some theta" in check("theorem-1-iterates", problem, method, 1e-9).reason


def test_theorem_1_is_tight_for_gradient_descent_in_one_dimension_at_its_largest_step_size():
    # f(x) = 2 x^2 with step 1/4 reaches 0 at once: both sides are 0 from round 1 on.
    problem = istsim.Quadratic([[[4.0]]], [[0.0]])
    found = check("theorem-1-iterates", problem, istsim.GradientDescent(), 1 / 4)
    assert found.lhs[0] == found.rhs[0] == 4.0
    np.testing.assert_array_equal(found.lhs[1:], 0)
    np.testing.assert_array_equal(found.rhs[1:], 0)


def test_theorem_1_constants_are_those_of_gradient_descent():
    # B = Lbar: W = Lbar^2, E[B' Lbar B] = Lbar^3, so theta = lmax(Lbar) and lambda_min = lmin(Lbar).
    contraction = istsim.theory.contraction(interpolation, istsim.GradientDescent())
    eigenvalues = np.linalg.eigvalsh(interpolation.mean_hessian)
    assert contraction.theta == pytest.approx(eigenvalues[-1], rel=1e-12)
    assert contraction.smallest == pytest.approx(eigenvalues[0], rel=1e-12)


def test_expected_iterate_sides_are_two_routes_to_one_sequence():
    found = check("expected-iterate", heterogeneous, ist, 0.2, x0=[1.0, -1.0, 2.0, 0.0])
    np.testing.assert_allclose(found.lhs, found.rhs, rtol=1e-12, atol=1e-13)
    np.testing.assert_array_equal(found.rhs[0], [1.0, -1.0, 2.0, 0.0])


gamma, k = sp.symbols("gamma k")


def faulty(statement: sp.Rel, old: sp.Basic, new: sp.Basic) -> sp.Rel:
    changed = statement.func(statement.lhs, statement.rhs.subs(old, new), evaluate=False)
    assert changed != statement
    return changed


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(k, 2 * k, id="k doubled"),
        pytest.param(gamma, 2 * gamma, id="a factor too many"),
        pytest.param(sp.Symbol("initial_error"), sp.Symbol("initial_error") / 2, id="a half too many"),
    ],
)
def test_a_false_bound_is_caught(old, new):
    statement = faulty(Theorem1Iterates().statement, old, new)

    class False1(Theorem1Iterates):
        @property
        def statement(self):
            return statement

    # Where one worker's only coordinate is held with probability p, B is 1/p or 0, theta is 1/p, and
    # at step size p the error is 0 once the coordinate was held: (1 - p)^k, the bound itself.
    problem, method = istsim.Quadratic([[[1.0]]], [[0.0]]), istsim.CompressedGradient(istsim.Bernoulli(1, 1, 0.25))
    true = Theorem1Iterates().check(problem, method, step_size=0.25, rounds=9)
    np.testing.assert_allclose(true.lhs, true.rhs, rtol=1e-12)
    assert true.holds
    false = False1().check(problem, method, step_size=0.25, rounds=9)
    assert false.applicable
    assert not false.holds


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(k, k + 1, id="off by one round"),
        pytest.param(gamma, gamma**2, id="gamma squared"),
        pytest.param(sp.MatrixSymbol("x_inf", sp.Symbol("d"), 1), sp.MatrixSymbol("x_0", sp.Symbol("d"), 1), id="x_0"),
    ],
)
def test_a_false_closed_form_is_caught(old, new):
    statement = faulty(ExpectedIterate().statement, old, new)

    class False2(ExpectedIterate):
        @property
        def statement(self):
            return statement

    found = False2().check(heterogeneous, ist, step_size=0.2, rounds=9)
    assert found.applicable
    assert not found.holds


@pytest.mark.parametrize("name", istsim.theorems.names())
def test_every_theorem_states_itself(name):
    theorem = istsim.theorems.get(name)
    assert theorem.name == name
    assert theorem.kind in Kind
    assert theorem.title
    assert theorem.source
    assert isinstance(theorem.statement, sp.core.relational.Relational)
    assert {symbol for symbol in theorem.notation} <= theorem.statement.free_symbols
    for text in theorem.notation.values():
        assert text in theorem.latex()


def test_unknown_theorem_is_refused_with_the_names_there_are():
    with pytest.raises(ValueError, match="theorem-1-iterates"):
        istsim.theorems.get("theorem-0")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"step_size": -1.0, "rounds": 3}, "step_size must be positive"),
        ({"step_size": 0.1, "rounds": 0}, "rounds must be an integer of at least 1"),
        ({"step_size": 0.1, "rounds": 3, "x0": [1.0]}, r"x0 must have shape \(d,\) = \(4,\)"),
    ],
)
def test_a_check_of_no_run_is_an_error(arguments, message):
    with pytest.raises(ValueError, match=message):
        istsim.theorems.get("expected-iterate").check(heterogeneous, ist, **arguments)


def test_a_check_in_float32_is_made_in_float64():
    problem = istsim.Quadratic(np.asarray(heterogeneous.L, np.float32), np.asarray(heterogeneous.b, np.float32))
    found = check("expected-iterate", problem, ist, 0.1)
    assert found.holds
    assert found.lhs.dtype == np.float64


@pytest.mark.parametrize(
    "method",
    [
        istsim.IST(istsim.RandK(2, 4, 2), merge="owners", participants=1),
        istsim.IST(istsim.RandK(2, 4, 2), merge="literal", forward_scale=1.0),
        istsim.LocalUpdates([1, 3]),
    ],
    ids=["owners", "literal", "local updates"],
)
def test_the_expected_iterate_has_its_closed_form_under_every_merge(method):
    assert check("expected-iterate", heterogeneous, method, 0.1).holds


def test_a_theorem_that_cannot_be_evaluated_says_so():
    found = check("theorem-1-iterates", interpolation, istsim.IST(istsim.RandK(2, 4, 2), local_steps=2), 0.1)
    assert not found.applicable
    assert "cannot be decided: exact second moments are for local_steps=1" in found.reason
