"""A derivation as a page of Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sympy as sp

from istsim.derivations._rewriting import to_latex
from istsim.derivations._steps import Step
from istsim.theorems import Theorem


def page(theorem: Theorem, steps: Sequence[Step], where: Mapping[sp.Basic, Any]) -> str:
    """The statement, the premises and the steps of a derivation, with formulas in LaTeX."""
    parts = [
        f"# {theorem.title}",
        f"Theorem `{theorem.name}`. *Source: {theorem.source}.*",
        _display(theorem.latex()),
        "Premises:",
        "\n".join(f"- {premise.text}" for premise in theorem.premises),
        "## Derivation",
    ]
    for number, step in enumerate(steps, start=1):
        origin = f"*{step.status}*" + f": {step.how}" * bool(step.how)
        parts += [
            f"**{number}.** {step.text} ({origin})",
            *(_display(relation.to_latex(theorem.notation)) for relation in step.relations),
        ]
    if where:
        names = (f"${_name(theorem, symbol)}$ stands for ${to_latex(meaning)}$" for symbol, meaning in where.items())
        parts.append("In the statement, " + ", ".join(names) + ".")
    return "\n\n".join(parts) + "\n"


def _display(formula: str) -> str:
    return f"$$\n{formula}\n$$"


def _name(theorem: Theorem, symbol: sp.Basic) -> str:
    return sp.latex(symbol, symbol_names=dict(theorem.notation))
