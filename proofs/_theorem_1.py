"""What both parts of Theorem 1 stand on, and the one with longer steps: one round, and what the step size allows."""

import dataclasses
from typing import Any

import numpy as np
import scipy.linalg
import sympy as sp
from _models import instance, known, problem, round_of

import istsim
from istsim.derivations import Fact, Proof, at_most, equal, expect, inverse, less, matrix, vector

k, gamma, theta, rate = sp.symbols("k gamma theta lambda_min")
e = sp.Function("e")
L = matrix("Lbar", symmetric=True, latex=r"\bar L")
B, c = matrix("B", random="round"), vector("c", random="round")
x, x0 = vector("x", random="past"), vector("x_0")
after = x - gamma * (B * x - c)  # one round of any method
minimizer = vector("x_star", latex=r"x_\star")
W = matrix("W", symmetric=True)
V = expect(B.T * L * B, "round")
quadratic = L - 2 * gamma * W + gamma**2 * V  # what a round makes of Lbar, see `_expansion`
root, inverse_root = (matrix(f"Lbar^{sign}1/2", symmetric=True, latex=rf"\bar L^{{{sign}1/2}}") for sign in ("", "-"))

# All b_i in one vector: bbar = A b is their average, and c = M b averages what the masks leave of them.
b, average = vector("b", dim="m"), matrix("A", shape=("d", "m"))
masks = matrix("M", shape=("d", "m"), random="round")

error, v = vector("delta", random="past", latex=r"\delta"), vector("v")


def model(rng):
    """Theorem 1 is about b = 0: two workers that hold two of three coordinates."""
    made = problem(rng, 2, 3, interpolation=True, homogeneous=True, least=5.0)  # near the identity: W is definite
    method = istsim.IST(istsim.RandK(2, 3, 2))
    chances, B, _ = round_of(made, method)
    run = instance(rng, made, method, step_size=1.0)
    run = run.changed(step_size=float(rng.uniform(0.5, 1) / run.contraction.theta))
    return known(
        run,
        k=int(rng.integers(3)),
        dims={"m": 6},
        outcomes={"round": chances},
        letters={"B": B, "b": [[0]] * 6, "A": rng.standard_normal((3, 6)), "M": rng.standard_normal((len(B), 3, 6))},
        numbers={"theta": run.contraction.theta},
    )


def with_roots(made, rng):
    """The model with the roots of Lbar, and any vector."""
    root = scipy.linalg.sqrtm(made.instance.Lbar).real
    made.letters.update({"Lbar^1/2": root, "Lbar^-1/2": np.linalg.inv(root), "v": rng.standard_normal((3, 1))})
    return made


def squared(point):
    """The square of its norm, that of Lbar, on average."""
    return expect(point.T * L * point, "round", "past")


@dataclasses.dataclass
class Round:
    """What the first steps establish."""

    mean: Fact  # W by E[B]
    error: Fact  # by the iterate
    expansion: Fact  # the expected squared error after a round
    positive: Fact  # the step size
    short: Fact  # it, too
    allowed: Fact  # what the step size leaves


def one_round(proof: Proof) -> Round:
    """The expected squared error after a round, and what it is at most."""
    expansion = _expansion(proof)
    psd = proof.premise("W = 1/2 E[Lbar B + B' Lbar] is positive semidefinite", at_most(0, W))
    bounded, positive, short = _step_size(proof, 1)
    allowed = proof.loewner(
        "the step size leaves half of the linear term",
        at_most(quadratic, L - gamma * W),
        [(gamma**2, bounded), (gamma * (1 - gamma * theta), psd)],
        using=[positive, short],
    )
    return Round(*expansion, positive, short, allowed)


def one_round_of_a_long_step(proof: Proof) -> Round:
    """The same for steps up to 2/theta: what is left of the linear term becomes less the longer they are."""
    expansion = _expansion(proof)
    bounded, positive, short = _step_size(proof, 2)
    allowed = proof.loewner(
        "the step size leaves a part of the linear term",
        at_most(quadratic, L - gamma * (2 - gamma * theta) * W),
        [(gamma**2, bounded)],
    )
    return Round(*expansion, positive, short, allowed)


def _expansion(proof: Proof) -> tuple[Fact, Fact, Fact]:
    """What W and the error are, and the expected squared error after a round as a quadratic form in the error."""
    c_is = proof.define("c averages what the masks leave of the b_i", equal(c, masks * b))
    proof.iterates("the gradients are exact", {x: (x0, after)}, premise=True)
    solution = proof.define(
        "x_star minimizes f: it is Lbar^-1 bbar, where the gradient is 0", equal(minimizer, inverse(L) * average * b)
    )
    zero = proof.premise("all b_i = 0", equal(b, 0 * b))
    at_origin = proof.identity("so the minimizer is 0", minimizer, 0 * minimizer, using=[solution, zero])
    mean = proof.define("W is the symmetric part of Lbar E[B]", equal(W, expect(L * B + B.T * L, "round") / 2))
    error_is = proof.define("delta is the error before a round", equal(error, x - minimizer))
    square = proof.identity(
        "the square of (I - gamma B) delta is a quadratic form in delta",
        squared((1 - gamma * B) * error),
        expect(error.T * quadratic * error, "past"),
        using=[mean],
    )
    expansion = proof.identity(
        "which is the error after a round, so that its expected square is that form",
        squared(after - minimizer),
        square.right,
        using=[error_is, at_origin, zero, c_is],
        adding=[square],
    )
    return mean, error_is, expansion


def _step_size(proof: Proof, longest: int) -> tuple[Fact, Fact, Fact]:
    """What theta and the step size are."""
    bounded = proof.premise("some theta has E[B' Lbar B] <= theta W", at_most(V, theta * W))
    positive = proof.setting("the step size is positive", less(0, gamma))
    short = proof.premise(f"step size at most {longest}/theta", at_most(gamma * theta, longest))
    return bounded, positive, short


def weighed_by_rate(proof: Proof) -> tuple[list[Fact], Fact]:
    """What the roots of Lbar are, and how W compares with Lbar."""
    roots = proof.cite(
        "a positive definite matrix has a symmetric root, which is invertible",
        equal(root * root, L),
        equal(inverse_root * root, L**0),
    )
    smallest = proof.cite(
        "a symmetric matrix is at least its smallest eigenvalue times the identity; "
        "lambda_min is that of Lbar^-1/2 W Lbar^-1/2",
        at_most(rate * L**0, inverse_root * W * inverse_root),
    )
    weighed = proof.loewner(
        "in the geometry of Lbar: W is at least lambda_min Lbar",
        at_most(rate * L, W),
        [(1, proof.congruence(smallest, root))],
        using=roots,
    )
    return list(roots), weighed


def contracts(proof: Proof, first: Round, taken: Any, text: str) -> Fact:
    """The squared error contracts in every round, if a round takes away that multiple of W.

    Args:
        proof: the proof.
        first: what one round does.
        taken: the multiple.
        text: what that says of a round.
    """
    roots, weighed = weighed_by_rate(proof)
    contracted = proof.loewner(
        text,
        at_most(quadratic, (1 - taken * rate) * L),
        [(1, first.allowed), (taken, weighed)],
        using=[first.positive, first.short],
    )

    definite = proof.setting("Lbar is positive definite: v' Lbar v > 0 for some v", less(0, v.T * L * v))
    squares = proof.loewner(
        "what a round makes of squared errors is not negative, as it is a square",
        at_most(0, quadratic),
        [(1, proof.square(root * (1 - gamma * B)))],
        using=[*roots, first.mean],
    )
    factor = proof.loewner(
        "so this factor times Lbar is not negative",
        at_most(0, (1 - taken * rate) * L),
        [(1, squares), (1, contracted)],
    )
    not_negative = proof.inequality(
        "nor is the factor", at_most(0, 1 - taken * rate), using=[proof.congruence(factor, v), definite]
    )

    now = proof.define("e(k) is the expected squared error at round k", equal(e(k), squared(x - minimizer)))
    later = proof.next_round("e(k + 1) is the one after another round", now)
    step = proof.inequality(
        "the squared error contracts from round to round",
        at_most(e(k + 1), (1 - taken * rate) * e(k)),
        using=[now, later, first.error, first.expansion, proof.congruence(contracted, error)],
    )
    return proof.recurrence("k rounds contract k times", step, e, k, using=[not_negative])
