"""Where several local steps on single coordinates tend.

Run: python proofs/local_steps_single_coordinates.py
"""

import sympy as sp
from _models import instance, known, problem, reports

import istsim
from istsim.derivations import Proof, at_most, equal, less, matrix

d, n, gamma, alpha, beta, share = sp.symbols("d n gamma alpha beta s")
steps, h = sp.symbols("H h")
i, j = sp.symbols("i j", integer=True)
D, b, x = (sp.IndexedBase(name)[at] for name, at in (("D", (i, j)), ("b", (i, j)), ("x", j)))
w = sp.Function("w")
P = matrix("P_i", diagonal=True, idempotent=True, random="round worker")


def model(rng):
    """Two or three workers, of which some or all take up to three local steps."""
    size = int(rng.integers(2, 4))
    method = istsim.IST(
        istsim.Permutation(size, size),
        forward_scale=rng.uniform(0.5, 2),
        gradient_scale=rng.uniform(0.5, 2),
        merge=("mean", "owners")[rng.integers(2)],
        local_steps=int(rng.integers(1, 4)),
        participants=int(rng.integers(1, size + 1)),
    )
    made = problem(rng, size, size)
    curvatures = made.hessians.diagonal()
    run = instance(rng, made, method, step_size=rng.uniform(0.2, 1.8) / float(curvatures.max()))
    chances, _, held = reports(method)

    def local_iterate(h, at):
        curvature, slope = float(curvatures[at["i"], at["j"]]), float(made.b[at["i"], at["j"]])
        point = method.forward_scale * run.fixed_point[at["j"]]
        for _ in range(h):
            point = point - run.step_size * (curvature * point - slope)
        return point

    return known(
        run,
        outcomes={"round": chances},
        letters={"P_i": held},
        numbers={
            "beta": method.gradient_scale,
            "s": 1 / size if method.merge == "mean" else method.participants / size,
            "h": method.local_steps - 1,
        },
        sequences={"w": local_iterate},
        indices={"i": size, "j": size},
    )


proof = Proof("local-steps-single-coordinates", model, naturals=(n, h, steps))
single, start, local = proof.premise(
    "IST with n = d, one coordinate each, merge mean or owners, exact gradients, no weights",
    equal(n, d),
    equal(w(0), alpha * x),
    equal(w(h + 1), w(h) - gamma * (D * w(h) - b)),
)
curved = proof.premise("all D_ij are positive", less(0, D))
short = proof.premise("step size below 2 / max D_ij", less(gamma, 2 / D))
moving, forward, backward, weighed, some = proof.setting(
    "step size, scales, shares and the number of workers are positive",
    *(less(0, number) for number in (gamma, alpha, beta, share, n)),
)
closed = proof.recurrence("the local iteration on coordinate j at worker i, in closed form", local, w, h)
last = proof.identity(
    "after one more step",
    w(h + 1),
    b / D + (1 - gamma * D) ** (h + 1) * (alpha * x - b / D),
    using=[start],
    adding=[local, proof.times(closed, 1 - gamma * D)],
)
number = proof.setting("there is at least one local step: H = h + 1", equal(steps, h + 1))
weight = 1 - (1 - gamma * D) ** steps
report = proof.identity(
    "so after H steps the worker reports",
    beta * (w(0) - w(h + 1)) / gamma,
    beta / gamma * weight * (alpha * x - b / D),
    using=[number, start],
    adding=[proof.times(last, -beta / gamma)],
)
proof.uniform_subset("every worker holds one coordinate, any one as often as another", P, 1)
chance = proof.chance("so it holds coordinate j in one round of d", P, "j")
expected = proof.identity(
    "and reports on average",
    chance.left * report.right,
    beta / (gamma * d) * weight * (alpha * x - b / D),
    using=[chance],
)
summed = share * sp.Sum(expected.left, (i, 0, n - 1))
fixed = proof.setting(
    "at the fixed point the reports, each with its probability and its share s in the merge, cancel",
    equal(summed, 0),
)
stays = proof.inequality(
    "a local step goes less than twice the way to the worker's own minimum", less(gamma * D, 2), using=[curved, short]
)
contracts = proof.inequality("so it contracts", less((1 - gamma * D) ** 2, 1), using=[curved, stays, moving])
powers = proof.induction(
    "and h steps do not expand the distance",
    at_most((1 - gamma * D) ** (2 * h), 1),
    h,
    using=[contracts],
)
unrolled = proof.identity("one more step", weight, 1 - (1 - gamma * D) * (1 - gamma * D) ** h, using=[number])
positive = proof.inequality("makes the weight positive", less(0, weight), using=[powers, unrolled, contracts])
whole, weighted = (sp.Sum(summand, (i, 0, n - 1)) for summand in (weight, weight * b / D))
sums = proof.total("and the sum of all weights", positive, i, n, some=some)
solved = proof.identity(
    "summed over the workers",
    alpha * x * whole,
    weighted,
    using=[chance],
    adding=[proof.times(fixed, d * gamma / (share * beta))],
)
found = proof.inequality(
    "so the fixed point is a weighted mean", equal(x, weighted / whole / alpha), using=[solved, sums, forward]
)
proof.conclude(found)
