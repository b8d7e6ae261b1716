"""Training runs of a study, each in a folder of its own, so that an interrupted study goes on where it was."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from istsim._cores import cores
from istsim._files import make_folder, written_whole
from istsim.networks import Memory, TrainingRun, train_in_folder
from istsim.networks._log import read_log
from istsim.sweeps._pool import ProcessPool

KINDS = tuple(field.name for field in dataclasses.fields(Memory))
_ENDED = ("finished", "diverged")


def logs_of(
    runs: Mapping[str, TrainingRun], folder: Path, *, on_run: Callable[[], object] = lambda: None
) -> dict[str, dict[str, Any]]:
    """Train what has not been trained before, one run a core, and give what all logs hold.

    Args:
        runs: by the names of their folders.
        folder: of these.
        on_run: called after each.

    Raises:
        ValueError: if a folder there holds another run.
    """
    missing = {name: run for name, run in runs.items() if _log(folder / name) is None}
    for _ in range(len(runs) - len(missing)):
        on_run()
    # The longest first, so that no core waits long for the last.
    longest = sorted(missing, key=lambda name: -missing[name].rounds)
    one_a_core([(_train, missing[name], folder / name) for name in longest], on_run)
    return {name: _same(folder / name, run) for name, run in runs.items()}


def one_a_core(calls: Sequence[tuple], on_run: Callable[[], object] = lambda: None) -> None:
    """Call functions, each in a tuple with its arguments, one at a time on each core, with torch on one thread."""
    if not calls:
        return
    with ProcessPool(min(len(calls), len(cores()))) as pool:
        tasks = [pool.submit(_on_one_thread, *call) for call in calls]
        try:
            for task in concurrent.futures.as_completed(tasks):
                task.result()
                on_run()
        except Exception:
            pool.shutdown(cancel_futures=True)
            raise


def logs_of_processes(
    runs: Mapping[str, TrainingRun], folder: Path, *, on_run: Callable[[], object] = lambda: None
) -> dict[str, dict[str, Any]]:
    """The same with a process for each worker, one run after the other: for what is measured of processes."""
    for name, run in runs.items():
        if _log(folder / name) is None:
            _train_by_processes(run, folder / name)
        on_run()
    return {name: _same(folder / name, run) for name, run in runs.items()}


def most_memory(log: Mapping[str, Any]) -> list[int]:
    """The bytes by kind of the worker that has most."""
    workers = ([worker[kind] for kind in KINDS] for worker in log["measured"]["workers"])
    return max(workers, key=sum)


def _log(folder: Path) -> dict[str, Any] | None:
    """Of a run that has ended."""
    path = folder / "log.json"
    log = read_log(path) if path.exists() else None
    if log is None or log["status"] not in _ENDED:
        return None
    rows = [{name: math.nan if value is None else value for name, value in row.items()} for row in log["rounds"]]
    return log | {"rounds": rows}


def _same(folder: Path, run: TrainingRun) -> dict[str, Any]:
    log = _log(folder)
    if log is None:
        raise RuntimeError(f"the run in {folder} has not ended")
    if TrainingRun(**log["run"]) != run:
        raise ValueError(f"{folder} holds another run: remove it, or write to another folder")
    return log


def _on_one_thread(function: Callable[..., object], *arguments: object) -> None:
    import torch

    torch.set_num_threads(1)
    function(*arguments)


def _train(run: TrainingRun, folder: Path) -> None:
    for _ in train_in_folder(run, folder, resume=True):
        pass


def _train_by_processes(run: TrainingRun, folder: Path) -> None:
    make_folder(folder)
    options = folder / "run.json"
    with written_whole(options) as part:
        part.write_text(json.dumps({name: value for name, value in vars(run).items() if value is not None}))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={_processes(run)}"]
    train = ["-m", "istsim", "train", "--config", str(options), "--out", str(folder), "--resume"]
    train += [f"--checkpoint-every={run.rounds}"]  # short runs
    # On the CPU, where all methods are measured alike, and bytes are known.
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([*torchrun, *train], capture_output=True, text=True, env=environment)
    if _log(folder) is None:
        raise RuntimeError(f"the run in {folder} failed:\n{done.stderr[-2000:]}")


def _processes(run: TrainingRun) -> int:
    """One for each worker or stage; of local updates four, if there are as many units."""
    if run.method != "local":
        return run.workers
    from istsim.networks import local

    data = run.load_data()
    model = run.empty_model(data)
    method: Any = run.layout_and_method(model)[1]
    return min(4, len(local.flops_of_units(model, method, *run.batches(data)(0, 0))))
