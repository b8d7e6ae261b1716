"""What workers have in memory, send and wait for, by method: measured by the same meter."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

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
_ALL = {"optimizer": "adam", "step_size": 0.001, "evaluate_every": 20}


class _Measured(Study):
    """The meter of all runs on some methods, with processes of their own.

    Attributes:
        methods: of each the options of its runs; the first is what the others are compared with.
    """

    methods: ClassVar[Mapping[str, Mapping[str, Any]]]

    def num_runs(self, quick: bool) -> int:
        """Of all models and methods."""
        return len(self._runs(quick))

    def measure(self, quick: bool, folder: Path, on_run: Callable[[], object] = lambda: None) -> xarray.Dataset:
        """Train for some rounds each.

        Returns:
            Over `model` and `algorithm`: `memory` over `kind`, bytes of the worker, unit or stage that has most;
            `peak`, the resident bytes of the largest process; `bytes_per_step`, sent by all; `seconds` of a step, and
            `step_seconds` of computing in it, the slowest one's: not a number for torch's own methods, which also send
            and wait while they compute.
        """
        import xarray

        logs = logs_of_processes(self._runs(quick), folder, on_run=on_run)
        models = [model for model in _MODELS if f"{_folder(model)}-{_folder(next(iter(self.methods)))}" in logs]
        rows = [[_row(logs[f"{_folder(model)}-{_folder(method)}"]) for method in self.methods] for model in models]
        names = ("peak", "bytes_per_step", "step_seconds", "seconds")
        return xarray.Dataset(
            {"memory": (("model", "algorithm", "kind"), [[row["memory"] for row in some] for some in rows])}
            | {name: (("model", "algorithm"), [[row[name] for row in some] for some in rows]) for name in names},
            {"model": models, "algorithm": list(self.methods), "kind": list(KINDS)},
            self.attributes(),
        )

    def figure(self, data: xarray.Dataset) -> matplotlib.figure.Figure:
        """From the data to a figure."""
        return figures.memory_study(data)

    def _runs(self, quick: bool) -> dict[str, TrainingRun]:
        models = list(_MODELS)[1:] if quick else list(_MODELS)
        return {
            f"{_folder(model)}-{_folder(method)}": TrainingRun(**{**_ALL, **_MODELS[model], **own})
            for model in models
            for method, own in self.methods.items()
        }

    def _fractions(self, data: xarray.Dataset) -> str:
        """In words, of each model and method, the memory as a fraction of the first method's."""
        told = []
        for model in data.model.values:
            whole = data.memory.sel(model=model).sum("kind").to_series()
            parts = ", ".join(f"{name} {size / whole.iloc[0]:.2f}" for name, size in list(whole.items())[1:])
            told.append(f"{model}, memory as a fraction of that of {whole.index[0]}: {parts}")
        return "; ".join(told)


_FOUR = {"workers": 4, "rounds": 20}


class MeasuredMemory(_Measured):
    """The meter of all runs on SDP (coverage 1/2), IST and what they are compared with, four workers each a process."""

    name = "measured-memory"
    title = "Memory, bytes and seconds a step, measured"
    seconds = 500.0
    methods: ClassVar = {
        "DDP": {**_FOUR, "method": "ddp"},
        "DDP, checkpointing": {**_FOUR, "method": "ddp", "checkpointing": True},
        "FSDP2": {**_FOUR, "method": "fsdp"},
        "Dropout": {**_FOUR, "method": "dropout"},
        "Stochastic Depth": {**_FOUR, "method": "dropout", "level": "block"},
        "SDP forward, neurons": {**_FOUR, "method": "sdp"},
        "SDP forward, blocks": {**_FOUR, "method": "sdp", "level": "block"},
        "SDP backward, neurons": {**_FOUR, "method": "sdp", "masking": "backward"},
        "SDP backward, blocks": {**_FOUR, "method": "sdp", "masking": "backward", "level": "block"},
        "IST, neurons": {**_FOUR, "method": "ist"},
    }

    def caption(self, data: xarray.Dataset) -> str:
        """What the figure shows, in numbers."""
        return (
            "Four workers, each a process; Adam; C = 1/2, of IST 1/4; all by the same meter. Memory is that of the "
            "worker that has most, at its fullest; bytes are those of all workers, for torch's own methods as the "
            "operating system counts them; light is the time of the whole step, dark that of computing where it is "
            f"known apart, with four processes on {data.attrs['cores']} cores. {self._fractions(data)}."
        )


class MeasuredLocalUpdates(_Measured):
    """The same meter on local updates, a pipeline of as many stages, and backpropagation by one process."""

    name = "measured-local-updates"
    title = "Local updates beside a pipeline and backpropagation: memory, bytes and seconds a step, measured"
    seconds = 300.0
    methods: ClassVar = {
        "backpropagation": {"method": "dense", "workers": 1, "rounds": 40},
        "pipeline, 4 stages": {"method": "pipeline", "workers": 4, "rounds": 40},
        "local, 4 chunks": {"method": "local", "mode": "chunked", "chunks": 4, "rounds": 4},
        "local, greedy": {"method": "local", "rounds": 4},
        "local, windows of 2": {"method": "local", "mode": "overlapping", "window": 2, "rounds": 4},
        "the same, farthest": {
            **{"method": "local", "mode": "overlapping", "window": 2, "shared": "farthest"},
            "rounds": 4,
        },
    }

    def caption(self, data: xarray.Dataset) -> str:
        """What the figure shows, in numbers."""
        return (
            "One batch a step; Adam; all by the same meter. The pipeline (1F1B, 4 microbatches) and local updates by "
            "four processes (three windows by three), each with as many blocks as any other, up to one; by one process "
            "backpropagation. Memory "
            "is that of the stage or unit that has most, heads with it; bytes are those of all processes, for "
            "the pipeline as the operating system counts them; light is the time of the whole step, dark that of "
            "computing in the slowest unit where it is known apart, with four processes on "
            f"{data.attrs['cores']} cores. {self._fractions(data)}."
        )


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
