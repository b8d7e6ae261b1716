"""Local updates with short steps approach their fixed point in every round, if what is seen is definite.

Run: python proofs/local_updates_contraction.py
"""

import dataclasses

import numpy as np
import sympy as sp
from _local_updates import N, T, after, b, gamma, limit, one_round, x
from _local_updates import model as any_model

from istsim.derivations import Proof, at_most, equal, inverse, less, matrix, vector
from istsim.theorems import get
from istsim.theorems._local_updates_contraction import least_constant

k, constant, mu = sp.symbols("k vartheta mu")
e = sp.Function("e")
root, inverse_root = (matrix(f"N^{sign}1/2", diagonal=True, latex=rf"N^{{{sign}1/2}}") for sign in ("", "-"))
norm, S = inverse(N), matrix("S", symmetric=True)
error, onward = vector("delta", latex=r"\delta"), 1 - gamma * T


def model(rng):
    """Step sizes up to the longest that is allowed."""
    made = any_model(rng)
    run = made.instance.changed(step_size=float(rng.uniform(0.1, 2)) / least_constant(made.instance))
    if get("local-updates-contraction").failing_premise(run):
        return model(rng)
    made.numbers["gamma"] = run.step_size
    counts = np.sqrt(made.letters["N"])
    made.letters.update({"N^1/2": counts, "N^-1/2": np.linalg.inv(counts)})
    return dataclasses.replace(made, instance=run)


proof = Proof("local-updates-contraction", model)
one_round(proof)
fixed = proof.setting("x_inf is the fixed point", equal(T * limit, N * b))
roots = proof.cite(
    "N^-1, diagonal and positive, has a root, which is invertible",
    equal(inverse_root * root, N**0),
    equal(norm, inverse_root * inverse_root),
)
error_is = proof.define("delta is the error before a round", equal(error, x - limit))
multiplied = proof.identity(
    "a round multiplies the error by I - gamma T",
    after - limit,
    onward * error,
    using=[error_is],
    adding=[proof.times(fixed, -gamma)],
)
symmetric_part = proof.define("S is the symmetric part of N^-1 T", equal(S, (norm * T + T.T * norm) / 2))
quadratic = norm - 2 * gamma * S + gamma**2 * T.T * norm * T
now = proof.define("e(k) is the squared norm of the error at round k", equal(e(k), error.T * norm * error))
then = proof.next_round("e(k + 1) is the one after another round", now)
expansion = proof.identity(
    "that is a quadratic form in the error before it",
    e(k + 1),
    error.T * quadratic * error,
    using=[symmetric_part],
    adding=[then, proof.times(multiplied, (after - limit + onward * error).T * norm)],
)
positive = proof.setting("the step size is positive", less(0, gamma))
bounded, smallest = proof.cite(
    "a positive definite matrix, which S is by premise, has multiples beyond any other, and is at least its smallest "
    "eigenvalue times the identity: vartheta is the least such multiple, mu that eigenvalue",
    at_most(T.T * norm * T, constant * S),
    at_most(mu * N**0, root * S * root),
)
short = proof.premise("step size at most 2/vartheta", at_most(gamma * constant, 2))
factor = 1 - gamma * (2 - gamma * constant) * mu
quadratic_term = proof.loewner(
    "short steps leave a part of the linear term",
    at_most(quadratic, norm - gamma * (2 - gamma * constant) * S),
    [(gamma**2, bounded)],
)
linear_term = proof.loewner(
    "which is no less than a multiple of N^-1",
    at_most(mu * norm, S),
    [(1, proof.congruence(smallest, inverse_root))],
    using=roots,
)
contracted = proof.loewner(
    "so what is left is a multiple of N^-1 at most",
    at_most(quadratic, factor * norm),
    [(1, quadratic_term), (gamma * (2 - gamma * constant), linear_term)],
    using=[positive, short],
)
step = proof.inequality(
    "the error contracts from round to round",
    at_most(e(k + 1), factor * e(k)),
    using=[now, expansion, proof.congruence(contracted, error)],
)
squared = proof.inequality(
    "it is squared, so it is never negative",
    at_most(0, e(k)),
    using=[now, *roots, proof.square(inverse_root * error)],
)
squared_later = proof.next_round("nor after another round", squared)
at_start = [
    proof.at_start("so it is at the start", squared),
    proof.at_start("and after the first round", squared_later),
    proof.at_start("which contracts it, too", step),
]
bound = proof.induction(
    "k rounds contract k times, as a factor below 0 would leave no error at all",
    at_most(e(k), factor**k * e(0)),
    k,
    using=[step, squared, squared_later, *at_start],
)
proof.conclude(bound, where={"error": e(k), "initial_error": e(0)})
