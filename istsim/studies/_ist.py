"""IST against data parallelism and local SGD: what it takes to be right about 95 % of the digits."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from istsim import figures
from istsim.networks import TrainingRun
from istsim.studies._runs import logs_of, logs_of_processes
from istsim.studies._study import Study

if TYPE_CHECKING:
    import matplotlib.figure
    import xarray

TARGET = 0.95
_METHODS = {
    "data parallelism": {"method": "dense", "rounds": 300, "evaluate_every": 2},
    "local SGD": {"method": "local-sgd", "rounds": 30, "evaluate_every": 1},
    "IST": {"method": "ist", "rounds": 160, "evaluate_every": 1},
}
_STEP_SIZES = (0.2, 0.4, 0.8)
_WORKERS = (2, 4, 8)
_TIMED = 2  # workers in processes of their own, as many as a small machine has cores
_COSTS = ("round", "steps", "bytes", "flops")


class IndependentSubnetworkTraining(Study):
    """Rounds, bytes, operations and seconds to 95 % of the digits, with the best step size for each method."""

    name = "ist"
    title = "IST, local SGD and data parallelism: what 95 % of the digits cost"
    seconds = 600.0

    def num_runs(self, quick: bool) -> int:
        """In one process and in several."""
        return len(_cells(quick)) + len(_METHODS) * len(_seeds(quick))

    def measure(self, quick: bool, folder: Path, on_run: Callable[[], object] = lambda: None) -> xarray.Dataset:
        """Train with all step sizes, and with the best ones by processes of their own.

        Returns:
            Over `algorithm`, `workers` and `seed`: `step_size`, with which the mean number of rounds is least, and what
            was spent until an evaluation found 95 %, `round`, `steps`, `bytes`, `flops`; and over `algorithm` and
            `seed`: `seconds` and `sent`, the bytes then, of two workers that are processes. Not a number where 95 % was
            not reached.
        """
        import xarray

        cells, seeds = _cells(quick), _seeds(quick)
        logs = logs_of({_file(cell): run for cell, run in cells.items()}, folder, on_run=on_run)
        reached = {cell: _reached(logs[_file(cell)]["rounds"]) for cell in cells}
        sizes = (len(_METHODS), len(_WORKERS), len(seeds))
        found: dict[str, Any] = {cost: np.full(sizes, math.nan) for cost in (*_COSTS, "step_size")}
        timed = {}
        for (i, method), (j, workers) in itertools.product(enumerate(_METHODS), enumerate(_WORKERS)):
            rounds = {
                step_size: np.mean([reached[method, workers, step_size, seed]["round"] for seed in seeds])
                for step_size in _STEP_SIZES
            }
            best = min(rounds, key=lambda step_size: (math.isnan(rounds[step_size]), rounds[step_size]))
            for k, seed in enumerate(seeds):
                for cost in _COSTS:
                    found[cost][i, j, k] = reached[method, workers, best, seed][cost]
                found["step_size"][i, j, k] = best
                if workers == _TIMED:
                    run = cells[method, workers, best, seed]
                    ours = dataclasses.replace(run, method="ddp") if run.method == "dense" else run
                    timed[i, k] = f"processes-{_file((method, workers, best, seed))}", ours
        logs = logs_of_processes(dict(timed.values()), folder, on_run=on_run)
        seconds, sent = (np.full((len(_METHODS), len(seeds)), math.nan) for _ in range(2))
        for at, (name, _) in timed.items():
            end = _reached(logs[name]["rounds"])
            seconds[at], sent[at] = end["seconds"], end["bytes"]
        return xarray.Dataset(
            {
                **{name: (("algorithm", "workers", "seed"), values) for name, values in found.items()},
                "seconds": (("algorithm", "seed"), seconds),
                "sent": (("algorithm", "seed"), sent),
            },
            {"algorithm": list(_METHODS), "workers": list(_WORKERS), "seed": list(seeds)},
            self.attributes(),
        )

    def figure(self, data: xarray.Dataset) -> matplotlib.figure.Figure:
        """From the data to a figure."""
        return figures.cost_study(data)

    def caption(self, data: xarray.Dataset) -> str:
        """What the figure shows, in numbers."""
        told = []
        for algorithm in data.algorithm.values:
            one = data.sel(algorithm=algorithm).mean("seed")
            few, many = one.isel(workers=0), one.isel(workers=-1)
            told.append(
                f"{algorithm}: {float(few['round']):.0f} rounds, {float(few.bytes) / 1e6:.1f} MB and "
                f"{float(one.seconds):.2f} s with {int(few.workers)} workers; {float(many['round']):.0f} rounds and "
                f"{float(many.bytes) / 1e6:.1f} MB with {int(many.workers)}"
            )
        return (
            f"A network of two hidden layers of 256 units, until it is right about {TARGET:.0%} of the test digits; 10 "
            "local steps of IST and local SGD; batches of 32 for each worker; for each method and number of workers "
            f"the best of the step sizes {', '.join(map(str, _STEP_SIZES))}. Bytes are all that workers send. Seconds "
            "are measured, without evaluation, where two workers are two processes, data parallelism by torch's own "
            f"DistributedDataParallel. {'; '.join(told)}."
        )


def _seeds(quick: bool) -> range:
    return range(1 if quick else 3)


def _cells(quick: bool) -> dict[tuple, TrainingRun]:
    """What to train in one process, by method, workers, step size and seed."""
    return {
        (name, workers, step_size, seed): TrainingRun(
            **options, model="mlp", workers=workers, optimizer="sgd", step_size=step_size, seed=seed
        )
        for name, options in _METHODS.items()
        for workers, step_size, seed in itertools.product(_WORKERS, _STEP_SIZES, _seeds(quick))
    }


def _file(cell: tuple) -> str:
    return "-".join(str(part).replace(" ", "-") for part in cell)


def _reached(rows: list[Mapping[str, Any]]) -> dict[str, float]:
    """What was spent when the target was reached; not a number if it never was."""
    for row in rows:
        if row["accuracy"] >= TARGET:
            return {**row, "bytes": row["bytes_down"] + row["bytes_up"]}
    return dict.fromkeys((*_COSTS, "seconds"), math.nan)
