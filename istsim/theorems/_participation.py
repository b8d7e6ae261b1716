from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import ClassVar

import sympy as sp

from istsim import verify
from istsim.methods._method import Method, SketchedMethod
from istsim.theorems._certified import equal, rational_round
from istsim.theorems._instance import Instance
from istsim.theorems._premises import method_is, with_changes
from istsim.theorems._theorem import Certificate, Kind, Theorem

n, m, d = sp.symbols("n m d")
some, single, every = (sp.MatrixSymbol(name, d, d) for name in ("T_m", "T_1", "T_n"))


class ParticipationSecondMoment(Theorem):
    """What it costs that only some of the workers report: between one worker and all, by a single number.

    With `T = E[B X B']` where m of n workers, drawn uniformly, report. As for a sample drawn without replacement, the
    excess over `T_n` falls like `(n - m) / (m (n - 1))`, whatever the sketch, the masking and X; the mean `E[B]` does
    not change. Stated for X = Lbar.
    """

    name = "participation-second-moment"
    title = "The second moment under partial participation"
    kind = Kind.EXACT
    source = "new here"

    notation: ClassVar = {some: "T_m", single: "T_1", every: "T_n"}

    @property
    def statement(self):
        """The second moment with m reports, from those with 1 and n."""
        return sp.Eq(some, every + (n - m) / (m * (n - 1)) * (single - every), evaluate=False)

    @property
    def premises(self):
        """More than one worker, the merge mean and one local step."""
        return (
            method_is(
                "a method with a sketch for n > 1, merge mean, one local step",
                lambda method: (
                    isinstance(method, SketchedMethod)
                    and method.sketch.n > 1
                    and method.merge == "mean"
                    and method.local_steps == 1
                ),
                with_changes(merge="literal"),
            ),
        )

    def draw(self, draw):
        """Any sketched method and number of reports."""
        problem = draw(verify.strategies.integer_problems())
        workers = problem.num_workers
        method = draw(verify.strategies.methods(workers, problem.dim))
        verify.strategies.assume(workers > 1 and isinstance(method, SketchedMethod))
        method = dataclasses.replace(method, participants=1 + draw(verify.strategies.indices(workers)))
        return draw(verify.strategies.instances(problem, method))

    def certify(self, instance):
        """Every entry, as a fraction."""
        workers, reports = instance.problem.num_workers, instance.method.num_reports(instance.problem.num_workers)
        one_round = rational_round(instance)
        some, single, every = (
            rational_round(_with_reports(instance, count)).second(one_round.Lbar) for count in (reports, 1, workers)
        )
        excess = Fraction(workers - reports, reports * (workers - 1)) * (single - every)
        return Certificate((), (equal("T_m as stated, entry by entry", some, every + excess),))

    def constants(self, instance):
        """The second moments with m, 1 and n reports."""
        workers = instance.problem.num_workers
        return {
            n: workers,
            m: instance.method.num_reports(workers),
            some: instance.second_moment(instance.Lbar),
            single: _with_reports(instance, 1).second_moment(instance.Lbar),
            every: _with_reports(instance, workers).second_moment(instance.Lbar),
        }


def _with_reports(instance: Instance, count: int) -> Instance:
    method: Method = instance.method
    assert isinstance(method, SketchedMethod)  # a premise
    return instance.changed(method=dataclasses.replace(method, participants=count))
