"""The more a worker's coordinates are held together, the nearer the expected iterate tends to the minimizer.

Coordinates may be groups of coordinates throughout: masks are then multiples of the identity on a group, and entries
are blocks.

Run: python proofs/overlap_reduces_bias.py
"""

import numpy as np
import scipy.linalg
import sympy as sp
from _models import instance, known, masks, problem

import istsim
from istsim.derivations import Proof, at_most, diagonal_of, entry, equal, expect, less, matrix, vector

r, mu, p, weight, share, bias, bias_0 = sp.symbols("r mu p weight share bias bias_0")
# Of worker i: its mask, and its weight in the merge, coordinate by coordinate.
P, M = (matrix(f"{name}_i", diagonal=True, idempotent=name == "P", random="round worker") for name in "PM")
L_i, b_i = matrix("L_i", symmetric=True, random="worker"), vector("b_i", random="worker")
L, D = (matrix(f"{name}bar", symmetric=True, latex=rf"\bar {name}") for name in "LD")
B, c, bbar = matrix("B", random="round"), vector("c", random="round"), vector("bbar", latex=r"\bar b")
limit, minimizer, single = vector("x_inf", latex=r"x_\infty"), vector("x_star", latex=r"x_\star"), vector("y")
S, R = (matrix(f"Dbar^{sign}1/2", symmetric=True, latex=rf"\bar D^{{{sign}1/2}}") for sign in ("", "-"))
T, U = matrix("T", symmetric=True), matrix("U", symmetric=True)


def model(rng):
    """Two workers that draw independently, or that share out the coordinates, with both merges."""
    sketch = (istsim.RandK(2, 3, 2), istsim.Permutation(2, 4))[rng.integers(2)]
    merge = ("mean", "owners")[rng.integers(2)]
    method = istsim.IST(sketch, forward_scale=1.0, gradient_scale=float(rng.uniform(0.5, 3)), merge=merge)
    run = instance(rng, problem(rng, 2, sketch.dim), method, step_size=0.1)
    chances, P = masks(sketch)
    holders = np.maximum(P.sum(axis=1, keepdims=True), 1) if merge == "owners" else np.full(P.shape, 2)
    M = method.gradient_scale * 2 / holders * np.eye(sketch.dim)
    held = sketch.inclusion_probability(1)
    counted = np.tensordot(chances, M @ P, 1)[0, 0, 0]
    root = np.diag(np.sqrt(np.diag(run.Lbar)))
    inner = scipy.linalg.sqrtm(np.linalg.inv(root) @ run.Lbar @ np.linalg.inv(root)).real
    return known(
        run,
        outcomes={"round": chances},
        letters={
            "P_i": P,
            "M_i": M,
            "Dbar^1/2": root,
            "Dbar^-1/2": np.linalg.inv(root),
            "T": inner,
            "U": np.linalg.inv(inner),
            "x_inf": run.fixed_point[:, None],
        },
        numbers={"p": float(held), "weight": counted / float(held)},
    )


proof = Proof("overlap-reduces-bias", model)
held, together = expect(entry(P, "a", "a"), "round"), expect(entry(P, "a", "a") * entry(P, "b", "b"), "round")
of_one, of_two, *proper = proof.premise(
    "IST with an exchangeable sketch, forward scale 1, merge mean or owners, one local step, no weights",
    equal(held, p),
    equal(together, r * p),
    at_most(0, r),
    at_most(r, 1),
    less(0, p),
)
weighted, weighted_together, counts = proof.premise(
    "the weight of a coordinate in the merge does not depend on what else its worker holds: merge mean, workers "
    "that draw independently or single coordinates, or equally many holders of every coordinate",
    equal(expect(entry(M * P, "a", "a"), "round"), weight * held),
    equal(expect(entry(M * P, "a", "a") * entry(P, "b", "b"), "round"), weight * together),
    less(0, weight),
)
share_is = proof.define("share is what a coordinate of a worker counts on average", equal(share, weight * p))
positive = proof.inequality("it is positive", less(0, share), using=[share_is, counts, *proper])
one = proof.identity("a coordinate counts that much", weighted.left, share, using=[weighted, of_one, share_is])
two = proof.identity(
    "and r times as much with another one held",
    weighted_together.left,
    r * share,
    using=[weighted_together, of_two, share_is],
)
B_is = proof.define("B averages the workers' masked matrices", equal(B, expect(M * P * L_i * P, "worker")))
c_is = proof.define("c averages their masked vectors", equal(c, expect(M * P * b_i, "worker")))
L_is = proof.define("Lbar averages the L_i", equal(L, expect(L_i, "worker")))
D_is = proof.define("Dbar averages their diagonals", equal(D, expect(diagonal_of(L_i), "worker")))
b_is = proof.define("bbar averages the b_i", equal(bbar, expect(b_i, "worker")))
EB, Ec = expect(B, "round"), expect(c, "round")
mean = proof.entries(
    "E[B] mixes L_i and its diagonal",
    EB,
    share * expect((1 - r) * diagonal_of(L_i) + r * L_i, "worker"),
    using=[B_is, one, two],
)
vector_mean = proof.entries("E[c] is a multiple of bbar", Ec, share * expect(b_i, "worker"), using=[c_is, one])
fixed = proof.setting("x_inf is the fixed point of the expected iterate", equal(EB * limit, Ec))
mixed = proof.identity(
    "so x_inf solves a mixture of Lbar and Dbar",
    ((1 - r) * D + r * L) * limit,
    bbar,
    using=[L_is, D_is, b_is],
    adding=[
        proof.times(fixed, 1 / share),
        proof.times(mean, -1 / share, limit),
        proof.times(vector_mean, 1 / share),
    ],
)

K = R * L * R
D_root, inverted, K_root, K_inverted = proof.cite(
    "a positive definite matrix has a symmetric root, which is invertible: here Dbar, and K = Dbar^-1/2 Lbar Dbar^-1/2",
    equal(D, S * S),
    equal(S * R, S**0),
    equal(K, T * T),
    equal(T * U, T**0),
)
smallest, definite = proof.cite(
    "a symmetric matrix is at least its smallest eigenvalue times the identity; mu is that of K, which is positive "
    "definite, as Lbar is",
    at_most(mu * K**0, K),
    less(0, mu),
)
L_root = proof.identity(
    "so Lbar is the square of T Dbar^1/2", L, S * T * T * S, using=[inverted], adding=[proof.times(K_root, S, S)]
)
roots = [D_root, inverted, L_root, K_inverted]
minimizer_is = proof.define("x_star is what minimizes f", equal(minimizer, R * U * U * R * bbar))
solution = proof.identity(
    "where the gradient is 0: it solves Lbar x_star = bbar", L * minimizer, bbar, using=[minimizer_is, *roots]
)
single_is = proof.define("y is where single coordinates lead", equal(single, R * R * bbar))
alone = proof.identity("it solves Dbar y = bbar", D * single, bbar, using=[single_is, *roots])

A, tau = (1 - r) + r * K, 1 - r + r * mu
error, error_0 = S * (limit - minimizer), S * (single - minimizer)
scaled = proof.identity(
    "in the coordinates of Dbar^1/2, the error solves a system in K",
    A * error,
    (1 - r) * error_0,
    using=roots,
    adding=[proof.times(mixed, R), proof.times(solution, -r * R), proof.times(alone, -(1 - r) * R)],
)
bounded = proof.loewner(
    "the system is no less than its smallest eigenvalue",
    at_most(tau**2 * K, A * K * A),
    [(2 * tau * r, proof.congruence(smallest, T)), (r**2, proof.square(T * (K - mu)))],
    using=[*roots, definite, *proper],
)
squares = proof.identity(
    "so the squared error at r",
    (A * error).T * K * (A * error),
    (1 - r) ** 2 * error_0.T * K * error_0,
    adding=[proof.times(scaled, (A * error + (1 - r) * error_0).T * K)],
)
not_zero = proof.inequality("whose smallest eigenvalue is positive", less(0, tau), using=[definite, *proper])
now = proof.define("bias is the gap of f at x_inf", equal(bias, (limit - minimizer).T * L * (limit - minimizer) / 2))
then = proof.define("bias_0 is that at y", equal(bias_0, (single - minimizer).T * L * (single - minimizer) / 2))
found = proof.inequality(
    "is bounded by that at r = 0",
    at_most(bias, ((1 - r) / tau) ** 2 * bias_0),
    using=[*roots, now, then, squares, proof.congruence(bounded, error), not_zero],
)
proof.conclude(found)
