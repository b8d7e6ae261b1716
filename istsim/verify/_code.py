from __future__ import annotations

import dataclasses
import inspect
from typing import Any

import jax
import numpy as np

from istsim.problems._quadratic import Quadratic
from istsim.theorems._instance import Instance


def as_code(name: str, instance: Instance) -> str:
    r"""Python that asks the theorem of that name about the instance again, every number in full.

    Example:
        >>> import istsim
        >>> from istsim.theorems import Instance
        >>> problem = istsim.Quadratic(L=[[[2.0]]], b=[[1.0]])
        >>> instance = Instance.of(problem, istsim.GradientDescent(), step_size=0.5, rounds=1)
        >>> print(istsim.verify.as_code("expected-iterate", instance))
        import istsim
        <BLANKLINE>
        problem = istsim.Quadratic(
            L=[[[2.0]]],
            b=[[1.0]],
        )
        method = istsim.GradientDescent()
        theorem = istsim.theorems.get("expected-iterate")
        check = theorem.check(problem, method, step_size=0.5, rounds=1, x0=[1.0])
        print(check.reason, check.holds, check.lhs, check.rhs, sep="\n")
    """
    arguments = {"step_size": instance.step_size, "rounds": instance.rounds, "x0": instance.x0, **instance.parameters}
    return "\n".join(
        [
            "import istsim",
            "",
            f"problem = {_problem(instance.problem)}",
            f"method = {_call(instance.method)}",
            f'theorem = istsim.theorems.get("{name}")',
            f"check = theorem.check(problem, method, {_arguments(arguments)})",
            r'print(check.reason, check.holds, check.lhs, check.rhs, sep="\n")',
        ]
    )


def _problem(problem: Quadratic) -> str:
    return f"istsim.Quadratic(\n    L={_value(problem.L)},\n    b={_value(problem.b)},\n)"


def _call(value: Any) -> str:
    """An object as the call that makes it, without what is left at its default."""
    given = {
        name: getattr(value, name)
        for name, parameter in inspect.signature(type(value)).parameters.items()
        if not _is_default(parameter.default, getattr(value, name))
    }
    # A user's own class goes by its bare name.
    prefix = "istsim." if type(value).__module__.startswith("istsim.") else ""
    return f"{prefix}{type(value).__name__}({_arguments(given)})"


def _is_default(default: Any, value: Any) -> bool:
    return default is value or (isinstance(value, str | int) and bool(default == value))


def _arguments(arguments: dict[str, Any]) -> str:
    return ", ".join(f"{name}={_value(value)}" for name, value in arguments.items())


def _value(value: Any) -> str:
    if dataclasses.is_dataclass(value):
        return _call(value)
    return repr(np.asarray(value).tolist() if isinstance(value, np.ndarray | np.generic | jax.Array) else value)
