from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from istsim.simulation import simulate
from istsim.sweeps._cell import method_of, problem_of

_ROUNDS = 8


def estimate(cells: Sequence[Any], names: Mapping[str, Any]) -> float:
    """Seconds that all of them take one after the other, from some rounds of the first cell of each problem."""
    seconds, of_cell = 0.0, {}
    for planned in cells:
        cell = planned.cell
        if cell.problem not in of_cell:
            of_cell[cell.problem] = _seconds(cell, names)
        seconds += of_cell[cell.problem]
    return seconds


def _seconds(cell: Any, names: Mapping[str, Any]) -> float:
    problem = problem_of(cell.problem, names)
    method = method_of(cell, problem.num_workers, problem.dim, names)

    def timed(rounds: int) -> float:
        start = time.perf_counter()
        simulate(
            problem,
            method,
            step_size=list(cell.step_sizes),
            rounds=rounds,
            repetitions=cell.repetitions,
            record_every=cell.record_every,
            key=0,
        )
        return time.perf_counter() - start

    compiled = timed(_ROUNDS)
    return compiled + cell.rounds * timed(_ROUNDS) / _ROUNDS
