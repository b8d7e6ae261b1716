"""Memory of large arrays in pages of 2 MiB, where Linux offers it.

A round reads rows all over an array; with pages of 4 KiB, finding where they are costs up to as much as reading them.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import sys

import numpy as np

_COLLAPSE = 25  # MADV_COLLAPSE of Linux 6.1; advice that is not known is refused without harm


def use_huge_pages(array: np.ndarray) -> None:
    """Ask for it; moving a GiB takes a second or so, and nothing where it was moved before."""
    if not sys.platform.startswith("linux") or not array.flags.c_contiguous:
        return
    first = -(-array.ctypes.data // mmap.PAGESIZE) * mmap.PAGESIZE
    length = (array.ctypes.data + array.nbytes - first) // mmap.PAGESIZE * mmap.PAGESIZE
    with contextlib.suppress(OSError, AttributeError):
        if length > 0:
            ctypes.CDLL(None).madvise(ctypes.c_void_p(first), ctypes.c_size_t(length), ctypes.c_int(_COLLAPSE))
