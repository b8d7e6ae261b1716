"""IST with any scales is IST with scales 1, run from another start with another step size, path by path."""

import sympy as sp
from _models import instance, known, problem, reports

import istsim
from istsim.derivations import Fact, Proof, equal, expect, less, matrix, vector

k, gamma, alpha, beta = sp.symbols("k gamma alpha beta")
# Of worker i: its mask, drawn anew each round, the same if it reports, else 0, and its gradient L_i w - b_i.
P = matrix("P_i", diagonal=True, idempotent=True, random="round worker")
Q = matrix("Q_i", diagonal=True, random="round worker")
L_i, b_i = matrix("L_i", symmetric=True, random="worker"), vector("b_i", random="worker")
x, z, x0 = vector("x", random="past"), vector("z", random="past"), vector("x_0")


def model(rng):
    """Two workers, of which one or both train two of three coordinates."""
    forward, backward = rng.uniform(0.5, 2, size=2)
    method = istsim.IST(
        istsim.RandK(2, 3, 2),
        forward_scale=forward,
        gradient_scale=backward,
        participants=int(rng.integers(1, 3)),
    )
    run = instance(rng, problem(rng, 2, 3), method, step_size=0.1)
    chances, reported, held = reports(method)
    return known(
        run,
        k=int(rng.integers(3)),
        outcomes={"round": chances},
        letters={"P_i": held, "Q_i": reported},
        numbers={"beta": backward},
    )


def one_round(point, step_size, forward_scale, gradient_scale):
    """The point after a round of IST with the merge mean; Q_i weighs the masks of those who report."""
    report = gradient_scale * Q * (L_i * (forward_scale * P * point) - b_i)
    return point - step_size * expect(report, "worker")


def scaled_path(proof: Proof) -> Fact:
    """The run at forward scale 1 is alpha times the other."""
    proof.iterates(
        "IST, merge mean, one local step, exact gradients, no weights",
        {
            x: (x0, one_round(x, gamma, alpha, beta)),
            z: (alpha * x0, one_round(z, gamma * alpha * beta, 1, 1)),
        },
        premise=True,
    )
    proof.setting("the forward scale is positive", less(0, alpha))
    return proof.induction(
        "z = alpha x stays so, path by path, if z starts from alpha x_0 and steps by gamma alpha beta at scales 1",
        equal(x, z / alpha),
        k,
        base=proof.identity("x and z / alpha start from the same point", x0, alpha * x0 / alpha),
        step=lambda supposed: proof.identity(
            "a round moves both alike",
            one_round(x, gamma, alpha, beta),
            one_round(z, gamma * alpha * beta, 1, 1) / alpha,
            using=[supposed],
        ),
    )
