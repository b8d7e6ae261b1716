"""How much worse a loss greedy local updates stop at.

Run: python proofs/greedy_loss.py
"""

import sympy as sp
from _greedy import D, L, T, U, greedy, limit, minimizer, model

from istsim.derivations import Proof, equal, inverse, matrix

gap, unseen = sp.symbols("gap unseen")
K = matrix("K", symmetric=True)
error, missed = limit - minimizer, U * minimizer

proof = Proof("greedy-loss", model)
first = greedy(proof)
visible = proof.identity("what is seen is all but U", T, L - U, using=[first.whole, first.visible])
diagonal = proof.identity("and D all but U and U'", D, L - U - U.T, using=[first.whole])
bias = proof.identity(
    "T times the bias is U x_star",
    T * error,
    missed,
    using=[visible],
    adding=[first.fixed, proof.times(first.solution, -1)],
)
metric = proof.define("K is D + U Lbar^-1 U'", equal(K, D + U * inverse(L) * U.T))
inverted, triangular, definite = proof.cite(
    "positive definite matrices are invertible: Lbar, and with it D and K; so are block triangular ones with such "
    "diagonal blocks",
    equal(inverse(L) * L, L**0),
    equal(inverse(T) * T, T**0),
    equal(inverse(K) * K, K**0),
)
product = proof.identity("K is a product", K, T * inverse(L) * T.T, using=[metric, visible, diagonal, inverted])
pulled = proof.identity(
    "it takes T^-1' Lbar times the bias to U x_star",
    K * inverse(T).T * L * error,
    missed,
    using=[triangular, inverted],
    adding=[proof.times(product, 1, inverse(T).T * L * error), bias],
)
back = proof.identity(
    "so its inverse takes U x_star there",
    inverse(K) * missed,
    inverse(T).T * L * error,
    using=[definite],
    adding=[proof.times(pulled, -inverse(K))],
)
squares = proof.identity(
    "the squared norms of U x_star and of the bias agree",
    missed.T * inverse(K) * missed,
    error.T * L * error,
    using=[triangular],
    adding=[proof.times(back, missed.T), proof.times(bias, -error.T * L * inverse(T))],
)
at_limit = proof.define("gap is the gap of f at x_inf", equal(gap, error.T * L * error / 2))
by_metric = proof.define("unseen is the squared norm of U x_star", equal(unseen, missed.T * inverse(K) * missed))
found = proof.inequality("so the gap is half of it", equal(gap, unseen / 2), using=[at_limit, by_metric, squares])
proof.conclude(found)
