"""What each block takes from the loss where greedy local updates stop.

Run: python proofs/greedy_stages.py
"""

import sympy as sp
from _greedy import D, L, T, greedy, limit, minimizer, model

from istsim.derivations import Proof, equal

gap, start, taken = sp.symbols("gap start taken")

proof = Proof("greedy-stages", model)
first = greedy(proof)
at_limit = proof.define("gap is the gap of f at x_inf", equal(gap, (limit - minimizer).T * L * (limit - minimizer) / 2))
at_zero = proof.define("start is the gap of f at 0", equal(start, minimizer.T * L * minimizer / 2))
by_blocks = proof.define("taken is the squared norm of x_inf by the diagonal blocks", equal(taken, limit.T * D * limit))
along = proof.identity(
    "x_inf and the minimizer",
    limit.T * L * minimizer,
    limit.T * T * limit,
    adding=[proof.times(first.solution, limit.T), proof.times(first.fixed, -limit.T)],
)
twice = proof.identity(
    "what is seen counts twice but for the diagonal blocks",
    2 * limit.T * T * limit - limit.T * L * limit,
    limit.T * D * limit,
    using=[first.whole, first.visible],
)
found = proof.inequality(
    "the blocks take half of that from the loss",
    equal(gap, start - taken / 2),
    using=[at_limit, at_zero, by_blocks, along, twice],
)
proof.conclude(found)
