"""The more a worker's coordinates are held together, the nearer the expected iterate tends to the minimizer.

Coordinates may be groups of coordinates throughout: masks are then multiples of the identity on a group, and entries
are blocks.

Run: python proofs/overlap_reduces_bias.py
"""

import sympy as sp

from istsim.derivations import Proof, at_most, diagonal_of, entry, equal, expect, less, matrix, square, vector

r, mu, share, weight, bias, bias_0 = sp.symbols("r mu s w bias bias_0")
# Of worker i: its mask, and its weight in the merge, coordinate by coordinate.
P, M = (matrix(f"{name}_i", diagonal=True, idempotent=name == "P", random="round worker") for name in "PM")
L_i, b_i = matrix("L_i", symmetric=True, random="worker"), vector("b_i", random="worker")
L, D = (matrix(f"{name}bar", symmetric=True, latex=rf"\bar {name}") for name in "LD")
B, c, bbar = matrix("B", random="round"), vector("c", random="round"), vector("bbar", latex=r"\bar b")
limit, minimizer, single = vector("x_inf", latex=r"x_\infty"), vector("x_star", latex=r"x_\star"), vector("y")
S, R, T = matrix("Dbar^1/2", symmetric=True), matrix("Dbar^-1/2", symmetric=True), matrix("T", symmetric=True)

proof = Proof("overlap-reduces-bias")
B_is, c_is = proof.premise(
    "IST with an exchangeable sketch, forward scale 1, merge mean or owners, one local step, no weights",
    equal(B, expect(M * P * L_i * P, "worker")),
    equal(c, expect(M * P * b_i, "worker")),
)
held, together = expect(entry(P, "a", "a"), "round"), expect(entry(P, "a", "a") * entry(P, "b", "b"), "round")
weighted = expect(entry(M * P, "a", "a"), "round")
weighted_together = expect(entry(M * P, "a", "a") * entry(P, "b", "b"), "round")
of_one, of_two = proof.premise(
    "the weight of a coordinate in the merge does not depend on what else its worker holds: merge mean, workers "
    "that draw independently or single coordinates, or equally many holders of every coordinate",
    equal(weighted, weight * held),
    equal(weighted_together, weight * together),
)
part = proof.setting(
    "r is the probability that a worker that holds one coordinate holds another given one", equal(together, r * held)
)
counted = proof.setting(
    "a held coordinate counts s in the merge, on average over the draws", equal(weight * held, share)
)
one = proof.identity("so s is what a coordinate counts", weighted, share, adding=[of_one, counted])
two = proof.identity(
    "and r s with another one held", weighted_together, r * share, adding=[of_two, part.times(weight), counted.times(r)]
)
averages = proof.setting(
    "Lbar averages the L_i, Dbar their diagonals and bbar the b_i",
    equal(expect(L_i, "worker"), L),
    equal(expect(diagonal_of(L_i), "worker"), D),
    equal(expect(b_i, "worker"), bbar),
)
EB, Ec = expect(B, "round"), expect(c, "round")
mean = proof.entries(
    "E[B] mixes L_i and its diagonal",
    EB,
    share * expect((1 - r) * diagonal_of(L_i) + r * L_i, "worker"),
    using=[B_is, one, two],
)
vector_mean = proof.entries("E[c] is a multiple of bbar", Ec, share * expect(b_i, "worker"), using=[c_is, one])
fixed = proof.setting("x_inf is the fixed point of the mean", equal(EB * limit, Ec))
mixed = proof.identity(
    "so x_inf solves a mixture of Lbar and Dbar",
    ((1 - r) * D + r * L) * limit,
    bbar,
    using=averages,
    adding=[fixed.times(1 / share), mean.times(-1 / share, limit), vector_mean.times(1 / share)],
)
solution = proof.setting("x_star solves Lbar x_star = bbar", equal(L * minimizer, bbar))
alone = proof.setting("y solves Dbar y = bbar", equal(D * single, bbar))

roots = proof.cite(
    "a positive definite matrix has a symmetric root, which is invertible: here Dbar",
    equal(S * S, D),
    equal(R * S, D**0),
)
K = R * L * R
rooted = proof.cite("and K = Dbar^-1/2 Lbar Dbar^-1/2", equal(K, T * T))
smallest, definite = proof.cite(
    "a symmetric matrix is at least its smallest eigenvalue times the identity; mu is that of K, which is positive "
    "definite, as Lbar is",
    at_most(mu * K**0, K),
    less(0, mu),
)
proper = proof.setting("r is a conditional probability", at_most(0, r), at_most(r, 1))

A, tau = (1 - r) + r * K, 1 - r + r * mu
error, error_0 = S * (limit - minimizer), S * (single - minimizer)
scaled = proof.identity(
    "in the coordinates of Dbar^1/2, the error solves a system in K",
    A * error,
    (1 - r) * error_0,
    using=[roots[1]],
    adding=[
        mixed.times(R),
        solution.times(-r * R),
        alone.times(-(1 - r) * R),
        roots[0].times((1 - r) * R, limit - single),
    ],
)
bounded = proof.loewner(
    "the system is no less than its smallest eigenvalue",
    at_most(tau**2 * K, A * K * A),
    [(2 * tau * r, smallest.congruence(T)), (r**2, square(T * (K - mu)))],
    using=[rooted, definite, *proper],
)
squares = proof.identity(
    "so the squared error at r",
    (A * error).T * K * (A * error),
    (1 - r) ** 2 * error_0.T * K * error_0,
    adding=[scaled.times((A * error + (1 - r) * error_0).T * K)],
)
now = proof.define("bias is the gap of f at x_inf", equal(bias, (limit - minimizer).T * L * (limit - minimizer) / 2))
then = proof.define("bias_0 is that at y", equal(bias_0, (single - minimizer).T * L * (single - minimizer) / 2))
found = proof.inequality(
    "is bounded by that at r = 0",
    at_most(bias, ((1 - r) / tau) ** 2 * bias_0),
    using=[roots[1], now, then, squares, bounded.congruence(error), definite, *proper],
)
proof.conclude(found)
