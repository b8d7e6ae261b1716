"""How the time of a run grows with its sizes."""

from __future__ import annotations

import dataclasses
import statistics
import time
from typing import Any

import numpy as np

from istsim.benchmark._rounds import simulated
from istsim.benchmark._workload import Workload

_START = Workload(8, 256, repetitions=2, step_sizes=2)
_ROUNDS = 4096  # so many that no run is short enough for NumPy
SERIES = {
    "n": (8, 16, 32, 64),
    "d": (128, 256, 512, 1024),
    "rounds": (4096, 8192, 16384, 32768),
    "repetitions": (2, 4, 8, 16),
    "step_sizes": (2, 4, 8, 16),
}


def time_growth(name: str, repeats: int = 3) -> dict[str, Any]:
    """Seconds of whole runs along one series of sizes, and the exponent fitted to them.

    Args:
        name: what grows: "n", "d", "rounds", "repetitions" or "step_sizes"; all else stays.
        repeats: how often each run is timed, in turn.

    Returns:
        "values", "seconds" (medians) and "exponent", the slope of the logarithms.
    """
    runs = []
    for value in SERIES[name]:
        workload = _START if name == "rounds" else dataclasses.replace(_START, **{name: value})
        runs.append((simulated(workload, workload.problem()), value if name == "rounds" else _ROUNDS))
    for run, rounds in runs:
        run(rounds)
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(repeats):
        for found, (run, rounds) in zip(times, runs, strict=True):
            start = time.perf_counter()
            run(rounds)
            found.append(time.perf_counter() - start)
    seconds = [statistics.median(found) for found in times]
    slope = np.polyfit(np.log(SERIES[name]), np.log(seconds), 1)[0]
    return {"name": name, "values": list(SERIES[name]), "seconds": seconds, "exponent": float(slope)}
