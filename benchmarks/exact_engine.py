"""How fast the exact engine is, beside the least it could cost: `python benchmarks/exact_engine.py`.

One step of the second moment needs, for each of the n workers, the product `L X` and one more of that size. The floor
is those two products alone, by NumPy, timed in the same run in turn with the engine's step, that of the mean
included, and with the same formulas compiled by JAX; the first ratio is what the engine adds: the same two products
once more for the sum of the workers, and the entrywise terms. Then, each in a process of its own: the memory of a
hundred steps at d = 1000, and the expected iterate alone at d = 5000.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import istsim
from istsim.theory._affine import Moments
from istsim.theory._law_of import law_of

NUM_WORKERS = 10
REPEATS = 7


def problem_of(d: int) -> istsim.Quadratic:
    """Dense and heterogeneous, with a positive diagonal added instead of checking eigenvalues at length."""
    rng = np.random.default_rng(0)
    G = rng.standard_normal((NUM_WORKERS, d, d)) / np.sqrt(d)
    L = G @ G.transpose(0, 2, 1) + 0.1 * np.eye(d)
    return istsim.Quadratic(L, rng.standard_normal((NUM_WORKERS, d)))


def medians(functions: dict[str, object], repeats: int) -> dict[str, float]:
    """Milliseconds a call, median over calls in turn."""
    for function in functions.values():
        jax.block_until_ready(function())
    times = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            start = time.perf_counter()
            jax.block_until_ready(function())
            times[name].append(time.perf_counter() - start)
    return {name: 1e3 * float(np.median(values)) for name, values in times.items()}


def one_step(d: int) -> dict[str, float]:
    """The engine's step, that with the mean's part, and the floor."""
    problem = problem_of(d)
    law = law_of(problem, istsim.IST(istsim.Permutation(NUM_WORKERS, d)))
    rng = np.random.default_rng(1)
    start = Moments(np.cov(rng.standard_normal((d, d))), rng.standard_normal(d), 1.0)

    # As in a run, what does not change from step to step is computed once.
    steps, recursion = (100 if d <= 100 else 10), law.recursion()

    def engine():
        moments = start
        for _ in range(steps):
            moments = recursion(1e-3, moments)
        return moments.second

    @jax.jit
    def compiled(law, start):
        recursion = law.recursion()
        return jax.lax.fori_loop(0, steps, lambda _, moments: recursion(1e-3, moments), start)

    def floor():
        M, L = start.second, np.asarray(problem.L)
        rows = np.concatenate(L)
        for _ in range(steps):
            products = (rows @ M).reshape(L.shape).transpose(1, 0, 2).reshape(d, -1)
            M = products @ rows * 1e-3
        return M

    traced, first = jax.tree.map(jnp.asarray, law), jax.tree.map(jnp.asarray, start)
    contestants = {"engine": engine, "compiled": lambda: compiled(traced, first), "floor": floor}
    found = medians(contestants, REPEATS)
    return {
        "d": d,
        **{f"{name}_ms": ms / steps for name, ms in found.items()},
        "ratio": found["engine"] / found["floor"],
        "to_compiled": found["engine"] / found["compiled"],
    }


def memory() -> dict[str, float]:
    """A hundred steps at d = 1000."""
    d = 1000
    rng = np.random.default_rng(0)
    L = np.empty((NUM_WORKERS, d, d))
    for matrix in L:
        G = rng.standard_normal((d, d)) / np.sqrt(d)
        matrix[...] = G @ G.T + 0.1 * np.eye(d)
    problem = istsim.Quadratic(L, rng.standard_normal((NUM_WORKERS, d)))
    del L, G
    start = time.perf_counter()
    method = istsim.IST(istsim.Permutation(NUM_WORKERS, d))
    moments = istsim.theory.exact_moments(problem, method, step_size=0.01, rounds=100)
    jax.block_until_ready(moments.objective_gap)
    return {"d": d, "rounds": 100, "seconds": time.perf_counter() - start, "peak_gib": peak_gib()}


def mean() -> dict[str, float]:
    """The expected iterate at d = 5000, of a problem kept in factors."""
    d = 5000
    rng = np.random.default_rng(0)
    A, y = rng.standard_normal((NUM_WORKERS, 100, d)), rng.standard_normal((NUM_WORKERS, 100))
    problem = istsim.Quadratic.from_least_squares(A, y, ridge=0.1)
    del A
    start = time.perf_counter()
    method = istsim.IST(istsim.Permutation(NUM_WORKERS, d))
    means = istsim.theory.exact_mean(problem, method, step_size=0.01, rounds=100)
    jax.block_until_ready(means)
    return {"d": d, "rounds": 100, "seconds": time.perf_counter() - start, "peak_gib": peak_gib()}


def peak_gib() -> float:
    """The most memory this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    """Print a table, and with --json write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="a file for the numbers")
    parser.add_argument("--only", choices=["memory", "mean"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps({"memory": memory, "mean": mean}[arguments.only]()))
        return
    rows = [one_step(d) for d in (100, 300)]
    print(f"one step, n = {NUM_WORKERS}, float64, medians of {REPEATS} runs in turn")
    for row in rows:
        print(
            f"  d = {row['d']:4d}: {row['engine_ms']:8.2f} ms, two products a worker {row['floor_ms']:8.2f} ms, "
            f"ratio {row['ratio']:.2f}; compiled by JAX {row['compiled_ms']:8.2f} ms, ratio {row['to_compiled']:.2f}"
        )
    results = {"one_step": rows}
    for name in ("memory", "mean"):
        command = [sys.executable, __file__, "--only", name]
        results[name] = found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        print(
            f"{'second moments' if name == 'memory' else 'mean alone'}, d = {found['d']}, {found['rounds']} rounds: "
            f"{found['seconds']:.1f} s, peak memory {found['peak_gib']:.2f} GiB"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
