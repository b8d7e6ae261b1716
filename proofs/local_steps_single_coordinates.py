"""Where several local steps on single coordinates tend.

Run: python proofs/local_steps_single_coordinates.py
"""

import sympy as sp

import istsim
from istsim.derivations import Proof, at_most, entry, equal, expect, less, matrix

n, gamma, alpha, beta, steps, share = sp.symbols("n gamma alpha beta H s")
i, j = sp.symbols("i j", integer=True)
D, b, x = (sp.IndexedBase(name)[at] for name, at in (("D", (i, j)), ("b", (i, j)), ("x", j)))
w = sp.Function("w")
P = matrix("P_i", diagonal=True, idempotent=True, random="round")

proof = Proof("local-steps-single-coordinates")
method = "IST with n = d, one coordinate each, merge mean or owners, exact gradients, no weights"
start, local = proof.premise(
    method,
    equal(w(0), alpha * x),
    equal(w(steps + 1), w(steps) - gamma * (D * w(steps) - b)),
)
closed = proof.recurrence("the local iteration on coordinate j at worker i, in closed form", local, w, steps)
weight = 1 - (1 - gamma * D) ** steps
report = proof.identity(
    "so after H steps the worker reports",
    beta * (w(0) - w(steps)) / gamma,
    beta / gamma * weight * (alpha * x - b / D),
    using=[start],
    adding=[closed.times(-beta / gamma)],
)
chance = proof.counting(
    "every worker holds coordinate j equally often",
    equal(expect(entry(P, "j", "j"), "round"), 1 / n),
    favourable=sp.factorial(n - 1),
    outcomes=sp.factorial(n),
    sketch=lambda n: istsim.Permutation(n, n),
    cases=[{"n": 2}, {"n": 3}, {"n": 4}],
)
fixed = proof.setting(
    "at the fixed point the reports, each with its probability and its share s in the merge, cancel",
    equal(share * sp.Sum(chance.left * report.right, (i, 0, n - 1)), 0),
)
positive, short = (
    proof.premise("all D_ij are positive", less(0, D)),
    proof.premise("step size below 2 / max D_ij", less(gamma, 2 / D)),
)
h = sp.Symbol("h")
positives = proof.setting(
    "step size, scales and shares are positive", *(less(0, a) for a in (gamma, alpha, beta, share, n))
)
powers = proof.induction(
    "a local step contracts, so h steps do not expand the distance",
    at_most((1 - gamma * D) ** (2 * h), 1),
    h,
    using=[positive, short, positives[0]],
)
counted = proof.setting("there is at least one local step: H = h + 1", equal(steps, h + 1))
unrolled = proof.identity(
    "the weight by the last step", weight, 1 - (1 - gamma * D) * (1 - gamma * D) ** h, using=[counted]
)
proof.inequality("so it is positive", less(0, weight), using=[powers, unrolled, positive, short, positives[0]])
total, weighted = (sp.Sum(summand, (i, 0, n - 1)) for summand in (weight, weight * b / D))
sums = proof.cite("a sum of positive numbers is positive", less(0, total))
solved = proof.identity(
    "summed over the workers",
    alpha * x * total,
    weighted,
    using=[chance],
    adding=[fixed.times(n * gamma / (share * beta))],
)
found = proof.inequality(
    "so the fixed point is a weighted mean", equal(x, weighted / total / alpha), using=[solved, sums, positives[1]]
)
proof.conclude(found)
