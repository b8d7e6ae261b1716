"""Theorem 1 with longer steps: what a round takes away is positive up to 2/theta.

Run: python proofs/theorem_1_long_steps.py
"""

import dataclasses

from _theorem_1 import contracts, e, gamma, k, model, one_round_of_a_long_step, theta, with_roots

from istsim.derivations import Proof


def with_long_steps(rng):
    """The same with steps up to 2/theta."""
    made = with_roots(model(rng), rng)
    run = made.instance.changed(step_size=float(rng.uniform(0.1, 2) / made.instance.contraction.theta))
    made.numbers["gamma"] = run.step_size
    return dataclasses.replace(made, instance=run)


proof = Proof("theorem-1-long-steps", with_long_steps)
first = one_round_of_a_long_step(proof)
bound = contracts(
    proof, first, gamma * (2 - gamma * theta), "so a round multiplies by 1 - gamma (2 - gamma theta) lambda_min at most"
)
proof.conclude(bound, where={"error": e(k), "initial_error": e(0)})
