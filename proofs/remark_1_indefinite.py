"""The smallest eigenvalue of W for two equal workers that hold one of two coordinates each.

Run: python proofs/remark_1_indefinite.py
"""

import sympy as sp

from istsim.derivations import Proof, at_most, equal, less

a, b, c, alpha, beta, smallest, low, high, root = sp.symbols("a b c alpha beta lambda_W low high root")
L = sp.Matrix([[a, c], [c, b]])
first, second = sp.diag(1, 0), sp.diag(0, 1)  # masks of one coordinate


def drawn(*masks):
    """B, for the masks of worker 1 and 2."""
    return alpha * beta / 2 * sum((P * L * P for P in masks), sp.zeros(2))


proof = Proof("remark-1-indefinite")
either = proof.identity("B is the same for both draws", drawn(first, second), drawn(second, first))
EB = (either.left + either.right) / 2
W = (L * EB + EB.T * L) / 2
discriminant = (a**2 - b**2) ** 2 + (a + b) ** 2 * c**2
rooted, not_negative = proof.cite(
    "a number that is not negative has a root that is not negative",
    equal(root, sp.sqrt(discriminant)),
    at_most(0, root),
)
lower = proof.define("low is the eigenvalue claimed", equal(low, alpha * beta / 4 * (a**2 + b**2 - root)))
upper = proof.define("high is the other one", equal(high, alpha * beta / 4 * (a**2 + b**2 + root)))
characteristic = proof.identity(
    "they are the roots of the characteristic polynomial of W",
    (smallest * sp.eye(2) - W).det(),
    (smallest - low) * (smallest - high),
    using=[lower, upper, rooted],
)
zero, least = proof.cite(
    "the smallest eigenvalue of a symmetric matrix is the least root of its characteristic polynomial",
    equal(characteristic.left, 0),
    at_most(smallest, low),
)
positive = proof.setting("scales are positive", less(0, alpha), less(0, beta))
is_low = proof.inequality(
    "so it is the smaller of the two",
    equal(smallest, low),
    using=[characteristic, zero, least, lower, upper, not_negative, *positive],
)
formula = proof.identity(
    "in the entries of L",
    smallest,
    alpha * beta / 4 * (a**2 + b**2 - sp.sqrt(discriminant)),
    using=[lower, rooted],
    adding=[is_low],
)
proof.conclude(formula)
