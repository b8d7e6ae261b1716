"""How far a later block can be thrown back by an earlier one.

Run: python proofs/greedy_transient.py
"""

import numpy as np
import sympy as sp
from _models import instance, known, problem

import istsim
from istsim.derivations import Proof, at_most, equal, less, matrix, vector

k, gamma, rho, coupling = sp.symbols("k gamma rho ell")
first, later = sp.Function("f"), sp.Function("s")
A, C = (matrix(f"L_{j}{j}", shape=(dim, dim), symmetric=True) for j, dim in ((1, "p"), (2, "q")))
B = matrix("L_21", shape=("q", "p"))
x, x0, x_limit, a = (vector(name, dim="p") for name in ("x_1", "x0_1", "z_1", "b_1"))
y, y0, y_limit, c = (vector(name, dim="q") for name in ("x_2", "x0_2", "z_2", "b_2"))
ahead, behind = vector("e_1", dim="p"), vector("e_2", dim="q")
kept, pulled = vector("u", dim="q"), vector("w", dim="q")
x_after, y_after = x - gamma * (A * x - a), y - gamma * (B * x + C * y - c)


def model(rng):
    """A first block of one or two coordinates, and a later one of the other two."""
    p = int(rng.integers(1, 3))
    step_size = float(rng.uniform(0.05, 0.5))
    run = instance(rng, problem(rng, 2, p + 2), istsim.LocalUpdates([p, 2]), step_size=step_size)
    seen = run.Lbar * run.method.mask
    letters = {"L_11": seen[:p, :p], "L_22": seen[p:, p:], "L_21": seen[p:, :p]}
    points = {"x0": run.x0, "z": run.fixed_point, "b": np.asarray(run.problem.b).mean(axis=0)}
    for name, point in points.items():
        letters.update({f"{name}_1": point[:p, None], f"{name}_2": point[p:, None]})

    def error(k):
        return np.linalg.matrix_power(np.eye(p + 2) - step_size * seen, k) @ (run.x0 - run.fixed_point)

    norms = {
        "f": lambda k, _: np.linalg.norm(error(k)[:p]),
        "s": lambda k, _: np.linalg.norm(error(k)[p:]),
    }
    return known(run, k=int(rng.integers(4)), dims={"p": p, "q": 2}, letters=letters, sequences=norms)


proof = Proof("greedy-transient", model)
proof.iterates(
    "greedy or chunked LocalUpdates, two blocks or chunks", {x: (x0, x_after), y: (y0, y_after)}, premise=True
)
fixed = proof.setting("z is the fixed point", equal(A * x_limit, a), equal(B * x_limit + C * y_limit, c))
ahead_is = proof.define("e_1 is the error of the earlier block", equal(ahead, x - x_limit))
behind_is = proof.define("e_2 is the error of the later block", equal(behind, y - y_limit))
kept_is = proof.define("u is what the later block keeps of its error", equal(kept, (1 - gamma * C) * behind))
pulled_is = proof.define("w is where the earlier block's error pulls it", equal(pulled, B * ahead))
own_way = proof.identity(
    "the earlier block goes its own way",
    x_after - x_limit,
    (1 - gamma * A) * ahead,
    using=[ahead_is],
    adding=[proof.times(fixed[0], -gamma)],
)
driven = proof.identity(
    "the later one follows it",
    y_after - y_limit,
    kept - gamma * pulled,
    using=[ahead_is, behind_is, kept_is, pulled_is],
    adding=[proof.times(fixed[1], -gamma)],
)
now = proof.setting(
    "f(k) and s(k) are the norms of the errors of the earlier and the later block at round k",
    equal(first(k) ** 2, ahead.T * ahead),
    at_most(0, first(k)),
    equal(later(k) ** 2, behind.T * behind),
    at_most(0, later(k)),
)
first_then, later_then = (
    proof.next_round(f"and at round k + 1, {name} squared", fact) for name, fact in (("f", now[0]), ("s", now[2]))
)
squared = proof.identity(
    "so the earlier block's squared error becomes",
    first(k + 1) ** 2,
    ((1 - gamma * A) * ahead).T * ((1 - gamma * A) * ahead),
    adding=[first_then, proof.times(own_way, (x_after - x_limit + (1 - gamma * A) * ahead).T)],
)
squared_later = proof.identity(
    "and the later one's",
    later(k + 1) ** 2,
    kept.T * kept - 2 * gamma * kept.T * pulled + gamma**2 * pulled.T * pulled,
    adding=[later_then, proof.times(driven, (y_after - y_limit + kept - gamma * pulled).T)],
)
step_size = proof.setting("the step size is positive", less(0, gamma))
positive = proof.premise("rho is positive", less(0, rho))
*norms, not_negative = proof.cite(
    "a matrix stretches by its norm at most: rho is the larger norm of I - gamma L_jj, ell is that of L_21",
    at_most((1 - gamma * A) ** 2, rho**2 * A**0),
    at_most((1 - gamma * C) ** 2, rho**2 * C**0),
    at_most(B.T * B, coupling**2 * A**0),
    at_most(0, coupling),
)
shrinks = proof.inequality(
    "the earlier block's error shrinks by the factor rho",
    at_most(first(k + 1), rho * first(k)),
    using=[squared, proof.congruence(norms[0], ahead), *now[:2], positive],
)
stays = proof.inequality(
    "as much does the later block keep of its error",
    at_most(kept.T * kept, (rho * later(k)) ** 2),
    using=[proof.congruence(norms[1], behind), now[2], kept_is],
)
pulls = proof.inequality(
    "and the earlier block's error pulls no more than this",
    at_most(pulled.T * pulled, (coupling * first(k)) ** 2),
    using=[proof.congruence(norms[2], ahead), now[0], pulled_is],
)
inner, squares = kept.T * pulled, (kept.T * kept, pulled.T * pulled)
schwarz = proof.inequality(
    "the inequality of Cauchy and Schwarz, as squares are not negative",
    at_most(inner**2, squares[0] * squares[1]),
    using=[
        proof.square(root)
        for root in (
            kept,
            pulled,
            kept - pulled,
            kept + pulled,
            inner * kept - squares[0] * pulled,
            squares[1] * kept - inner * pulled,
        )
    ],
)
mixed = proof.inequality(
    "so the product of both is at most that of the norms",
    at_most(-inner, rho * later(k) * coupling * first(k)),
    using=[schwarz, stays, pulls, proof.square(kept), proof.square(pulled), *now[1::2], positive, not_negative],
)
follows = proof.inequality(
    "and the later block's error is at most a sum of two",
    at_most(later(k + 1), rho * later(k) + gamma * coupling * first(k)),
    using=[squared_later, stays, pulls, mixed, *now[1::2], positive, not_negative, step_size],
)
geometric = proof.recurrence("k rounds shrink the first k times", shrinks, first, k, using=[positive])
bound = proof.induction(
    "what the later block's error is made of adds up over the rounds",
    at_most(later(k), rho**k * (later(0) + k * gamma * coupling / rho * first(0))),
    k,
    using=[follows, geometric, positive, step_size, not_negative],
)
proof.conclude(bound, where={"later": later(k), "later_start": later(0), "first_start": first(0)})
