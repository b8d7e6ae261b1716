"""Theorem 2: it follows from the sharper bound, whose floor is lower and whose step sizes are longer.

Run: python proofs/theorem_2.py
"""

import sympy as sp
from _descent import averaged, gap, k, total
from _weighted_permutation import bias, gamma, h, model, variance

from istsim.derivations import Proof, at_most, less

young, half = sp.Symbol("y"), sp.Rational(1, 2)


def with_young(rng):
    """Young's constant, and a step size that it allows."""
    value = float(rng.uniform(0.05, 0.45))
    return model(rng, longest=(0.5 - value) / (0.5 + value), first=1, young=value)


proof = Proof("theorem-2", with_young)
positive = proof.setting("the step size is positive", less(0, gamma))
above, below = proof.premise("young lies between 0 and 1/2", less(0, young), less(young, half))
limited = proof.premise(
    "step size at most (1/2 - young) / (1/2 + young)", at_most(gamma, (half - young) / (half + young))
)
short = proof.inequality("so the step size is at most 1", at_most(gamma, 1), using=[above, below, limited])
sharper = averaged(proof, positive, short)
bound = proof.inequality(
    "Young's inequality only raises the floor",
    at_most(
        total(k) / k,
        2 * (gap(0) - gap(k)) / (gamma * k) + (2 * (1 - gamma) / young + gamma) * bias + gamma * variance,
    ),
    using=[sharper.bound, sharper.bias, proof.congruence(sharper.psd, h), above, below, short],
)
proof.conclude(bound, where={"average": total(k) / k, "gap": gap(k), "initial_gap": gap(0)})
