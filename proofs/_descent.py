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
    limit,
    minimizer,
    rounds,
    setting,
    squared,
    variance,
    x,
)

from istsim.derivations import Fact, Proof, at_most, equal, expect, inverse, less, vector

k = sp.Symbol("k")
gradient = vector("g", random="past")
gap, norm, total = sp.Function("F"), sp.Function("a"), sp.Function("S")


@dataclasses.dataclass
class Average:
    """The bound on the average gradient, and what it stands on."""

    psd: Fact
    bias: Fact
    bound: Fact


def averaged(proof: Proof, positive: Fact, short: Fact) -> Average:
    """The bound for step sizes above 0 (positive) and up to 1 (short)."""
    first = setting(proof)
    rounds(proof)
    names = bias_and_variance(proof)
    psd, inverted = proof.setting(
        "Lbar is positive definite: positive semidefinite, and invertible",
        at_most(0, L),
        equal(inverse(L) * L, L**0),
    )
    error_is = proof.define("delta is the error before a round", equal(error, x - minimizer))
    distance_is = proof.define("z is the distance to x_inf", equal(distance, x - limit))
    balance = proof.identity(
        "what a round takes from the squared error, exactly",
        squared(error) - squared(after - minimizer),
        gamma * (squared(error) - bias - gamma * variance + (1 - gamma) * squared(distance)),
        using=[first.identity, first.limit, *names, error_is, distance_is],
    )
    gradient_is = proof.define("g is the gradient of f at x", equal(gradient, L * (x - minimizer)))
    weighted = proof.identity(
        "its squared norm, weighted by Lbar^-1, is the squared error",
        expect(gradient.T * inverse(L) * gradient, "past"),
        squared(error),
        using=[inverted, gradient_is, error_is],
    )
    now = proof.define("F(k) is the expected gap of f at round k", equal(gap(k), squared(error) / 2))
    later = proof.next_round("F(k + 1) is the one after another round", now)
    at_k = proof.define("a(k) is the squared gradient norm at round k", equal(norm(k), weighted.left))
    step = proof.inequality(
        "so the gradient is paid for by a lower gap, but for a floor",
        at_most(norm(k), 2 * (gap(k) - gap(k + 1)) / gamma + bias + gamma * variance),
        using=[now, later, at_k, weighted, balance, proof.congruence(psd, distance), positive, short],
    )
    empty, longer = proof.define_sum("S(k) adds up the a(j), j < k", total, norm, k)
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
