"""Preconditioned equal workers with one coordinate each take a deterministic step, and theta follows.

Run: python proofs/homogeneous_preconditioning.py
"""

import sympy as sp
from _models import instance, known, masks, problem

import istsim
from istsim.derivations import Proof, at_most, entry, equal, expect, less, matrix, vector

theta, n, alpha, beta = sp.symbols("theta n alpha beta")
P = matrix("P_i", diagonal=True, idempotent=True, random="round worker")
L_i, L = matrix("L_i", symmetric=True, random="worker"), matrix("Lbar", symmetric=True, latex=r"\bar L")
B, W, v = matrix("B", random="round"), matrix("W", symmetric=True), vector("v")
V = expect(B.T * L * B, "round")


def model(rng):
    """Two or three equal workers."""
    size = int(rng.integers(2, 4))
    made = problem(rng, size, size, homogeneous=True).preconditioned()
    scales = {"forward_scale": float(rng.uniform(0.5, 3)), "gradient_scale": float(rng.uniform(0.5, 3))}
    method = istsim.IST(istsim.Permutation(size, size), **scales)
    chances, P = masks(method.sketch)
    return known(
        instance(rng, made, method, step_size=0.1),
        outcomes={"round": chances},
        letters={"P_i": P, "v": rng.standard_normal((size, 1))},
    )


proof = Proof("homogeneous-preconditioning", model)
proof.define("Lbar averages the L_i", equal(L, expect(L_i, "worker")))
masked = proof.define("B averages the masked L_i", equal(B, expect(alpha * beta * P * L_i * P, "worker")))
*positive, held_twice, held = proof.premise(
    "IST with n = d workers holding one coordinate each, merge mean",
    less(0, n),
    less(0, alpha),
    less(0, beta),
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
W_found = proof.identity("so W is that multiple of Lbar", W, alpha * beta / n * L, using=[W_is, B_is])
V_found = proof.identity("and E[B' Lbar B] its square times Lbar", V, (alpha * beta / n) ** 2 * L, using=[B_is])

smallest = proof.least("theta is the least number with E[B' Lbar B] <= theta W", theta, at_most(V, theta * W))
witness = proof.loewner(
    "that multiple is such a number, with equality", at_most(V, alpha * beta / n * W), [], using=[W_found, V_found]
)
above = proof.least_is_at_most("so theta is at most that", theta, alpha * beta / n, witness)
definite = proof.setting("Lbar is positive definite: v' Lbar v > 0 for some v", less(0, v.T * L * v))
below = proof.inequality(
    "at that v, nothing smaller is enough",
    at_most(alpha * beta / n, theta),
    using=[proof.congruence(smallest, v), W_found, V_found, definite, *positive],
)
both = proof.inequality("both together", equal(theta, alpha * beta / n), using=[above, below])
proof.conclude(both)
