"""A round of `simulate` beside what a researcher would write and what memory allows."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from istsim.benchmark._baselines import Arrays, dense_masks, gathered, gathered_by_torch
from istsim.benchmark._memory import READ_BYTES, bytes_of_round, reading
from istsim.benchmark._timing import interleaved
from istsim.benchmark._workload import Workload
from istsim.problems import Quadratic
from istsim.simulation import simulate

OURS, XLA, XLA_DENSE = "istsim", "istsim by XLA", "istsim by XLA, L_i as dense arrays"
NUMPY_DENSE, NUMPY_GATHERED, TORCH_GATHERED = "NumPy, dense masks", "NumPy, gathered", "torch, gathered"


def simulated(workload: Workload, problem: Quadratic, record_every: int = 1, **where: Any) -> Callable[[int], object]:
    """Rounds by `simulate`."""
    method = workload.method()
    return lambda rounds: simulate(
        problem,
        method,
        step_size=workload.sizes,
        rounds=rounds,
        repetitions=workload.repetitions,
        key=0,
        record_every=record_every,
        **where,
    )


def contestants(workload: Workload) -> dict[str, Callable[[int], object]]:
    """All that run the workload: istsim as it chooses, by XLA, and others, one trajectory after the other."""
    problem = workload.problem()
    # A mesh of one device: what XLA compiles, without the loops compiled by numba.
    on_mesh = {"backend": "shard_map", "mesh_shape": (1, 1)}
    found = {OURS: simulated(workload, problem), XLA: simulated(workload, problem, **on_mesh)}
    if workload.structure != "dense":
        found[XLA_DENSE] = simulated(workload, Quadratic(problem.L, problem.b), **on_mesh)
        return found
    arrays, rng = Arrays.of(problem, workload.method()), np.random.default_rng(0)
    others: dict[str, Callable[..., object]] = {
        NUMPY_DENSE: lambda *run: dense_masks(arrays, *run),
        NUMPY_GATHERED: lambda *run: gathered(arrays, *run),
    }
    with contextlib.suppress(ImportError):  # torch is optional
        others[TORCH_GATHERED] = gathered_by_torch(arrays)

    def one_by_one(run: Callable[..., object]) -> Callable[[int], None]:
        def all_of_them(rounds: int) -> None:
            for step_size in workload.sizes * workload.repetitions:
                run(step_size, rounds, rng)

        return all_of_them

    return found | {name: one_by_one(run) for name, run in others.items()}


def time_rounds(workload: Workload) -> dict[str, Any]:
    """Milliseconds a round of all trajectories by every contestant, and of one by what memory allows at that time."""
    found = interleaved({"reading": reading(), **contestants(workload)}, seconds=turn(workload))
    floor = bytes_of_round(workload) / READ_BYTES * found.pop("reading")
    return {**dataclasses.asdict(workload), "floor": floor, "milliseconds": found}


def time_recording(workload: Workload) -> dict[str, Any]:
    """Milliseconds a round where metrics are recorded in every round, and in every 16th."""
    problem = workload.problem()
    every = {str(often): simulated(workload, problem, often) for often in (1, 16)}
    return {**dataclasses.asdict(workload), "milliseconds": interleaved(every, seconds=turn(workload))}


def turn(workload: Workload) -> float:
    """Seconds of a turn: longer than runs by NumPy are.

    Of a single trajectory, only after some thousand rounds are the L_i moved to larger pages.
    """
    return 1.0 if workload.repetitions == 1 else 0.3
