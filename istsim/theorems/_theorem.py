"""What a theorem is: one sympy statement, premises that can be run, and numbers for its symbols."""

from __future__ import annotations

import abc
import dataclasses
import enum
import functools
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
import sympy as sp
from jaxtyping import Float

from istsim import theory
from istsim._types import Numbers
from istsim._validation import finite_number, positive_int
from istsim.methods._method import Method
from istsim.problems._quadratic import Quadratic
from istsim.simulation._rounds import check_problem_and_method, checked_step_size, starting_point

# Sides that should agree to rounding may differ by this much, relative to their size.
ROUNDING = 1e-9


class Kind(enum.StrEnum):
    """What a statement claims."""

    EXACT = "exact"
    """Both sides are equal."""
    UPPER = "upper"
    """The right side bounds the left one from above."""
    REFUTED = "refuted"
    """False, though printed in its source; `counterexample` gives an instance inside the printed premises."""


@dataclasses.dataclass(frozen=True, eq=False)
class Instance:
    """A problem, a method and a run of it, for which a theorem is asked about."""

    problem: Quadratic
    method: Method
    step_size: float
    rounds: int
    x0: Float[np.ndarray, " d"]
    parameters: Mapping[str, float] = dataclasses.field(default_factory=dict)

    @functools.cached_property
    def exact(self) -> theory.ExactMoments:
        """The exact moments of the run."""
        return theory.exact_moments(self.problem, self.method, step_size=self.step_size, rounds=self.rounds, x0=self.x0)

    @functools.cached_property
    def contraction(self) -> theory.Contraction:
        """W and theta, from the exact engine."""
        return theory.contraction(self.problem, self.method)


@dataclasses.dataclass(frozen=True)
class Premise:
    """A condition that can be run.

    Attributes:
        text: what must hold, as LaTeX-free text.
        failure: for an instance, why it fails, or "" if it holds.
    """

    text: str
    failure: Callable[[Instance], str]


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class TheoremCheck:
    """A theorem asked about one instance.

    Attributes:
        applicable: whether all premises hold.
        reason: which premise fails and why; "all premises hold" if none does.
        lhs, rhs: the two sides, scalars or arrays over the rounds 0..K; None where the theorem does
            not apply, because nothing is claimed there.
        holds: whether the statement is true of the numbers, to rounding; None where it does not apply.
    """

    applicable: bool
    reason: str
    lhs: Any = None
    rhs: Any = None
    holds: bool | None = None


class Theorem(abc.ABC):
    """Base class of all theorems: one subclass a file.

    The statement is written once, in sympy; its LaTeX and its numeric sides both come from there.

    Attributes:
        name: how `istsim.theorems.get` finds it.
        title: a line for people.
        kind: what it claims.
        source: where it is from, with the equation.
        notation: LaTeX of the statement's symbols, where it is not their name.
        parameters: what `check` takes besides a run, with defaults: free constants of the statement.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    kind: ClassVar[Kind]
    source: ClassVar[str]
    notation: ClassVar[Mapping[sp.Basic, str]] = {}
    parameters: ClassVar[Mapping[str, float]] = {}

    @property
    @abc.abstractmethod
    def statement(self) -> sp.Rel:
        """The claim as a sympy relation. The symbol k is the round."""

    @property
    @abc.abstractmethod
    def premises(self) -> tuple[Premise, ...]:
        """What must hold for the claim to be proved."""

    def constants(self, instance: Instance) -> dict[sp.Basic, Any]:
        """Numbers for the symbols of the statement that do not depend on the round."""
        return {}

    def sequences(self, instance: Instance) -> dict[sp.Basic, Any]:
        """For the others, arrays whose leading axis is the round, up to K; none if the sides do not depend on it."""
        return {}

    def counterexample(self) -> tuple[Quadratic, Method, dict[str, Any]]:
        """Where a refuted statement applies and does not hold: a problem, a method and the arguments of `check`.

        Raises:
            ValueError: for a theorem that is not refuted.
        """
        raise ValueError(f"{self.name} is not refuted: it has no counterexample")

    def latex(self) -> str:
        """The statement in LaTeX."""
        return sp.latex(self.statement, symbol_names=dict(self.notation))

    def check(
        self,
        problem: Quadratic,
        method: Method,
        *,
        step_size: float,
        rounds: int,
        x0: Numbers | None = None,
        **parameters: float,
    ) -> TheoremCheck:
        """Ask whether the theorem applies to this run and, if so, compare its sides.

        Args:
            problem: the quadratic.
            method: the method.
            step_size: a positive number.
            rounds: K, at least 1: the sides are computed for k = 0..K.
            x0: shape (d,); the vector of ones if None.
            parameters: free constants of the statement, where it has some: see `parameters`.

        Raises:
            ValueError: for arguments that describe no run, such as a sketch for another n or d.
        """
        for name in parameters:
            if name not in self.parameters:
                known = ", ".join(self.parameters) or "none"
                raise ValueError(f"{self.name} has no parameter {name!r}; its parameters: {known}")
        chosen = {name: finite_number(name, value) for name, value in (dict(self.parameters) | parameters).items()}
        check_problem_and_method(problem, method)
        problem = problem.astype(jnp.float64)
        instance = Instance(
            problem=problem,
            method=method,
            step_size=float(checked_step_size(step_size, jnp.float64)),
            rounds=positive_int("rounds", rounds),
            x0=np.asarray(starting_point(problem, x0)),
            parameters=chosen,
        )
        try:
            for premise in self.premises:
                if failure := premise.failure(instance):
                    return TheoremCheck(applicable=False, reason=f"premise fails: {premise.text} ({failure})")
            lhs, rhs = self._sides(instance)
        except theory.NotCoveredError as error:
            return TheoremCheck(applicable=False, reason=f"cannot be decided: {error}")
        return TheoremCheck(applicable=True, reason="all premises hold", lhs=lhs, rhs=rhs, holds=self._holds(lhs, rhs))

    def _sides(self, instance: Instance) -> tuple[np.ndarray, np.ndarray]:
        constants, sequences = self.constants(instance), self.sequences(instance)
        symbols = [*constants, *sequences]
        dim = {sp.Symbol("d"): instance.problem.dim}
        arguments = [symbol.subs(dim) for symbol in symbols]
        sides = []
        for side in (self.statement.lhs, self.statement.rhs):
            function = sp.lambdify(arguments, side.subs(dim), modules="numpy")
            if sequences:
                rows = zip(*sequences.values(), strict=True)
                sides.append(np.array([np.squeeze(function(*constants.values(), *row)) for row in rows]))
            else:
                sides.append(np.array([np.squeeze(function(*constants.values()))]))
        return (sides[0], sides[1]) if sequences else (np.asarray(sides[0][0]), np.asarray(sides[1][0]))

    def _holds(self, lhs: np.ndarray, rhs: np.ndarray) -> bool:
        if isinstance(self.statement, sp.Le):
            return bool(np.all(lhs <= rhs + ROUNDING * np.abs(rhs)))
        # Relative to the largest entry so far: a vector's small entries carry its large ones' rounding.
        lhs, rhs = np.atleast_1d(lhs), np.atleast_1d(rhs)
        size = np.maximum(np.abs(lhs), np.abs(rhs)).reshape(len(lhs), -1).max(axis=1)
        size = np.maximum.accumulate(size).reshape(-1, *[1] * (lhs.ndim - 1))
        return bool(np.all(np.abs(lhs - rhs) <= ROUNDING * size))


def rounds_of(instance: Instance) -> list[int]:
    """0..K, the values of the symbol k."""
    return list(range(instance.rounds + 1))
