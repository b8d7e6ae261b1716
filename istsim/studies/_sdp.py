"""What SDP saves and what it costs, against the coverage C."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from istsim import figures
from istsim.networks import TrainingRun
from istsim.studies._runs import KINDS, logs_of, most_memory
from istsim.studies._study import Study

if TYPE_CHECKING:
    import matplotlib.figure
    import xarray

_MODELS = {
    "ResNet-18, digits": {"model": "resnet18", "width": 8, "data": "digits", "batch_size": 8, "rounds": 128},
    "transformer, text": {"model": "llama", "width": 64, "data": "text", "batch_size": 4, "rounds": 128},
}
_ALL = {"workers": 8, "optimizer": "adam", "step_size": 0.003}
_COVERAGES = (0.75, 0.5, 0.375, 0.25)
_DROPOUTS = (0.75, 0.5, 0.25)
_DEALT_ANEW = 10  # rounds between two deals, where there are several
_SEEDS = 3  # of data parallelism: how far runs differ that should not
_COLUMNS = ("model", "method", "masking", "level", "coverage", "dealt", "seed")


class SubnetworkDataParallelism(Study):
    """Loss and memory of SDP with 8 workers, for both maskings and levels, beside data parallelism and Dropout."""

    name = "sdp"
    title = "Subnetwork data parallelism: loss and memory against the coverage"
    seconds = 3600.0

    def num_runs(self, quick: bool) -> int:
        """Of all models."""
        return len(_cells(quick))

    def measure(self, quick: bool, folder: Path, on_run: Callable[[], object] = lambda: None) -> xarray.Dataset:
        """Train all, and read losses at equal steps and at equal floating point operations.

        Returns:
            Over `run`, with its options as coordinates: `loss` over `at` ("steps" or "FLOPs", those of data
            parallelism), the mean of the test losses of the last quarter before, and `accuracy` likewise; `memory` over
            `kind`, the bytes of the worker that has most; `predicted`, by theory, of one with exactly C of all units.
        """
        import xarray

        cells = _cells(quick)
        logs = logs_of({_file(cell): run for cell, run in cells.items()}, folder, on_run=on_run)
        dense = (cell for cell in cells if cell[1] == "data parallelism" and cell[-1] == 0)
        ends = {cell[0]: logs[_file(cell)]["rounds"][-1] for cell in dense}
        losses, accuracies, memory, predicted = [], [], [], []
        for cell in cells:
            log, end = logs[_file(cell)], ends[cell[0]]
            read = [_until(log["rounds"], cost, end[cost]) for cost in ("steps", "flops")]
            losses.append([loss for loss, _ in read])
            accuracies.append([accuracy for _, accuracy in read])
            memory.append(most_memory(log))
            predicted.append([log["predicted"]["this"][kind] for kind in KINDS])
        coordinates: dict[str, Any] = {
            name: ("run", list(column)) for name, column in zip(_COLUMNS, zip(*cells, strict=True), strict=True)
        }
        return xarray.Dataset(
            {
                "loss": (("run", "at"), losses),
                "accuracy": (("run", "at"), accuracies),
                "memory": (("run", "kind"), memory),
                "predicted": (("run", "kind"), predicted),
            },
            coordinates | {"at": ["steps", "FLOPs"], "kind": list(KINDS)},
            self.attributes(),
        )

    def figure(self, data: xarray.Dataset) -> matplotlib.figure.Figure:
        """From the data to a figure."""
        return figures.coverage_study(data)

    def caption(self, data: xarray.Dataset) -> str:
        """What the figure shows, and what becomes of the claims of arXiv 2507.09029."""
        told = []
        for model in dict.fromkeys(data.model.values.tolist()):
            found = claims(data, model)
            told.append(
                f"{model}: the most memory that was saved by any of the runs whose loss is not above the worst of data "
                f"parallelism's is {found['saved_at_equal_steps']:.0%} at equal steps and {found['saved']:.0%} at "
                "equal FLOPs (in the paper 28 to 60 %, at equal FLOPs). At equal FLOPs, blocks have a lower loss than "
                f"neurons in {found['blocks_better']} of {found['pairs']} pairs (in the paper: blocks are better), and "
                f"for coverages above 0.3 losses are {found['above'][0]:.2f} to {found['above'][1]:.2f} "
                f"times that of data parallelism, at 0.25 {found['below'][0]:.2f} to {found['below'][1]:.2f} times (in "
                "the paper: near it above 0.3)."
            )
        return (
            "SDP with 8 workers, Adam. Solid: who holds what is dealt anew every 10 steps; dotted, hollow: it stays. "
            "Grey: data parallelism, all seeds; crosses: Dropout, pluses: Stochastic Depth, which keep this "
            "fraction; the others have one seed each. Losses are means over the last quarter of a run up to where it "
            "has taken as many steps, or operations, as data parallelism. Memory: measured, of parameters, gradients, "
            "Adam's state and activations, of the worker that has most, as a fraction of data parallelism's. "
            + " ".join(told)
        )


def claims(data: xarray.Dataset, model: str) -> dict[str, Any]:
    """What becomes of the paper's claims for one model.

    Returns:
        `saved`, the largest fraction of memory saved by a run whose loss at equal FLOPs is no higher than the highest
        of data parallelism's seeds (0 if there is none), and `saved_at_equal_steps`; `blocks_better` of `pairs` that
        differ in the level only; and the lowest and highest loss at equal FLOPs by data parallelism's mean, for
        coverages `above` and `below` 0.3.

    Example:
        >>> from istsim import studies
        >>> studies.claims(studies.stored("sdp"), "ResNet-18, digits")["pairs"]
        16
    """
    one = data.isel(run=data.model.values == model)
    dense = one.isel(run=one.method.values == "data parallelism").loss
    memory = one.memory.sum("kind") / one.memory.sum("kind").isel(run=0)
    sdp = one.method.values == "SDP"
    ours, saved = one.loss.isel(run=sdp), 1 - memory.isel(run=sdp)
    matched = saved.where(ours <= dense.max("run"))
    most = matched.max("run").fillna(0.0)
    ours = ours.sel(at="FLOPs")
    keys = zip(*(one[name].values[sdp].tolist() for name in ("masking", "coverage", "dealt", "level")), strict=True)
    losses = dict(zip(keys, ours.values.tolist(), strict=True))
    pairs = [
        (losses[(*key, "block")], losses[(*key, "neuron")])
        for key in dict.fromkeys(key[:3] for key in losses)
        if (*key, "block") in losses and (*key, "neuron") in losses
    ]
    ratios = ours / dense.sel(at="FLOPs").mean()
    above, below = ratios.where(ours.coverage > 0.3), ratios.where(ours.coverage < 0.3)
    return {
        "saved": float(most.sel(at="FLOPs")),
        "saved_at_equal_steps": float(most.sel(at="steps")),
        "blocks_better": sum(block < neuron for block, neuron in pairs),
        "pairs": len(pairs),
        "above": (float(above.min()), float(above.max())),
        "below": (float(below.min()), float(below.max())),
    }


def _cells(quick: bool) -> dict[tuple, TrainingRun]:
    """What to train, by model, method, masking, level, coverage, "once" or "often" dealt, and seed."""
    cells = {}
    coverages = (0.5, 0.25) if quick else _COVERAGES
    for name, options in _MODELS.items():
        shared: Any = _ALL | options | {"rounds": options["rounds"] // (4 if quick else 1)}
        rounds = shared.pop("rounds")
        for seed in range(1 if quick else _SEEDS):
            run = TrainingRun(method="dense", rounds=rounds, seed=seed, **shared)
            cells[name, "data parallelism", "", "", 1.0, "", seed] = run
        for level, keep in itertools.product(("neuron", "block"), () if quick else _DROPOUTS):
            run = TrainingRun(method="dropout", level=level, coverage=keep, rounds=rounds, **shared)
            cells[name, "dropout", "", level, keep, "", 0] = run
        for masking, level, coverage, dealt in itertools.product(
            ("forward", "backward"), ("neuron", "block"), coverages, ("often",) if quick else ("once", "often")
        ):
            if dealt == "once" and options["model"] == "llama" and level == "block" and coverage == 0.25:
                continue  # 4 blocks on 2 of 8 workers each: masks that stay do not connect the workers
            # Of a step's three equal parts, backward masking saves of the last, the weights' gradients.
            saved = coverage if masking == "forward" else (2 + coverage) / 3
            cells[name, "SDP", masking, level, coverage, dealt, 0] = TrainingRun(
                method="sdp",
                masking=masking,
                level=level,
                coverage=coverage,
                resample_every=_DEALT_ANEW if dealt == "often" else None,
                rounds=math.ceil(rounds / saved),
                **shared,
            )
    return cells


def _file(cell: tuple) -> str:
    return "-".join(str(part).replace(" ", "-").replace(",", "") for part in cell if part != "")


def _until(rows: list[Mapping[str, Any]], cost: str, end: float) -> tuple[float, float]:
    """The mean test loss and accuracy of the last quarter before a cost is reached; nan if it is not."""
    if rows[-1][cost] < 0.99 * end:
        return math.nan, math.nan
    late = [row for row in rows if 0.75 * end < row[cost] <= 1.01 * end and not math.isnan(row["accuracy"])]
    return float(np.mean([row["test_loss"] for row in late])), float(np.mean([row["accuracy"] for row in late]))
