"""From text such as "RandK(k=2)" to what it says: names, literals and calls of names, nothing else."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping
from typing import Any

from istsim._pytree import Pytree
from istsim._validation import did_you_mean


def evaluate(text: str, names: Mapping[str, Any], supplied: Mapping[str, Any] | None = None) -> Any:
    """The value of an expression.

    Args:
        text: names, literals, and calls of names. A name that can be called is called.
        names: what may be named.
        supplied: arguments that calls get where they take them and the text does not give them.

    Raises:
        ValueError: for other text, an unknown name, or arguments that do not fit.

    Example:
        >>> import istsim
        >>> from istsim.sweeps._expressions import evaluate
        >>> evaluate("RandK(k=2)", {"RandK": istsim.RandK}, {"n": 3, "d": 8})
        RandK(n=3, d=8, k=2)
    """
    try:
        tree = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"cannot read {text!r}: {error.msg}") from None
    value = _value(tree, text, names, supplied or {})
    return _called(value, text, [], {}, supplied or {}) if _makes_something(value) else value


def _value(node: ast.expr, text: str, names: Mapping[str, Any], supplied: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.Name):
        if node.id not in names:
            offered = sorted(name for name, value in names.items() if _can_be_meant(value))
            near = did_you_mean(node.id, offered)
            raise ValueError(f"unknown name {node.id!r} in {text!r}; {near}known are {', '.join(offered)}")
        return names[node.id]
    if isinstance(node, ast.Call):
        function = _value(node.func, text, names, supplied)
        arguments = [_value(argument, text, names, supplied) for argument in node.args]
        if any(keyword.arg is None for keyword in node.keywords):
            raise ValueError(f"cannot read {text!r}: write every argument out")
        named = {str(keyword.arg): _value(keyword.value, text, names, supplied) for keyword in node.keywords}
        return _called(function, text, arguments, named, supplied)
    if isinstance(node, ast.Tuple | ast.List):
        return [_value(entry, text, names, supplied) for entry in node.elts]
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise ValueError(
            f"cannot read {text!r}: {ast.unparse(node)!r} is neither a number, text, a name nor a call"
        ) from None


def _called(function: Any, text: str, arguments: list[Any], named: dict[str, Any], supplied: Mapping[str, Any]) -> Any:
    if not callable(function):
        raise ValueError(f"cannot call {function!r} in {text!r}")
    try:
        signature = inspect.signature(function)
        given = signature.bind_partial(*arguments, **named).arguments
        left_open = signature.parameters.keys() - given.keys()
        return function(*arguments, **named, **{name: supplied[name] for name in left_open & supplied.keys()})
    except TypeError as error:
        raise ValueError(f"{text!r} does not fit: {error}") from None


def _makes_something(value: Any) -> bool:
    return inspect.isclass(value) or inspect.isroutine(value)


def _can_be_meant(value: Any) -> bool:
    """Whether it is a problem, sketch, method or noise, or may make one: what users import besides is neither."""
    if inspect.isclass(value):
        return issubclass(value, Pytree) and not inspect.isabstract(value)
    return isinstance(value, Pytree) or callable(value)
