"""Whether the loops that numba compiles can be used here."""

from __future__ import annotations

import functools
from importlib import import_module
from importlib.util import find_spec


@functools.cache
def why_not() -> str:
    """Why they cannot, in words; "" if they can.

    numba may be missing, or broken by another package's version, or have no folder that it may write to: compiling all
    loops anew in every process would take longer than XLA takes. Runs are then compiled by XLA.
    """
    if find_spec("numba") is None:
        return "numba is not installed: pip install 'istsim[fast]'"
    try:
        for module in ("istsim._threefry_loop", "istsim.simulation._kernels"):
            import_module(module)
    except Exception as error:  # a broken installation may raise anything
        reason = str(error).strip().partition("\n")[0]
        if "cannot cache function" in reason:
            return "numba finds no folder that it may write to: set NUMBA_CACHE_DIR to one"
        return f"numba does not work here: {type(error).__name__}: {reason}"
    return ""
