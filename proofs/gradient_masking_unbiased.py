"""Where only gradients are masked, the expected iterate tends to the minimizer.

Run: python proofs/gradient_masking_unbiased.py
"""

import sympy as sp
from _models import instance, known, problem, reports

import istsim
from istsim.derivations import Proof, equal, expect, inverse, less, matrix, vector

gamma, share = sp.symbols("gamma mu")
M = matrix("M_i", diagonal=True, random="round worker")
L_i, b_i = matrix("L_i", symmetric=True, random="worker"), vector("b_i", random="worker")
L, bbar = matrix("Lbar", symmetric=True, latex=r"\bar L"), vector("bbar", latex=r"\bar b")
B, c = matrix("B", random="round"), vector("c", random="round")
x, x0 = vector("x", random="past"), vector("x_0")
limit, minimizer = vector("x_inf", latex=r"x_\infty"), vector("x_star", latex=r"x_\star")


def model(rng):
    """Two workers, of which one or both report two of three coordinates."""
    method = istsim.CompressedGradient(
        istsim.RandK(2, 3, 2), gradient_scale=rng.uniform(0.5, 2), participants=int(rng.integers(1, 3))
    )
    run = instance(rng, problem(rng, 2, 3), method, step_size=0.1)
    chances, reported, _ = reports(method)
    return known(
        run,
        outcomes={"round": chances},
        letters={"M_i": method.gradient_scale * reported, "x_inf": run.fixed_point[:, None]},
        numbers={"mu": method.gradient_scale * 2 / 3},
    )


proof = Proof("gradient-masking-unbiased", model)
after = x - gamma * expect(M * (L_i * x - b_i), "worker")
proof.iterates("CompressedGradient with an exchangeable sketch, one local step", {x: (x0, after)}, premise=True)
alike, positive = proof.setting(
    "M_i is worker i's mask with its weight in the merge: of all workers and coordinates the same on average",
    equal(expect(M, "round"), share * M**0),
    less(0, share),
)
mean_hessian = proof.define("Lbar averages the L_i", equal(L, expect(L_i, "worker")))
mean_vector = proof.define("bbar averages the b_i", equal(bbar, expect(b_i, "worker")))
inverted = proof.setting("Lbar is positive definite, so it has an inverse", equal(inverse(L) * L, L**0))
solution = proof.define("x_star minimizes f", equal(minimizer, inverse(L) * bbar))
B_is = proof.define("B is by what a round multiplies the iterate", equal(B, expect(M * L_i, "worker")))
c_is = proof.define("and c what it adds", equal(c, expect(M * b_i, "worker")))
proof.identity("so a round is affine in the iterate", after, x - gamma * (B * x - c), using=[B_is, c_is])
fixed = proof.setting("x_inf is the fixed point of the mean", equal(expect(B, "round") * limit, expect(c, "round")))
operator = proof.identity(
    "the mean of B is a multiple of Lbar", expect(B, "round"), share * L, using=[B_is, alike, mean_hessian]
)
drift = proof.identity(
    "and that of c the same multiple of bbar", expect(c, "round"), share * bbar, using=[c_is, alike, mean_vector]
)
scaled = proof.identity(
    "so the gradient vanishes at x_inf, whatever the multiple",
    L * limit,
    bbar,
    adding=[proof.times(fixed, 1 / share), proof.times(operator, -1 / share, limit), proof.times(drift, 1 / share)],
)
found = proof.identity(
    "as it does at the minimizer alone",
    limit,
    minimizer,
    using=[inverted, solution],
    adding=[proof.times(scaled, inverse(L))],
)
proof.conclude(found, where={"x_inf": limit, "x_star": minimizer})
