"""The expected iterate in closed form, by induction over the round.

Run: python proofs/expected_iterate.py
"""

import sympy as sp
from _models import instance, known, problem, round_of

import istsim
from istsim.derivations import Proof, equal, expect, inverse, matrix, power, vector

gamma, k = sp.symbols("gamma k")
B, c, x = matrix("B", random="round"), vector("c", random="round"), vector("x", random="past")
after = x - gamma * (B * x - c)  # one round of any method
EB, Ec, mean = expect(B, "round"), expect(c, "round"), expect(x, "past")
x0, limit = vector("x_0"), vector("x_inf", latex=r"x_\infty")


def model(rng):
    """A round of IST with two workers."""
    method = istsim.IST(istsim.RandK(2, 3, 2), gradient_scale=1.5)
    made = problem(rng, 2, 3)
    chances, B, c = round_of(made, method)
    run = instance(rng, made, method, step_size=0.1)
    return known(run, k=int(rng.integers(3)), outcomes={"round": chances}, letters={"B": B, "c": c})


proof = Proof("expected-iterate", model)
proof.iterates("a round of a method is affine in the iterate", {x: (x0, after)})
invertible = proof.premise("E[B] is invertible", equal(EB * inverse(EB), EB**0))
fixed_point = proof.define("x_inf is the inverse of E[B] times E[c]", equal(limit, inverse(EB) * Ec))
fixed = proof.identity("so a round keeps x_inf, on average", EB * limit, Ec, using=[invertible, fixed_point])
A = 1 - gamma * EB
kept = power(A, k)
claim = equal(mean, kept * x0 + (1 - kept) * limit)
closed = proof.induction(
    "the mean moves from the start to the fixed point, because (B, c) is independent of the iterate",
    claim,
    k,
    base=proof.identity("at the start it is there", x0, x0),
    step=lambda supposed: proof.identity(
        "one round multiplies its distance from x_inf by I - gamma E[B]",
        expect(after, "past", "round"),
        A * kept * x0 + (1 - A * kept) * limit,
        using=[supposed],
        adding=[proof.times(fixed, -gamma)],
    ),
)
proof.conclude(closed, where={"mean": mean, "B": EB, "x_0": x0, "x_inf": limit})
