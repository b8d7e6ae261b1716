"""Packages that only some parts need."""

from __future__ import annotations

import importlib
from types import ModuleType


def require(module: str, *, extra: str) -> ModuleType:
    """Import `module`, or say which extra of istsim brings it.

    Raises:
        ImportError: if its package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != package:
            raise  # The package is there, but broken: its own message says more.
        raise ImportError(f'{package} is needed here: pip install "istsim[{extra}]"') from None
