"""Faults put into istsim's own theorems, to measure what `istsim verify` finds.

Each is a theorem whose right side was changed in one place, or of which a premise is missing. In the tree of the right
side a term is dropped, a number, symbol or sum is a tenth smaller or larger, or a power is one higher or lower. For an
equation all of these are wrong; for a bound from above, those that claim more.
"""

from collections.abc import Iterator

import sympy as sp

from istsim.theorems import Theorem

FACTORS = {"a tenth smaller": sp.Rational(9, 10), "a tenth larger": sp.Rational(11, 10)}


def faults(theorem: Theorem) -> dict[str, Theorem]:
    """Every fault by its name, with the theorem that has it."""
    statement, known = theorem.statement, {theorem.statement.rhs}
    found = {}
    for text, right in _edits(statement.rhs):
        if right not in known:
            known.add(right)
            # What stands at several places is numbered.
            same = sum(name.startswith(f"{theorem.name}: {text}") for name in found)
            changed = statement.func(statement.lhs, right, evaluate=False)
            found[f"{theorem.name}: {text}" + f", place {same + 1}" * (same > 0)] = _with(theorem, statement=changed)
    for premise in theorem.premises:
        others = tuple(other for other in theorem.premises if other.text != premise.text)
        found[f"{theorem.name}: no premise that {premise.text}"] = _with(theorem, premises=others)
    return found


def _with(theorem: Theorem, **changes) -> Theorem:
    own = type(theorem)
    attributes = {name: property(lambda _, value=value: value) for name, value in changes.items()}
    return type(own.__name__, (own,), attributes | {"__module__": own.__module__})()


def _edits(expression) -> Iterator[tuple[str, sp.Basic]]:
    """The expression with one change, by what was changed."""
    if not expression.is_number or (expression.is_Rational and abs(expression) != 1):
        for text, factor in FACTORS.items():
            yield f"{expression} {text}", factor * expression
    if isinstance(expression, sp.Symbol | sp.MatrixSymbol | sp.Indexed | sp.Identity | sp.Number):
        return
    if isinstance(expression, sp.Sum):
        for text, inside in _edits(expression.function):
            yield text, sp.Sum(inside, *expression.limits)
        return
    if isinstance(expression, sp.Pow | sp.MatPow):
        base, power = expression.args
        for step in (1, -1):
            yield f"the power {power} of {base} changed by {step}", base ** (power + step)
        for text, inside in _edits(base):
            yield text, inside**power
        return
    for index, part in enumerate(expression.args):
        others = [*expression.args[:index], *expression.args[index + 1 :]]
        if isinstance(expression, sp.Add | sp.MatAdd):
            yield f"no term {part}", expression.func(*others)
        for text, inside in _edits(part):
            yield text, expression.func(*expression.args[:index], inside, *expression.args[index + 1 :])
