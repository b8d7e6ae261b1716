"""The expected iterate in closed form, by induction over the round.

Run: python proofs/expected_iterate.py
"""

import sympy as sp

from istsim.derivations import Proof, equal, expect, matrix, vector

gamma, k = sp.symbols("gamma k")
B, c, x = matrix("B", random="round"), vector("c", random="round"), vector("x", random="past")
after = x - gamma * (B * x - c)  # one round of any method
EB, Ec, mean = expect(B, "round"), expect(c, "round"), expect(x, "past")
inverse, x0, limit = matrix("(E B)^-1", latex=r"(\mathbb{E}B)^{-1}"), vector("x_0"), vector("x_inf", latex=r"x_\infty")

proof = Proof("expected-iterate")
invertible = proof.premise("E[B] is invertible", equal(EB * inverse, EB**0))
fixed_point = proof.define("x_inf is the inverse of E[B] times E[c]", equal(limit, inverse * Ec))
step = proof.identity(
    "the mean obeys a linear recurrence, because (B, c) is independent of the iterate",
    expect(after, "round", "past"),
    (1 - gamma * EB) * mean + gamma * EB * limit,
    using=[invertible, fixed_point],
)
closed = proof.linear_recurrence(
    "its solution moves from the start to the fixed point",
    step,
    now=mean,
    start=x0,
    closed=lambda power: power * x0 + (1 - power) * limit,
    k=k,
)
proof.conclude(closed, where={"mean": mean, "B": EB, "x_0": x0, "x_inf": limit})
