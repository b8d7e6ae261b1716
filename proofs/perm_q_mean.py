"""The mean operator of IST with blocks of q coordinates.

Run: python proofs/perm_q_mean.py
"""

import sympy as sp
from _models import instance, known, masks, problem

import istsim
from istsim.derivations import Proof, diagonal_of, equal, expect, less, matrix

n, d, q, alpha, beta = sp.symbols("n d q alpha beta")
P = matrix("P_i", diagonal=True, idempotent=True, random="round worker")
L_i, B = matrix("L_i", symmetric=True, random="worker"), matrix("B", random="round")
L, D = (matrix(f"{name}bar", symmetric=True, latex=rf"\bar {name}") for name in "LD")


def model(rng):
    """Two or three workers that hold one coordinate or two of them."""
    workers, held = ((2, 1), (3, 1), (2, 2))[rng.integers(3)]
    made = problem(rng, workers, workers * held)
    scales = {"forward_scale": float(rng.uniform(0.5, 3)), "gradient_scale": float(rng.uniform(0.5, 3))}
    method = istsim.IST(istsim.Permutation(workers, workers * held), **scales)
    chances, P = masks(method.sketch)
    return known(instance(rng, made, method, step_size=0.1), outcomes={"round": chances}, letters={"P_i": P})


premise = "IST with Permutation(n, d), n dividing d > 1, merge mean"
proof = Proof("perm-q-mean", model)
_, _, several, dealt = proof.premise(premise, less(0, n), less(0, q), less(1, d), equal(d, n * q))
proof.uniform_subset("a worker's block is a uniform subset of q coordinates", P, q)
B_is = proof.define("B averages the masked L_i", equal(B, expect(alpha * beta * P * L_i * P, "worker")))
L_is = proof.define("Lbar averages the L_i", equal(L, expect(L_i, "worker")))
D_is = proof.define("Dbar averages their diagonals", equal(D, expect(diagonal_of(L_i), "worker")))
one = proof.chance("the probability that a block holds a given coordinate", P, "a")
two = proof.chance("and that it holds two given ones", P, "a", "b")
share = proof.identity("a given one is held with probability 1/n", one.left, 1 / n, using=[one, dealt])
r = (q - 1) / (n * q - 1)
together = proof.identity("and another one then with probability r", two.left, r / n, using=[two, dealt])
by_entries = proof.entries(
    "so E[B] mixes L_i and its diagonal",
    expect(B, "round"),
    alpha * beta / n * ((1 - r) * expect(diagonal_of(L_i), "worker") + r * expect(L_i, "worker")),
    using=[B_is, share, together],
)
mean = proof.identity(
    "which average to Lbar and Dbar",
    expect(B, "round"),
    alpha * beta / n * ((1 - r) * D + r * L),
    using=[L_is, D_is],
    adding=[by_entries],
)
proof.conclude(mean, where={"EB": mean.left, "Lbar": L, "Dbar": D})
