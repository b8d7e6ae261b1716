"""Where the expected iterate tends if workers are weighted by their own diagonals.

Run: python proofs/heterogeneous_preconditioning.py
"""

import sympy as sp
from _weighted_permutation import P, b_i, limit, model, n, setting, weights

from istsim.derivations import Proof, equal, expect, vector

proof = Proof("heterogeneous-preconditioning", model)
first = setting(proof)

proof.uniform_subset("a permutation gives a worker one coordinate, any one as often as any other", P, 1)
chance = proof.chance("so a worker holds a given coordinate with probability 1/d", P, "a")
mask = expect(P, "round")
mean = proof.entries("and its mask is 1/n of the identity on average", mask, mask**0 / n, using=[chance, first.square])
total = vector("s")
added = proof.define("s adds up D_i^-1/2 b_i over the workers", equal(total, n * expect(weights * b_i, "worker")))
found = proof.identity(
    "the fixed point is the sum, scaled",
    limit,
    n ** sp.Rational(-3, 2) * total,
    using=[first.limit, first.c, mean, added],
)
proof.conclude(found, where={"x_inf": limit, "s": total})
