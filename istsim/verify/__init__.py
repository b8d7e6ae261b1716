"""Holding simulation, exact engine and theorems against each other.

What needs hypothesis or sympy is imported when it is first used.
"""

import importlib as _importlib
from typing import Any as _Any

from istsim.verify._conformance import check_sketch as check_sketch
from istsim.verify._statistics import Agreement as Agreement
from istsim.verify._statistics import compare_means as compare_means

_LATER = {
    "Verification": "_theorems",
    "as_code": "_code",
    "assert_theorem": "_theorems",
    "verify_theorem": "_theorems",
    "verify_theorems": "_run",
}


def __getattr__(name: str) -> _Any:
    if name == "strategies":
        return _importlib.import_module("istsim.verify.strategies")
    if name in _LATER:
        return getattr(_importlib.import_module(f"istsim.verify.{_LATER[name]}"), name)
    raise AttributeError(f"module 'istsim.verify' has no attribute {name!r}")
