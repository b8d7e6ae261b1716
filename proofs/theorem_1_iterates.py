"""Theorem 1: linear convergence in mean square under interpolation.

Run: python proofs/theorem_1_iterates.py
"""

from _theorem_1 import contracts, e, gamma, k, model, one_round, with_roots

from istsim.derivations import Proof

proof = Proof("theorem-1-iterates", lambda rng: with_roots(model(rng), rng))
first = one_round(proof)
bound = contracts(proof, first, gamma, "so a round multiplies by 1 - gamma lambda_min at most")
proof.conclude(bound, where={"error": e(k), "initial_error": e(0)})
