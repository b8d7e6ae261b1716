"""Local updates with short steps approach their fixed point in every round, if what is seen is definite.

Run: python proofs/local_updates_contraction.py
"""

import sympy as sp

from istsim.derivations import Proof, at_most, equal, inverse, less, matrix, square, vector

k, gamma, constant, mu = sp.symbols("k gamma vartheta mu")
e = sp.Function("e")
T, N = matrix("T"), matrix("N", diagonal=True)
root, inverse_root = (matrix(f"N^{sign}1/2", diagonal=True, latex=rf"N^{{{sign}1/2}}") for sign in ("", "-"))
x, b, limit = vector("x"), vector("bbar", latex=r"\bar b"), vector("x_inf", latex=r"x_\infty")
after, norm = vector("x+", latex="x^+"), inverse(N)
before, later = vector("delta", latex=r"\delta"), vector("delta+", latex=r"\delta^+")
S, onward = (norm * T + T.T * norm) / 2, 1 - gamma * T

proof = Proof("local-updates-contraction")
one_round = proof.premise("LocalUpdates", equal(after, x - gamma * (T * x - N * b)))
fixed = proof.setting("x_inf is the fixed point", equal(T * limit, N * b))
roots = proof.cite(
    "N^-1, diagonal and positive, has a root, which is invertible",
    equal(inverse_root * root, N**0),
    equal(norm, inverse_root * inverse_root),
)
error = proof.define("delta is the error before a round", equal(before, x - limit))
later_error = proof.define("delta+ is the one after it", equal(later, after - limit))
multiplied = proof.identity(
    "a round multiplies the error by I - gamma T",
    later,
    onward * before,
    using=[error, later_error, one_round],
    adding=[fixed.times(-gamma)],
)
quadratic = norm - 2 * gamma * S + gamma**2 * T.T * norm * T
expansion = proof.identity(
    "so its squared norm is a quadratic form in the error before",
    later.T * norm * later,
    before.T * quadratic * before,
    using=roots,
    adding=[multiplied.times((later + onward * before).T * norm)],
)
positive = proof.setting("the step size is positive", less(0, gamma))
bounded, smallest = proof.cite(
    "a positive definite matrix, which S is by premise, has multiples beyond any other, and is at least its smallest "
    "eigenvalue times the identity: vartheta is the least such multiple, mu that eigenvalue",
    at_most(T.T * norm * T, constant * S),
    at_most(mu * N**0, root * S * root),
)
short = proof.premise("step size at most 2/vartheta", at_most(gamma * constant, 2))
factor = 1 - gamma * (2 - gamma * constant) * mu
contracted = proof.loewner(
    "short steps leave a part of the linear term",
    at_most(quadratic, factor * norm),
    [(gamma**2, bounded), (gamma * (2 - gamma * constant), smallest.congruence(inverse_root))],
    using=[*roots, positive, short],
)
v = vector("v")
some = proof.setting("N^-1 is positive definite: v' N^-1 v > 0 for some v", less(0, v.T * norm * v))
still = proof.loewner(
    "the error after a round is squared, so this factor times N^-1 is not negative",
    at_most(0, factor * norm),
    [(1, contracted), (1, square(inverse_root * onward))],
    using=roots,
)
not_negative = proof.inequality("nor is the factor", at_most(0, factor), using=[still.congruence(v), some])
now = proof.define("e(k) is the squared norm of the error at round k", equal(e(k), before.T * norm * before))
then = proof.define("e(k + 1) is the one after another round", equal(e(k + 1), later.T * norm * later))
step = proof.inequality(
    "the error contracts from round to round",
    at_most(e(k + 1), factor * e(k)),
    using=[now, then, expansion, contracted.congruence(before)],
)
bound = proof.recurrence("k rounds contract k times", step, e, k, using=[not_negative])
proof.conclude(bound, where={"error": e(k), "initial_error": e(0)})
