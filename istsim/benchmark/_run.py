"""Timing `simulate` beside what a researcher would write and what memory allows, all interleaved in one run."""

from __future__ import annotations

import contextlib
import dataclasses
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np

from istsim.benchmark._baselines import Arrays, dense_masks, gathered, gathered_by_torch
from istsim.benchmark._memory import bytes_of_round
from istsim.methods import IST
from istsim.problems import random_quadratic
from istsim.simulation import simulate
from istsim.sketches import Permutation

SIZES = ((10, 1000), (16, 256), (64, 1024))
STEP_SIZES = (0.01, 0.02, 0.03, 0.04)


@dataclasses.dataclass(frozen=True)
class Timing:
    """Milliseconds a round of one size, for all trajectories together, medians over interleaved repeats.

    Attributes:
        n, d: workers and coordinates.
        dtype: the precision.
        trajectories: how many run: 1, or 32 of 8 repetitions and 4 step sizes.
        milliseconds: by contestant, "istsim" first.
        floor: what memory allows for one trajectory, at the measured speed.
    """

    n: int
    d: int
    dtype: str
    trajectories: int
    milliseconds: dict[str, float]
    floor: float


def time_rounds(
    n: int, d: int, dtype: str, *, repetitions: int, step_sizes: Sequence[float], speed: float, repeats: int = 5
) -> Timing:
    """Time all contestants at one size, masks drawn and metrics recorded in every round.

    Args:
        n, d: workers and coordinates, n dividing d.
        dtype: "float64" or "float32".
        repetitions, step_sizes: of the trajectories; the baselines run them one after the other.
        speed: bytes a second that one core reads from memory.
        repeats: how often each contestant runs.
    """
    problem = random_quadratic(
        0, n, d, condition_number=10.0, matrix_heterogeneity=0.5, vector_heterogeneity=0.5
    ).astype(dtype)
    method = IST(Permutation(n, d))
    arrays, rng = Arrays.of(problem, method), np.random.default_rng(0)

    def ours(rounds: int) -> None:
        simulate(problem, method, step_size=np.array(step_sizes), rounds=rounds, repetitions=repetitions, key=0)

    def one_by_one(run: Callable[[float, int, np.random.Generator], object]) -> Callable[[int], None]:
        def all_of_them(rounds: int) -> None:
            for step_size in step_sizes * repetitions:
                run(step_size, rounds, rng)

        return all_of_them

    contestants = {
        "istsim": ours,
        "NumPy, dense masks": one_by_one(lambda *run: dense_masks(arrays, *run)),
        "NumPy, gathered": one_by_one(lambda *run: gathered(arrays, *run)),
    }
    with contextlib.suppress(ImportError):  # torch is optional
        contestants["torch, gathered"] = one_by_one(gathered_by_torch(arrays))
    rounds = {name: _rounds_of_about(0.3, run) for name, run in contestants.items()}
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(repeats):
        for name, run in contestants.items():
            start = time.perf_counter()
            run(rounds[name])
            times[name].append((time.perf_counter() - start) / rounds[name])
    return Timing(
        n=n,
        d=d,
        dtype=dtype,
        trajectories=repetitions * len(step_sizes),
        milliseconds={name: 1e3 * statistics.median(found) for name, found in times.items()},
        floor=1e3 * bytes_of_round(n, d, np.dtype(dtype).itemsize) / speed,
    )


def _rounds_of_about(seconds: float, run: Callable[[int], None]) -> int:
    """How many rounds take so long, after a warm-up with as many."""
    rounds = 1
    while True:
        run(rounds)
        start = time.perf_counter()
        run(rounds)
        if (taken := time.perf_counter() - start) > seconds / 2:
            return max(1, round(rounds * seconds / taken))
        rounds *= 2
