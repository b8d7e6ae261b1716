"""What the first call in a fresh process costs, and the second, beside what one would do instead."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

TITLE = "The first answer in a fresh process, after `import istsim`: n = 5, d = 20, 100 rounds"
LOOP, PEPIT = (
    "instead: a NumPy loop until the standard error is 1 %",
    "instead: PEPit, randomised coordinate descent, d = 2",
)


class Call(NamedTuple):
    """Python code to be timed.

    Attributes:
        first: The call.
        before: What comes before it and is not timed.
        again: The second call, if it is not the same.
    """

    first: str
    before: str = ""
    again: str = ""


_EXACT = "theory.exact_moments(problem, method, step_size=0.02, rounds=100)"
_RUN = "istsim.simulate(problem, method, step_size=0.02, rounds=200, repetitions=100, key=0)"
_RANDOM = (
    "istsim.random_quadratic({key}, 5, 20, condition_number=10.0, matrix_heterogeneity=0.5, vector_heterogeneity=1.0)"
)
CALLS = {
    "theory.exact_moments": Call(_EXACT),
    "the same with 101 rounds, after 100": Call(_EXACT.replace("100", "101"), _EXACT, _EXACT.replace("100", "102")),
    "the same with RandK, k = 5, after k = 4": Call(
        _EXACT.replace("method", "istsim.IST(istsim.RandK(5, 20, 5))"),
        _EXACT.replace("method", "istsim.IST(istsim.RandK(5, 20, 4))"),
    ),
    "theory.stationary": Call("theory.stationary(problem, method, 0.02)"),
    "theory.max_stable_step_size": Call("theory.max_stable_step_size(problem, method)"),
    "theory.best_step_size": Call("theory.best_step_size(problem, method, rounds=100)"),
    "compare_step_sizes": Call("istsim.compare_step_sizes(problem, method, rounds=100)"),
    "simulate, 100 repetitions, 200 rounds": Call(_RUN),
    "the same with n = 6 and d = 30, after it": Call(
        "istsim.simulate(other, istsim.IST(istsim.Permutation(6, 30)), step_size=0.02, rounds=200, repetitions=100, "
        "key=0)",
        f"other = problem_of(6, 30); {_RUN}",
    ),
    "random_quadratic": Call(_RANDOM.format(key=0), again=_RANDOM.format(key=1)),
    "a theorem's check, where b = 0": Call(
        "istsim.theorems.get('theorem-1-iterates').check(homogeneous, method, step_size=0.01, rounds=100)",
        "homogeneous = problem_of(5, 20, b=0.0)",
    ),
}
INSTEAD = {
    LOOP: Call("_first_answers.loop_to_one_percent(problem, step_size=0.02, rounds=100)"),
    PEPIT: Call(
        "worst_case(L=1, mu=0.1, gamma=2 / 1.1, d=2, verbose=0)", "worst_case = _first_answers.pepit_example()"
    ),
}

_SCRIPT = """
import json, resource, sys, time
import numpy as np
import istsim
from istsim import theory
from istsim.benchmark import _first_answers

def problem_of(n, d, b=1.0):
    G = np.random.default_rng(0).standard_normal((n, d, d))
    return istsim.Quadratic(G @ G.transpose(0, 2, 1) / d + 0.1 * np.eye(d), np.full((n, d), b))

def spent():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime, time.perf_counter()

problem = problem_of(5, 20)
method = istsim.IST(istsim.Permutation(5, 20))
exec({before!r})
times = []
for code in ({first!r}, {again!r}):
    program = compile(code, "call", "eval")
    start = spent()
    eval(program)
    times.append([end - begin for begin, end in zip(start, spent())])
print(json.dumps({{"cpu": [cpu for cpu, _ in times], "wall": [wall for _, wall in times]}}))
"""


def time_first_answers(calls: dict[str, Call] | None = None) -> Iterator[dict[str, Any]]:
    """Time the calls one after the other, each in a process of its own.

    Args:
        calls: Those of `CALLS` and `INSTEAD` if None.

    Yields:
        A row each: the name of the call, and the seconds of a processor and by the clock of its first and second call;
        or why it could not be timed.
    """
    for name, call in (CALLS | INSTEAD if calls is None else calls).items():
        script = _SCRIPT.format(first=call.first, before=call.before, again=call.again or call.first)
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        if done.returncode:
            last = done.stderr.strip().rpartition("\n")[2]
            yield {"name": name, "failed": last.removeprefix("ModuleNotFoundError: ")}
        else:
            yield {"name": name, **json.loads(done.stdout.splitlines()[-1])}


def as_line(row: dict[str, Any]) -> str:
    """A row for the terminal."""
    if "failed" in row:
        return f"{row['name']:<54} {row['failed']}"
    (first, again), (wall, wall_again) = row["cpu"], row["wall"]
    return f"{row['name']:<54} {first:7.3f} s of CPU ({wall:.3f} s), again {again:7.3f} s ({wall_again:.3f} s)"


def loop_to_one_percent(problem: Any, *, step_size: float, rounds: int, most_seconds: float = 120.0) -> float:
    """The mean objective gap after the last round, as a researcher writes it: dense masks, one run after the other.

    Args:
        problem: The quadratic.
        step_size: The step size.
        rounds: The number of rounds.
        most_seconds: When it gives up, whatever the standard error.
    """
    import time

    import numpy as np

    L, b = np.asarray(problem.L), np.asarray(problem.b)
    n, d = b.shape
    rng, gaps, start = np.random.default_rng(0), [], time.perf_counter()
    while time.perf_counter() - start < most_seconds:
        x = np.ones(d)
        for _ in range(rounds):
            owner = np.argsort(rng.random(d)) % n
            update = np.zeros(d)
            for i in range(n):
                mask = (owner == i).astype(float)
                update += n * mask * (L[i] @ (n * mask * x) - b[i])
            x = x - step_size * update / n
        gaps.append(float(problem.objective_gap(x)))
        if len(gaps) >= 30 and np.std(gaps, ddof=1) / np.sqrt(len(gaps)) <= 0.01 * np.mean(gaps):
            break
    return float(np.mean(gaps))


def pepit_example() -> Callable[..., Any]:
    """PEPit's worst case of randomised coordinate descent on a strongly convex function, imported and not yet called.

    Raises:
        ModuleNotFoundError: if PEPit is not installed.
    """
    import importlib

    try:
        module: Any = importlib.import_module(
            "PEPit.examples.stochastic_and_randomized_convex_minimization."
            "randomized_coordinate_descent_smooth_strongly_convex"
        )
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("PEPit is not installed") from error
    return module.wc_randomized_coordinate_descent_smooth_strongly_convex
