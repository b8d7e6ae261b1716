"""What the neighbourhood of Theorem 2 is, exactly.

Run: python proofs/stationary_gradient_norm.py
"""

import sympy as sp
from _weighted_permutation import (
    L,
    after,
    bias,
    bias_and_variance,
    distance,
    gamma,
    h,
    limit,
    minimizer,
    model,
    rounds,
    setting,
    squared,
    variance,
    x,
)

from istsim.derivations import Proof, equal, expect, inverse, less, vector

k, settled = sp.symbols("k settled")
v, u, norm = sp.Function("v"), sp.Function("u"), sp.Function("a")


def tilt(point):
    """Its mean inner product with h."""
    return expect(point.T * L * h, "round", "past")


proof = Proof("stationary-gradient-norm", model)
positive = proof.setting("the step size is positive", less(0, gamma))
short = proof.premise("step size below 2", less(gamma, 2))
first = setting(proof)
rounds(proof)
names = bias_and_variance(proof)
y_is = proof.define("z is the distance to x_inf before a round", equal(distance, x - limit))
rules = [first.identity, first.limit, *names, y_is]

spreads = proof.identity(
    "a round shrinks the spread around x_inf and adds noise",
    squared(after - limit),
    (1 - gamma) ** 2 * squared(distance) + gamma**2 * variance,
    using=rules,
)
tilts = proof.identity(
    "and shrinks the distance of the mean", tilt(after - limit), (1 - gamma) * tilt(distance), using=rules
)
spread_now = proof.define("v(k) is the spread at round k", equal(v(k), squared(distance)))
spread_later = proof.next_round("v(k + 1) is the one after another round", spread_now)
tilt_now = proof.define("u(k) is the mean's part along h at round k", equal(u(k), tilt(distance)))
tilt_later = proof.next_round("u(k + 1) is the one after another round", tilt_now)
spread_step = proof.identity(
    "the spread obeys a recurrence",
    v(k + 1),
    (1 - gamma) ** 2 * v(k) + gamma**2 * variance,
    using=[spread_now, spread_later],
    adding=[spreads],
)
tilt_step = proof.identity("so does u", u(k + 1), (1 - gamma) * u(k), using=[tilt_now, tilt_later], adding=[tilts])
spread = proof.recurrence("v in closed form", spread_step, v, k)
along = proof.recurrence("u in closed form", tilt_step, u, k)

inverted = proof.setting("Lbar is invertible", equal(inverse(L) * L, L**0))
gradient = vector("g", random="past")
gradient_is = proof.define("g is the gradient of f at x", equal(gradient, L * (x - minimizer)))
at_k = proof.define(
    "a(k) is the squared gradient norm at round k, weighted by Lbar^-1",
    equal(norm(k), expect(gradient.T * inverse(L) * gradient, "past")),
)
norms = proof.identity(
    "it is made of both and the bias",
    norm(k),
    spread.right - 2 * along.right + bias,
    using=[at_k, inverted, gradient_is, y_is, *names],
    adding=[
        proof.times(spread_now, -1),
        proof.times(tilt_now, 2),
        spread,
        proof.times(along, -2),
    ],
)
found = proof.limit("only the bias and a part of the noise stay", settled, norms, k, using=[positive, short])
proof.conclude(found)
