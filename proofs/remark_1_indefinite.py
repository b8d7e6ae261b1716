"""The smallest eigenvalue of W for two equal workers that hold one of two coordinates each.

Run: python proofs/remark_1_indefinite.py
"""

import sympy as sp
from _models import instance, known, problem

import istsim
from istsim.derivations import Proof, at_most, equal, less

a, b, c, alpha, beta, smallest, low, high, root = sp.symbols("a b c alpha beta lambda_W low high root")
a_1, b_1, c_1, a_2, b_2, c_2 = sp.symbols("a_1 b_1 c_1 a_2 b_2 c_2")
p, q, W_11, W_12, W_22 = sp.symbols("p q W_11 W_12 W_22")
L, L_1, L_2 = (sp.Matrix([[x, z], [z, y]]) for x, y, z in ((a, b, c), (a_1, b_1, c_1), (a_2, b_2, c_2)))


def model(rng):
    """Two equal workers."""
    made = problem(rng, 2, 2, homogeneous=True)
    scales = {"forward_scale": float(rng.uniform(0.5, 3)), "gradient_scale": float(rng.uniform(0.5, 3))}
    method = istsim.IST(istsim.Permutation(2, 2), **scales)
    entries = {
        f"{name}_{i + 1}": made.L[i][at] for i in range(2) for name, at in (("a", (0, 0)), ("b", (1, 1)), ("c", (0, 1)))
    }
    return known(instance(rng, made, method, step_size=0.1), numbers=entries)


def drawn(first, second):
    """B, where worker 1 holds the first coordinate given and worker 2 the second."""
    masks = {1: sp.diag(1, 0), 2: sp.diag(0, 1)}
    return alpha * beta / 2 * (masks[first] * L_1 * masks[first] + masks[second] * L_2 * masks[second])


proof = Proof("remark-1-indefinite", model)
positive = proof.premise("IST with Permutation(2, 2), merge mean", less(0, alpha), less(0, beta))
same = proof.premise(
    "all L_i are equal", *(equal(*pair) for pair in zip((a_1, b_1, c_1, a_2, b_2, c_2), (a, b, c) * 2, strict=True))
)
mean = (drawn(1, 2) + drawn(2, 1)) / 2  # its entries off the diagonal are 0
p_is = proof.define("p is the first entry of E[B], the mean of two draws that are equally likely", equal(p, mean[0, 0]))
q_is = proof.define("q is the last one", equal(q, mean[1, 1]))
p_found = proof.identity("so p is alpha beta a / 2", p, alpha * beta / 2 * a, using=[p_is, *same])
q_found = proof.identity("and q is alpha beta b / 2", q, alpha * beta / 2 * b, using=[q_is, *same])
EB = sp.diag(p, q)
W = (L * EB + EB.T * L) / 2
W_is = [
    proof.define("W_11 is the first entry of W, the symmetric part of L E[B]", equal(W_11, W[0, 0])),
    proof.define("W_12 is the one off the diagonal", equal(W_12, W[0, 1])),
    proof.define("W_22 is the last one", equal(W_22, W[1, 1])),
]
discriminant = (a**2 - b**2) ** 2 + (a + b) ** 2 * c**2
rooted = proof.define("root is that of the discriminant", equal(root, sp.sqrt(discriminant)))
lower = proof.define("low is the eigenvalue claimed", equal(low, alpha * beta / 4 * (a**2 + b**2 - root)))
upper = proof.define("high is the other one", equal(high, alpha * beta / 4 * (a**2 + b**2 + root)))
characteristic = proof.identity(
    "they are the roots of the characteristic polynomial of W",
    (smallest - W_11) * (smallest - W_22) - W_12**2,
    (smallest - low) * (smallest - high),
    using=[*W_is, p_found, q_found, lower, upper, rooted],
)
trace = proof.identity(
    "and add up to its trace", W_11 + W_22, low + high, using=[*W_is, p_found, q_found, lower, upper]
)
zero, below_the_mean = proof.cite(
    "the smallest eigenvalue of a symmetric matrix is a root of its characteristic polynomial, and at most the mean of "
    "its eigenvalues, which add up to the trace",
    equal(characteristic.left, 0),
    at_most(smallest, (W_11 + W_22) / 2),
)
not_negative = proof.cite("a root of a number is not negative", at_most(0, root))
order = proof.inequality(
    "low is the smaller of the two", at_most(low, high), using=[lower, upper, not_negative, *positive]
)
is_low = proof.inequality(
    "so the smallest eigenvalue is low",
    equal(smallest, low),
    using=[characteristic, zero, below_the_mean, trace, order],
)
formula = proof.identity(
    "in the entries of L",
    smallest,
    alpha * beta / 4 * (a**2 + b**2 - sp.sqrt(discriminant)),
    using=[lower, rooted],
    adding=[is_low],
)
proof.conclude(formula)
