from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def interleaved(
    contestants: Mapping[str, Callable[[int], object]], *, seconds: float = 0.3, repeats: int = 5
) -> dict[str, float]:
    """Milliseconds a round of each contestant: medians over repeats in which all take their turn.

    Machines are slower at one time than at another; taking turns, all contestants have their share of that.

    Args:
        contestants: functions that run so many rounds.
        seconds: about how long each turn lasts.
        repeats: how many turns each has, after it has warmed up.

    Example:
        >>> import time
        >>> from istsim.benchmark import interleaved
        >>> found = interleaved({"slow": lambda rounds: time.sleep(0.002 * rounds),
        ...                      "fast": lambda rounds: time.sleep(0.001 * rounds)}, seconds=0.01)
        >>> found["slow"] > found["fast"]
        True
    """
    rounds = {name: _rounds_of_about(seconds, run) for name, run in contestants.items()}
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(repeats):
        for name, run in contestants.items():
            times[name].append(_seconds(run, rounds[name]) / rounds[name])
    return {name: 1e3 * statistics.median(found) for name, found in times.items()}


def _rounds_of_about(seconds: float, run: Callable[[int], object]) -> int:
    """How many rounds take so long; each number is warmed up before it is timed."""
    rounds = 1
    while True:
        run(rounds)
        taken = _seconds(run, rounds)
        if taken > 0.75 * seconds:
            return rounds
        # Not by more at once: where a call costs much and a round little, the first times say nothing of the rounds.
        rounds *= max(2, min(16, round(seconds / taken)))


def _seconds(run: Callable[[int], object], rounds: int) -> float:
    start = time.perf_counter()
    run(rounds)
    return time.perf_counter() - start
