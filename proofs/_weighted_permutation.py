"""The setting of Theorem 2: each of n = d workers holds one coordinate, weighted by its own diagonal."""

import dataclasses

import numpy as np
import sympy as sp
from _models import instance, known, masks, problem

import istsim
from istsim.derivations import Fact, Proof, entry, equal, expect, inverse, less, matrix, vector
from istsim.theorems._weighted_permutation import weighted_ist

n, d, gamma, bias, variance = sp.symbols("n d gamma bias variance")
# Of worker i, drawn anew each round: the mask; fixed: the weights, the matrix and the vector.
P = matrix("P_i", diagonal=True, idempotent=True, random="round worker")
weights = matrix("W_i", diagonal=True, random="worker")
L_i, b_i = matrix("L_i", symmetric=True, random="worker"), vector("b_i", random="worker")
L = matrix("Lbar", symmetric=True, latex=r"\bar L")
B, c = matrix("B", random="round"), vector("c", random="round")
x, x0 = vector("x", random="past"), vector("x_0")
after = x - gamma * (B * x - c)
limit, minimizer = vector("x_inf", latex=r"x_\infty"), vector("x_star", latex=r"x_\star")
h = vector("h")
# The error before a round, the noise of a round, and how far the iterate is from where the expected one tends.
error, noise = vector("delta", random="past", latex=r"\delta"), vector("xi", random="round", latex=r"\xi")
distance = vector("z", random="past")


def model(rng, *, longest=2.0, equal=False, first=0, **parameters):
    """Two or three workers, a step size up to the longest, and a round that is the first one or up to two later."""
    size = int(rng.integers(2, 4))
    made = problem(rng, size, size, homogeneous=equal)
    made = istsim.Quadratic(made.L, np.asarray(made.b)[:1].repeat(size, axis=0)) if equal else made
    method = weighted_ist(made)
    chances, P = masks(method.sketch)
    run = instance(rng, made, method, step_size=float(rng.uniform(0.1, 0.95) * longest))
    return known(
        run.changed(parameters=parameters),
        k=first + int(rng.integers(3)),
        outcomes={"round": chances},
        letters={
            "P_i": P,
            "W_i": np.asarray(method.weights)[:, :, None] * np.eye(size),
            "L_1": made.L[0],
            "b_1": np.asarray(made.b)[0][:, None],
        },
    )


@dataclasses.dataclass
class Setting:
    """What the first steps establish."""

    square: Fact  # n = d
    held: Fact  # every coordinate is held by one worker
    average: Fact  # Lbar by the L_i
    weighted: Fact  # the weights by the L_i
    c: Fact  # c by the b_i
    identity: Fact  # B is the identity
    limit: Fact  # x_inf by c


def setting(proof: Proof) -> Setting:
    """B is the identity whatever is drawn, so that the fixed point is E[c]."""
    square, _, held_twice, held, _, weighted = proof.premise(
        "IST with n = d, one coordinate each, weights D_i^-1/2, scales sqrt(n), merge mean",
        equal(d, n),
        less(0, n),
        equal(entry(P, "a", "a") * entry(P, "b", "b"), 0),
        equal(expect(entry(P, "a", "a"), "worker"), 1 / n),
        less(0, entry(L_i, "a", "a")),
        equal(entry(weights, "a", "a"), 1 / sp.sqrt(entry(L_i, "a", "a"))),
    )
    average = proof.define("Lbar averages the L_i", equal(L, expect(L_i, "worker")))
    B_is = proof.define(
        "B averages the workers' weighted and masked matrices, with both scales sqrt(n)",
        equal(B, expect(n * weights * P * L_i * P * weights, "worker")),
    )
    c_is = proof.define(
        "c averages the workers' weighted and masked vectors",
        equal(c, expect(sp.sqrt(n) * weights * P * b_i, "worker")),
    )
    identity = proof.entries("B is the identity, whatever is drawn", B, B**0, using=[B_is, held_twice, held, weighted])
    limit_is = proof.define("x_inf is E[c]", equal(limit, expect(c, "round")))
    proof.identity(
        "which is the fixed point of the expected iterate",
        expect(B, "round") * limit,
        expect(c, "round"),
        using=[identity, limit_is],
    )
    return Setting(square, held, average, weighted, c_is, identity, limit_is)


def rounds(proof: Proof) -> None:
    """What the iterates are, and where they should go."""
    proof.iterates("a round takes a step along the workers' average update", {x: (x0, after)})
    proof.define(
        "x_star minimizes f: it is Lbar^-1 bbar, where the gradient is 0",
        equal(minimizer, inverse(L) * expect(b_i, "worker")),
    )


def squared(point):
    """The square of its norm, that of Lbar, on average."""
    return expect(point.T * L * point, "round", "past")


def bias_and_variance(proof: Proof) -> tuple[Fact, ...]:
    """Both in the norm of Lbar, and of what they are."""
    return (
        proof.define("h is how far x_inf is from the minimizer", equal(h, minimizer - limit)),
        proof.define("bias is its squared norm", equal(bias, h.T * L * h)),
        proof.define("xi is the noise of a round", equal(noise, c - limit)),
        proof.define("variance is its mean squared norm", equal(variance, squared(noise))),
    )
