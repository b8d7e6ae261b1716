"""Every theorem: it holds inside its premises, says which one fails outside, and a seeded fault is caught."""

import sys

import jax.numpy as jnp
import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import istsim
from istsim import cli
from istsim.theorems import Instance, Kind, Theorem
from istsim.theorems._erratum_17 import printed_theta
from istsim.theorems._theorem import _without_cancellation
from istsim.verify import strategies

N = 3  # n = d for the theorems about single coordinates
ROUNDS = 8


def heterogeneous(seed=1, n=2, d=4, **changes):
    settings = {"condition_number": 5.0, "matrix_heterogeneity": 0.5, "vector_heterogeneity": 1.0}
    return istsim.random_quadratic(seed, n, d, **(settings | changes))


def equal_workers(seed=1, n=N):
    return heterogeneous(seed, n, n, matrix_heterogeneity=0.0)


def interpolating(seed=1):
    return heterogeneous(seed, vector_heterogeneity=0.0, interpolation=True)


def calm(seed=1):
    problem = equal_workers(seed)
    return istsim.Quadratic(problem.L, jnp.broadcast_to(problem.b[:1], problem.b.shape))


def weighted(problem):
    weights, n = 1 / np.sqrt(np.asarray(problem.hessians.diagonal())), problem.num_workers
    return istsim.IST(istsim.Permutation(n, n), weights=weights, forward_scale=n**0.5, gradient_scale=n**0.5)


def within_theta(problem, method, fraction=1.0):
    return fraction / istsim.theory.contraction(problem, method).theta


def least_vartheta(problem, method):
    """The least vartheta with T' N^-1 T <= vartheta (N^-1 T + T' N^-1)/2, by a route of its own."""
    T, N_root = np.asarray(istsim.theory.mean_operator(problem, method)[0]), np.diag(method.losses**-0.5)
    share = N_root @ N_root @ T
    root = np.linalg.cholesky((share + share.T) / 2)
    return np.linalg.norm(np.linalg.solve(root, T.T @ N_root), 2) ** 2


SINGLES = istsim.IST(istsim.Permutation(N, N))
PAIRS = istsim.IST(istsim.Permutation(2, 4))
COIN = (istsim.Quadratic([[[1.0]]], [[0.0]]), istsim.CompressedGradient(istsim.Bernoulli(1, 1, 0.25)))
SQUARE, EQUAL = heterogeneous(1, N, N), equal_workers()
FLAT = istsim.Quadratic(np.array([np.diag([0.0, 1, 1]), *[np.eye(3)] * 2]), np.ones((3, 3)))
# In two chunks, and in three windows of which two summed ones hold a block in common.
CHUNKS = istsim.LocalUpdates([1, 2, 1], "chunked", window=2)
SUMMED = istsim.LocalUpdates([1, 2, 1], "overlapping", window=2)
UNSTABLE = istsim.Quadratic([[[7.0, -9, -5], [-9, 12, 8], [-5, 8, 10]]], np.zeros((1, 3)))
WINDOWS = istsim.LocalUpdates([1, 1, 1], "overlapping", window=2)
gamma, k, n, alpha, beta, young = sp.symbols("gamma k n alpha beta y")


def matrix(name, rows="d", columns="d"):
    size = {"d": sp.Symbol("d"), "q": sp.Symbol("q"), "1": 1}
    return sp.MatrixSymbol(name, size[rows], size[columns])


# Name: instances inside the premises, as (problem, method, step size, parameters).
INSIDE = {
    "theorem-1-gradients": lambda seed, t: (
        interpolating(seed),
        PAIRS,
        within_theta(interpolating(seed), PAIRS, t),
        {},
    ),
    "theorem-1-iterates": lambda seed, t: (interpolating(seed), PAIRS, within_theta(interpolating(seed), PAIRS, t), {}),
    "theorem-1-long-steps": lambda seed, t: (
        interpolating(seed),
        PAIRS,
        within_theta(interpolating(seed), PAIRS, 2 * t),
        {},
    ),
    "identity-is-gradient-descent": lambda seed, t: (
        heterogeneous(seed),
        istsim.IST(istsim.Identity(2, 4), merge="owners"),
        t,
        {},
    ),
    "remark-1-indefinite": lambda seed, t: (
        istsim.remark_1_quadratic(1 + 9 * t, 1.0, 0.9 * np.sin(seed)),
        istsim.IST(istsim.Permutation(2, 2), forward_scale=1 + t),
        t,
        {},
    ),
    "homogeneous-preconditioning": lambda seed, t: (
        equal_workers(seed).preconditioned(),
        istsim.IST(istsim.Permutation(N, N), forward_scale=1 + t),
        t,
        {},
    ),
    "heterogeneous-preconditioning": lambda seed, t: (p := heterogeneous(seed, N, N), weighted(p), t, {}),
    "expected-iterate": lambda seed, t: (heterogeneous(seed), PAIRS, t, {}),
    "theorem-2": lambda seed, t: (
        p := heterogeneous(seed, N, N),
        weighted(p),
        (0.5 - 0.45 * t) / (0.5 + 0.45 * t),
        {"young": 0.45 * t},
    ),
    "homogeneous-zero-variance": lambda seed, t: (p := calm(seed), weighted(p), t, {}),
    "sharper-theorem-2": lambda seed, t: (p := heterogeneous(seed, N, N), weighted(p), t, {}),
    "stationary-gradient-norm": lambda seed, t: (p := heterogeneous(seed, N, N), weighted(p), 1.95 * t, {}),
    "perm-q-mean": lambda seed, t: (
        heterogeneous(seed),
        istsim.IST(istsim.Permutation(2, 4), forward_scale=1 + t),
        t,
        {},
    ),
    "scale-equivalence": lambda seed, t: (
        heterogeneous(seed),
        istsim.IST(istsim.RandK(2, 4, 3), forward_scale=0.5 + t, participants=1),
        0.2 * t,
        {},
    ),
    "best-forward-scale": lambda seed, t: (
        heterogeneous(seed),
        istsim.IST(istsim.RandK(2, 4, 3), forward_scale=0.5 + t),
        0.2 * t,
        {},
    ),
    "overlap-reduces-bias": lambda seed, t: (
        heterogeneous(seed),
        istsim.IST(istsim.RandK(2, 4, 3), forward_scale=1.0, merge="owners"),
        t,
        {},
    ),
    "local-steps-single-coordinates": lambda seed, t: (
        p := heterogeneous(seed, N, N),
        istsim.IST(istsim.Permutation(N, N), local_steps=3, forward_scale=0.5 + t),
        1.9 * t / float(p.hessians.diagonal().max()),
        {},
    ),
    "participation-second-moment": lambda seed, t: (
        heterogeneous(seed, N, 2 * N),
        istsim.IST(istsim.RandK(N, 2 * N, 3), gradient_scale=0.5 + t, participants=2),
        t,
        {},
    ),
    "gradient-masking-unbiased": lambda seed, t: (
        heterogeneous(seed),
        istsim.CompressedGradient(istsim.RandK(2, 4, 3), gradient_scale=1 + t, merge="owners"),
        t,
        {},
    ),
    "model-masking-biased": lambda seed, t: (
        heterogeneous(seed),
        istsim.CompressedIterates(istsim.RandK(2, 4, 3), forward_scale=1 + t),
        t,
        {},
    ),
    "local-updates-fixed-point": lambda seed, t: (heterogeneous(seed), SUMMED, t, {}),
    "local-updates-contraction": lambda seed, t: (
        p := heterogeneous(seed, condition_number=1.5),
        SUMMED,
        t * 2 / least_vartheta(p, SUMMED),
        {},
    ),
    "greedy-loss": lambda seed, t: (heterogeneous(seed), CHUNKS, t, {}),
    "greedy-stages": lambda seed, t: (heterogeneous(seed), istsim.LocalUpdates([1, 2, 1]), t, {}),
    "greedy-rate": lambda seed, t: (heterogeneous(seed), CHUNKS, t, {}),
    "greedy-transient": lambda seed, t: (heterogeneous(seed), CHUNKS, t, {}),
    "greedy-eigenvalues": lambda seed, t: (heterogeneous(seed), istsim.LocalUpdates([1, 2, 1]), t, {}),
}

# Name: an instance just outside, and words of the premise that fails.
OUTSIDE = [
    ("theorem-1-gradients", heterogeneous(), PAIRS, 1e-3, {}, "all b_i = 0"),
    ("theorem-1-gradients", interpolating(), PAIRS, within_theta(interpolating(), PAIRS, 1.01), {}, "1/theta"),
    (
        "theorem-1-iterates",
        interpolating(),
        istsim.IST(istsim.Permutation(2, 4), noise=istsim.GaussianNoise(np.eye(4))),
        1e-3,
        {},
        "the gradients are exact (there is GaussianNoise)",
    ),
    ("theorem-1-long-steps", heterogeneous(), PAIRS, 1e-3, {}, "all b_i = 0"),
    ("theorem-1-long-steps", interpolating(), PAIRS, within_theta(interpolating(), PAIRS, 2.01), {}, "2/theta"),
    ("identity-is-gradient-descent", heterogeneous(), istsim.IST(istsim.RandK(2, 4, 3)), 0.1, {}, "holds everything"),
    (
        "identity-is-gradient-descent",
        heterogeneous(),
        istsim.IST(istsim.Identity(2, 4), forward_scale=1.1),
        0.1,
        {},
        "at scale 1",
    ),
    ("remark-1-indefinite", heterogeneous(1, 2, 2), istsim.IST(istsim.Permutation(2, 2)), 0.1, {}, "L_i are equal"),
    ("remark-1-indefinite", equal_workers(), SINGLES, 0.1, {}, "Permutation(2, 2)"),
    ("homogeneous-preconditioning", equal_workers(), SINGLES, 0.1, {}, "ones on the diagonal"),
    ("homogeneous-preconditioning", SQUARE.preconditioned(), SINGLES, 0.1, {}, "L_i are equal"),
    ("heterogeneous-preconditioning", SQUARE, SINGLES, 0.1, {}, "weights D_i^-1/2"),
    ("theorem-2", SQUARE, weighted(SQUARE), 0.34, {}, "step size at most (1/2 - young)"),
    ("theorem-2", SQUARE, weighted(SQUARE), 0.1, {"young": 0.5}, "young lies between"),
    ("homogeneous-zero-variance", EQUAL, weighted(EQUAL), 0.1, {}, "all b_i are equal"),
    ("homogeneous-zero-variance", SQUARE, weighted(SQUARE), 0.1, {}, "all L_i are equal"),
    ("sharper-theorem-2", SQUARE, weighted(SQUARE), 1.01, {}, "step size at most 1"),
    ("stationary-gradient-norm", SQUARE, weighted(SQUARE), 2.0, {}, "step size below 2"),
    (
        "stationary-gradient-norm",
        SQUARE,
        istsim.IST(istsim.Permutation(N, N), weights=np.ones((N, N)), forward_scale=N**0.5, gradient_scale=N**0.5),
        0.1,
        {},
        "weights times D_i^1/2 differ",
    ),
    ("perm-q-mean", heterogeneous(1, 3, 4), istsim.IST(istsim.Permutation(3, 4)), 0.1, {}, "n dividing d"),
    ("perm-q-mean", heterogeneous(), istsim.IST(istsim.RandK(2, 4, 2)), 0.1, {}, "Permutation(n, d)"),
    ("scale-equivalence", heterogeneous(), istsim.IST(istsim.RandK(2, 4, 2), merge="literal"), 0.1, {}, "merge mean"),
    ("best-forward-scale", heterogeneous(), istsim.IST(istsim.RandK(2, 4, 2), local_steps=2), 0.1, {}, "one local"),
    ("overlap-reduces-bias", heterogeneous(), PAIRS, 0.1, {}, "forward scale 1"),
    (
        "local-steps-single-coordinates",
        SQUARE,
        istsim.IST(istsim.Permutation(N, N), merge="literal"),
        0.1,
        {},
        "merge mean or owners",
    ),
    ("local-steps-single-coordinates", FLAT, SINGLES, 0.1, {}, "all D_ij are positive (the smallest is 0)"),
    ("local-steps-single-coordinates", SQUARE, SINGLES, 9.0, {}, "step size below 2 / max D_ij"),
    ("participation-second-moment", heterogeneous(), istsim.GradientDescent(), 0.1, {}, "n > 1"),
    ("gradient-masking-unbiased", heterogeneous(), PAIRS, 0.1, {}, "CompressedGradient"),
    (
        "model-masking-biased",
        heterogeneous(),
        istsim.CompressedIterates(istsim.RandK(2, 4, 2), merge="literal"),
        0.1,
        {},
        "merge mean",
    ),
    ("local-updates-fixed-point", heterogeneous(), istsim.GradientDescent(), 0.1, {}, "LocalUpdates"),
    (
        "local-updates-fixed-point",
        istsim.Quadratic([[[2.0, -2, 1], [-2, 3, -2], [1, -2, 2]]], np.ones((1, 3))),
        istsim.LocalUpdates([1, 1, 1], "overlapping", window=2, shared="farthest"),
        0.1,
        {},
        "T is invertible",
    ),
    ("local-updates-contraction", UNSTABLE, WINDOWS, 1e-3, {}, "N^-1 T + T' N^-1 is positive definite"),
    ("local-updates-contraction", heterogeneous(), CHUNKS, 9.0, {}, "step size at most 2/vartheta"),
    ("greedy-loss", heterogeneous(), SUMMED, 0.1, {}, "greedy or chunked"),
    ("greedy-stages", heterogeneous(), istsim.GradientDescent(), 0.1, {}, "greedy or chunked"),
    ("greedy-rate", heterogeneous(), SUMMED, 0.1, {}, "greedy or chunked"),
    ("greedy-transient", heterogeneous(), istsim.LocalUpdates([1, 2, 1]), 0.1, {}, "two blocks or chunks"),
    (
        "greedy-transient",
        istsim.Quadratic(4 * np.eye(2)[None], np.ones((1, 2))),
        istsim.LocalUpdates([1, 1]),
        0.25,
        {},
        "rho is positive",
    ),
    ("greedy-eigenvalues", heterogeneous(), istsim.GradientDescent(), 0.1, {}, "greedy"),
]

# Where L_i and b_i are equal nothing is random, and only the bias of Theorem 2 is left.
CALM = calm()

# In two dimensions the bias is along the flattest direction if bbar is.
TWO = istsim.Quadratic([[[2.0, -1.0], [-1.0, 2.0]]], [[1.0, 1.0]])
PAIR_OF_TWO = istsim.IST(istsim.Bernoulli(1, 2, 0.5), forward_scale=1.0)

# All blocks alike and none coupled: every round takes the same part of every error.
ISOTROPIC = (istsim.Quadratic(2 * np.eye(4)[None], np.zeros((1, 4))), CHUNKS, 0.1, {})

# Single coordinates of one curvature that draw each other along: the error of the later one is just as large as the
# bound. From (1, 1) with the fixed point (1/2, 3/4).
MONOTONE = (TWO, istsim.LocalUpdates([1, 1]), 0.1, {})

# Name: an instance tight enough, and what is put for what in the right side.
FAULTS = [
    ("theorem-1-gradients", (*COIN, 0.25, {}), gamma, 2 * gamma),
    ("theorem-1-gradients", (*COIN, 0.25, {}), sp.Symbol("initial_gap"), sp.Symbol("initial_gap") / 2),
    ("theorem-1-gradients", (*COIN, 0.25, {}), k, k + 1),
    ("theorem-1-iterates", (*COIN, 0.25, {}), k, k + 1),
    ("theorem-1-iterates", (*COIN, 0.25, {}), gamma, 2 * gamma),
    ("theorem-1-iterates", (*COIN, 0.25, {}), gamma, sp.sqrt(gamma)),
    ("theorem-1-iterates", (*COIN, 0.25, {}), sp.Symbol("lambda_min"), 1.01 * sp.Symbol("lambda_min")),
    ("theorem-1-iterates", (*COIN, 0.25, {}), sp.Symbol("initial_error"), 0.99 * sp.Symbol("initial_error")),
    ("theorem-1-long-steps", (*COIN, 0.4, {}), k, k + 1),
    ("theorem-1-long-steps", (*COIN, 0.4, {}), gamma, gamma / 2),
    ("theorem-1-long-steps", (*COIN, 0.4, {}), sp.Symbol("theta"), 0.99 * sp.Symbol("theta")),
    ("theorem-1-long-steps", (*COIN, 0.4, {}), sp.Symbol("lambda_min"), 1.01 * sp.Symbol("lambda_min")),
    ("theorem-1-long-steps", (*COIN, 0.4, {}), sp.Symbol("initial_error"), 0.99 * sp.Symbol("initial_error")),
    ("identity-is-gradient-descent", None, sp.Symbol("lambda_max"), sp.Symbol("lambda_max") * 1.01),
    ("remark-1-indefinite", None, sp.Symbol("c"), 2 * sp.Symbol("c")),
    ("remark-1-indefinite", None, alpha, alpha**2),
    ("remark-1-indefinite", None, beta, 1),
    ("remark-1-indefinite", None, sp.Symbol("b"), sp.Symbol("a")),
    ("homogeneous-preconditioning", None, n, n**2),
    ("homogeneous-preconditioning", None, n, 1),
    ("homogeneous-preconditioning", None, alpha, alpha**2),
    ("homogeneous-preconditioning", None, beta, 1 / beta),
    ("heterogeneous-preconditioning", None, n, n - 1),
    ("heterogeneous-preconditioning", None, n, n**2),
    ("heterogeneous-preconditioning", None, sp.Rational(-3, 2), sp.Rational(-1, 2)),
    ("expected-iterate", None, gamma, gamma**2),
    ("expected-iterate", None, k, k + 1),
    ("expected-iterate", (SQUARE, istsim.LocalUpdates([1, 2]), 0.2, {}), matrix("B"), matrix("B").T),
    ("expected-iterate", None, matrix("x_inf", "d", "1"), matrix("x_0", "d", "1")),
    ("theorem-2", (CALM, weighted(CALM), 0.3, {}), sp.Symbol("bias"), 0),
    ("theorem-2", (CALM, weighted(CALM), 0.3, {}), 1 / young, 0),
    ("homogeneous-zero-variance", None, sp.Symbol("gap_of_mean"), 1.001 * sp.Symbol("gap_of_mean")),
    ("sharper-theorem-2", (SQUARE, weighted(SQUARE), 1.0, {}), sp.Symbol("variance"), 0.99 * sp.Symbol("variance")),
    ("sharper-theorem-2", (SQUARE, weighted(SQUARE), 1.0, {}), sp.Symbol("bias"), 0.99 * sp.Symbol("bias")),
    ("sharper-theorem-2", (SQUARE, weighted(SQUARE), 1.0, {}), k, k + 1),
    ("stationary-gradient-norm", None, gamma, gamma**2),
    ("stationary-gradient-norm", None, sp.Symbol("variance"), 2 * sp.Symbol("variance")),
    ("stationary-gradient-norm", None, sp.Symbol("bias"), 2 * sp.Symbol("bias")),
    ("perm-q-mean", None, sp.Symbol("q"), sp.Symbol("q") + 1),
    ("perm-q-mean", None, n, n**2),
    ("perm-q-mean", None, n, 2 * n),
    ("perm-q-mean", None, beta, beta**2),
    ("perm-q-mean", None, matrix("Dbar"), matrix("Lbar")),
    ("scale-equivalence", None, alpha, sp.sqrt(alpha)),
    ("best-forward-scale", None, alpha, alpha**2),
    ("best-forward-scale", None, sp.Symbol("cross"), 1.01 * sp.Symbol("cross")),
    ("best-forward-scale", None, sp.Symbol("second"), 2 * sp.Symbol("second")),
    ("overlap-reduces-bias", (TWO, PAIR_OF_TWO, 0.1, {}), sp.Symbol("r"), sp.sqrt(sp.Symbol("r"))),
    ("overlap-reduces-bias", (TWO, PAIR_OF_TWO, 0.1, {}), sp.Symbol("mu"), 2 * sp.Symbol("mu")),
    ("overlap-reduces-bias", (TWO, PAIR_OF_TWO, 0.1, {}), sp.Symbol("bias_0"), sp.Symbol("bias_0") / 2),
    ("local-steps-single-coordinates", None, sp.Symbol("H"), 1),
    ("local-steps-single-coordinates", None, gamma, gamma**2),
    ("local-steps-single-coordinates", None, alpha, 1 / alpha),
    ("local-steps-single-coordinates", None, n, n - 1),
    ("participation-second-moment", None, n, n + 1),
    ("participation-second-moment", None, sp.Symbol("m"), sp.Symbol("m") + 1),
    ("participation-second-moment", None, matrix("T_1"), matrix("T_n")),
    ("gradient-masking-unbiased", None, matrix("x_star", "d", "1"), 2 * matrix("x_star", "d", "1")),
    ("model-masking-biased", None, alpha, 1),
    ("model-masking-biased", None, sp.Symbol("p_1"), sp.Symbol("p_1") ** 2),
    ("local-updates-fixed-point", None, matrix("T"), matrix("T").T),
    ("local-updates-fixed-point", None, matrix("U"), matrix("U").T),
    ("local-updates-fixed-point", None, matrix("x_star", "d", "1"), 2 * matrix("x_star", "d", "1")),
    ("local-updates-contraction", ISOTROPIC, sp.Symbol("mu"), 1.01 * sp.Symbol("mu")),
    ("local-updates-contraction", ISOTROPIC, sp.Symbol("vartheta"), 0.99 * sp.Symbol("vartheta")),
    ("local-updates-contraction", ISOTROPIC, sp.Symbol("initial_error"), 0.99 * sp.Symbol("initial_error")),
    ("local-updates-contraction", ISOTROPIC, k, k + 1),
    ("greedy-loss", None, sp.Symbol("unseen"), 2 * sp.Symbol("unseen")),
    ("greedy-stages", None, sp.Symbol("taken"), 2 * sp.Symbol("taken")),
    ("greedy-stages", None, sp.Symbol("start"), 2 * sp.Symbol("start")),
    ("greedy-rate", None, k, k + 1),
    ("greedy-rate", None, matrix("A", "q", "q"), 1.01 * matrix("A", "q", "q")),
    ("greedy-transient", MONOTONE, sp.Symbol("ell"), 0.99 * sp.Symbol("ell")),
    ("greedy-transient", MONOTONE, sp.Symbol("rho"), 0.99 * sp.Symbol("rho")),
    ("greedy-transient", MONOTONE, sp.Symbol("first_start"), 0.99 * sp.Symbol("first_start")),
    ("greedy-transient", MONOTONE, sp.Symbol("later_start"), 0.99 * sp.Symbol("later_start")),
    ("greedy-transient", MONOTONE, gamma, sp.sqrt(gamma) / 4),
    ("greedy-eigenvalues", (heterogeneous(), istsim.LocalUpdates([4]), 0.1, {}), sp.Symbol("lambda_min"), 1),
]


def check(theorem: Theorem, problem, method, step_size, parameters, rounds=ROUNDS):
    return theorem.check(problem, method, step_size=step_size, rounds=rounds, **parameters)


def test_every_theorem_is_tried_inside_outside_and_with_faults():
    names = {name for name in istsim.theorems.names() if istsim.theorems.get(name).kind is not Kind.REFUTED}
    assert set(INSIDE) == names
    # The expected iterate has no premise but an invertible E[B].
    assert {name for name, *_ in OUTSIDE} == names - {"expected-iterate"}
    assert {name for name, *_ in FAULTS} == names


@pytest.mark.slow
@pytest.mark.parametrize("name", INSIDE)
@settings(max_examples=6)
@given(seed=st.integers(0, 10**6), t=st.floats(0.01, 1.0))
def test_a_theorem_holds_inside_its_premises(name, seed, t):
    found = check(istsim.theorems.get(name), *INSIDE[name](seed, t))
    assert found.applicable, found.reason
    assert found.holds
    assert np.shape(found.lhs) == np.shape(found.rhs)


@pytest.mark.parametrize(("name", "problem", "method", "step_size", "parameters", "words"), OUTSIDE)
def test_a_theorem_says_which_premise_fails(name, problem, method, step_size, parameters, words):
    found = check(istsim.theorems.get(name), problem, method, step_size, parameters)
    assert not found.applicable
    assert words in found.reason
    assert found.lhs is None
    assert found.rhs is None
    assert found.holds is None


@pytest.mark.parametrize("name", INSIDE)
def test_a_premise_says_the_same_in_sympy_and_in_numbers(name):
    """Where its relation is between numbers that an instance has."""
    problem, method, step_size, parameters = INSIDE[name](1, 0.7)
    inside = Instance.of(problem, method, step_size=step_size, rounds=2, parameters=parameters)

    def holds(premise, instance, slack=0.0):
        known = {gamma: instance.step_size * (1 - slack), young: instance.parameters.get("young", 0.25)}
        if premise.relation.free_symbols & {sp.Symbol("theta"), sp.Symbol("lambda_min")}:
            known |= {sp.Symbol("theta"): instance.contraction.theta}
            known |= {sp.Symbol("lambda_min"): instance.contraction.smallest + 1e-15}
        return premise.relation.subs(known) if premise.relation.free_symbols <= set(known) else None

    for premise in istsim.theorems.get(name).premises:
        if premise.relation is not None and (inside_holds := holds(premise, inside, 1e-12)) is not None:
            assert inside_holds == sp.true
            assert holds(premise, premise.break_just(inside)) == sp.false


@pytest.mark.sample(24)
@pytest.mark.parametrize(("name", "instance", "old", "new"), FAULTS, ids=lambda value: str(value)[:30])
def test_a_seeded_fault_is_caught(name, instance, old, new):
    theorem = istsim.theorems.get(name)
    statement = theorem.statement
    changed = statement.func(statement.lhs, statement.rhs.subs(old, new), evaluate=False)
    assert changed != statement

    faulty = type("Faulty", (type(theorem),), {"statement": property(lambda self: changed)})()
    instance = INSIDE[name](1, 0.7) if instance is None else instance
    assert check(theorem, *instance, rounds=60).holds
    found = check(faulty, *instance, rounds=60)
    assert found.applicable
    assert not found.holds


@pytest.mark.parametrize("name", ["gradient-masking-unbiased", "model-masking-biased", "perm-q-mean"])
@settings(max_examples=10)
@given(problem=strategies.problems(2, 4), method=strategies.methods(2, 4, merges=("mean", "literal", "owners")))
def test_theorems_about_means_hold_for_every_method_they_apply_to(name, problem, method):
    found = check(istsim.theorems.get(name), problem, method, 0.1, {})
    assert found.holds is not False


def test_theorem_2_is_an_equality_at_step_size_one_without_young():
    found = check(istsim.theorems.get("sharper-theorem-2"), SQUARE, weighted(SQUARE), 1.0, {})
    np.testing.assert_allclose(found.lhs, found.rhs, rtol=1e-12)


@pytest.fixture
def run_command(monkeypatch, capsys):
    """`istsim theorems` in this process; what it printed."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["istsim", "theorems", *arguments])
        cli.main()
        return capsys.readouterr().out

    return run


def test_the_command_lists_all_theorems_with_their_kinds(run_command):
    listed = {line.split()[0]: line.split()[1] for line in run_command().splitlines()}
    assert listed == {name: str(istsim.theorems.get(name).kind) for name in istsim.theorems.names()}


def test_the_command_shows_a_theorem_and_what_refutes_it(run_command):
    shown = run_command("theorem-2", "erratum-limit")
    assert "young lies between 0 and 1/2" in shown
    assert "all premises hold, and the sides are 0.5 and 0.292893" in shown  # 1 - 16^-1/2, 1 - 8^-1/2


def test_the_command_refuses_a_name_that_there_is_not(run_command, capsys):
    with pytest.raises(SystemExit) as ended:
        run_command("theorem-3")
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("istsim: there is no theorem 'theorem-3'; did you mean 'theorem-2'")


def test_an_unknown_parameter_is_refused():
    with pytest.raises(ValueError, match="theorem-2 has no parameter 'old'; its parameters: young"):
        check(istsim.theorems.get("theorem-2"), SQUARE, weighted(SQUARE), 0.1, {"old": 1.0})
    with pytest.raises(ValueError, match="its parameters: none"):
        check(istsim.theorems.get("perm-q-mean"), SQUARE, SINGLES, 0.1, {"young": 0.1})


REFUTED = [name for name in istsim.theorems.names() if istsim.theorems.get(name).kind is Kind.REFUTED]


@pytest.mark.parametrize("name", REFUTED)
def test_a_refuted_statement_applies_to_its_counterexample_and_does_not_hold(name):
    theorem = istsim.theorems.get(name)
    problem, method, arguments = theorem.counterexample()
    found = theorem.check(problem, method, **arguments)
    assert found.applicable, found.reason
    assert found.holds is False


def test_a_theorem_that_is_not_refuted_has_no_counterexample():
    with pytest.raises(ValueError, match="perm-q-mean is not refuted"):
        istsim.theorems.get("perm-q-mean").counterexample()


def test_the_printed_theta_promises_a_contraction_where_the_error_grows():
    theorem = istsim.theorems.get("erratum-17")
    problem, method, arguments = theorem.counterexample()
    assert printed_theta(problem, method) == pytest.approx(47.97, abs=0.005)
    arguments["step_size"] = 1 / printed_theta(problem, method)
    contraction = istsim.theory.contraction(problem, method)
    assert contraction.theta == pytest.approx(215.93, abs=0.005)
    found = theorem.check(problem, method, **arguments)
    assert found.rhs[1] / found.rhs[0] == pytest.approx(0.719, abs=0.0005)
    assert found.lhs[1] / found.lhs[0] == pytest.approx(1.938, abs=0.0005)
    # By another route: all outcomes of the round.
    moments = istsim.theory.exact_moments(
        problem, method, step_size=arguments["step_size"], rounds=1, x0=arguments["x0"], route="enumeration"
    )
    assert 2 * float(moments.objective_gap[1]) == pytest.approx(found.lhs[1], rel=1e-12)


def test_the_printed_theta_is_right_where_nothing_is_random():
    problem = interpolating()
    theorem, method = istsim.theorems.get("erratum-17"), istsim.GradientDescent()
    found = check(theorem, problem, method, within_theta(problem, method), {})
    assert found.applicable
    assert found.holds


def test_the_printed_weights_are_right_for_diagonal_matrices():
    entries = np.random.default_rng(0).uniform(1, 3, (3, 3))
    problem = istsim.Quadratic.from_diagonals(entries, np.ones((3, 3)))
    found = check(istsim.theorems.get("erratum-23"), problem, weighted(problem), 0.1, {})
    assert found.applicable
    assert found.holds


def test_the_bias_of_identical_workers_grows_to_one():
    theorem = istsim.theorems.get("erratum-limit")
    problem, method, arguments = theorem.counterexample()
    found = theorem.check(problem, method, **arguments)
    assert found.lhs == pytest.approx(1 - 4**-0.5)
    assert found.rhs == pytest.approx(1 - 2**-0.5)


def test_the_constant_of_the_preconditioned_case_is_the_inverse_of_the_printed_one():
    theorem = istsim.theorems.get("erratum-21")
    problem, method, arguments = theorem.counterexample()
    found = theorem.check(problem, method, **arguments)
    largest = np.linalg.eigvalsh(np.asarray(problem.mean_hessian))[-1]
    assert found.lhs == pytest.approx(2 / largest)
    assert found.rhs == pytest.approx(2 * largest)


@pytest.mark.parametrize(
    ("name", "problem", "method", "step_size", "words"),
    [
        ("erratum-17", interpolating(), PAIRS, 10.0, "E[B] Lbar E[B]"),
        ("erratum-23", SQUARE, weighted(SQUARE), 0.1, "the weights differ"),
        ("erratum-23", SQUARE, SINGLES, 0.1, "the method is"),
        ("erratum-literal-algorithm", SQUARE, istsim.IST(istsim.Permutation(N, N), merge="literal"), 0.1, "sqrt(n)"),
        ("erratum-21", SQUARE, SINGLES, 0.1, "L_i are equal"),
        ("erratum-limit", SQUARE, weighted(SQUARE), 0.1, "n is even (n is 3)"),
        ("erratum-gamma-one", SQUARE, weighted(SQUARE), 0.9, "the step size is 1 (it is 0.9)"),
        ("overlapping-stability", UNSTABLE, istsim.LocalUpdates([1, 1, 1]), 0.01, "overlapping LocalUpdates"),
        ("overlapping-stability", UNSTABLE, WINDOWS, 0.03, "step size at most"),
    ],
)
def test_a_refuted_statement_says_where_it_was_never_claimed(name, problem, method, step_size, words):
    found = check(istsim.theorems.get(name), problem, method, step_size, {})
    assert not found.applicable
    assert words in found.reason


def test_rounding_of_a_larger_or_smaller_of_two_is_that_of_the_larger():
    a, b = sp.symbols("a b", real=True)
    assert _without_cancellation(sp.Max(a - b, 0)) == sp.Max(0, sp.Abs(a) + sp.Abs(b))
    assert _without_cancellation(sp.Min(a - b, 0)) == sp.Max(0, sp.Abs(a) + sp.Abs(b))


@pytest.mark.parametrize("name", istsim.theorems.names())
def test_every_premise_is_tried_on_both_sides_of_its_edge(name):
    for premise in istsim.theorems.get(name).premises:
        assert premise.break_just is not None, premise.text
        # Others, such as that numbers are equal or what kind the method is, hold at their edge or not at all.
        words = ("at most", "below", "between", "positive", "invertible", "definite", "some theta")
        has_edge = not isinstance(premise.relation, sp.Eq) and any(word in premise.text for word in words)
        assert (premise.keep_just is not None) == has_edge, premise.text


def test_what_is_no_name_or_theorem_is_refused(unchecked):
    with pytest.raises(ValueError, match=r"there is no theorem \[\]"):
        istsim.theorems.get([])
    with pytest.raises(ValueError, match="theorem must be a theorem, such as"):
        istsim.theorems.as_text("theorem-2")
