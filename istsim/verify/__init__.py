"""Holding simulation, exact engine and theorems against each other.

`istsim.verify.strategies`, which needs hypothesis, is imported when it is first used.
"""

import importlib as _importlib
from typing import Any as _Any

from istsim.verify._conformance import check_sketch as check_sketch
from istsim.verify._statistics import Agreement as Agreement
from istsim.verify._statistics import compare_means as compare_means


def __getattr__(name: str) -> _Any:
    if name == "strategies":
        return _importlib.import_module("istsim.verify.strategies")
    raise AttributeError(f"module 'istsim.verify' has no attribute {name!r}")
