"""The second moment where only some of the workers report.

Run: python proofs/participation_second_moment.py
"""

import sympy as sp

import istsim
from istsim.derivations import Proof, Relation, entry, equal, expect, matrix

n, m = sp.symbols("n m")
# E[B_i X B_i'] on average over the workers, and E[B_i X B_j'] over all pairs of different ones.
same, different = matrix("A"), matrix("C")
premise = "a method with a sketch for n > 1, merge mean, one local step"


def with_reports(proof: Proof, name: str, reports: sp.Expr, cases: list[dict[str, int]]) -> Relation:
    """The second moment where that many workers report."""
    # B averages the B_i of the workers that report, whose indicators R_ii are independent of all else.
    T = matrix(name, latex=name)
    R = matrix(f"R_{reports}", shape=("n", "n"), diagonal=True, idempotent=True, random="reports")
    first, second = entry(R, "i", "i"), entry(R, "j", "j")
    moment = proof.premise(
        premise,
        equal(
            T,
            (n * expect(first, "reports") * same + n * (n - 1) * expect(first * second, "reports") * different)
            / reports**2,
        ),
    )
    chances = [
        proof.counting(
            f"the reports are a uniform subset of the workers: {number} given ones, of {reports}",
            equal(expect(event, "reports"), chance),
            favourable=sp.binomial(n - number, reports - number),
            outcomes=sp.binomial(n, reports),
            sketch=lambda **case: istsim.RandK(1, case["n"], int(reports.subs(case))),
            cases=cases,
        )
        for number, event, chance in (
            (1, first, reports / n),
            (2, first * second, reports * (reports - 1) / (n * (n - 1))),
        )
    ]
    return proof.identity(
        f"so one of {reports} pairs is of equal workers",
        T,
        same / reports + (reports - 1) / reports * different,
        using=[moment, *chances],
    )


proof = Proof("participation-second-moment")
counts = [{"n": 2}, {"n": 3}, {"n": 4}]
some = with_reports(proof, "T_m", m, [{"n": 2, "m": 1}, {"n": 3, "m": 2}, {"n": 4, "m": 2}, {"n": 4, "m": 3}])
single = with_reports(proof, "T_1", sp.Integer(1), counts)
every = with_reports(proof, "T_n", n, counts)
factor = (n - m) / (m * (n - 1))
found = proof.identity(
    "T_m lies between the others",
    some.left,
    every.left + factor * (single.left - every.left),
    using=[some, single, every],
)
proof.conclude(found, where={"T_m": some.left, "T_1": single.left, "T_n": every.left})
