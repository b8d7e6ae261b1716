"""Where only the model is masked, the expected iterate tends to a multiple of the minimizer.

Run: python proofs/model_masking_biased.py
"""

import sympy as sp

from istsim.derivations import Proof, equal, expect, inverse, matrix, vector

alpha, p1 = sp.symbols("alpha p_1")
P = matrix("P_i", diagonal=True, idempotent=True, random="round worker")
L_i, b_i = matrix("L_i", symmetric=True, random="worker"), vector("b_i", random="worker")
L = matrix("Lbar", symmetric=True, latex=r"\bar L")
B, c = matrix("B", random="round"), vector("c", random="round")
limit, minimizer = vector("x_inf", latex=r"x_\infty"), vector("x_star", latex=r"x_\star")

proof = Proof("model-masking-biased")
B_is, c_is = proof.premise(
    "CompressedIterates with an exchangeable sketch, merge mean, one local step, all workers report",
    equal(B, expect(alpha * L_i * P, "worker")),
    equal(c, expect(b_i, "worker")),
)
held = proof.setting("each worker holds each coordinate with probability p_1", equal(expect(P, "round"), p1 * P**0))
mean, inverted = proof.setting(
    "Lbar averages the L_i, and is invertible", equal(expect(L_i, "worker"), L), equal(inverse(L) * L, L**0)
)
solution = proof.setting("x_star solves Lbar x_star = bbar", equal(minimizer, inverse(L) * expect(b_i, "worker")))
fixed = proof.setting("x_inf is the fixed point of the mean", equal(expect(B, "round") * limit, expect(c, "round")))
found = proof.identity(
    "multiplied by the inverse of alpha p_1 Lbar, that gives x_inf",
    limit,
    minimizer / (alpha * p1),
    using=[B_is, c_is, held, mean, inverted, solution],
    adding=[fixed.times(inverse(L) / (alpha * p1))],
)
proof.conclude(found, where={"x_inf": limit, "x_star": minimizer})
