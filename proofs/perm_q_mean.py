"""The mean operator of IST with blocks of q coordinates.

Run: python proofs/perm_q_mean.py
"""

import sympy as sp

import istsim
from istsim.derivations import Proof, diagonal_of, entry, equal, expect, matrix

n, d, q, alpha, beta = sp.symbols("n d q alpha beta")
P = matrix("P_i", diagonal=True, idempotent=True, random="round worker")
L_i, B = matrix("L_i", symmetric=True, random="worker"), matrix("B", random="round")
L, D = matrix("Lbar", symmetric=True, latex=r"\bar L"), matrix("Dbar", diagonal=True, latex=r"\bar D")
small = [{"n": 2, "q": 1}, {"n": 2, "q": 2}, {"n": 3, "q": 1}, {"n": 3, "q": 2}]


def blocks(n, q):
    """The sketch with blocks of q coordinates."""
    return istsim.Permutation(n, n * q)


proof = Proof("perm-q-mean")
masked = proof.premise(
    "IST with Permutation(n, d), n dividing d > 1, merge mean",
    equal(B, expect(alpha * beta * P * L_i * P, "worker")),
    equal(d, n * q),
)
means = proof.setting(
    "Lbar averages the L_i and Dbar their diagonals",
    equal(expect(L_i, "worker"), L),
    equal(expect(diagonal_of(L_i), "worker"), D),
)
one = proof.counting(
    "a worker's block, a uniform q-subset of the d coordinates, holds a given coordinate",
    equal(expect(entry(P, "a", "a"), "round"), 1 / n),
    favourable=sp.binomial(d - 1, q - 1),
    outcomes=sp.binomial(d, q),
    sketch=blocks,
    cases=small,
    using=[masked[1]],
)
two = proof.counting(
    "and two given coordinates",
    equal(expect(entry(P, "a", "a") * entry(P, "b", "b"), "round"), (q - 1) / (n * (n * q - 1))),
    favourable=sp.binomial(d - 2, q - 2),
    outcomes=sp.binomial(d, q),
    sketch=blocks,
    cases=small,
    using=[masked[1]],
)
r = (q - 1) / (n * q - 1)
by_entries = proof.entries(
    "so E[B] mixes L_i and its diagonal",
    expect(B, "round"),
    alpha * beta / n * ((1 - r) * expect(diagonal_of(L_i), "worker") + r * expect(L_i, "worker")),
    using=[masked[0], one, two],
)
mean = proof.identity(
    "which average to Lbar and Dbar",
    expect(B, "round"),
    alpha * beta / n * ((1 - r) * D + r * L),
    using=means,
    adding=[by_entries],
)
proof.conclude(mean, where={"EB": mean.left, "Lbar": L, "Dbar": D})
