"""What decides the numbers of a run, as text: equal text, equal numbers."""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
import types
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from istsim._pytree import Pytree


def content(value: Any) -> Any:
    """A value as JSON can hold it, arrays and code by their hashes.

    Raises:
        ValueError: for what cannot be told from another by its content.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        array = np.asarray(value)
        return {"array": _hash(array.tobytes()), "shape": list(array.shape), "dtype": str(array.dtype)}
    if isinstance(value, tuple | list):
        return [content(entry) for entry in value]
    if isinstance(value, Mapping):
        return {str(name): content(entry) for name, entry in sorted(value.items())}
    if isinstance(value, Pytree):
        return {"class": _code(type(value)), **{name: content(part) for name, part in sorted(vars(value).items())}}
    if isinstance(value, functools.partial):
        return {"partial": content(value.func), "arguments": content([value.args, value.keywords])}
    if inspect.isfunction(value):
        return {"function": _code(value), "uses": content(inspect.getclosurevars(value).nonlocals)}
    raise ValueError(f"{value!r} cannot be stored by its content; numbers, arrays, functions and istsim's objects can")


def as_json(value: Any) -> str:
    """The same text for the same content, whatever the order."""
    return json.dumps(content(value), sort_keys=True, separators=(",", ":"))


def identity(text: str) -> str:
    """32 hexadecimal digits that stand for a content."""
    return _hash(text.encode())


def _code(made_by: Any) -> Any:
    """A class or function by its name, and by its code where it is the user's, who may change it.

    Not by its text: that is not kept for what is typed in.
    """
    name = f"{made_by.__module__}.{made_by.__qualname__}"
    if made_by.__module__.partition(".")[0] == "istsim":
        return name
    if not inspect.isclass(made_by):
        return [name, _instructions(inspect.unwrap(made_by).__code__)]
    functions = {
        attribute: inspect.unwrap(function)
        for attribute, value in sorted(vars(made_by).items())
        if inspect.isfunction(function := getattr(value, "fget", getattr(value, "__func__", value)))
    }
    # What the decorator of dataclasses generates follows from the fields.
    written = {
        key: _instructions(each.__code__) for key, each in functions.items() if each.__code__.co_filename[0] != "<"
    }
    return [name, written, [_code(base) for base in made_by.__bases__ if base is not object]]


def _instructions(code: types.CodeType) -> str:
    constants = [_instructions(each) if isinstance(each, types.CodeType) else _ordered(each) for each in code.co_consts]
    return _hash(repr((code.co_code, code.co_names, code.co_varnames, constants)).encode())


def _ordered(constant: Any) -> str:
    return repr(sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant)


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]
