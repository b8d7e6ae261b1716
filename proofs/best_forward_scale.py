"""The expected gap as a function of the forward scale, at a fixed product of step size and scales.

Run: python proofs/best_forward_scale.py
"""

import sympy as sp
from _scales import alpha, scaled_path, x, z

from istsim.derivations import Proof, equal, expect, less, matrix, vector

gap, second, cross, whole = sp.symbols("gap second cross whole")
L = matrix("Lbar", symmetric=True, latex=r"\bar L")
minimizer = vector("x_star", latex=r"x_\star")

proof = Proof("best-forward-scale")
path = scaled_path(proof)
names = (
    proof.define("second is the squared norm of z on average", equal(second, expect(z.T * L * z, "past"))),
    proof.define(
        "cross is the inner product of x_star and the mean", equal(cross, minimizer.T * L * expect(z, "past"))
    ),
    proof.define("whole is the squared norm of x_star", equal(whole, minimizer.T * L * minimizer)),
)
quadratic = proof.identity(
    "the expected gap is quadratic in 1/alpha",
    expect((x - minimizer).T * L * (x - minimizer), "past") / 2,
    whole / 2 - cross / alpha + second / (2 * alpha**2),
    using=[path, *names],
)
here = proof.define("gap is the expected gap at round k", equal(gap, quadratic.left))
moving = proof.premise("E ||z_k||^2 is positive in every round", less(0, second))
positive = proof.setting("the forward scale is positive", less(0, alpha))
completed = proof.inequality(
    "a square is completed",
    equal(gap, (whole - cross**2 / second) / 2 + second / 2 * (1 / alpha - cross / second) ** 2),
    using=[here, quadratic, moving, positive],
)
proof.conclude(completed)
