"""Preconditioned equal workers with one coordinate each take a deterministic step, and theta follows.

Run: python proofs/homogeneous_preconditioning.py
"""

import sympy as sp

from istsim.derivations import Proof, at_most, entry, equal, expect, less, matrix, vector

theta, n, alpha, beta = sp.symbols("theta n alpha beta")
P = matrix("P_i", diagonal=True, idempotent=True, random="round worker")
L_i, L = matrix("L_i", symmetric=True, random="worker"), matrix("Lbar", symmetric=True, latex=r"\bar L")
B, W, v = matrix("B", random="round"), matrix("W", symmetric=True), vector("v")
V = expect(B.T * L * B, "round")

proof = Proof("homogeneous-preconditioning")
masked = proof.setting("B averages the masked L_i", equal(B, expect(alpha * beta * P * L_i * P, "worker")))
held_twice, held = proof.premise(
    "IST with n = d workers holding one coordinate each, merge mean",
    equal(entry(P, "a", "a") * entry(P, "b", "b"), 0),
    equal(expect(entry(P, "a", "a"), "worker"), 1 / n),
)
same = proof.premise("all L_i are equal", equal(L_i, L))
ones = proof.premise("the L_i have ones on the diagonal", equal(entry(L, "a", "a"), 1))
B_is = proof.entries(
    "B is a multiple of the identity, whatever is drawn",
    B,
    alpha * beta / n * B**0,
    using=[masked, same, held_twice, held, ones],
)
W_is = proof.define("W is the symmetric part of Lbar E[B]", equal(W, expect(L * B + B.T * L, "round") / 2))
smallest = proof.setting("theta is the least number with E[B' Lbar B] <= theta W", at_most(V, theta * W))
positive = proof.setting("scales and numbers of workers are positive", less(0, alpha), less(0, beta), less(0, n))

witness = proof.loewner(
    "that multiple is such a number, with equality", at_most(V, alpha * beta / n * W), [], using=[B_is, W_is]
)
above = proof.least("so theta is at most that", at_most(theta, alpha * beta / n), smallest, witness)
definite = proof.setting("Lbar is positive definite: v' Lbar v > 0 for some v", less(0, v.T * L * v))
below = proof.inequality(
    "at that v, nothing smaller is enough",
    at_most(alpha * beta / n, theta),
    using=[smallest.congruence(v), B_is, W_is, definite, *positive],
)
both = proof.inequality("both together", equal(theta, alpha * beta / n), using=[above, below])
proof.conclude(both)
