"""Where the expected iterate tends if workers are weighted by their own diagonals.

Run: python proofs/heterogeneous_preconditioning.py
"""

import sympy as sp
from _weighted_permutation import P, b_i, limit, n, setting, vectors, weights

import istsim
from istsim.derivations import Proof, entry, equal, expect, vector

proof = Proof("heterogeneous-preconditioning")
first, c_is = setting(proof), vectors(proof)

chance = proof.counting(
    "a worker holds a given coordinate with probability 1/n",
    equal(expect(entry(P, "a", "a"), "round"), 1 / n),
    favourable=sp.factorial(n - 1),
    outcomes=sp.factorial(n),
    sketch=lambda n: istsim.Permutation(n, n),
    cases=[{"n": 2}, {"n": 3}, {"n": 4}],
)
mask = expect(P, "round")
mean = proof.entries("so its mask is 1/n of the identity on average", mask, mask**0 / n, using=[chance])
total = vector("s")
added = proof.define("s adds up D_i^-1/2 b_i over the workers", equal(total, n * expect(weights * b_i, "worker")))
found = proof.identity(
    "the fixed point is the sum, scaled",
    limit,
    n ** sp.Rational(-3, 2) * total,
    using=[c_is, mean, added],
    adding=[first.limit.times(-1)],
)
proof.conclude(found, where={"x_inf": limit, "s": total})
