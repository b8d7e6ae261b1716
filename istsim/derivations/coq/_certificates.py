"""What Coq is told so that it need not search: where equalities are used, and how inequalities add up."""

from __future__ import annotations

import dataclasses
import fractions
import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import sympy as sp

from istsim.derivations.coq._syntax import (
    Tree,
    UnsupportedError,
    folded,
    letter_tree,
    scaled,
    without_quotients,
    word_tree,
)
from istsim.derivations.kernel import reduce
from istsim.derivations.terms._expectation import Mean, expect
from istsim.derivations.terms._scalars import split_powers
from istsim.derivations.terms._words import Polynomial, Trace, Word, product, trace, transposed

HOLE: Tree = ("hole",)
PASSES = 200


@dataclasses.dataclass(frozen=True)
class Use:
    """An equality between matrices, put into a place of a term: `fact` is a `Fact` or anything else with a name."""

    context: Tree
    fact: Any


@dataclasses.dataclass(frozen=True)
class Rule:
    """A product of letters, what is equal to it, and which equality says so, put into which context."""

    pattern: Word
    value: Polynomial
    context: Tree
    fact: Any


def rules_of(facts: Iterable[tuple[Any, Any]]) -> list[Rule]:
    """The rules by which the kernel's `reduce` rewrites matrices, of pairs of a fact and its relation."""
    rules: dict[Word, Rule] = {}
    for fact, relation in facts:
        ((word, number),) = relation.left.terms.items()
        whole = scaled(1 / number, HOLE)
        flipped = transposed(word)
        rules[flipped] = Rule(flipped, relation.right.T / number, ("tr", whole), fact)
        rules[word] = Rule(word, relation.right / number, whole, fact)
    return list(rules.values())


def rewrite(value: Any, rules: Sequence[Rule]) -> tuple[Any, list[Use]]:
    """What the kernel's `reduce` makes of a polynomial or a number, and the equalities used, in their places."""
    uses: list[Use] = []
    for _ in range(PASSES):
        before = len(uses)
        value = _of_matrix(value, rules, uses) if isinstance(value, Polynomial) else _of_number(value, rules, uses)
        if len(uses) == before:
            return value, uses
    raise UnsupportedError(f"the rules go on for ever: there is {value}")


def _of_matrix(value: Polynomial, rules: Sequence[Rule], uses: list[Use]) -> Polynomial:
    total = Polynomial(value.shape, [])
    for word, coefficient in value.terms.items():
        found = _redex(word, rules, range(len(word)))
        if found is None:
            total = total + coefficient * Polynomial(value.shape, [(word, sp.S.One)])
            continue
        start, end, new, context, fact = found
        uses.append(Use(scaled(coefficient, _between(word[:start], context, word[end:])), fact))
        total = total + coefficient * (product(word[:start], new.shape[0]) * new * product(word[end:], new.shape[1]))
    return total


def _of_number(value: sp.Expr, rules: Sequence[Rule], uses: list[Use]) -> sp.Expr:
    value = reduce(sp.expand(split_powers(value)), [])
    for symbol in sorted(value.atoms(Trace), key=str):
        coefficient = sp.expand(value).coeff(symbol)
        for turn in (symbol.word[i:] + symbol.word[:i] for i in range(len(symbol.word))):
            found = _redex(turn, rules, range(1))
            if found is not None:
                _, end, new, context, fact = found
                inside: Tree = ("trace", _between((), context, turn[end:]))
                uses.append(Use(scaled(coefficient, inside, "nscale", "nopp"), fact))
                value = value - coefficient * symbol + coefficient * trace(new * product(turn[end:], new.shape[1]))
                break
    return reduce(sp.expand(value), [])


def _redex(word: Word, rules: Sequence[Rule], starts: Iterable[int]) -> tuple[int, int, Polynomial, Tree, Any] | None:
    """The first place where a rule fits: its ends, the new part, the context within the part, and the equality."""
    for start in starts:
        for rule in rules:
            end = start + len(rule.pattern)
            if word[start:end] == rule.pattern:
                return start, end, rule.value, rule.context, rule.fact
        letter = word[start]
        if isinstance(letter, Mean):
            mean: Any = letter.T if letter.transposed else letter
            found = _inside(mean, rules)
            if found is not None:
                new, context, fact = found
                if letter.transposed:
                    new, context = new.T, ("tr", context)
                if new.terms != product((letter,)).terms:
                    return start, start + 1, new, context, fact
    return None


def _inside(mean: Mean, rules: Sequence[Rule]) -> tuple[Polynomial, Tree, Any] | None:
    found = _redex(mean.word, rules, range(len(mean.word)))
    if found is None:
        return None
    start, end, new, context, fact = found
    before, after = mean.word[:start], mean.word[end:]
    value = product(before, new.shape[0]) * new * product(after, new.shape[1])
    if not isinstance(value, Polynomial):
        raise UnsupportedError(f"a number within a mean: {mean}")
    return expect(value, mean.source), ("mean", mean.source, _between(before, context, after)), fact


def _between(before: Word, context: Tree, after: Word) -> Tree:
    parts = [word_tree(before)] * bool(before) + [context] + [letter_tree(letter) for letter in after]
    return folded("mul", parts, HOLE)


@dataclasses.dataclass(frozen=True)
class Known:
    """A number that is positive, or not negative, or 0, after rewriting.

    Attributes:
        value: the number.
        strict: whether it is positive; of no meaning for one that is 0.
        fact: what says so; None is that the claim fails.
        uses: by what it was rewritten.
    """

    value: sp.Expr
    strict: bool
    fact: Any
    uses: tuple[Use, ...] = ()


@dataclasses.dataclass(frozen=True)
class Product:
    """A positive integer times squares of scalars, times known numbers of which all but the last are scalars."""

    times: int
    squares: tuple[sp.Expr, ...]
    factors: tuple[Known, ...]

    @property
    def multiplier(self) -> sp.Expr:
        """All but the last factor."""
        factors = (known.value for known in self.factors[:-1])
        return self.times * sp.Mul(*(root**2 for root in self.squares)) * sp.Mul(*factors)


@dataclasses.dataclass(frozen=True)
class Refutation:
    """Products that are not negative, one of them positive, and multiples of equalities: all of it adds up to 0."""

    products: tuple[Product, ...]
    equalities: tuple[tuple[sp.Expr, Known], ...]


def refute(known: Sequence[Known], equalities: Sequence[Known]) -> Refutation:
    """Why numbers cannot all be positive as said, by products of a few of them, which linear programming finds.

    Raises:
        UnsupportedError: if there is none of that degree.
    """
    for degree in (1, 2, 3):
        found = _refute(known, equalities, degree)
        if found is not None:
            return found
    raise UnsupportedError(f"no certificate against {[str(one.value) for one in known]}")


def _refute(known: Sequence[Known], equalities: Sequence[Known], degree: int) -> Refutation | None:
    from scipy.optimize import linprog

    known = [dataclasses.replace(one, value=without_quotients(one.value)) for one in known]
    equalities = [dataclasses.replace(one, value=without_quotients(one.value)) for one in equalities]
    scalars = [one for one in known if not one.value.atoms(Trace) and not one.uses]
    symbols = sorted(
        {s for one in [*known, *equalities] for s in _unknowns(one.value) if not isinstance(s, Trace)}, key=str
    )
    candidates = [
        Product(1, squares, (*factors, last))
        for number in range(degree)
        for factors in itertools.combinations_with_replacement(scalars, number)
        for count in range(0, degree - number)
        for squares in itertools.combinations_with_replacement(symbols, count)
        for last in known
    ]
    multipliers = [
        sp.Mul(*chosen)
        for number in range(degree)
        for chosen in itertools.combinations_with_replacement(symbols, number)
    ]
    multiples = [(multiplier, each) for multiplier in multipliers for each in equalities]
    values = [sp.expand(one.multiplier * one.factors[-1].value) for one in candidates]
    values += [sp.expand(multiplier * each.value) for multiplier, each in multiples]
    columns = [value.as_coefficients_dict() for value in values]
    monomials = sorted({monomial for column in columns for monomial in column}, key=str)
    strict = [all(one.strict for one in each.factors) and not each.squares for each in candidates]
    rows = [[column.get(monomial, 0) for column in columns] for monomial in monomials]
    rows.append([int(each) for each in strict] + [0] * len(multiples))
    right = [0] * len(monomials) + [1]
    cost = [1 + 3 * (len(one.factors) + len(one.squares)) for one in candidates] + [0] * len(multiples)
    bounds = [(0, None)] * len(candidates) + [(None, None)] * len(multiples)
    solved = linprog(cost, A_eq=np.array(rows, float), b_eq=right, bounds=bounds, method="highs-ds")
    if not solved.success:
        return None
    found = [fractions.Fraction(float(x)).limit_denominator(1000) for x in solved.x]
    common = math.lcm(*(x.denominator for x in found))
    whole = [int(x * common) for x in found]
    if any(sum(x * a for x, a in zip(whole, row, strict=True) if x and a) != 0 for row in rows[:-1]):
        raise UnsupportedError("a certificate that is not exact")
    products = tuple(dataclasses.replace(one, times=x) for one, x in zip(candidates, whole, strict=False) if x)
    used = zip(multiples, whole[len(candidates) :], strict=True)
    return Refutation(products, tuple((x * multiplier, each) for (multiplier, each), x in used if x))


def _unknowns(value: sp.Expr) -> set[sp.Expr]:
    """The factors of the terms of a number, without powers."""
    terms = sp.Add.make_args(sp.expand(value))
    factors = (factor for term in terms for factor in sp.Mul.make_args(term))
    return {factor.base if factor.is_Pow and factor.exp.is_Integer else factor for factor in factors} - {
        factor for term in terms for factor in sp.Mul.make_args(term) if factor.is_number
    }
