"""A derivation as a page of Markdown."""

from __future__ import annotations

from typing import Any

import sympy as sp

from istsim.derivations._judge import MODELS
from istsim.derivations.kernel import to_latex
from istsim.theorems import Theorem


def page(proof: Any) -> str:
    """The statement, what it rests on, and every step, with formulas in LaTeX."""
    theorem, steps = proof.theorem, proof.steps
    trusted = [step for step in steps if step.on_trust]
    shown = [step for step in steps if step.origin is None]
    parts = [
        f"# {theorem.title}",
        f"Theorem `{theorem.name}`. *Source: {theorem.source}.*",
        _display(theorem.latex()),
        "Premises:",
        "\n".join(f"- {premise.text}" for premise in theorem.premises),
        f"Of the {len(steps)} steps below, {len(trusted)} are taken on trust: what the problem and the method are, the "
        f"premises, and textbook theorems. The kernel shows the other {len(shown)}, and "
        f"{len(steps) - len(trusted) - len(shown)} only give names. All {proof.judge.verdicts} relations that were "
        f"written down on the way are true, to rounding, in {MODELS} instances of the theorem.",
        "## Derivation",
    ]
    for number, step in enumerate(steps, start=1):
        origin = f"*{step.origin or 'checked'}*" + f": {step.how}" * bool(step.how)
        parts += [
            f"**{number}.** {step.text} ({origin})",
            *(_display(relation.to_latex(theorem.notation)) for relation in step.relations),
        ]
    if proof.where:
        names = (f"${_name(theorem, symbol)}$ stands for ${to_latex(term)}$" for symbol, term in proof.where.items())
        parts.append("In the statement, " + ", ".join(names) + ".")
    return "\n\n".join(parts) + "\n"


def _display(formula: str) -> str:
    return f"$$\n{formula}\n$$"


def _name(theorem: Theorem, symbol: sp.Basic) -> str:
    return sp.latex(symbol, symbol_names=dict(theorem.notation))
