"""What torch sends, which does not say how much that is."""

from __future__ import annotations

import math
from pathlib import Path

import torch


def bytes_written(device: torch.device) -> float:
    """Bytes that the operating system has written for this process; not a number where it does not tell.

    Args:
        device: where the process computes: what GPUs send, the operating system does not see.
    """
    if device.type != "cpu":
        return math.nan
    try:
        lines = Path("/proc/self/io").read_text().splitlines()
    except OSError:
        return math.nan
    return float(dict(line.split(": ") for line in lines)["wchar"])
