"""IST with any scales is IST with scales 1, run from another start with another step size, path by path."""

import sympy as sp

from istsim.derivations import Proof, Relation, equal, expect, matrix, vector

gamma, alpha, beta = sp.symbols("gamma alpha beta")
# Of worker i: its mask, drawn anew each round, and its gradient L_i w - b_i.
P = matrix("P_i", diagonal=True, idempotent=True, random="round worker")
L_i, b_i = matrix("L_i", symmetric=True, random="worker"), vector("b_i", random="worker")
x, z = vector("x", random="past"), vector("z", random="past")
x_next, z_next = (vector(f"{name}+", random="past round", latex=f"{name}^+") for name in ("x", "z"))
x0 = vector("x_0")


def one_round(point, step_size, forward_scale, gradient_scale):
    """The point after a round of IST with the merge mean; where only some workers report, i is one of those."""
    report = gradient_scale * P * (L_i * (forward_scale * P * point) - b_i)
    return point - step_size * expect(report, "worker")


def scaled_path(proof: Proof) -> Relation:
    """The run at forward scale 1 is alpha times the other."""
    rounds = proof.premise(
        "IST, merge mean, one local step, exact gradients, no weights",
        equal(x_next, one_round(x, gamma, alpha, beta)),
        equal(z_next, one_round(z, gamma * alpha * beta, 1, 1)),
    )
    return proof.invariant(
        "z = alpha x stays so, path by path, if z starts from alpha x_0 and steps by gamma alpha beta at scales 1",
        equal(x, z / alpha),
        start={x: x0, z: alpha * x0},
        after={x: x_next, z: z_next},
        using=rounds,
    )
