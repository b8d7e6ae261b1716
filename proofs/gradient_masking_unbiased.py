"""Where only gradients are masked, the expected iterate tends to the minimizer.

Run: python proofs/gradient_masking_unbiased.py
"""

import sympy as sp

from istsim.derivations import Proof, equal, expect, inverse, matrix, vector

share = sp.Symbol("mu")
M = matrix("M_i", diagonal=True, random="round worker")
L_i, b_i = matrix("L_i", symmetric=True, random="worker"), vector("b_i", random="worker")
L = matrix("Lbar", symmetric=True, latex=r"\bar L")
B, c = matrix("B", random="round"), vector("c", random="round")
limit, minimizer = vector("x_inf", latex=r"x_\infty"), vector("x_star", latex=r"x_\star")

proof = Proof("gradient-masking-unbiased")
B_is, c_is = proof.premise(
    "CompressedGradient with an exchangeable sketch, one local step",
    equal(B, expect(M * L_i, "worker")),
    equal(c, expect(M * b_i, "worker")),
)
alike = proof.setting(
    "M_i is worker i's mask, with its weight in the merge; sketches treat workers and coordinates alike",
    equal(expect(M, "round"), share * M**0),
)
mean, inverted = proof.setting(
    "Lbar averages the L_i, and is invertible", equal(expect(L_i, "worker"), L), equal(inverse(L) * L, L**0)
)
solution = proof.setting("x_star solves Lbar x_star = bbar", equal(minimizer, inverse(L) * expect(b_i, "worker")))
fixed = proof.setting("x_inf is the fixed point of the mean", equal(expect(B, "round") * limit, expect(c, "round")))
found = proof.identity(
    "multiplied by the inverse of mu Lbar, that says that it is x_star",
    limit,
    minimizer,
    using=[B_is, c_is, alike, mean, inverted, solution],
    adding=[fixed.times(inverse(L) / share)],
)
proof.conclude(found, where={"x_inf": limit, "x_star": minimizer})
