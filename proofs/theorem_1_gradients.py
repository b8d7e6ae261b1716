"""Theorem 1: under interpolation gradients are small on average.

Run: python proofs/theorem_1_gradients.py
"""

import dataclasses

import sympy as sp
from _theorem_1 import L, W, error, gamma, minimizer, model, one_round, squared, x

from istsim.derivations import Proof, at_most, equal, expect, inverse, less, vector

k = sp.Symbol("k")
gap, norm, total = sp.Function("F"), sp.Function("a"), sp.Function("S")


def after_the_start(rng):
    """A model at round 1, 2 or 3: there is no average over the rounds before round 0."""
    made = model(rng)
    return dataclasses.replace(made, k=made.k + 1)


proof = Proof("theorem-1-gradients", after_the_start)
first = one_round(proof)

inverted = proof.setting("Lbar is invertible", equal(inverse(L) * L, L**0))
gradient = vector("g", random="past")
gradient_is = proof.define("g is the gradient of f at x", equal(gradient, L * (x - minimizer)))
weighted = proof.identity(
    "the squared gradient norm, weighted by Lbar^-1 W Lbar^-1, is the squared error, weighted by W",
    expect(gradient.T * inverse(L) * W * inverse(L) * gradient, "past"),
    expect(error.T * W * error, "past"),
    using=[inverted, gradient_is, first.error],
)
now = proof.define("F(k) is the expected gap of f at round k", equal(gap(k), squared(error) / 2))
later = proof.next_round("F(k + 1) is the one after another round", now)
at_k = proof.define("a(k) is that squared gradient norm at round k", equal(norm(k), weighted.left))
step = proof.inequality(
    "a round pays for the gradient by a lower gap",
    at_most(norm(k), 2 * (gap(k) - gap(k + 1)) / gamma),
    using=[now, later, at_k, weighted, first.expansion, proof.congruence(first.allowed, error), first.positive],
)
empty, longer = proof.define_sum("S(k) adds up the a(j), j < k", total, norm, k)
bound = proof.induction(
    "the sum telescopes",
    at_most(total(k), 2 * (gap(0) - gap(k)) / gamma),
    k,
    using=[step, empty, longer, first.positive],
)
some = proof.setting("there is a round before round k", less(0, k))
average = proof.inequality(
    "the average is the sum divided by k",
    at_most(total(k) / k, 2 * (gap(0) - gap(k)) / (gamma * k)),
    using=[bound, some, first.positive],
)
proof.conclude(average, where={"average": total(k) / k, "gap": gap(k), "initial_gap": gap(0)})
