"""The whole benchmark, as data and as text."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import importlib.util
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax

from istsim._cores import cores
from istsim._files import written_whole
from istsim.benchmark import _rounds as by
from istsim.benchmark._first_answers import TITLE, as_line, time_first_answers
from istsim.benchmark._growth import SERIES, time_growth
from istsim.benchmark._memory import READ_BYTES, reading
from istsim.benchmark._timing import interleaved
from istsim.benchmark._workload import Workload

SIZES = ((10, 1000), (16, 256), (64, 1024))
_PACKAGES = ("istsim", "jax", "numpy", "numba", "torch")


def run_benchmark(quick: bool = False, report: Callable[[str], None] = print) -> dict[str, Any]:
    """Time everything and report each line as it is known.

    Args:
        quick: the smallest size only, in float64.
        report: what is done with a line of text.
    """
    result: dict[str, Any] = {"machine": _machine()}
    report(machine_line(result))
    sizes, dtypes = (SIZES[1:2], ("float64",)) if quick else (SIZES, ("float64", "float32"))
    dense = [Workload(n, d, dtype) for dtype in dtypes for n, d in sizes]
    structured = [Workload(n, d, structure=kind) for kind in ("factored", "tridiagonal") for n, d in sizes]
    for title, key, rows in (
        (DENSE, "rounds", map(by.time_rounds, _with_batches(dense))),
        (STRUCTURED, "structures", map(by.time_rounds, _with_batches(structured))),
        (RECORDING, "recording", map(by.time_recording, dense[: len(sizes)])),
        (CORES, "cores", map(_time_cores, map(_batch_of, dense[: len(sizes)]))),
        (GROWTH, "growth", map(time_growth, SERIES)),
        (IMPORT, "import", (measure() for measure in [_time_import])),
    ):
        report(f"\n{title}\n")
        result[key] = []
        for row in rows:
            result[key].append(row)
            report(LINES[key](row))
    return result


def run_first_answers(report: Callable[[str], None] = print) -> dict[str, Any]:
    """Time the first calls in fresh processes and report each line as it is known."""
    machine = _machine()
    report(machine_line({"machine": machine}))
    report(f"\n{TITLE}\n")
    rows = []
    for row in time_first_answers():
        rows.append(row)
        report(as_line(row))
    # With a machine of its own: the rest of a file may have been measured on another one.
    return {"first_answers": {"machine": machine, "rows": rows}}


def read_json(path: Path) -> dict[str, Any]:
    """What an existing file has, and nothing of one that is not there.

    Raises:
        ValueError: if it holds something else than the results of a benchmark.
    """
    try:
        measured = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError as error:
        raise ValueError(f"{path} is not a JSON file: {error}; name another file, or remove this one") from error
    if not isinstance(measured, dict):
        raise ValueError(f"{path} does not hold the results of a benchmark; name another file, or remove this one")
    return measured


def write_json(path: Path, result: dict[str, Any]) -> None:
    """What was measured, for programs; what an existing file has of other parts stays."""
    with written_whole(path) as part:
        part.write_text(json.dumps(read_json(path) | result, indent=1) + "\n", encoding="utf-8")


DENSE = "One round, masks drawn and metrics recorded, L_i as dense arrays: milliseconds, and how much slower others are"
STRUCTURED = "The same for L_i kept as factors of rank d/10, and tridiagonal"
RECORDING = "One trajectory: how much dearer it is to record every round than every 16th"
CORES = "A batch of 32 on all cores and on one"
GROWTH = "How the time of a whole run grows: it is proportional to the size to the power"


IMPORT = "Starting Python and importing"


def _with_batches(workloads: list[Workload]) -> Iterator[Workload]:
    for workload in workloads:
        yield workload
        yield _batch_of(workload)


def _batch_of(workload: Workload) -> Workload:
    return dataclasses.replace(workload, repetitions=8, step_sizes=4)


def _machine() -> dict[str, Any]:
    device = jax.devices()[0]
    return {
        "processor": _processor(),
        "cores": len(cores()),
        "device": "CPU" if device.platform == "cpu" else device.device_kind,
        "devices": len(jax.devices()),
        "read_speed": 1e3 * READ_BYTES / interleaved({"": reading()})[""],
        "packages": {
            name: importlib.metadata.version(name) for name in _PACKAGES if importlib.util.find_spec(name) is not None
        },
        "python": platform.python_version(),
    }


def _processor() -> str:
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":")[1].strip()
    return platform.processor() or platform.machine()


def _time_cores(workload: Workload) -> dict[str, Any]:
    """In processes of their own, because XLA's threads are as many as there are cores when it starts."""
    found = {}
    for number in (len(cores()), 1):
        code = (
            "import json, os, sys\n"
            "cores, workload = json.loads(sys.argv[1])\n"
            "if hasattr(os, 'sched_setaffinity'): os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])\n"
            "from istsim.benchmark import _report\n"
            "print(_report.milliseconds_here(workload))\n"
        )
        arguments = json.dumps([number, dataclasses.asdict(workload)])
        finished = subprocess.run([sys.executable, "-c", code, arguments], capture_output=True, text=True, check=True)
        found[str(number)] = float(finished.stdout)
    return {**dataclasses.asdict(workload), "milliseconds": found}


def _time_import() -> dict[str, Any]:
    def started(code: str) -> Callable[[int], object]:
        return lambda times: [subprocess.run([sys.executable, "-c", code], check=True) for _ in range(times)]

    return {"milliseconds": interleaved({name: started(f"import {name}") for name in ("jax", "istsim")}, seconds=0)}


def milliseconds_here(workload: dict[str, Any]) -> float:
    """Milliseconds a round of istsim alone, in this process."""
    chosen = Workload(**workload)
    run = by.simulated(chosen, chosen.problem())
    return interleaved({by.OURS: run}, seconds=by.turn(chosen))[by.OURS]


def machine_line(result: dict[str, Any]) -> str:
    """Where it ran, and with what."""
    machine = result["machine"]
    device = "" if machine["device"] == "CPU" else f", {machine['devices']} x {machine['device']}"
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    return (
        f"{machine['processor']}, {machine['cores']} cores{device}; memory is read at "
        f"{machine['read_speed'] / 1e9:.1f} GB/s; Python {machine['python']}, {packages}"
    )


def _what(row: dict[str, Any]) -> str:
    count = row["repetitions"] * row["step_sizes"]
    return f"{row['structure']:<11} n = {row['n']:<3} d = {row['d']:<5} {row['dtype']}  x {count:<3}"


def _rounds_line(row: dict[str, Any]) -> str:
    times = row["milliseconds"]
    others = ", ".join(f"{name} {time / times[by.OURS]:.1f}" for name, time in times.items() if name != by.OURS)
    floor = f" = {times[by.OURS] / row['floor']:.1f} floors" if row["repetitions"] * row["step_sizes"] == 1 else ""
    return f"{_what(row)} {times[by.OURS]:9.4f} ms{floor}; {others}"


def _recording_line(row: dict[str, Any]) -> str:
    often, seldom = row["milliseconds"]["1"], row["milliseconds"]["16"]
    return f"{_what(row)} {often:9.4f} and {seldom:.4f} ms: {100 * (often / seldom - 1):.0f} % dearer"


def _cores_line(row: dict[str, Any]) -> str:
    (cores, together), (_, alone) = row["milliseconds"].items()
    return f"{_what(row)} {together:9.4f} and {alone:.4f} ms: {cores} cores are {alone / together:.2f} times faster"


def _growth_line(row: dict[str, Any]) -> str:
    pairs = ", ".join(
        f"{value}: {1e3 * time:.0f} ms" for value, time in zip(row["values"], row["seconds"], strict=True)
    )
    return f"{row['name']:<12} {row['exponent']:.2f}   ({pairs})"


def _import_line(row: dict[str, Any]) -> str:
    alone, ours = row["milliseconds"]["jax"], row["milliseconds"]["istsim"]
    return f"jax {alone:.0f} ms, istsim {ours:.0f} ms: {ours / alone:.2f} times"


LINES: dict[str, Callable[[dict[str, Any]], str]] = {
    "rounds": _rounds_line,
    "structures": _rounds_line,
    "recording": _recording_line,
    "cores": _cores_line,
    "growth": _growth_line,
    "import": _import_line,
}
