"""What local updates do to gradients, to what can be learned, and to the time that it takes."""

from __future__ import annotations

import copy
import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from istsim import figures
from istsim.networks import Batches, TrainingRun, evaluate
from istsim.networks._training import one_process, rounds
from istsim.studies._parts import Part, parts_of
from istsim.studies._runs import logs_of
from istsim.studies._study import Study

if TYPE_CHECKING:
    import matplotlib.figure
    import xarray

_BLOCKS = 8
_RUN: dict[str, Any] = {"model": "resnet18", "width": 8, "data": "digits", "batch_size": 32, "optimizer": "adam"}
_RUN |= {"method": "local", "step_size": 0.002, "local_steps": 10}
_WINDOWS = (2, 4)
METHODS: dict[str, dict[str, Any]] = {
    **{
        f"{chunks} chunk{'s' * (chunks > 1)}": {"mode": "chunked", "chunks": chunks} for chunks in range(1, _BLOCKS + 1)
    },
    **{f"windows of {window}": {"mode": "overlapping", "window": window} for window in _WINDOWS},
    "windows of 2, farthest": {"mode": "overlapping", "window": 2, "shared": "farthest"},
}
_LOOKED_AT = ("1 chunk", "2 chunks", "4 chunks", "8 chunks", "windows of 2")  # by gradients and random labels
_FILTERS = ("1 chunk", "2 chunks")  # of a network with two hidden layers: backpropagation and greedy
_SIDE = 8  # of a digit


class LocalUpdateFindings(Study):
    """What arXiv 2012.03837 found of local updates, looked for in a residual network and, for filters, a dense one."""

    name = "local-updates"
    title = "Local updates: gradients, capacity, time and filters"
    seconds = 3600.0

    def num_runs(self, quick: bool) -> int:
        """Of all parts."""
        return len(_pareto(quick)) + 2 * len(_LOOKED_AT) + len(_FILTERS) + 1

    def measure(self, quick: bool, folder: Path, on_run: Callable[[], object] = lambda: None) -> xarray.Dataset:
        """Train in all ways.

        Returns:
            Over `algorithm`, `seed` and `step`: `test_loss`; over `algorithm`: `flops`, the operations a step of the
            unit that has most, and `seconds`, which the slowest unit took, all else at rest. Over `looked_at`,
            `step_looked_at` and `block`: `cosine` of local gradients with backpropagation's; over `looked_at` and
            `step_fitted`: `fitted`, the fraction of random labels that is right. Over `network`, `unit`, `row` and
            `column`: `filters`, weights of first layers; over `network`: `roughness`, the mean squared difference of a
            filter's neighbouring weights by that of weights chosen at random, and `start`, the same before training.
        """
        import xarray

        runs = _pareto(quick)
        logs = logs_of({_file(cell): run for cell, run in runs.items()}, folder, on_run=on_run)
        seeds = sorted({seed for _, seed in runs})
        rows = {cell: _tested(logs[_file(cell)]["rounds"]) for cell in runs}
        steps = [row["steps"] for row in next(iter(rows.values()))]
        losses = [[[row["test_loss"] for row in rows[name, seed]] for seed in seeds] for name in METHODS]
        parts = parts_of(_parts(quick), folder, on_run=on_run)
        alone = parts_of({"seconds": Part(_seconds, {"methods": METHODS})}, folder, on_run=on_run)  # all else at rest

        def joined(kind: str, names: tuple[str, ...], dim: str) -> xarray.Dataset:
            some = [parts[f"{kind}-{_slug(name)}"] for name in names]
            return xarray.concat(some, dim=xarray.DataArray(list(names), dims=dim, name=dim))

        data = xarray.Dataset(
            {
                "test_loss": (("algorithm", "seed", "step"), losses),
                "flops": ("algorithm", [_most_flops(name) for name in METHODS]),
                "seconds": alone["seconds"].seconds,
            },
            {"algorithm": list(METHODS), "seed": seeds, "step": steps},
        )
        found: xarray.Dataset = xarray.merge(
            [
                data,
                joined("cosines", _LOOKED_AT, "looked_at"),
                joined("random-labels", _LOOKED_AT, "looked_at"),
                joined("filters", _FILTERS, "network"),
            ]
        )
        found.attrs = self.attributes()
        return found

    def figure(self, data: xarray.Dataset) -> matplotlib.figure.Figure:
        """From the data to a figure."""
        return figures.local_study(data)

    def caption(self, data: xarray.Dataset) -> str:
        """What the figure shows, and what becomes of the findings of arXiv 2012.03837."""
        found, fitted = local_claims(data), local_claims(data)["fitted"]
        return (
            "A ResNet-18 of width 8 on digits, Adam, by backpropagation (1 chunk) and by local updates, up to one "
            "block a unit (8 chunks, greedy). Time is counted in steps of backpropagation, where every unit has a "
            "device of its own and handing on costs nothing: a step takes as long as the unit with most operations; in "
            "the second panel also as measured, of the unit that took longest (hollow). Greedy's step takes "
            f"{found['flops_of_greedy']:.2f} of backpropagation's, measured {found['seconds_of_greedy']:.2f}; its test "
            f"loss is {found['loss_of_greedy']:.2f} times as high in the last quarter of as many steps, and "
            f"{found['loss_in_time']:.2f} times what backpropagation has after as many operations. Not beaten in loss "
            f"or operations of a step: {', '.join(found['front'])}. The cosine of greedy gradients with "
            f"backpropagation's, in the mean over training: {found['cosine_of_first']:.2f} in the first block and "
            f"{found['cosine_of_last']:.2f} in the last (in the paper 0.15 to 0.5, and 1). "
            f"Random labels: in the end backpropagation is right about {fitted['1 chunk']:.0%} of the training set, "
            f"greedy about {fitted['8 chunks']:.0%}; in the time of the latter backpropagation about "
            f"{found['fitted_in_time'][0]:.0%} by operations, {found['fitted_in_time'][1]:.0%} by measured seconds (in "
            "the paper about 78 and 28 %, in as much time). First-layer filters of a dense network with two hidden "
            "layers of 64 units, those of largest norm; "
            f"their roughness, 1 for noise, is {float(data.roughness[0]):.2f} by backpropagation and "
            f"{float(data.roughness[1]):.2f} by greedy updates, from {float(data.start[0]):.2f} before training."
        )


def local_claims(data: xarray.Dataset) -> dict[str, Any]:
    """What becomes of the paper's findings, in numbers.

    Returns:
        `flops_of_greedy`, `seconds_of_greedy` and `loss_of_greedy` by those of backpropagation, the first two of a
        step, the last in the mean over the last quarter of all steps; `loss_in_time`, greedy's last loss by that of
        backpropagation after as many operations; `front`, the methods for which no other is as good in loss and
        operations of a step and better in one; `cosine_of_first` and `cosine_of_last` block, means over training;
        `fitted`, the fraction of random labels that is right in the end by method, and `fitted_in_time` by
        backpropagation in the time that greedy took, by operations and by seconds.

    Example:
        >>> from istsim import studies
        >>> 0 < studies.local_claims(studies.stored("local-updates"))["flops_of_greedy"] < 1
        True
    """
    loss = data.test_loss.mean("seed")
    flops, seconds = (data[cost] / data[cost].sel(algorithm="1 chunk") for cost in ("flops", "seconds"))
    late = loss.isel(step=data.step.values > 0.75 * float(data.step[-1])).mean("step")
    front = not_beaten(list(zip(late.values.tolist(), flops.values.tolist(), strict=True)))
    shares = [float(cost.sel(algorithm="8 chunks")) for cost in (flops, seconds)]
    greedy, whole = (loss.sel(algorithm=name) for name in ("8 chunks", "1 chunk"))
    fitted, end = data.fitted.sel(looked_at="1 chunk"), float(data.step_fitted[-1])
    cosines = data.cosine.sel(looked_at="8 chunks").mean("step_looked_at")
    return {
        "flops_of_greedy": shares[0],
        "seconds_of_greedy": shares[1],
        "loss_of_greedy": float(late.sel(algorithm="8 chunks") / late.sel(algorithm="1 chunk")),
        "loss_in_time": float(greedy[-1]) / float(np.interp(shares[0] * float(data.step[-1]), data.step, whole)),
        "front": [str(name) for name, keeps in zip(data.algorithm.values, front, strict=True) if keeps],
        "cosine_of_first": float(cosines[0]),
        "cosine_of_last": float(cosines[-1]),
        "fitted": data.fitted.isel(step_fitted=-1).to_series().to_dict(),
        "fitted_in_time": [float(np.interp(share * end, data.step_fitted, fitted)) for share in shares],
    }


def not_beaten(costs: Sequence[tuple[float, float]]) -> list[bool]:
    """Of each pair of costs, whether no other pair is as good in both and better in one.

    Example:
        >>> not_beaten([(1.0, 2.0), (2.0, 1.0), (2.0, 2.0), (1.5, 2.0)])
        [True, True, False, False]
    """

    def beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
        return one != other and one[0] <= other[0] and one[1] <= other[1]

    return [not any(beats(one, pair) for one in costs) for pair in costs]


def _pareto(quick: bool) -> dict[tuple[str, int], TrainingRun]:
    """What to train, by method and seed."""
    return {
        (name, seed): TrainingRun(
            **_RUN, **options, rounds=8 if quick else 60, evaluate_every=1 if quick else 3, seed=seed
        )
        for (name, options), seed in itertools.product(METHODS.items(), range(1 if quick else 2))
    }


def _parts(quick: bool) -> dict[str, Part]:
    """What is looked at apart from losses."""
    at = [0, 5, 20] if quick else [0, 50, 100, 200, 400, 600]
    fitting, training = (100, 100) if quick else (1500, 2000)

    def run(name: str, **changed: Any) -> TrainingRun:
        return TrainingRun(**_RUN | METHODS[name] | changed)

    return {
        **{f"cosines-{_slug(n)}": Part(_cosines, {"run": run(n, local_steps=1), "at": at}) for n in _LOOKED_AT},
        **{f"random-labels-{_slug(n)}": Part(_random_labels, {"run": run(n), "steps": fitting}) for n in _LOOKED_AT},
        **{
            f"filters-{_slug(n)}": Part(_filters, {"run": run(n, model="mlp", width=64), "steps": training})
            for n in _FILTERS
        },
    }


def _slug(name: str) -> str:
    return name.replace(",", "").replace(" ", "-")


def _file(cell: tuple[str, int]) -> str:
    return f"{_slug(cell[0])}-{cell[1]}"


def _tested(rows: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [row for row in rows if row["accuracy"] == row["accuracy"]]


def _most_flops(name: str) -> int:
    from istsim.networks import local

    run = TrainingRun(**_RUN, **METHODS[name])
    data = run.load_data()
    model = run.empty_model(data)
    method: Any = run.layout_and_method(model)[1]
    return max(local.flops_of_units(model, method, *run.batches(data)(0, 0)))


def _seconds(methods: Mapping[str, Mapping[str, Any]]) -> xarray.Dataset:
    """What the slowest unit takes for a step: the median of some runs, for which methods take turns."""
    import xarray

    found = [[_seconds_of_slowest(options) for options in methods.values()] for _ in range(3)]
    return xarray.Dataset({"seconds": ("algorithm", np.median(found, axis=0))}, {"algorithm": list(methods)})


def _seconds_of_slowest(options: Mapping[str, Any]) -> float:
    run = TrainingRun(**_RUN, **options, rounds=1)
    data = run.load_data()
    model = run.make_model(data)
    layout, method = run.layout_and_method(model)
    engine = one_process(model, layout, method, run.batches(data), make_optimizer=run.make_optimizer())
    list(run.rows(engine, data))
    return max(unit["step_seconds"] for unit in engine.costs()["workers"])


def _cosines(run: TrainingRun, at: Sequence[int]) -> xarray.Dataset:
    """Probe the gradients of a run, on all training examples at once."""
    import xarray

    from istsim.networks import local
    from istsim.networks._masks import Masks

    data = run.load_data()
    model = run.make_model(data)
    layout, method = run.layout_and_method(model)
    batches, found = run.batches(data), []
    engine: Any = one_process(model, layout, method, batches, make_optimizer=run.make_optimizer(), seed=run.seed)
    training = rounds(engine, method, Masks(method, layout, run.seed), batches, at[-1])
    for step in range(at[-1] + 1):
        if step in at:
            found.append(local.gradient_cosines(engine, data.train_inputs, data.train_targets))
        next(training, None)
    cosines = {"cosine": (("step_looked_at", "block"), found)}
    return xarray.Dataset(cosines, {"step_looked_at": list(at), "block": range(len(found[0]))})


def _random_labels(run: TrainingRun, steps: int) -> xarray.Dataset:
    """Train on labels that mean nothing, and test on the same."""
    import torch
    import xarray

    from istsim.networks._masks import Masks

    plain = run.load_data()
    labels = torch.randint(plain.num_classes, plain.train_targets.shape, generator=torch.Generator().manual_seed(0))
    data = dataclasses.replace(plain, train_targets=labels)
    model = run.make_model(data)
    layout, method = run.layout_and_method(model)
    batches = Batches(data, 1, run.batch_size, seed=0)
    engine: Any = one_process(model, layout, method, batches, make_optimizer=run.make_optimizer(), seed=run.seed)
    every, found, at = max(1, steps // 150), [], []
    for one in rounds(engine, method, Masks(method, layout, run.seed), batches, steps):
        if one.number % every == 0:
            all_of = (data.train_inputs, data.train_targets)
            found.append(evaluate(model, layout, method, *all_of, calibration=data.train_inputs.split(256)).accuracy)
            at.append(one.steps)
    return xarray.Dataset({"fitted": ("step_fitted", found)}, {"step_fitted": at})


def _filters(run: TrainingRun, steps: int) -> xarray.Dataset:
    """The first layer's weights after training a dense network, as images."""
    import xarray

    from istsim.networks._masks import Masks

    data = run.load_data()
    model: Any = run.make_model(data)
    before = copy.deepcopy(model[1].weight.detach())
    layout, method = run.layout_and_method(model)
    batches = run.batches(data)
    engine = one_process(model, layout, method, batches, make_optimizer=run.make_optimizer(), seed=run.seed)
    for _ in rounds(engine, method, Masks(method, layout, run.seed), batches, steps):
        pass
    filters = model[1].weight.detach().numpy().reshape(-1, _SIDE, _SIDE)
    strongest = np.argsort(-np.linalg.norm(filters, axis=(1, 2)))
    return xarray.Dataset(
        {
            "filters": (("unit", "row", "column"), filters[strongest]),
            "roughness": _roughness(filters),
            "start": _roughness(before.numpy().reshape(-1, _SIDE, _SIDE)),
        }
    )


def _roughness(filters: np.ndarray) -> float:
    """The mean squared difference of neighbouring weights, by twice their variance: 1 for independent weights."""
    steps = [np.diff(filters, axis=axis) for axis in (1, 2)]
    neighbours = np.mean([np.mean(step**2) for step in steps])
    return float(neighbours / (2 * np.mean(filters.var(axis=(1, 2)))))
