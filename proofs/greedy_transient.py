"""How far a later block can be thrown back by an earlier one.

Run: python proofs/greedy_transient.py
"""

import sympy as sp

from istsim.derivations import Proof, at_most, equal, less, matrix, square, vector

k, gamma, rho, coupling = sp.symbols("k gamma rho ell")
first, later = sp.Function("f"), sp.Function("s")
A, C = (matrix(f"L_{j}{j}", shape=(dim, dim), symmetric=True) for j, dim in ((1, "p"), (2, "q")))
B = matrix("L_21", shape=("q", "p"))
x, x_after, x_limit, a = (vector(name, dim="p") for name in ("x_1", "x_1+", "z_1", "b_1"))
y, y_after, y_limit, c = (vector(name, dim="q") for name in ("x_2", "x_2+", "z_2", "b_2"))
ahead, ahead_after = vector("e_1", dim="p"), vector("e_1+", dim="p")
behind, behind_after = vector("e_2", dim="q"), vector("e_2+", dim="q")
alone, kept, pulled = (1 - gamma * A) * ahead, (1 - gamma * C) * behind, B * ahead

proof = Proof("greedy-transient")
rounds = proof.premise(
    "greedy or chunked LocalUpdates, two blocks or chunks",
    equal(x_after, x - gamma * (A * x - a)),
    equal(y_after, y - gamma * (B * x + C * y - c)),
)
fixed = proof.setting("z is the fixed point", equal(A * x_limit, a), equal(B * x_limit + C * y_limit, c))
errors = (
    proof.define("e_1 is the error of the earlier block", equal(ahead, x - x_limit)),
    proof.define("e_1+ is the one after a round", equal(ahead_after, x_after - x_limit)),
    proof.define("e_2 is the error of the later block", equal(behind, y - y_limit)),
    proof.define("e_2+ is the one after a round", equal(behind_after, y_after - y_limit)),
)
own_way = proof.identity(
    "the earlier block goes its own way",
    ahead_after,
    alone,
    using=[*errors, *rounds],
    adding=[fixed[0].times(-gamma)],
)
driven = proof.identity(
    "the later one follows it",
    behind_after,
    kept - gamma * pulled,
    using=[*errors, *rounds],
    adding=[fixed[1].times(-gamma)],
)
squared = proof.identity(
    "so the earlier block's squared error becomes",
    ahead_after.T * ahead_after,
    alone.T * alone,
    adding=[own_way.times((ahead_after + alone).T)],
)
squared_later = proof.identity(
    "and the later one's",
    behind_after.T * behind_after,
    kept.T * kept - 2 * gamma * kept.T * pulled + gamma**2 * pulled.T * pulled,
    adding=[driven.times((behind_after + kept - gamma * pulled).T)],
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
schwarz = proof.cite(
    "the inequality of Cauchy and Schwarz", at_most((kept.T * pulled) ** 2, (kept.T * kept) * (pulled.T * pulled))
)
now = proof.setting(
    "f(k) and s(k) are the norms of the errors of the earlier and the later block at round k",
    equal(first(k) ** 2, ahead.T * ahead),
    at_most(0, first(k)),
    equal(later(k) ** 2, behind.T * behind),
    at_most(0, later(k)),
)
then = proof.setting(
    "and at round k + 1",
    equal(first(k + 1) ** 2, ahead_after.T * ahead_after),
    equal(later(k + 1) ** 2, behind_after.T * behind_after),
)
shrinks = proof.inequality(
    "the earlier block's error shrinks by the factor rho",
    at_most(first(k + 1), rho * first(k)),
    using=[squared, norms[0].congruence(ahead), *now[:2], then[0], positive],
)
stays = proof.inequality(
    "what the later block keeps of its error",
    at_most(kept.T * kept, (rho * later(k)) ** 2),
    using=[norms[1].congruence(behind), now[2]],
)
pulls = proof.inequality(
    "what the earlier block's error does to it",
    at_most(pulled.T * pulled, (coupling * first(k)) ** 2),
    using=[norms[2].congruence(ahead), now[0]],
)
mixed = proof.inequality(
    "their product is at most that of the norms",
    at_most(-kept.T * pulled, rho * later(k) * coupling * first(k)),
    using=[schwarz, stays, pulls, square(kept), square(pulled), *now[1::2], positive, not_negative],
)
follows = proof.inequality(
    "so the later block's error is at most a sum of two",
    at_most(later(k + 1), rho * later(k) + gamma * coupling * first(k)),
    using=[squared_later, stays, pulls, mixed, *now[1::2], then[1], positive, not_negative, step_size],
)
geometric = proof.recurrence("k rounds shrink the first k times", shrinks, first, k, using=[positive])
bound = proof.induction(
    "what the later block's error is made of adds up over the rounds",
    at_most(later(k), rho**k * (later(0) + k * gamma * coupling / rho * first(0))),
    k,
    using=[follows, geometric, positive, step_size, not_negative],
)
proof.conclude(bound, where={"later": later(k), "later_start": later(0), "first_start": first(0)})
