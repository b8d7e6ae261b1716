import importlib.util
import itertools
import math
import subprocess
import sys
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import istsim
from istsim import certificates
from istsim.certificates import (
    RationalRound,
    as_fraction,
    as_fractions,
    decide,
    decide_gradients,
    decide_iterates,
    decide_theta,
    is_semidefinite,
    largest_rate,
    ldl,
    least_theta,
    negative_direction,
)
from istsim.certificates._rational import arithmetic_of, over_common_denominator
from istsim.theory import NotCoveredError

ARITHMETICS = ["fractions", "flint"] if importlib.util.find_spec("flint") else ["fractions"]
ERRATUM_17 = np.array([[17.0, 12, 2, 12], [12, 13, -2, 12], [2, -2, 8, -2], [12, 12, -2, 13]])


def integer_matrices(rows, columns, largest=5):
    entries = st.lists(st.integers(-largest, largest), min_size=rows * columns, max_size=rows * columns)
    return entries.map(lambda found: as_fractions(found).reshape(rows, columns))


def determinant(matrix):
    """Leibniz's formula."""
    indices = range(len(matrix))
    return sum(
        (-1) ** sum(a > b for a, b in itertools.combinations(order, 2))
        * math.prod(matrix[i, order[i]] for i in indices)
        for order in itertools.permutations(indices)
    )


def is_semidefinite_by_minors(matrix):
    """Whether no principal minor is negative."""
    subsets = itertools.chain.from_iterable(
        itertools.combinations(range(len(matrix)), k + 1) for k in range(len(matrix))
    )
    return all(determinant(matrix[np.ix_(subset, subset)]) >= 0 for subset in subsets)


def equal_workers(L, n):
    """All workers have this L, and b = 0."""
    return istsim.Quadratic(np.stack([np.asarray(L, dtype=float)] * n), np.zeros((n, len(L))))


# Numbers


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (0.1, Fraction(1, 10)),
        (1 / 3, Fraction(1, 3)),
        (-2 / 7, Fraction(-2, 7)),
        (0.0, Fraction(0)),
        (-3.0, Fraction(-3)),
        (1e300, Fraction(int(1e300))),
        (3, Fraction(3)),
        (np.int64(3), Fraction(3)),
        (Fraction(10**20 + 1, 10**20), Fraction(10**20 + 1, 10**20)),
    ],
)
def test_a_float_is_read_as_the_simplest_fraction(x, expected):
    assert as_fraction(x) == expected


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_fraction_that_was_read_rounds_to_its_float(x):
    assert float(as_fraction(x)) == x


@given(st.floats(0.001, 1000.0).filter(lambda x: not x.is_integer()))
def test_no_fraction_of_smaller_denominator_rounds_to_the_float(x):
    nearest = Fraction(x).limit_denominator(as_fraction(x).denominator - 1)
    assert float(nearest) != x


@given(st.integers(-(2**26), 2**26), st.integers(1, 2**26))
def test_a_quotient_of_moderate_integers_is_recovered(p, q):
    assert as_fraction(p / q) == Fraction(p, q)


@pytest.mark.parametrize("x", [math.nan, math.inf, "one", None])
def test_what_is_no_finite_number_is_refused(x):
    with pytest.raises(ValueError, match="x must be a finite number, got"):
        as_fraction(x)


def test_unbiased_scales_are_read_as_the_fractions_they_stand_for():
    for d in range(1, 9):
        for k in range(1, d + 1):
            assert as_fraction(istsim.IST(istsim.RandK(2, d, k)).forward_scale) == Fraction(d, k)


def test_the_arithmetic_is_that_of_fractions_where_flint_is_missing(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert arithmetic_of(None).rational is Fraction


def test_an_unknown_arithmetic_is_refused():
    with pytest.raises(ValueError, match="arithmetic must be 'flint' or 'fractions', got 'floats'"):
        is_semidefinite([[1]], arithmetic="floats")


def test_certificates_import_neither_flint_nor_sympy():
    code = "import sys, istsim.certificates; sys.exit(bool({'flint', 'sympy', 'z3'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# LDL'


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@given(integer_matrices(4, 4) | integer_matrices(2, 4))
def test_a_gram_matrix_is_semidefinite_and_its_factors_multiply_back(arithmetic, A):
    G = A.T @ A / Fraction(7)
    factors = ldl(G, arithmetic=arithmetic)
    assert (factors.pivots >= 0).all()
    T = factors.inverse_factor
    assert (np.where(np.eye(4, dtype=bool), factors.pivots, 0) == T @ G @ T.T).all()
    assert determinant(T) in (1, -1)
    assert (G @ factors.kernel.T == 0).all()
    assert factors.rank == np.linalg.matrix_rank(A.astype(float))


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@given(integer_matrices(3, 4))
def test_a_singular_gram_matrix_less_a_trifle_is_not_semidefinite(arithmetic, A):
    G = A.T @ A
    (j, *_) = np.flatnonzero(ldl(G).kernel[0])
    G[j, j] -= Fraction(1, 10**30)
    assert not is_semidefinite(G, arithmetic=arithmetic)
    v = negative_direction(G, arithmetic=arithmetic)
    assert v @ G @ v < 0
    assert all(x.denominator == 1 for x in v)


@given(integer_matrices(3, 3, largest=2))
def test_verdicts_are_those_of_the_principal_minors_in_both_arithmetics(A):
    for M in (A + A.T, A @ A.T - np.diag(A[0])):
        expected = is_semidefinite_by_minors(M)
        for arithmetic in ARITHMETICS:
            assert is_semidefinite(M, arithmetic=arithmetic) == expected
            v = negative_direction(M, arithmetic=arithmetic)
            assert (v is None) == expected
            assert expected or v @ M @ v < 0


@given(integer_matrices(4, 4))
def test_both_arithmetics_give_the_same_factors_and_directions(A):
    for M in (A @ A.T, A + A.T):
        results = [(ldl(M, arithmetic=name), negative_direction(M, arithmetic=name)) for name in ARITHMETICS]
        for factors, v in results[1:]:
            assert (factors is None) == (results[0][0] is None)
            assert v is None or (v == results[0][1]).all()
            assert factors is None or (factors.inverse_factor == results[0][0].inverse_factor).all()


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [([[0]], True), ([[-1]], False), ([[0, 0], [0, 0]], True), ([[0, 1], [1, 0]], False), ([[0, -1], [-1, 0]], False)],
)
def test_zeros_on_the_diagonal_need_zero_rows(matrix, expected):
    assert is_semidefinite(matrix) == expected
    v = negative_direction(matrix)
    assert expected == (v is None)
    assert expected or v @ as_fractions(matrix) @ v < 0


def test_semidefinite_matrices_that_floating_point_calls_indefinite_are_semidefinite_here():
    vectors = [np.array(v, dtype=float) for v in itertools.product([1, 2, 3], repeat=4)]
    matrices = [np.outer(v, v) for v in vectors]
    assert any(np.linalg.eigvalsh(M)[0] < 0 for M in matrices)
    assert all(is_semidefinite(M) for M in matrices)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [([[1, 2], [3, 4]], r"must be symmetric, got 2 at \(0, 1\) and 3"), ([[1, 2]], r"must have shape \(d, d\), got")],
)
def test_what_is_not_a_symmetric_matrix_is_refused(matrix, message):
    for function in (ldl, is_semidefinite, negative_direction):
        with pytest.raises(ValueError, match=message):
            function(matrix)


def test_a_decision_prints_its_witness():
    decision = decide("I <= 1/2 I", [[-0.5, 0], [0, -0.5]])
    assert (decision.holds, decision.witness, decision.value) == (False, (1, 0), Fraction(-1, 2))
    assert str(decision) == "false: I <= 1/2 I: right less left is -1/2 at v = (1, 0)"
    assert str(decide("0 <= 0", [[0]])) == "true: 0 <= 0"


# One round

DIFFERENT = istsim.Quadratic(
    L=[[[3, 1, 0, 0.5], [1, 2, 0, 0], [0, 0, 1, 0.1], [0.5, 0, 0.1, 1]], np.diag([1.0, 0.5, 2, 1 / 3])],
    b=[[1.0, 2, 0, -1], [0.1, 0, 3, 1]],
)
PERMUTATION = istsim.Permutation(2, 4)
METHODS = [
    istsim.GradientDescent(),
    istsim.LocalUpdates([1, 1, 2]),
    istsim.IST(PERMUTATION),
    istsim.IST(PERMUTATION, forward_scale=1 / 3, gradient_scale=0.7, participants=1),
    istsim.IST(PERMUTATION, merge="owners", participants=1),
    istsim.IST(PERMUTATION, merge="literal", forward_scale=1.0),
    istsim.IST(istsim.RandK(2, 4, 2), merge="owners"),
    istsim.IST(istsim.Bernoulli(2, 4, 0.25)),
    istsim.IST(istsim.Grouped(istsim.Permutation(2, 3), [0, 1, 1, 2])),
    istsim.CompressedGradient(istsim.RandK(2, 4, 3)),
    istsim.CompressedGradient(istsim.Coverage(2, 4, 2), merge="owners"),
    istsim.CompressedIterates(istsim.Coverage(2, 4, 1), merge="literal", participants=1),
    istsim.CompressedIterates(istsim.Identity(2, 4), forward_scale=0.3),
]


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_a_rational_round_agrees_with_the_exact_engine(method):
    X = np.array([[2, 1, 0, 0], [1, 3, 0, 0.5], [0, 0, 1, 0], [0, 0.5, 0, 4]])
    one_round = RationalRound.of(DIFFERENT, method, step_size=0.2)
    B, c = istsim.theory.mean_operator(DIFFERENT, method, step_size=0.2)
    np.testing.assert_allclose(one_round.mean_operator.astype(float), B, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(one_round.mean_vector.astype(float), c, rtol=1e-12, atol=1e-12)
    second = istsim.theory.second_moment(DIFFERENT, method, X, step_size=0.2)
    np.testing.assert_allclose(one_round.second(X).astype(float), second, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("method", [METHODS[0], METHODS[1], METHODS[2], METHODS[6]], ids=repr)
def test_w_theta_and_rate_agree_with_floating_point(method):
    expected, one_round = istsim.theory.contraction(DIFFERENT, method), RationalRound.of(DIFFERENT, method)
    np.testing.assert_allclose(one_round.W.astype(float), expected.W, rtol=1e-12, atol=1e-12)
    assert float(least_theta(one_round.V, one_round.W).value) == pytest.approx(expected.theta, rel=1e-8)
    assert float(largest_rate(one_round.W, one_round.Lbar).value) == pytest.approx(expected.smallest, rel=1e-8)


def test_a_round_of_two_single_coordinates_is_that_worked_out_by_hand():
    # Worker 1 holds coordinate 1 and worker 2 the other, or conversely: with scales 2 each, B = 4/2 sum P_i L_i P_i is
    # diag(2 a_1, 2 d_2) or diag(2 a_2, 2 d_1), where a_i and d_i are the diagonal of L_i.
    L = np.array([[[1, 1 / 3], [1 / 3, 0.2]], [[0.1, 0], [0, 3]]])
    one_round = RationalRound.of(istsim.Quadratic(L, [[1, 2], [3, 4.0]]), istsim.IST(istsim.Permutation(2, 2)))
    a, d = (Fraction(1), Fraction(1, 10)), (Fraction(1, 5), Fraction(3))
    assert (one_round.mean_operator == [[a[0] + a[1], 0], [0, d[0] + d[1]]]).all()
    # c = 2/2 sum P_i b_i is (1, 4) or (3, 2).
    assert one_round.mean_vector.tolist() == [2, 3]
    x, y, z = Fraction(1, 3), Fraction(1, 7), Fraction(5)
    diagonal = 2 * x * (a[0] ** 2 + a[1] ** 2), 2 * z * (d[0] ** 2 + d[1] ** 2)
    cross = 2 * y * (a[0] * d[1] + a[1] * d[0])
    assert (one_round.transposed_second([[x, y], [y, z]]) == [[diagonal[0], cross], [cross, diagonal[1]]]).all()
    assert (one_round.second([[x, y], [y, z]]) == [[diagonal[0], cross], [cross, diagonal[1]]]).all()


def test_the_mean_of_two_blocks_of_two_is_that_of_the_formula():
    # p1 = 1/2 and p2 = 1/6, so that alpha beta [(p1 - p2) Dbar + p2 Lbar] = 4/3 Dbar + 2/3 Lbar.
    one_round = RationalRound.of(DIFFERENT, istsim.IST(PERMUTATION))
    Lbar = one_round.Lbar
    assert (one_round.mean_operator == Fraction(4, 3) * np.diag(np.diag(Lbar)) + Fraction(2, 3) * Lbar).all()
    assert Lbar[3, 3] == Fraction(2, 3)  # the mean of 1 and the float 1/3, read as 1/3


def test_for_an_operator_that_is_not_symmetric_the_transpose_is_on_the_left():
    one_round = RationalRound.of(DIFFERENT, istsim.LocalUpdates([1, 1, 2]))
    B, X = one_round.mean_operator, as_fractions(np.diag([1, 2, 3, 4]))
    assert (B != B.T).any()
    assert (one_round.transposed_second(X) == B.T @ X @ B).all()
    assert (one_round.second(X) == B @ X @ B.T).all()


@pytest.mark.parametrize("method", [METHODS[3], METHODS[5]], ids=repr)
def test_what_a_round_makes_of_a_quadratic_form_is_the_mean_over_its_outcomes(method):
    gamma = Fraction(1, 7)
    one_round = RationalRound.of(DIFFERENT, method, step_size=gamma)
    listed, identity = one_round.operators, as_fractions(np.eye(4))
    maps = [identity - gamma * as_fractions(B) / Fraction(listed.denominator) for B in listed.numerators]
    X = as_fractions(np.diag([1, 2, 3, 4]))
    expected = sum(Fraction(int(w), listed.total) * A.T @ X @ A for w, A in zip(listed.weights, maps, strict=True))
    assert (one_round.after(gamma, X) == expected).all()


@pytest.mark.parametrize("method", METHODS[2:6], ids=repr)
def test_both_arithmetics_give_the_same_round(method):
    rounds = [RationalRound.of(DIFFERENT, method, step_size=0.1, arithmetic=name) for name in ARITHMETICS]
    for other in rounds[1:]:
        for name in ("W", "V", "mean_vector"):
            assert (getattr(other, name) == getattr(rounds[0], name)).all()


class Unlisted(istsim.RandK):
    def outcomes(self):
        return istsim.Sketch.outcomes(self)


class Ours(istsim.IST):
    pass


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        (istsim.IST(PERMUTATION, local_steps=2), "one local step, but the method has 2"),
        (istsim.IST(PERMUTATION, noise=istsim.GaussianNoise(np.eye(4))), "exact gradients, but .* GaussianNoise"),
        (istsim.IST(PERMUTATION, weights=np.ones((2, 4))), "no diagonal weights"),
        (istsim.IST(PERMUTATION, merge="literal"), "pass step_size"),
        (istsim.IST(istsim.Bernoulli(2, 4, 0.3)), "add up to 1 [-+] .*e-.*, not to 1"),
        (istsim.IST(Unlisted(2, 4, 1)), "Unlisted does not list its outcomes"),
        (Ours(PERMUTATION), "methods that come with istsim, not Ours"),
    ],
    ids=str,
)
def test_what_a_rational_round_does_not_cover_is_refused(method, reason):
    with pytest.raises(NotCoveredError, match=reason):
        RationalRound.of(DIFFERENT, method)


def test_too_many_outcomes_are_refused():
    problem = istsim.Quadratic(np.stack([np.eye(12)] * 3), np.zeros((3, 12)))
    with pytest.raises(NotCoveredError, match="more than 20000 masks"):
        RationalRound.of(problem, istsim.IST(istsim.Permutation(3, 12)))  # 34650 masks


def test_a_step_size_that_does_not_fit_is_refused():
    literal = istsim.IST(PERMUTATION, merge="literal")
    with pytest.raises(ValueError, match="step_size must be positive, got -1"):
        RationalRound.of(DIFFERENT, literal, step_size=-1)
    one_round = RationalRound.of(DIFFERENT, literal, step_size=0.1)
    with pytest.raises(ValueError, match="B is for the step size 1/10, got 1/5"):
        one_round.after(0.2, one_round.Lbar)


def test_a_matrix_of_another_shape_is_refused():
    one_round = RationalRound.of(DIFFERENT, istsim.GradientDescent())
    with pytest.raises(ValueError, match=r"X must have shape \(d, d\) = \(4, 4\), got shape \(2, 2\)"):
        one_round.second(np.eye(2))


def test_a_problem_in_float32_is_read_as_the_numbers_it_holds():
    problem = istsim.Quadratic(jnp.array([[[0.1]]], jnp.float32), jnp.zeros((1, 1), jnp.float32))
    assert RationalRound.of(problem, istsim.GradientDescent()).Lbar[0, 0] == as_fraction(float(np.float32(0.1)))


# Bounds


def proves_what_it_says(bound, V, W):
    """Whether value W - V is semidefinite, neighbour W - V is negative at the witness, and the two are near."""
    v = np.array(bound.refutation.witness, dtype=object)
    assert bound.proof.holds
    assert not bound.refutation.holds
    assert is_semidefinite_by_minors(bound.value * W - V)
    assert v @ (bound.neighbour * W - V) @ v == bound.refutation.value < 0
    return True


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@given(integer_matrices(3, 3), integer_matrices(3, 3))
def test_a_theta_is_proved_and_a_slightly_smaller_one_refuted(arithmetic, A, C):
    V, W = A.T @ A, C.T @ C + as_fractions(np.eye(3))
    bound = least_theta(V, W, arithmetic=arithmetic)
    assert proves_what_it_says(bound, V, W)
    assert 0 < bound.value - bound.neighbour <= (bound.value or 1) / 10**8


@given(integer_matrices(3, 3), integer_matrices(3, 3))
def test_a_rate_is_proved_and_a_slightly_larger_one_refuted(A, C):
    W, Lbar = A.T + A, C.T @ C + as_fractions(np.eye(3))
    bound = largest_rate(W, Lbar)
    assert is_semidefinite_by_minors(W - bound.value * Lbar)
    assert bound.neighbour > bound.value
    assert not is_semidefinite_by_minors(W - bound.neighbour * Lbar)
    v = np.array(bound.refutation.witness, dtype=object)
    assert v @ (W - bound.neighbour * Lbar) @ v == bound.refutation.value < 0


@given(integer_matrices(2, 4), integer_matrices(3, 2))
def test_a_theta_for_singular_matrices_is_proved_and_a_slightly_smaller_one_refuted(A, C):
    # The rows of V = (CA)'(CA) are combinations of those of A, so that ker W is within ker V.
    W, V = A.T @ A, (C @ A).T @ (C @ A)
    if (W != 0).any():
        assert proves_what_it_says(least_theta(V, W), V, W)


@pytest.mark.parametrize("estimate", [1.0, 2.6180339, 2.7, 1e4])
def test_a_bad_floating_point_estimate_changes_no_verdict(monkeypatch, estimate):
    monkeypatch.setattr(certificates._bounds, "_float_eigenvalues", lambda V, factors: np.array([estimate]))
    # Identity sketch: theta is the largest eigenvalue of Lbar, here the larger root of t^2 - 3 t + 1.
    L = as_fractions([[2, 1], [1, 1]])
    bound = least_theta(L @ L, L)
    value, neighbour = bound.value, bound.neighbour
    assert value**2 - 3 * value + 1 > 0 > neighbour**2 - 3 * neighbour + 1
    assert value > Fraction(3, 2)


@pytest.mark.parametrize("digits", [1, 4, 12])
def test_an_irrational_theta_is_rounded_up_to_the_digits_asked_for(digits):
    bound = least_theta(as_fractions([[5, 3], [3, 2]]), [[2, 1], [1, 1]], digits=digits)
    exact = (3 + 5**0.5) / 2
    assert not bound.is_sharp
    assert bound.value == Fraction(math.ceil(exact * 10 ** (digits - 1)), 10 ** (digits - 1))
    assert bound.value - bound.neighbour == Fraction(10) ** (1 - digits)


@pytest.mark.parametrize(("L", "largest"), [([[2, 1], [1, 2]], 3), (np.diag([0.1, 2 / 7]), Fraction(2, 7))])
def test_theta_of_the_identity_sketch_is_the_largest_eigenvalue(L, largest):
    one_round = RationalRound.of(equal_workers(L, 2), istsim.IST(istsim.Identity(2, 2)))
    bound = least_theta(one_round.V, one_round.W)
    assert (bound.value, bound.is_sharp) == (largest, True)


def test_theta_of_the_homogeneous_preconditioned_case_is_n():
    # n = d and ones on the diagonals: B = n I, so that E[B' Lbar B] = n^2 Lbar = n W.
    L = [[1, 1 / 3, 0], [1 / 3, 1, -0.1], [0, -0.1, 1]]
    one_round = RationalRound.of(equal_workers(L, 3), istsim.IST(istsim.Permutation(3, 3)))
    assert (one_round.V == 3 * one_round.W).all()
    bound = least_theta(one_round.V, one_round.W)
    assert (bound.value, bound.is_sharp) == (3, True)
    assert decide_theta(one_round, 3).holds
    assert not decide_theta(one_round, 3 - Fraction(1, 10**40)).holds


def test_there_is_no_theta_where_the_kernel_of_w_is_not_that_of_v():
    bound = least_theta([[1, 1], [1, 1]], [[1, 0], [0, 0]])
    assert (bound.value, bound.proof, bound.neighbour) == (None, None, None)
    assert bound.refutation.witness == (0, 1)
    assert str(bound) == "false: V <= theta W for some theta: right less left is -1 at v = (0, 1)"
    assert least_theta([[2, 0], [0, 0]], [[1, 0], [0, 0]]).value == 2
    assert least_theta([[2, 0], [0, 1e-300]], [[1, 0], [0, 0]]).value is None


def test_the_rate_vanishes_exactly_at_the_threshold_of_remark_1():
    # L = [[a, c], [c, b]] with single coordinates: W is semidefinite up to |c| = 2ab/(a + b), here 8/5.
    def rate(c):
        one_round = RationalRound.of(equal_workers([[1, c], [c, 4]], 2), istsim.IST(istsim.Permutation(2, 2)))
        return largest_rate(one_round.W, one_round.Lbar)

    assert (rate(1.6).value, rate(1.6).is_sharp) == (0, True)
    assert rate(1.6 - 1e-9).value > 0 > rate(1.6 + 1e-9).value


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (least_theta, ([[1, 0], [0, -1]], np.eye(2)), "V must be positive semidefinite"),
        (least_theta, (np.eye(2), [[1, 0], [0, -1]]), "W must be positive semidefinite and not zero"),
        (least_theta, (np.eye(2), np.zeros((2, 2))), "W must be positive semidefinite and not zero"),
        (largest_rate, (np.eye(2), [[1, 1], [1, 1]]), "Lbar must be positive definite"),
    ],
)
def test_a_bound_that_makes_no_sense_is_refused(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(*arguments)


# Theorem 1


def test_the_theta_of_equation_17_is_refuted_and_the_true_one_proved():
    one_round = RationalRound.of(equal_workers(ERRATUM_17, 2), istsim.IST(PERMUTATION))
    W, Lbar, mean = one_round.W, one_round.Lbar, one_round.mean_operator
    true, printed, rate = least_theta(one_round.V, W), least_theta(mean.T @ Lbar @ mean, W), largest_rate(W, Lbar)
    assert (true.value, true.is_sharp) == (Fraction(5830, 27), True)  # 215.93
    assert float(printed.value) == pytest.approx(47.97, abs=0.005)

    assert decide_theta(one_round, true.value).holds
    assert decide_iterates(one_round, 1 / true.value, rate.value).holds
    assert decide_gradients(one_round, 1 / true.value).holds

    assert not decide_theta(one_round, printed.value).holds
    false = decide_iterates(one_round, 1 / printed.value, rate.value)
    assert not false.holds
    assert not decide_gradients(one_round, 1 / printed.value).holds
    # The promised factor of a round is 0.719, the true one 1.938, met at the witness (0, 1, 0, -1).
    assert float(1 - rate.value / printed.value) == pytest.approx(0.719, abs=5e-4)
    factor = least_theta(one_round.after(1 / printed.value, Lbar), Lbar)
    assert float(factor.value) == pytest.approx(1.938, abs=5e-4)
    assert factor.refutation.witness in ((0, 1, 0, -1), (0, -1, 0, 1))


def test_one_round_of_gradient_descent_is_decided_up_to_its_longest_step():
    # L = diag(1, 3) and rate 1: (1 - g)^2 <= 1 - g up to g = 1 and (1 - 3g)^2 <= 1 - g up to g = 5/9; likewise for
    # L - g W with W = L^2: (1 - 3g)^2 <= 1 - 3g up to g = 1/3.
    one_round = RationalRound.of(equal_workers(np.diag([1.0, 3]), 1), istsim.GradientDescent())
    trifle = Fraction(1, 10**20)
    assert decide_iterates(one_round, Fraction(5, 9), 1).holds
    assert not decide_iterates(one_round, Fraction(5, 9) + trifle, 1).holds
    assert not decide_iterates(one_round, 0.1, 2).holds
    assert decide_gradients(one_round, Fraction(1, 3)).holds
    assert not decide_gradients(one_round, Fraction(1, 3) + trifle).holds
    assert decide_gradients(one_round, 1 / 3).claim == "E[(I - 1/3 B)' Lbar (I - 1/3 B)] <= Lbar - 1/3 W"


def test_a_step_size_that_is_not_positive_is_refused():
    one_round = RationalRound.of(equal_workers(np.eye(2), 1), istsim.GradientDescent())
    with pytest.raises(ValueError, match="step_size must be positive, got 0"):
        decide_gradients(one_round, 0)


def test_a_common_denominator_is_the_least():
    integers, common = over_common_denominator([Fraction(1, 4), Fraction(5, 6), Fraction(-2)])
    assert (integers.tolist(), common) == ([3, 10, -24], 12)


def test_owners_divide_by_any_number_of_holders():
    problem = istsim.Quadratic(np.array([1.0, 2.0, 6.0]).reshape(3, 1, 1), np.array([[3.0], [6.0], [0.0]]))
    found = certificates.RationalRound.of(problem, istsim.IST(istsim.Bernoulli(3, 1, 0.5), merge="owners"))
    # Unless no one holds it, with probability 1/8, the average over the holders is on average that over all workers.
    assert found.mean_operator.tolist() == [[Fraction(7, 8) * 3]]
    assert found.mean_vector.tolist() == [Fraction(7, 8) * 3]


def test_a_least_number_of_six_digits_is_found_although_simpler_ones_are_within_a_ten_billionth():
    # Neighbouring ratios of Fibonacci numbers: 196418 / 121393 is off by 1 / (196418 * 121393), or 4e-11.
    found = certificates.largest_rate([[317811]], [[196418]])
    assert found.value == Fraction(317811, 196418)
    assert found.is_sharp


def test_more_digits_than_are_told_are_refused():
    matrices = as_fractions([[2]]), [[1]]
    assert least_theta(*matrices, digits=1000).value == 2
    for digits in (1001, 10_000):
        with pytest.raises(ValueError, match=f"digits must be at most 1000, got {digits}"):
            least_theta(*matrices, digits=digits)
