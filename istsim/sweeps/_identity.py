"""What decides the numbers of a run, as text: equal text, equal numbers."""

from __future__ import annotations

import dis
import functools
import hashlib
import importlib.metadata
import inspect
import json
import sys
import types
from collections.abc import Mapping
from pathlib import Path
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
        return {"function": _code(value)}
    raise ValueError(f"{value!r} cannot be stored by its content; numbers, arrays, functions and istsim's objects can")


def as_json(value: Any) -> str:
    """The same text for the same content, whatever the order."""
    return json.dumps(content(value), sort_keys=True, separators=(",", ":"))


def identity(text: str) -> str:
    """32 hexadecimal digits that stand for a content."""
    return _hash(text.encode())


def _code(made_by: Any, seen: tuple[Any, ...] = ()) -> Any:
    """A class or function by its name; the user's, who may change it, by its code and all that this uses as well.

    Not by its text: that is not kept for what is typed in.

    Args:
        made_by: the class or function.
        seen: those of which it is a part: names are enough where they come up again.

    Raises:
        ValueError: for a class that uses what cannot be told from another by its content.
    """
    name = f"{made_by.__module__}.{made_by.__qualname__}"
    if _is_of_a_library(made_by.__module__) or made_by in seen:
        return name
    seen = (*seen, made_by)
    if not inspect.isclass(made_by):
        return [name, _function(inspect.unwrap(made_by), seen)]
    parts = {
        attribute: _attribute(made_by, attribute, value, seen)
        for attribute, value in sorted(vars(made_by).items())
        if attribute not in _MADE_BY_PYTHON and not _is_generated(value)
    }
    return [name, parts, [_code(base, seen) for base in made_by.__bases__ if base is not object]]


# What classes have whether anything is written in them or not, and what says nothing of numbers.
_MADE_BY_PYTHON = {
    "__abstractmethods__", "__annotations__", "__dataclass_fields__", "__dataclass_params__", "__dict__", "__doc__",
    "__firstlineno__", "__hash__", "__match_args__", "__module__", "__orig_bases__", "__parameters__", "__qualname__",
    "__slots__", "__static_attributes__", "__weakref__", "_abc_impl",
}  # fmt: skip


def _is_generated(value: Any) -> bool:
    """Whether the decorator of dataclasses wrote it: it follows from the fields."""
    return (
        inspect.isfunction(value)
        and inspect.unwrap(value).__code__.co_filename[0] == "<"
        and value.__name__[:2] == "__"
    )


def _attribute(owner: type, name: str, value: Any, seen: tuple[Any, ...]) -> Any:
    """A method, by its function, or a variable of the class, by its content."""
    for inner in ("fget", "__func__", "func"):  # of properties, class and static methods, and cached properties
        value = getattr(value, inner, value)
    return _used(f"the class {owner.__qualname__} has", name, value, seen)


def _function(function: Any, seen: tuple[Any, ...]) -> Any:
    """Its instructions, and the values of all that they use from outside."""
    nonlocals = dict(inspect.getclosurevars(function).nonlocals)
    names = sorted(_global_names(function.__code__) & function.__globals__.keys())
    outside = {name: function.__globals__[name] for name in names} | nonlocals
    by = f"{function.__qualname__} uses"
    return {
        "code": _instructions(function.__code__),
        "defaults": [_used(by, "a default", value, seen) for value in function.__defaults__ or ()],
        "named": {
            name: _used(by, name, value, seen) for name, value in sorted((function.__kwdefaults__ or {}).items())
        },
        "uses": {name: _used(by, name, value, seen) for name, value in sorted(outside.items())},
    }


def _used(by: str, name: str, value: Any, seen: tuple[Any, ...]) -> Any:
    if inspect.ismodule(value):
        return _module(value)
    unwrapped = inspect.unwrap(value) if callable(value) else value
    if inspect.isclass(unwrapped) or inspect.isfunction(unwrapped):
        return _code(unwrapped, seen)
    # A function of a library that is no plain one, such as NumPy's.
    if callable(unwrapped) and _is_of_a_library(getattr(unwrapped, "__module__", None) or type(unwrapped).__module__):
        return getattr(unwrapped, "__qualname__", None) or getattr(unwrapped, "__name__", repr(type(unwrapped)))
    try:
        return content(value)
    except ValueError as error:
        raise ValueError(f"{by} {name}, which decides its numbers and cannot be told by its content: {error}") from None


def _module(module: types.ModuleType) -> str:
    """A library's by its name; the user's own by its text."""
    file = getattr(module, "__file__", None)
    if _is_of_a_library(module.__name__) or file is None:
        return module.__name__
    return _hash(Path(file).read_bytes())


@functools.cache
def _is_of_a_library(module: str) -> bool:
    """Whether it is installed, or comes with Python."""
    package = module.partition(".")[0]
    if package in ("istsim", "__main__"):
        return package == "istsim"
    return package in sys.stdlib_module_names or package in _installed_packages()


@functools.cache
def _installed_packages() -> frozenset[str]:
    """The packages that are installed. Listing them takes half a second."""
    return frozenset(importlib.metadata.packages_distributions())


def _global_names(code: types.CodeType) -> set[str]:
    """The global names that it reads, and the functions written in it."""
    own = {each.argval for each in dis.get_instructions(code) if each.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    return own.union(*(_global_names(each) for each in code.co_consts if isinstance(each, types.CodeType)))


def _instructions(code: types.CodeType) -> str:
    constants = [_instructions(each) if isinstance(each, types.CodeType) else _ordered(each) for each in code.co_consts]
    return _hash(repr((code.co_code, code.co_names, code.co_varnames, constants)).encode())


def _ordered(constant: Any) -> str:
    return repr(sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant)


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]
