"""What one round of Theorem 2's setting does to the squared error, exactly."""

import dataclasses

import sympy as sp
from _weighted_permutation import (
    L,
    after,
    bias,
    bias_and_variance,
    distance,
    error,
    gamma,
    later_error,
    limit,
    minimizer,
    setting,
    squared,
    variance,
    x,
)

from istsim.derivations import Proof, Relation, at_most, equal, expect, inverse, less, vector

k = sp.Symbol("k")
gradient = vector("g", random="past")
gap, norm, total = sp.Function("F"), sp.Function("a"), sp.Function("S")


@dataclasses.dataclass
class Average:
    """The bound on the average gradient, and what it stands on."""

    psd: Relation
    bias: Relation
    bound: Relation


def averaged(proof: Proof, positive: Relation, short: Relation) -> Average:
    """The bound for step sizes above 0 (positive) and up to 1 (short)."""
    first = setting(proof)
    names = bias_and_variance(proof)
    psd = proof.setting("Lbar is positive semidefinite", at_most(0, L))
    errors = (
        proof.define("delta is the error before a round", equal(error, x - minimizer)),
        proof.define("delta+ is the one after it", equal(later_error, after - minimizer)),
        proof.define("y is the distance to x_inf", equal(distance, x - limit)),
    )
    balance = proof.identity(
        "what a round takes from the squared error, exactly",
        squared(error) - squared(later_error),
        gamma * (squared(error) - bias - gamma * variance + (1 - gamma) * squared(distance)),
        using=[first.identity, first.limit, *names, *errors],
    )
    inverted = proof.setting("Lbar is invertible", equal(inverse(L) * L, L**0))
    gradient_is = proof.define("g is the gradient of f at x", equal(gradient, L * (x - minimizer)))
    weighted = proof.identity(
        "its squared norm, weighted by Lbar^-1, is the squared error",
        expect(gradient.T * inverse(L) * gradient, "past"),
        squared(error),
        using=[inverted, gradient_is, errors[0]],
    )
    now = proof.define("F(k) is the expected gap of f at round k", equal(gap(k), squared(error) / 2))
    later = proof.define("F(k + 1) is the one after another round", equal(gap(k + 1), squared(later_error) / 2))
    at_k = proof.define("a(k) is the squared gradient norm at round k", equal(norm(k), weighted.left))
    step = proof.inequality(
        "so the gradient is paid for by a lower gap, but for a floor",
        at_most(norm(k), 2 * (gap(k) - gap(k + 1)) / gamma + bias + gamma * variance),
        using=[now, later, at_k, weighted, balance, psd.congruence(distance), positive, short],
    )
    empty = proof.define("S(0) is 0", equal(total(0), 0))
    longer = proof.define("S adds up the a(j), j < k", equal(total(k + 1), total(k) + norm(k)))
    bound = proof.induction(
        "the sum telescopes",
        at_most(total(k), 2 * (gap(0) - gap(k)) / gamma + k * (bias + gamma * variance)),
        k,
        using=[step, empty, longer, positive],
    )
    some = proof.setting("there is a round before round k", less(0, k))
    average = proof.inequality(
        "the average is the sum divided by k",
        at_most(total(k) / k, 2 * (gap(0) - gap(k)) / (gamma * k) + bias + gamma * variance),
        using=[bound, some, positive],
    )
    return Average(psd, names[1], average)
