"""Theorem 2 without Young's inequality.

Run: python proofs/sharper_theorem_2.py
"""

import functools

from _descent import averaged, gamma, gap, k, total
from _weighted_permutation import model

from istsim.derivations import Proof, at_most, less

proof = Proof("sharper-theorem-2", functools.partial(model, longest=1.0, first=1))
positive = proof.setting("the step size is positive", less(0, gamma))
short = proof.premise("step size at most 1", at_most(gamma, 1))
bound = averaged(proof, positive, short).bound
proof.conclude(bound, where={"average": total(k) / k, "gap": gap(k), "initial_gap": gap(0)})
