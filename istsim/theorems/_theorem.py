"""What a theorem is: one sympy statement, premises that can be run, and numbers for its symbols."""

from __future__ import annotations

import abc
import dataclasses
import enum
import functools
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import sympy as sp

from istsim import theory
from istsim._types import Numbers
from istsim._validation import finite_number
from istsim.certificates import Bound, Decision
from istsim.methods._method import Method
from istsim.problems._quadratic import Quadratic
from istsim.theorems._instance import Instance

# Sides that should agree to rounding may differ by this much, relative to the size of their terms.
ROUNDING = 1e-9

# Points and distances that should be 0 may be as large, relative to the size of the iterates.
LENGTH_ROUNDING = 1e-14


class Kind(enum.StrEnum):
    """What a statement claims."""

    EXACT = "exact"
    """Both sides are equal."""
    UPPER = "upper"
    """The right side bounds the left one from above."""
    LOWER = "lower"
    """The right side bounds the left one from below."""
    REFUTED = "refuted"
    """False, though printed in its source or easily guessed; `counterexample` gives an instance inside its premises."""


@dataclasses.dataclass(frozen=True)
class Premise:
    """A condition that can be run.

    Attributes:
        text: what must hold, as LaTeX-free text.
        failure: for an instance, why it fails, or "" if it holds.
        relation: the condition in sympy, where it is one between numbers or matrices; else None.
        break_just: for an instance inside the premises, one changed just enough that this premise fails; None where
            there is no general way to do that. `istsim.verify` holds `failure` against it.
        keep_just: for an instance inside the premises, one changed so that this premise only just holds, and the
            others hold too; None for a premise without such an edge, as that two numbers are equal. `istsim.verify`
            holds the statement against it.
        certified: whether a certificate decides it, where one is asked for.
    """

    text: str
    failure: Callable[[Instance], str]
    relation: Any = None
    break_just: Callable[[Instance], Instance] | None = None
    keep_just: Callable[[Instance], Instance] | None = None
    certified: bool = False


@dataclasses.dataclass(frozen=True)
class Certificate:
    """What was decided about a theorem in rational numbers, with every float read as the simplest fraction near it.

    Attributes:
        premises: the premises that are about matrices.
        statement: what it claims of one round, from any point.
        bounds: constants such as theta, rounded so that they are proved, beside sharper ones that are refuted.
    """

    premises: tuple[Decision, ...]
    statement: tuple[Decision, ...]
    bounds: tuple[Bound, ...] = ()

    def __str__(self) -> str:
        return "\n".join(map(str, (*self.premises, *self.bounds, *self.statement)))


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class TheoremCheck:
    """A theorem asked about one instance.

    Attributes:
        applicable: whether all premises hold.
        reason: which premise fails and why; "all premises hold" if none does.
        lhs, rhs: the two sides, scalars or arrays over the rounds 0..K; None where the theorem does
            not apply, because nothing is claimed there.
        holds: whether the statement is true of the numbers, to rounding; None where it does not apply.
        certificate: what was decided exactly, if that was asked for: `holds` is then about that.
    """

    applicable: bool
    reason: str
    lhs: Any = None
    rhs: Any = None
    holds: bool | None = None
    certificate: Certificate | None = None

    @property
    def margin(self) -> Any:
        """Right side less left side; None where the theorem does not apply."""
        return self.rhs - self.lhs if self.applicable else None

    @property
    def tightness(self) -> Any:
        """Left side over right side, 1 where both are 0; None where the theorem does not apply."""
        if not self.applicable:
            return None
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.lhs == self.rhs, 1.0, np.divide(self.lhs, self.rhs))


@dataclasses.dataclass(frozen=True, eq=False)
class Sides:
    """Both sides as numbers, and how large the terms are that make them up, to judge rounding by.

    Sizes are at least `ROUNDING` times the instance's smallest unit.
    """

    lhs: np.ndarray
    rhs: np.ndarray
    size: np.ndarray


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
        about_lengths: whether the sides are points or distances. Where they should be 0, rounding leaves some 1e-15 of
            the size of the iterates; of other sides no more than the square of that is let pass, as they may be gaps.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    kind: ClassVar[Kind]
    source: ClassVar[str]
    notation: ClassVar[Mapping[sp.Basic, str]] = {}
    parameters: ClassVar[Mapping[str, float]] = {}
    about_lengths: ClassVar[bool] = False

    @property
    @abc.abstractmethod
    def statement(self) -> Any:
        """The claim, a sympy Eq, Le or Ge. The symbol k is the round."""

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

    def draw(self, draw: Callable[[Any], Any]) -> Instance:
        """An instance inside the premises, for `istsim.verify`.

        As it stands any instance is drawn, and those outside the premises are thrown away. A theorem about a narrow
        setting should draw that setting itself.

        Args:
            draw: hypothesis' `draw`, which turns a strategy into an example.
        """
        import hypothesis

        from istsim.verify import strategies

        instance = draw(strategies.instances())
        hypothesis.assume(not self.failing_premise(instance))
        return instance

    def certify(self, instance: Instance) -> Certificate:
        """Decide premises and statement in rational numbers, as far as they are about matrices.

        Raises:
            NotCoveredError: where that cannot be done.
        """
        raise theory.NotCoveredError(f"{self.name} makes no claim about matrices that is decided exactly")

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
        exact: bool = False,
        **parameters: float,
    ) -> TheoremCheck:
        """Ask whether the theorem applies to this run and, if so, compare its sides.

        Args:
            problem: the quadratic.
            method: the method.
            step_size: a positive number.
            rounds: K, at least 1: the sides are computed for k = 0..K.
            x0: shape (d,); the vector of ones if None.
            exact: whether matrix inequalities are decided in rational numbers, with a certificate; the sides are
                floating-point numbers all the same. Small problems only.
            parameters: free constants of the statement, where it has some: see `parameters`.

        Raises:
            ValueError: for arguments that describe no run, such as a sketch for another n or d.
        """
        for name in parameters:
            if name not in self.parameters:
                known = ", ".join(self.parameters) or "none"
                raise ValueError(f"{self.name} has no parameter {name!r}; its parameters: {known}")
        chosen = {name: finite_number(name, value) for name, value in (dict(self.parameters) | parameters).items()}
        instance = Instance.of(problem, method, step_size=step_size, rounds=rounds, x0=x0, parameters=chosen)
        return self.check_instance(instance, exact=exact)

    def check_instance(self, instance: Instance, *, exact: bool = False) -> TheoremCheck:
        """What `check` does, for arguments that have been put together."""
        certificate = None
        try:
            if failure := self.failing_premise(instance, certified=not exact):
                return TheoremCheck(applicable=False, reason=failure)
            if exact:
                certificate = self.certify(instance)
                for decision in certificate.premises:
                    if not decision.holds:
                        reason = f"premise fails: {decision}"
                        return TheoremCheck(applicable=False, reason=reason, certificate=certificate)
            sides = self.sides(instance)
        except theory.NotCoveredError as error:
            return TheoremCheck(applicable=False, reason=f"cannot be decided: {error}")
        decided = self.holds(sides) if certificate is None else all(found.holds for found in certificate.statement)
        return TheoremCheck(
            applicable=True,
            reason="all premises hold",
            lhs=sides.lhs,
            rhs=sides.rhs,
            holds=decided,
            certificate=certificate,
        )

    def failing_premise(self, instance: Instance, *, certified: bool = True) -> str:
        """Which premise fails first, and why; "" if all hold.

        Args:
            instance: what is asked about.
            certified: whether to look at those that a certificate decides, too.
        """
        for premise in self.premises:
            if (certified or not premise.certified) and (failure := premise.failure(instance)):
                return f"premise fails: {premise.text} ({failure})"
        return ""

    def sides(self, instance: Instance) -> Sides:
        """Both sides as numbers, whether the premises hold or not.

        Raises:
            ValueError: if `constants` and `sequences` leave out a symbol of the statement.
        """
        constants, sequences = self.constants(instance), self.sequences(instance)
        dim = {sp.Symbol("d"): instance.problem.dim}
        arguments = tuple(symbol.subs(dim) for symbol in (*constants, *sequences))
        functions, missing = _functions(self._statement, instance.problem.dim, arguments)
        if missing:
            raise ValueError(
                f"{self.name}: no number was given for the symbol {', '.join(missing)}; give one in `constants`, or in "
                "`sequences` if it depends on the round"
            )

        def numbers(function: Callable[..., Any]) -> np.ndarray:
            if not sequences:
                return np.asarray(np.squeeze(function(*constants.values())))
            rows = zip(*sequences.values(), strict=True)
            return np.array([np.squeeze(function(*constants.values(), *row)) for row in rows])

        lhs, rhs, *sizes = map(numbers, functions)
        # A gap that should be 0 is the square of an iterate's rounding, and has no term of any other size. An iterate
        # is known to ROUNDING of its size, so a gap to ROUNDING squared: one factor is here, the other in `holds`.
        # Whether the sides are gaps is not known; in the smallest unit, the same is nothing to numbers of any kind.
        size = np.maximum(np.maximum(*map(np.abs, sizes)), ROUNDING * instance.smallest_unit)
        if self.about_lengths:
            size = np.maximum(size, LENGTH_ROUNDING / ROUNDING * instance.length)
        # Without rounds the sides are one vector or matrix, whose small entries carry the large ones' rounding.
        return Sides(lhs, rhs, np.asarray(size if sequences else size.max()))

    @functools.cached_property
    def _statement(self) -> Any:
        """The statement, put together once: sympy takes long to."""
        return self.statement

    def holds(self, sides: Sides) -> bool:
        """Whether both sides are as the statement says, up to rounding."""
        if isinstance(self._statement, sp.Le):
            return bool(np.all(sides.lhs <= sides.rhs + ROUNDING * sides.size))
        if isinstance(self._statement, sp.Ge):
            return bool(np.all(sides.lhs >= sides.rhs - ROUNDING * sides.size))
        # Relative to the largest entry so far: a vector's small entries carry its large ones' rounding.
        size = np.atleast_1d(sides.size)
        largest = np.maximum.accumulate(size.reshape(len(size), -1).max(axis=1))
        difference = np.abs(sides.lhs - sides.rhs).reshape(len(size), -1)
        return bool(np.all(difference <= ROUNDING * largest[:, None]))


def rounds_of(instance: Instance) -> list[int]:
    """0..K, the values of the symbol k."""
    return list(range(instance.rounds + 1))


@functools.lru_cache(maxsize=1024)
def _functions(statement: Any, d: int, arguments: tuple[sp.Basic, ...]) -> tuple[list[Callable[..., Any]], list[str]]:
    """Both sides, and the sizes of their terms, as functions of numbers; and the symbols that are no argument."""
    sides = [side.subs({sp.Symbol("d"): d}) for side in (statement.lhs, statement.rhs)]
    given = set().union(*(argument.free_symbols for argument in arguments))
    missing = set().union(*(side.free_symbols for side in sides)) - given
    expressions = (*sides, *map(_without_cancellation, sides))
    functions = [sp.lambdify(arguments, expression, modules="numpy") for expression in expressions]
    # An entry such as D[i, j] is listed next to its array D.
    return functions, sorted(str(symbol) for symbol in missing if not isinstance(symbol, sp.Indexed))


def _without_cancellation(expression: Any) -> Any:
    """A scalar with the absolute value of every term of a sum: rounding is relative to that."""
    if expression.is_Matrix:
        return expression
    if isinstance(expression, sp.Sum):
        return sp.Sum(_without_cancellation(expression.function), *expression.limits)
    if isinstance(expression, sp.Add | sp.Mul):
        return expression.func(*map(_without_cancellation, expression.args))
    if isinstance(expression, sp.Max | sp.Min):  # the largest rounding of any, whichever is chosen
        return sp.Max(*map(_without_cancellation, expression.args))
    if isinstance(expression, sp.Pow) and expression.exp.is_positive:
        return _without_cancellation(expression.base) ** expression.exp
    if isinstance(expression, sp.Pow) and expression.exp.free_symbols and isinstance(expression.base, sp.Add):
        # (1 - x)^k carries the rounding of 1 - x, which may be all that is left of it, as a power's derivative does.
        base, power = sp.Abs(expression.base), expression.exp
        of_base = sp.Abs(power) * base ** sp.Max(power - 1, 0) * _without_cancellation(expression.base)
        return base**power + of_base
    return sp.Abs(expression)
