"""With everything held, the theta of Theorem 1 is the largest eigenvalue of Lbar.

Run: python proofs/identity_is_gradient_descent.py
"""

import numpy as np
import sympy as sp
from _models import instance, known, masks, problem

import istsim
from istsim.derivations import Proof, at_most, equal, expect, less, matrix, vector

theta, largest = sp.symbols("theta lambda_max")
P = matrix("P_i", diagonal=True, idempotent=True, random="round worker")
L_i, L = matrix("L_i", symmetric=True, random="worker"), matrix("Lbar", symmetric=True, latex=r"\bar L")
B, W, v = matrix("B", random="round"), matrix("W", symmetric=True), vector("v")
V = expect(B.T * L * B, "round")


def model(rng):
    """Two workers that hold all of three coordinates, and the eigenvector of length 1 to the largest eigenvalue."""
    made = problem(rng, 2, 3)
    method = istsim.CompressedGradient(istsim.Identity(2, 3))
    chances, P = masks(method.sketch)
    run = instance(rng, made, method, step_size=0.1)
    return known(run, outcomes={"round": chances}, letters={"P_i": P, "v": np.linalg.eigh(run.Lbar)[1][:, -1:]})


proof = Proof("identity-is-gradient-descent", model)
mean = proof.define("Lbar averages the L_i", equal(L, expect(L_i, "worker")))
masked = proof.define("B averages the masked L_i, at scale 1", equal(B, expect(P * L_i * P, "worker")))
whole = proof.premise("every worker holds everything, at scale 1", equal(P, P**0))
B_is = proof.identity("so B is Lbar", B, L, using=[masked, whole, mean])
W_is = proof.define("W is the symmetric part of Lbar E[B]", equal(W, expect(L * B + B.T * L, "round") / 2))
W_found = proof.identity("so W is Lbar^2", W, L**2, using=[B_is, W_is])
V_found = proof.identity("and E[B' Lbar B] is Lbar^3", V, L**3, using=[B_is])
smallest = proof.least("theta is the least number with E[B' Lbar B] <= theta W", theta, at_most(V, theta * W))

top, eigenvector, unit = proof.cite(
    "a symmetric matrix is at most its largest eigenvalue times the identity, and has an eigenvector of length 1 to it",
    at_most(L, largest * L**0),
    equal(L * v, largest * v),
    equal(v.T * v, 1),
)
witness = proof.loewner(
    "the largest eigenvalue is such a number",
    at_most(V, largest * W),
    [(1, proof.congruence(top, L))],
    using=[W_found, V_found],
)
above = proof.least_is_at_most("so theta is at most that", theta, largest, witness)
definite = proof.setting("Lbar is positive definite", less(0, v.T * L * v))
below = proof.inequality(
    "at that eigenvector, nothing smaller is enough",
    at_most(largest, theta),
    using=[proof.congruence(smallest, v), W_found, V_found, eigenvector, unit, definite],
)
both = proof.inequality("both together", equal(theta, largest), using=[above, below])
proof.conclude(both)
