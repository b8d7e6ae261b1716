"""Equal workers weighted by their diagonal have no variance.

Run: python proofs/homogeneous_zero_variance.py
"""

import sympy as sp
from _weighted_permutation import L, P, after, b_i, c, gamma, minimizer, n, setting, vectors, weights, x

from istsim.derivations import Proof, equal, expect, matrix, vector

k = sp.Symbol("k")
v = sp.Function("v")

proof = Proof("homogeneous-zero-variance")
first, c_is = setting(proof), vectors(proof)

weights_of_all, bbar = matrix("Wbar", diagonal=True, latex=r"\bar W"), vector("bbar", latex=r"\bar b")
same = proof.premise("all L_i are equal", equal(weights, weights_of_all))
same_b = proof.premise("all b_i are equal", equal(b_i, bbar))
mask = expect(P, "worker")
shared = proof.entries(
    "the masks average to 1/n of the identity, whatever is drawn", mask, mask**0 / n, using=[first.held]
)
fixed_c = proof.identity(
    "so c is not random", c, weights_of_all * bbar / sp.sqrt(n), using=[c_is, same, same_b, shared]
)


def spread(point):
    """The variance of a point in the norm of Lbar."""
    centred = point - expect(point, "round", "past")
    return expect(centred.T * L * centred, "round", "past")


step = proof.identity(
    "a round only scales the variance",
    spread(after),
    (1 - gamma) ** 2 * spread(x),
    using=[first.identity, fixed_c],
)
now = proof.define("v(k) is the variance at round k", equal(v(k), spread(x)))
later = proof.define("v(k + 1) is the one after another round", equal(v(k + 1), spread(after)))
start = proof.setting("the start is not random", equal(v(0), 0))
recurrence = proof.identity("in terms of v", v(k + 1), (1 - gamma) ** 2 * v(k), using=[now, later], adding=[step])
closed = proof.recurrence("so it stays what it was", recurrence, v, k)
mean = expect(x, "past")
gaps = proof.identity(
    "the expected gap exceeds that of the mean by half of the variance, which is 0",
    expect((x - minimizer).T * L * (x - minimizer), "past") / 2,
    (mean - minimizer).T * L * (mean - minimizer) / 2,
    using=[start],
    adding=[now.times(-sp.Rational(1, 2)), closed.times(sp.Rational(1, 2))],
)
proof.conclude(gaps, where={"expected_gap": gaps.left, "gap_of_mean": gaps.right})
