from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

import istsim
from istsim.methods._method import Method
from istsim.problems._quadratic import Quadratic
from istsim.theorems._instance import Instance


def as_code(name: str, instance: Instance) -> str:
    r"""Python that asks the theorem of that name about the instance again, every number in full.

    Classes of your own are imported from the file that defines them.

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
            *sorted({_import_of(kind) for kind in _classes_in(instance.method) if not _is_istsims(kind)}),
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
    prefix = "istsim." if _is_istsims(type(value)) else ""
    return f"{prefix}{type(value).__name__}({_arguments(_given(value))})"


def _given(value: Any) -> dict[str, Any]:
    """The arguments that make an object, without those left at their defaults."""
    return {
        name: getattr(value, name)
        for name, parameter in inspect.signature(type(value)).parameters.items()
        if not _is_default(parameter.default, getattr(value, name))
    }


def _classes_in(value: Any) -> Iterator[type]:
    """The classes of an object and of those it is made from."""
    if isinstance(value, Method) or dataclasses.is_dataclass(value):
        yield type(value)
        for argument in _given(value).values():
            yield from _classes_in(argument)


def _is_istsims(kind: type) -> bool:
    return getattr(istsim, kind.__name__, None) is kind


def _import_of(kind: type) -> str:
    """The line that imports a class, by its file's name where the module's is that of a script."""
    if "." in kind.__qualname__:
        return (
            f"# {kind.__name__} is defined inside {kind.__qualname__.partition('.')[0]} of {_module_of(kind)}: copy it"
        )
    return f"from {_module_of(kind)} import {kind.__name__}"


def _module_of(kind: type) -> str:
    if kind.__module__ not in ("__main__", "<run_path>"):  # as a script, or by `istsim verify --load`
        return kind.__module__
    functions = [member for member in vars(kind).values() if inspect.isfunction(member)]
    files = (Path(function.__code__.co_filename) for function in functions)
    # What a dataclass generates, and what is typed in a notebook, has no file.
    return next((file.stem for file in files if file.is_file()), "__main__")


def _is_default(default: Any, value: Any) -> bool:
    return default is value or (isinstance(value, str | int) and bool(default == value))


def _arguments(arguments: dict[str, Any]) -> str:
    return ", ".join(f"{name}={_value(value)}" for name, value in arguments.items())


def _value(value: Any) -> str:
    if dataclasses.is_dataclass(value):
        return _call(value)
    return repr(np.asarray(value).tolist() if isinstance(value, np.ndarray | np.generic | jax.Array) else value)
