"""Theorem 1 with longer steps: what a round takes away is positive up to 2/theta.

Run: python proofs/theorem_1_long_steps.py
"""

import dataclasses

import sympy as sp
from _theorem_1 import (
    B,
    L,
    error,
    gamma,
    minimizer,
    model,
    one_round_of_a_long_step,
    quadratic,
    rate,
    root,
    squared,
    theta,
    weighed_by_rate,
    with_roots,
    x,
)

from istsim.derivations import Proof, at_most, equal, less, vector

k = sp.Symbol("k")
e = sp.Function("e")
v = vector("v")


def with_long_steps(rng):
    """The same with steps up to 2/theta."""
    made = with_roots(model(rng))
    run = made.instance.changed(step_size=float(rng.uniform(0.1, 2) / made.instance.contraction.theta))
    made.letters["v"] = rng.standard_normal((3, 1))
    made.numbers["gamma"] = run.step_size
    return dataclasses.replace(made, instance=run)


proof = Proof("theorem-1-long-steps", with_long_steps)
first = one_round_of_a_long_step(proof)
roots, weighed = weighed_by_rate(proof)
taken = gamma * (2 - gamma * theta)
contracted = proof.loewner(
    "so a round multiplies by 1 - gamma (2 - gamma theta) lambda_min at most",
    at_most(quadratic, (1 - taken * rate) * L),
    [(1, first.allowed), (taken, weighed)],
    using=[first.positive, first.short],
)

definite = proof.setting("Lbar is positive definite: v' Lbar v > 0 for some v", less(0, v.T * L * v))
squares = proof.loewner(
    "what a round makes of squared errors is not negative, as it is a square",
    at_most(0, quadratic),
    [(1, proof.square(root * (1 - gamma * B)))],
    using=[*roots, first.mean],
)
factor = proof.loewner(
    "so this factor times Lbar is not negative",
    at_most(0, (1 - taken * rate) * L),
    [(1, squares), (1, contracted)],
)
not_negative = proof.inequality(
    "nor is the factor", at_most(0, 1 - taken * rate), using=[proof.congruence(factor, v), definite]
)

now = proof.define("e(k) is the expected squared error at round k", equal(e(k), squared(x - minimizer)))
later = proof.next_round("e(k + 1) is the one after another round", now)
step = proof.inequality(
    "the squared error contracts from round to round",
    at_most(e(k + 1), (1 - taken * rate) * e(k)),
    using=[now, later, first.error, first.expansion, proof.congruence(contracted, error)],
)
bound = proof.recurrence("k rounds contract k times", step, e, k, using=[not_negative])
proof.conclude(bound, where={"error": e(k), "initial_error": e(0)})
