"""The expected gap as a function of the forward scale, at a fixed product of step size and scales.

Run: python proofs/best_forward_scale.py
"""

import sympy as sp
from _scales import alpha, model, scaled_path, x, z

from istsim.derivations import Proof, equal, expect, less, matrix, vector

gap, second, cross, whole = sp.symbols("gap second cross whole")
L = matrix("Lbar", symmetric=True, latex=r"\bar L")
minimizer = vector("x_star", latex=r"x_\star")

proof = Proof("best-forward-scale", model)
path = scaled_path(proof)
names = (
    proof.define("second is the squared norm of z on average", equal(second, expect(z.T * L * z, "past"))),
    proof.define(
        "cross is the inner product of x_star and the mean", equal(cross, minimizer.T * L * expect(z, "past"))
    ),
    proof.define("whole is the squared norm of x_star", equal(whole, minimizer.T * L * minimizer)),
)
squared = expect((x - minimizer).T * L * (x - minimizer), "past")
here = proof.define("gap is the expected gap at round k", equal(gap, squared / 2))
expanded = proof.identity(
    "the expected gap is quadratic in 1/alpha",
    squared / 2,
    whole / 2 - cross / alpha + second / (2 * alpha**2),
    using=[path, *names],
)
moving = proof.premise("E ||z_k||^2 is positive in every round", less(0, second))
completed = proof.identity(
    "a square is completed",
    whole / 2 - cross / alpha + second / (2 * alpha**2),
    (whole - cross**2 / second) / 2 + second / 2 * (1 / alpha - cross / second) ** 2,
)
found = proof.identity(
    "so the gap is the least one and a square", gap, completed.right, adding=[here, expanded, completed]
)
proof.conclude(found)
