"""Equal workers weighted by their diagonal have no variance.

Run: python proofs/homogeneous_zero_variance.py
"""

import functools

import sympy as sp
from _weighted_permutation import (
    L,
    L_i,
    P,
    after,
    b_i,
    c,
    gamma,
    minimizer,
    model,
    n,
    rounds,
    setting,
    weights,
    x,
)

from istsim.derivations import Proof, entry, equal, expect, matrix, vector

k = sp.Symbol("k")
v = sp.Function("v")


def spread(point):
    """The variance of a point in the norm of Lbar."""
    centred = point - expect(point, "round", "past")
    return expect(centred.T * L * centred, "round", "past")


proof = Proof("homogeneous-zero-variance", functools.partial(model, equal=True))
first = setting(proof)
rounds(proof)

L_1, b_1 = matrix("L_1", symmetric=True), vector("b_1")
same = proof.premise("all L_i are equal", equal(entry(L_i, "a", "a"), entry(L_1, "a", "a")))
same_b = proof.premise("all b_i are equal", equal(b_i, b_1))
weight = expect(weights, "worker")
same_weights = proof.entries("so the weights are those of their average", weights, weight, using=[first.weighted, same])
mask = expect(P, "worker")
shared = proof.entries(
    "the masks average to 1/n of the identity, whatever is drawn", mask, mask**0 / n, using=[first.held]
)
fixed_c = proof.identity(
    "so c is not random", c, weight * b_1 / sp.sqrt(n), using=[first.c, same_weights, same_b, shared]
)

step = proof.identity(
    "a round only scales the variance",
    spread(after),
    (1 - gamma) ** 2 * spread(x),
    using=[first.identity, fixed_c],
)
now = proof.define("v(k) is the variance at round k", equal(v(k), spread(x)))
later = proof.next_round("v(k + 1) is the one after another round", now)
begun = proof.at_start("v(0) is the one at the start", now)
start = proof.identity("the start is not random", v(0), 0, using=[begun])
recurrence = proof.identity("in terms of v", v(k + 1), (1 - gamma) ** 2 * v(k), using=[now, later], adding=[step])
closed = proof.recurrence("so it stays what it was", recurrence, v, k)
mean = expect(x, "past")
gaps = proof.identity(
    "the expected gap exceeds that of the mean by half of the variance, which is 0",
    expect((x - minimizer).T * L * (x - minimizer), "past") / 2,
    (mean - minimizer).T * L * (mean - minimizer) / 2,
    using=[start],
    adding=[proof.times(now, -sp.Rational(1, 2)), proof.times(closed, sp.Rational(1, 2))],
)
proof.conclude(gaps, where={"expected_gap": gaps.left, "gap_of_mean": gaps.right})
