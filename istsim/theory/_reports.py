"""Expectations over who reports and who holds what: the only thing about a sketch that moments depend on.

A merge is a sum over reporting workers i of their masked matrices, each divided: by the number m of
reports for "mean" and "literal", by the number N(a) of reporting holders of the output coordinate a for
"owners". So second moments need, for one worker i and for two different ones i and j,

    E[1{i reports} 1{held in S_i} / (divisor(a) divisor(b))],
    E[1{i, j report} 1{left in S_i} 1{right in S_j} / (divisor(a) divisor(b))],

a and b being the output coordinates on the left and on the right.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Set
from typing import Any

import jax.numpy as jnp
import numpy as np

from istsim._validation import is_concrete
from istsim.methods._method import Method
from istsim.sketches._sketch import Sketch, are_other_holders_independent
from istsim.theory._errors import NotCoveredError


@dataclasses.dataclass(frozen=True)
class Reports(abc.ABC):
    """The joint law of the workers' reports in a round.

    Coordinates are named by integers; those that differ have different names.

    Attributes:
        sketch: who holds what.
        participants: m, how many workers report, drawn uniformly.
    """

    sketch: Sketch
    participants: int

    @staticmethod
    def of(method: Method, sketch: Sketch) -> Reports:
        """The reports of a method.

        Raises:
            NotCoveredError: for a merge "owners" whose divisors have no known law.
        """
        reports = method.num_reports(sketch.n)
        if method.merge != "owners":
            return AveragedReports(sketch, reports)
        if sketch.holders == 1 or (sketch.holders and reports == sketch.n):
            return EquallyOwnedReports(sketch, reports)
        if sketch.independent_workers:
            return IndependentlyOwnedReports(sketch, reports)
        raise NotCoveredError(
            f"exact second moments of the merge 'owners' with {sketch!r} and {reports} participants need "
            "the joint law of the numbers of holders, which is known for workers that draw independently, for one "
            "holder a coordinate, and for equally many holders if all workers report; enumerate the outcomes "
            "(route='enumeration') at small d, or simulate"
        )

    @property
    def reports_one(self) -> float:
        """Probability that a given worker reports."""
        return self.participants / self.sketch.n

    @property
    def reports_two(self) -> float:
        """Probability that two given workers report; 0 if there are not two."""
        n, m = self.sketch.n, self.participants
        return m * (m - 1) / (n * (n - 1)) if n > 1 else 0.0

    @abc.abstractmethod
    def one_worker(self, held: Set[int], a: int, b: int) -> Any:
        """The first of the two expectations."""

    @abc.abstractmethod
    def two_workers(self, left: Set[int], right: Set[int], a: int, b: int) -> Any:
        """The second of the two expectations."""

    def _one_holds(self, held: Set[int]) -> Any:
        return self.sketch.inclusion_probability(len(held))

    def _two_hold(self, left: Set[int], right: Set[int]) -> Any:
        return self.sketch.joint_probability(len(left), len(right), len(left & right))


@dataclasses.dataclass(frozen=True)
class AveragedReports(Reports):
    """The divisor is m."""

    def one_worker(self, held, a, b):
        """`(1/m^2) (m/n) P(held in S_i)`."""
        return self.reports_one / self.participants**2 * self._one_holds(held)

    def two_workers(self, left, right, a, b):
        """Likewise."""
        return self.reports_two / self.participants**2 * self._two_hold(left, right)


@dataclasses.dataclass(frozen=True)
class EquallyOwnedReports(Reports):
    """The divisor is the same for all coordinates: all workers report, or each coordinate has one holder."""

    @property
    def _divisor(self) -> int:
        return self.sketch.holders or 1

    def one_worker(self, held, a, b):
        """`(1/c^2) P(i reports, held in S_i)` for c holders."""
        if not {a, b} <= held:
            return 0.0  # only holders report a coordinate
        return self.reports_one / self._divisor**2 * self._one_holds(held)

    def two_workers(self, left, right, a, b):
        """Likewise."""
        if a not in left or b not in right:
            return 0.0
        return self.reports_two / self._divisor**2 * self._two_hold(left, right)


@dataclasses.dataclass(frozen=True)
class IndependentlyOwnedReports(Reports):
    """The divisors are sums over independent workers, so that their law follows by counting."""

    def one_worker(self, held, a, b):
        """The others' holdings of a and b are independent of what the worker holds."""
        if not {a, b} <= held:
            return 0.0
        inverse = self._inverse_divisors(self.participants - 1, 1, 1, same=a == b)
        return self.reports_one * self._one_holds(held) * inverse

    def two_workers(self, left, right, a, b):
        """Each of the two may or may not hold the other's output coordinate as well."""
        if a not in left or b not in right or self.participants < 2:
            return 0.0
        others = self.participants - 2
        if a == b:
            both = self._one_holds(left) * self._one_holds(right)
            return self.reports_two * both * self._inverse_divisors(others, 2, 2, same=True)
        total = 0.0
        for left_holds_b in (False, True):
            for right_holds_a in (False, True):
                chance = self._holds(left, b, left_holds_b) * self._holds(right, a, right_holds_a)
                total += chance * self._inverse_divisors(others, 1 + right_holds_a, 1 + left_holds_b, same=False)
        return self.reports_two * total

    def _holds(self, held: Set[int], other: int, holds: bool) -> Any:
        """Probability that a worker holds a set, and another coordinate too or not."""
        too = self._one_holds(held | {other})
        return too if holds else self._one_holds(held) - too

    def _inverse_divisors(self, others: int, at_a: int, at_b: int, *, same: bool) -> Any:
        """`E[1/(N(a) N(b))]`, N being the numbers given plus those among so many other workers."""
        p1, p2 = self._one_holds({0}), self._one_holds({0, 1})
        steps = {(0, 0): 1 - p1, (1, 1): p1} if same else {(0, 0): 1 - 2 * p1 + p2, (1, 1): p2}
        if not same:
            steps |= {(0, 1): p1 - p2, (1, 0): p1 - p2}
        xp: Any = np if is_concrete(p1, p2) else jnp
        chances = xp.ones((1, 1))  # by the numbers of other holders of a and of b
        for _ in range(others):
            chances = sum(p * xp.pad(chances, ((u, 1 - u), (v, 1 - v))) for (u, v), p in steps.items())
        counts = np.arange(others + 1)
        return xp.sum(chances / np.outer(at_a + counts, at_b + counts))


def check_other_holders(sketch: Sketch) -> None:
    """Refuse a sketch of which more must be known than probabilities.

    Raises:
        NotCoveredError: if the number of a coordinate's other holders may depend on what else a worker holds.
    """
    if not are_other_holders_independent(sketch):
        raise NotCoveredError(
            f"under the merge 'owners' the numbers of holders under {sketch!r} may depend on what else a worker holds: "
            "formulas are for workers that draw independently, for equally many holders of every coordinate, and for "
            "single coordinates; enumerate its outcomes (route='enumeration') at small d, or simulate"
        )
