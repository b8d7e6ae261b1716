from __future__ import annotations

import inspect

import numpy as np
import sympy as sp

from istsim._validation import instance_of
from istsim.theorems._theorem import Kind, Theorem


def as_text(theorem: Theorem) -> str:
    r"""A theorem for the terminal: what it says, where it holds, where it is from.

    Example:
        >>> import istsim
        >>> print(istsim.theorems.as_text(istsim.theorems.get("gradient-masking-unbiased")))
        Masked gradients are unbiased (gradient-masking-unbiased, exact)
        <BLANKLINE>
            x_inf = xₛₜₐᵣ
        <BLANKLINE>
        Where only gradients are masked, the expected iterate tends to the minimizer.
        <BLANKLINE>
        `E[B]` is a multiple of Lbar and `E[c]` the same multiple of bbar, whatever the merge and the workers that
        report, if the sketch treats all coordinates alike.
        <BLANKLINE>
        Symbols, in LaTeX:
          x_inf: x_\infty
          x_star: x_\star
        Premises:
          - CompressedGradient with an exchangeable sketch, one local step
        Source: new here in this generality; known for unbiased compressors
    """
    instance_of("theorem", theorem, Theorem, "a theorem, such as istsim.theorems.get('theorem-1-iterates')")
    statement = sp.pretty(theorem.statement, use_unicode=True, wrap_line=False)
    formula = "\n".join(f"    {line}".rstrip() for line in statement.splitlines())
    symbols = [f"  {symbol}: {text}" for symbol, text in theorem.notation.items()]
    parts = [
        f"{theorem.title} ({theorem.name}, {theorem.kind})",
        formula,
        inspect.cleandoc(type(theorem).__doc__ or ""),
        "\n".join(
            [
                *(["Symbols, in LaTeX:", *symbols] if symbols else []),
                "Premises:",
                *(f"  - {premise.text}" for premise in theorem.premises),
                *([_refutation(theorem)] if theorem.kind is Kind.REFUTED else []),
                f"Source: {theorem.source}",
            ]
        ),
    ]
    return "\n\n".join(parts)


def _refutation(theorem: Theorem) -> str:
    problem, method, arguments = theorem.counterexample()
    found = theorem.check(problem, method, **arguments)
    lhs, rhs = np.atleast_1d(found.lhs), np.atleast_1d(found.rhs)
    worst = np.unravel_index(int(np.argmax(np.abs(lhs - rhs) / np.maximum(np.abs(rhs), 1e-300))), lhs.shape)
    return (
        f"Counterexample: {problem}, {method}, step_size={arguments['step_size']:.6g}: all premises hold, and the "
        f"sides are {lhs[worst]:.6g} and {rhs[worst]:.6g}"
    )
