"""Theorem 1: linear convergence in mean square under interpolation.

Run: python proofs/theorem_1_iterates.py
"""

import numpy as np
import scipy.linalg
import sympy as sp
from _theorem_1 import B, L, W, error, gamma, minimizer, model, one_round, squared, x

from istsim.derivations import Proof, at_most, equal, less, matrix, vector

k, rate = sp.symbols("k lambda_min")
e = sp.Function("e")
root, inverse_root = (matrix(f"Lbar^{sign}1/2", symmetric=True, latex=rf"\bar L^{{{sign}1/2}}") for sign in ("", "-"))
v = vector("v")


def with_roots(rng):
    """The roots of Lbar, and a vector."""
    made = model(rng)
    root = scipy.linalg.sqrtm(made.instance.Lbar).real
    made.letters.update({"Lbar^1/2": root, "Lbar^-1/2": np.linalg.inv(root), "v": rng.standard_normal((3, 1))})
    return made


proof = Proof("theorem-1-iterates", with_roots)
first = one_round(proof)

roots = proof.cite(
    "a positive definite matrix has a symmetric root, which is invertible",
    equal(root * root, L),
    equal(inverse_root * root, L**0),
)
smallest = proof.cite(
    "a symmetric matrix is at least its smallest eigenvalue times the identity; "
    "lambda_min is that of Lbar^-1/2 W Lbar^-1/2",
    at_most(rate * L**0, inverse_root * W * inverse_root),
)
weighed = proof.loewner(
    "in the geometry of Lbar: W is at least lambda_min Lbar",
    at_most(rate * L, W),
    [(1, proof.congruence(smallest, root))],
    using=roots,
)
contracted = proof.loewner(
    "so a round multiplies by 1 - gamma lambda_min at most",
    at_most(first.allowed.left, (1 - gamma * rate) * L),
    [(1, first.allowed), (gamma, weighed)],
    using=[first.positive],
)

definite = proof.setting("Lbar is positive definite: v' Lbar v > 0 for some v", less(0, v.T * L * v))
squares = proof.loewner(
    "what a round makes of squared errors is not negative, as it is a square",
    at_most(0, first.allowed.left),
    [(1, proof.square(root * (1 - gamma * B)))],
    using=[*roots, first.mean],
)
factor = proof.loewner(
    "so this factor times Lbar is not negative",
    at_most(0, (1 - gamma * rate) * L),
    [(1, squares), (1, contracted)],
)
not_negative = proof.inequality(
    "nor is the factor", at_most(0, 1 - gamma * rate), using=[proof.congruence(factor, v), definite]
)

now = proof.define("e(k) is the expected squared error at round k", equal(e(k), squared(x - minimizer)))
later = proof.next_round("e(k + 1) is the one after another round", now)
step = proof.inequality(
    "the squared error contracts from round to round",
    at_most(e(k + 1), (1 - gamma * rate) * e(k)),
    using=[now, later, first.error, first.expansion, proof.congruence(contracted, error)],
)
bound = proof.recurrence("k rounds contract k times", step, e, k, using=[not_negative])
proof.conclude(bound, where={"error": e(k), "initial_error": e(0)})
