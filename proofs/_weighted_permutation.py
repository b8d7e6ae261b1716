"""The setting of Theorem 2: each of n = d workers holds one coordinate, weighted by its own diagonal."""

import dataclasses

import sympy as sp

from istsim.derivations import Proof, Relation, entry, equal, expect, matrix, vector

n, gamma, bias, variance = sp.symbols("n gamma bias variance")
# Of worker i, drawn anew each round: the mask; fixed: the weights, the matrix and the vector.
P = matrix("P_i", diagonal=True, idempotent=True, random="round worker")
weights = matrix("W_i", diagonal=True, random="worker")
L_i, b_i = matrix("L_i", symmetric=True, random="worker"), vector("b_i", random="worker")
L = matrix("Lbar", symmetric=True, latex=r"\bar L")
B, c, x = matrix("B", random="round"), vector("c", random="round"), vector("x", random="past")
after = x - gamma * (B * x - c)
limit, minimizer = vector("x_inf", latex=r"x_\infty"), vector("x_star", latex=r"x_\star")
h = vector("h")
# Errors before and after a round, the noise of a round, and how far the iterate is from where the expected one tends.
error, later_error = (
    vector("delta", random="past", latex=r"\delta"),
    vector("delta+", random="past round", latex=r"\delta^+"),
)
noise = vector("xi", random="round", latex=r"\xi")
distance, later_distance = vector("y", random="past"), vector("y+", random="past round", latex="y^+")


@dataclasses.dataclass
class Setting:
    """What the first steps establish."""

    held: Relation  # every coordinate is held by one worker
    identity: Relation  # B is the identity
    limit: Relation  # E[c] is the fixed point


def setting(proof: Proof) -> Setting:
    """B is the identity whatever is drawn, so that the fixed point is E[c]."""
    B_is = proof.setting(
        "B averages the workers' weighted and masked matrices, with both scales sqrt(n)",
        equal(B, expect(n * weights * P * L_i * P * weights, "worker")),
    )
    held_twice, held, weighted = proof.premise(
        "IST with n = d, one coordinate each, weights D_i^-1/2, scales sqrt(n), merge mean",
        equal(entry(P, "a", "a") * entry(P, "b", "b"), 0),
        equal(expect(entry(P, "a", "a"), "worker"), 1 / n),
        equal(entry(L_i, "a", "a"), 1 / entry(weights, "a", "a") ** 2),
    )
    identity = proof.entries("B is the identity, whatever is drawn", B, B**0, using=[B_is, held_twice, held, weighted])
    EB, Ec = expect(B, "round"), expect(c, "round")
    fixed = proof.setting("x_inf is the fixed point of the expected iterate", equal(EB * limit, Ec))
    limit_is = proof.identity("so x_inf is E[c]", Ec, limit, using=[identity], adding=[fixed.times(-1)])
    return Setting(held, identity, limit_is)


def vectors(proof: Proof) -> Relation:
    """What c is."""
    return proof.setting(
        "c averages the workers' weighted and masked vectors",
        equal(c, expect(sp.sqrt(n) * weights * P * b_i, "worker")),
    )


def squared(point):
    """The square of its norm, that of Lbar, on average."""
    return expect(point.T * L * point, "round", "past")


def bias_and_variance(proof: Proof) -> tuple[Relation, ...]:
    """Both in the norm of Lbar, and of what they are."""
    return (
        proof.define("h is how far x_inf is from the minimizer", equal(h, minimizer - limit)),
        proof.define("bias is its squared norm", equal(bias, h.T * L * h)),
        proof.define("xi is the noise of a round", equal(noise, c - limit)),
        proof.define("variance is its mean squared norm", equal(variance, squared(noise))),
    )
