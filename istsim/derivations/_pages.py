"""A derivation as a page of Markdown."""

from __future__ import annotations

from typing import Any

import sympy as sp

from istsim.derivations._judge import MODELS
from istsim.derivations._steps import Step
from istsim.derivations.kernel import Origin, to_latex
from istsim.theorems import Theorem


def page(proof: Any) -> str:
    """The statement, what it rests on, and every step with the verdicts of both judges; formulas in LaTeX."""
    theorem, steps = proof.theorem, proof.steps
    trusted, named = sum(step.on_trust for step in steps), sum(step.origin is Origin.DEFINED for step in steps)
    parts = [
        f"# {theorem.title}",
        f"Theorem `{theorem.name}`. *Source: {theorem.source}.*",
        _display(theorem.latex()),
        "Premises:",
        "\n".join(f"- {premise.text}" for premise in theorem.premises),
        f"The derivation below has {len(steps)} steps. {trusted} of them are taken on trust, {named} only give names, "
        f"and the kernel shows the other {len(steps) - trusted - named}."
        + " The second judge has put numbers in the place of the letters of every step, from "
        f"{MODELS} instances of the theorem." * any(step.models for step in steps),
        "## What it rests on",
        "\n".join(f"- *{origin}*: {text}" for origin, text in _grounds(proof)),
        "## Derivation",
    ]
    for number, step in enumerate(steps, start=1):
        parts += [f"**{number}.** {step.text} ({_verdicts(step)})", *_formulas(step, theorem)]
    if proof.where:
        names = (f"${_name(theorem, symbol)}$ stands for ${to_latex(term)}$" for symbol, term in proof.where.items())
        parts.append("In the statement, " + ", ".join(names) + ".")
    return "\n\n".join(parts) + "\n"


def _grounds(proof: Any) -> list[tuple[Origin, str]]:
    """The hypotheses of the conclusion that are not definitions, in the order in which they were made."""
    rests_on = proof.conclusion.hypotheses if proof.conclusion is not None else frozenset()
    grounds = [each for each in proof.kernel.hypotheses if each in rests_on and each.origin is not Origin.DEFINED]
    return list(dict.fromkeys((ground.origin, ground.text) for ground in grounds))


def _verdicts(step: Step) -> str:
    verdicts = [f"*{step.origin}*" if step.origin else f"*shown* by the kernel: {step.how}"]
    if step.models:
        verdicts.append(
            f"true in {step.models} of {MODELS} instances" + ", the others have no such round" * (step.models < MODELS)
        )
    return "; ".join(verdicts)


def _formulas(step: Step, theorem: Theorem) -> list[str]:
    formulas = [
        rf"{to_latex(x)} \text{{ is }} {to_latex(start)} \text{{ at round }} 0,\quad"
        rf"\text{{and then }} {to_latex(after, theorem.notation)}"
        for x, start, after in step.iterates
    ]
    return [*map(_display, formulas), *(_display(relation.to_latex(theorem.notation)) for relation in step.relations)]


def _display(formula: str) -> str:
    return f"$$\n{formula}\n$$"


def _name(theorem: Theorem, symbol: sp.Basic) -> str:
    return sp.latex(symbol, symbol_names=dict(theorem.notation))
