"""Where only the model is masked, the expected iterate tends to a multiple of the minimizer.

Run: python proofs/model_masking_biased.py
"""

import sympy as sp
from _models import instance, known, masks, problem

import istsim
from istsim.derivations import Proof, equal, expect, inverse, less, matrix, vector

gamma, alpha, p1 = sp.symbols("gamma alpha p_1")
P = matrix("P_i", diagonal=True, idempotent=True, random="round worker")
L_i, b_i = matrix("L_i", symmetric=True, random="worker"), vector("b_i", random="worker")
L, bbar = matrix("Lbar", symmetric=True, latex=r"\bar L"), vector("bbar", latex=r"\bar b")
B, c = matrix("B", random="round"), vector("c", random="round")
x, x0 = vector("x", random="past"), vector("x_0")
limit, minimizer = vector("x_inf", latex=r"x_\infty"), vector("x_star", latex=r"x_\star")


def model(rng):
    """Two workers that receive two of three coordinates."""
    method = istsim.CompressedIterates(istsim.RandK(2, 3, 2), forward_scale=rng.uniform(0.5, 2))
    run = instance(rng, problem(rng, 2, 3), method, step_size=0.1)
    chances, P = masks(method.sketch)
    return known(run, outcomes={"round": chances}, letters={"P_i": P, "x_inf": run.fixed_point[:, None]})


proof = Proof("model-masking-biased", model)
after = x - gamma * expect(L_i * (alpha * P * x) - b_i, "worker")
proof.iterates(
    "CompressedIterates with an exchangeable sketch, merge mean, one local step, all workers report",
    {x: (x0, after)},
    premise=True,
)
held, positive = proof.setting(
    "each worker holds each coordinate with the same probability p_1, which is positive",
    equal(expect(P, "round"), p1 * P**0),
    less(0, p1),
)
scale = proof.setting("the forward scale is positive", less(0, alpha))
mean_hessian = proof.define("Lbar averages the L_i", equal(L, expect(L_i, "worker")))
mean_vector = proof.define("bbar averages the b_i", equal(bbar, expect(b_i, "worker")))
inverted = proof.setting("Lbar is positive definite, so it has an inverse", equal(inverse(L) * L, L**0))
solution = proof.define("x_star minimizes f", equal(minimizer, inverse(L) * bbar))
B_is = proof.define("B is by what a round multiplies the iterate", equal(B, expect(alpha * L_i * P, "worker")))
proof.identity("so a round is affine in the iterate", after, x - gamma * (B * x - bbar), using=[B_is, mean_vector])
fixed = proof.setting("x_inf is the fixed point of the mean", equal(expect(B, "round") * limit, bbar))
operator = proof.identity(
    "the mean of B is a multiple of Lbar",
    expect(B, "round"),
    alpha * p1 * L,
    using=[B_is, held, mean_hessian],
)
scaled = proof.identity(
    "so x_inf solves the equation of the minimizer but for this multiple",
    L * limit,
    bbar / (alpha * p1),
    adding=[proof.times(fixed, 1 / (alpha * p1)), proof.times(operator, -1 / (alpha * p1), limit)],
)
inverse_times = proof.identity(
    "by the inverse of Lbar",
    limit,
    inverse(L) * bbar / (alpha * p1),
    using=[inverted],
    adding=[proof.times(scaled, inverse(L))],
)
found = proof.identity(
    "that is a multiple of the minimizer", limit, minimizer / (alpha * p1), using=[solution, inverse_times]
)
proof.conclude(found, where={"x_inf": limit, "x_star": minimizer})
