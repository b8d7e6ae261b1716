"""With everything held, the theta of Theorem 1 is the largest eigenvalue of Lbar.

Run: python proofs/identity_is_gradient_descent.py
"""

import sympy as sp

from istsim.derivations import Proof, at_most, equal, expect, less, matrix, vector

theta, largest = sp.symbols("theta lambda_max")
P = matrix("P_i", diagonal=True, idempotent=True, random="round worker")
L_i, L = matrix("L_i", symmetric=True, random="worker"), matrix("Lbar", symmetric=True, latex=r"\bar L")
B, W, v = matrix("B", random="round"), matrix("W", symmetric=True), vector("v")
V = expect(B.T * L * B, "round")

proof = Proof("identity-is-gradient-descent")
mean = proof.setting("Lbar averages the L_i", equal(expect(L_i, "worker"), L))
masked = proof.setting("B averages the masked L_i, at scale 1", equal(B, expect(P * L_i * P, "worker")))
whole = proof.premise("every worker holds everything, at scale 1", equal(P, P**0))
B_is = proof.identity("so B is Lbar", B, L, using=[masked, whole, mean])
W_is = proof.define("W is the symmetric part of Lbar E[B]", equal(W, expect(L * B + B.T * L, "round") / 2))
smallest = proof.setting("theta is the least number with E[B' Lbar B] <= theta W", at_most(V, theta * W))

top = proof.cite("a symmetric matrix is at most its largest eigenvalue times the identity", at_most(L, largest * L**0))
witness = proof.loewner(
    "the largest eigenvalue is such a number",
    at_most(V, largest * W),
    [(1, top.congruence(L))],
    using=[B_is, W_is],
)
above = proof.least("so theta is at most that", at_most(theta, largest), smallest, witness)

eigenvector, unit = proof.cite(
    "a symmetric matrix has an eigenvector of length 1 to its largest eigenvalue",
    equal(L * v, largest * v),
    equal(v.T * v, 1),
)
definite = proof.setting("Lbar is positive definite", less(0, v.T * L * v))
below = proof.inequality(
    "at that eigenvector, nothing smaller is enough",
    at_most(largest, theta),
    using=[smallest.congruence(v), B_is, W_is, eigenvector, unit, definite],
)
both = proof.inequality("both together", equal(theta, largest), using=[above, below])
proof.conclude(both)
