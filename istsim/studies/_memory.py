"""What workers have in memory, send and wait for, by method: measured by the same meter."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from istsim import figures
from istsim.networks import TrainingRun
from istsim.studies._runs import KINDS, logs_of_processes, most_memory
from istsim.studies._study import Study

if TYPE_CHECKING:
    import matplotlib.figure
    import xarray

_MODELS = {
    "ResNet-18, digits": {"model": "resnet18", "width": 16, "data": "digits", "batch_size": 32},
    "transformer, text": {"model": "llama", "width": 64, "data": "text", "batch_size": 8},
}
_METHODS = {
    "DDP": {"method": "ddp"},
    "DDP, checkpointing": {"method": "ddp", "checkpointing": True},
    "FSDP2": {"method": "fsdp"},
    "Dropout": {"method": "dropout"},
    "Stochastic Depth": {"method": "dropout", "level": "block"},
    "SDP forward, neurons": {"method": "sdp"},
    "SDP forward, blocks": {"method": "sdp", "level": "block"},
    "SDP backward, neurons": {"method": "sdp", "masking": "backward"},
    "SDP backward, blocks": {"method": "sdp", "masking": "backward", "level": "block"},
    "IST, neurons": {"method": "ist"},
}
_ALL = {"workers": 4, "optimizer": "adam", "step_size": 0.001, "rounds": 20, "evaluate_every": 20}


class MeasuredMemory(Study):
    """The meter of all runs on SDP (coverage 1/2), IST and what they are compared with, four workers each a process."""

    name = "measured-memory"
    title = "Memory, bytes and seconds a step, measured"

    def num_runs(self, quick: bool) -> int:
        """Of all models and methods."""
        return len(_runs(quick))

    def measure(self, quick: bool, folder: Path, on_run: Callable[[], object] = lambda: None) -> xarray.Dataset:
        """Train for twenty rounds each.

        Returns:
            Over `model` and `algorithm`: `memory` over `kind`, bytes of the worker that has most; `peak`, the resident
            bytes of the largest process; `bytes_per_step`, sent by all workers; `seconds` of a step, and
            `step_seconds` of computing in it, the slowest worker's: not a number for torch's own, which also send
            while they compute.
        """
        import xarray

        logs = logs_of_processes(_runs(quick), folder, on_run=on_run)
        models = [model for model in _MODELS if f"{_folder(model)}-ddp" in logs]
        rows = [[_row(logs[f"{_folder(model)}-{_folder(method)}"]) for method in _METHODS] for model in models]
        names = ("peak", "bytes_per_step", "step_seconds", "seconds")
        return xarray.Dataset(
            {"memory": (("model", "algorithm", "kind"), [[row["memory"] for row in some] for some in rows])}
            | {name: (("model", "algorithm"), [[row[name] for row in some] for some in rows]) for name in names},
            {"model": models, "algorithm": list(_METHODS), "kind": list(KINDS)},
            self.attributes(),
        )

    def figure(self, data: xarray.Dataset) -> matplotlib.figure.Figure:
        """From the data to a figure."""
        return figures.memory_study(data)

    def caption(self, data: xarray.Dataset) -> str:
        """What the figure shows, in numbers."""
        told = []
        for model in data.model.values:
            one = data.sel(model=model)
            whole = one.memory.sum("kind")
            parts = ", ".join(
                f"{algorithm} {float(whole.sel(algorithm=algorithm) / whole.sel(algorithm='DDP')):.2f}"
                for algorithm in data.algorithm.values[1:]
            )
            told.append(f"{model}, memory as a fraction of DDP's: {parts}")
        return (
            "Four workers, each a process; Adam; C = 1/2, of IST 1/4; all by the same meter. Memory is that of the "
            "worker that has most, at its fullest; bytes are those of all workers, for torch's own methods as the "
            "operating system counts them; light is the time of the whole step, dark that of computing where it is "
            f"known apart, with four processes on {data.attrs['cores']} cores. {'; '.join(told)}."
        )


def _runs(quick: bool) -> dict[str, TrainingRun]:
    models = list(_MODELS)[1:] if quick else list(_MODELS)
    options: Any = {model: _ALL | _MODELS[model] for model in models}
    return {
        f"{_folder(model)}-{_folder(method)}": TrainingRun(**options[model], **own)
        for model in models
        for method, own in _METHODS.items()
    }


def _folder(name: str) -> str:
    return name.lower().replace(",", "").replace(" ", "-")


def _row(log: dict[str, Any]) -> dict[str, Any]:
    workers, processes, rows = log["measured"]["workers"], log["measured"]["processes"], log["rounds"]
    # Of the rounds after the first, in which all is dealt.
    first, last = rows[0], rows[-1]
    steps = last["steps"] - first["steps"]
    times = [worker["step_seconds"] for worker in workers]
    sent = sum(last[way] - first[way] for way in ("bytes_down", "bytes_up"))
    return {
        "memory": most_memory(log),
        "peak": max(process["peak_memory"] for process in processes),
        "bytes_per_step": sent / steps,
        "step_seconds": math.nan if None in times else max(times),
        "seconds": (last["seconds"] - first["seconds"]) / steps,
    }
