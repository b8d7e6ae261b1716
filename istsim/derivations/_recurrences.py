"""Closed forms of recurrences and induction over the round: found by any means, checked by substitution."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef

from istsim.derivations._inequalities import holds_for_all
from istsim.derivations._names import names_in
from istsim.derivations._rewriting import Relation, vanishes
from istsim.derivations._scalars import is_zero, power_of, scalar, split_powers
from istsim.derivations._words import Letter, Polynomial, product, sources_of


def solve_recurrence(step: Relation, sequence: Any, k: sp.Symbol, given: Iterable[Relation] = ()) -> Relation:
    """What `e(k+1) = a e(k) + b`, or `<=`, says of e(k), in terms of e(0).

    rsolve proposes the solution of the equality; it is put back into the recurrence and the initial value. An
    inequality is kept by every round if its right side increases with e(k).

    Raises:
        ValueError: if the recurrence is of another form, or what rsolve found is wrong.
    """
    k = scalar(k)
    now, start = sequence(k), sp.Dummy("start")
    if step.left != sequence(k + 1) or not step.right.has(now):
        raise ValueError(f"a recurrence must give {sequence(k + 1)} by {now}, got {step}")
    found = sp.rsolve(sequence(k + 1) - step.right, now, {sequence(0): start})
    if found is None:
        raise ValueError(f"no closed form found for {step}")
    if not is_zero(found.subs(k, 0) - start):
        raise ValueError(f"{found} does not start at {sequence(0)}")
    if not is_zero(found.subs(k, k + 1) - step.right.subs(now, found)):
        raise ValueError(f"{found} does not solve {step}")
    if step.sign != "=":
        holds_for_all(Relation(sp.S.Zero, "<=", sp.diff(step.right, now)), given)
    return Relation(now, step.sign, sp.simplify(found).subs(start, sequence(0)))


def check_induction(claim: Relation, k: sp.Symbol, given: Iterable[Relation]) -> None:
    """Round 0, and from every round to the next, by z3.

    Raises:
        ValueError: if either fails.
    """
    k, given = scalar(k), list(given)
    for relation in given:
        if names_in(relation.left) | names_in(relation.right) == {k}:
            raise ValueError(f"an induction goes through every round, got {relation}")
    holds_for_all(_at(claim, k, sp.S.Zero), given)
    holds_for_all(_at(claim, k, k + 1), [*given, claim])


def solve_linear(step: Relation, now: Polynomial, start: Polynomial, closed: Callable[[Any], Any]) -> Polynomial:
    """The matrix A of a recurrence `next = A now + v`, for which `now = closed(A^k)`.

    Raises:
        ValueError: if the closed form is wrong at round 0 or does not carry over to the next round.
    """
    ((letter,),) = now.terms
    factors = [(word, value) for word, value in step.right.terms.items() if word[-1] == letter]
    A = Polynomial(("d", "d"), [(word[:-1], value) for word, value in factors])
    rest = step.right - A * now
    if random := set().union(*(sources_of(word) for part in (A, rest) for word in part.terms)):
        raise ValueError(f"a recurrence must not be random, got {step}, which depends on {sorted(random)}")
    # A power of A: nothing else is used of it.
    P = product((Letter(f"({A})^k"),))
    if not vanishes(closed(A**0) - start):
        raise ValueError(f"at round 0 the closed form is {closed(A**0)} and not {start}")
    difference = A * closed(P) + rest - closed(A * P)
    if not vanishes(difference):
        raise ValueError(f"from round k to k + 1 the closed form is off by {difference}")
    return A


def limit_of(expression: sp.Expr, k: sp.Symbol, given: Iterable[Relation]) -> sp.Expr:
    """The limit of a sum of multiples of `ratio**k`, each ratio between -1 and 1 by z3.

    Raises:
        ValueError: if a ratio may lie outside, or k occurs otherwise.
    """
    k, given = scalar(k), list(given)
    limit = split_powers(scalar(expression))
    for power in limit.atoms(AppliedUndef):
        if power.func == power_of and power.args[1] == k:
            holds_for_all(Relation(sp.Abs(power.args[0]), "<", sp.S.One), given)
            limit = sp.cancel(limit)
            if limit.as_numer_denom()[1].has(power):
                raise ValueError(f"the limit of {expression} is not clear: {power} is in a denominator")
            limit = limit.subs(power, 0)
    if limit.has(k):
        raise ValueError(f"the limit of {expression} is not clear: {limit} depends on {k}")
    return sp.simplify(limit)


def _at(relation: Relation, k: sp.Symbol, value: sp.Expr) -> Relation:
    return Relation(sp.expand(relation.left.subs(k, value)), relation.sign, sp.expand(relation.right.subs(k, value)))
