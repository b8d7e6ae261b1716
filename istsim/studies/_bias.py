"""How far forward masking leads away, against the coverage and the overlap of masks."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import istsim
from istsim import figures, networks, theory
from istsim.studies._parts import Part, parts_of
from istsim.studies._study import Study

if TYPE_CHECKING:
    import matplotlib.figure
    import xarray
    from torch import nn

_UNITS, _IMAGES, _STEPS_BEFORE = 8, 400, 60
_STEP_SIZE, _ROUNDS = 0.1, 10


@dataclasses.dataclass(frozen=True)
class _Masks:
    """How hidden units are dealt.

    Attributes:
        workers: n.
        held: units that a worker holds.
        independent: every worker draws for itself, so that a unit may have any number of holders; else each has as many
            as any other.
    """

    workers: int
    held: int
    independent: bool

    @property
    def coverage(self) -> float:
        """The fraction of the units that a worker holds."""
        return self.held / _UNITS

    @property
    def overlap(self) -> float:
        """The fraction of them that another worker holds too, on average."""
        if self.independent:
            return self.coverage
        return (self.workers * self.coverage - 1) / (self.workers - 1)

    @property
    def file(self) -> str:
        """The name of what is stored."""
        return f"{self.workers}-workers-{self.held}-of-{_UNITS}-{'independent' if self.independent else 'even'}"

    def sketch(self, n: int, d: int) -> istsim.Sketch:
        """Of n workers and d units."""
        if self.independent:
            return istsim.RandK(n, d, self.held)
        return istsim.Coverage(n, d, round(n * self.coverage))


_ALL = (
    *(_Masks(4, held, independent) for independent in (False, True) for held in (2, 4, 6)),
    _Masks(4, 8, False),
    *(_Masks(workers, 4, False) for workers in (2, 8)),
)


class ForwardMaskingBias(Study):
    """The bias of forward masking's mean step, and what it does to the loss, by theory and measured."""

    name = "forward-masking-bias"
    title = "Forward masking: the bias against coverage and overlap"
    seconds = 600.0

    def num_runs(self, quick: bool) -> int:
        """One for each way to deal."""
        return len(_ALL)

    def measure(self, quick: bool, folder: Path, on_run: Callable[[], object] = lambda: None) -> xarray.Dataset:
        """Deal in all ways.

        Returns:
            Over `masks`, with `coverage`, `overlap`, `workers` and `independent`: `bias`, the length of the mean step's
            deviation from the gradient step, relative to that, over `by` ("theory", "network"), `bias_error` of the
            latter; `loss_change` after some rounds and `loss_change_error`, likewise.
        """
        import xarray

        many = {"draws": 50, "repetitions": 10} if quick else {"draws": 200, "repetitions": 20}
        parts = {masks.file: Part(_measured, {"masks": masks, **many}) for masks in _ALL}
        data: Any = xarray.concat(list(parts_of(parts, folder, on_run=on_run).values()), dim="masks")
        data.attrs = self.attributes()
        return data

    def figure(self, data: xarray.Dataset) -> matplotlib.figure.Figure:
        """From the data to a figure."""
        return figures.bias_study(data)

    def caption(self, data: xarray.Dataset) -> str:
        """What the figure shows, in numbers."""
        some = data.isel(masks=data.coverage.values < 1)
        ratios = some.bias.sel(by="network") / some.bias.sel(by="theory")
        changes = some.loss_change.sel(by="network") / some.loss_change.sel(by="theory")
        even = some.isel(masks=(some.coverage.values == 0.5) & (some.independent.values == 0)).bias
        return (
            f"A network with {_UNITS} hidden units, trained for a while on {_IMAGES} digits, then by workers each of "
            "which runs the network of some of the units alone, dealt anew in every step. Above: how far the mean step "
            "lies from the step along the gradient, by the length of that. Below: the change of the loss after "
            f"{_ROUNDS} steps. Lines with open dots: by the exact engine, on the network's local quadratic. Filled: "
            "measured, with two standard errors. Even: every unit has as many holders as any other; independent: "
            "each worker draws for itself. The measured bias is "
            f"{float(ratios.min()):.2f} to {float(ratios.max()):.2f} times what the quadratic "
            f"has, the measured change of the loss {float(changes.min()):.2f} to {float(changes.max()):.2f} times. "
            "It is the coverage that makes it: where units are dealt evenly, by theory the overlap changes the bias "
            f"by {float(even.sel(by='theory').max() / even.sel(by='theory').min() - 1):.1%}."
        )


def _measured(masks: _Masks, draws: int, repetitions: int) -> xarray.Dataset:
    import xarray

    model, workers = _network(masks.workers)
    layout, method = networks.neurons(model), networks.IST(masks.workers, local_steps=1, sketch=masks.sketch)
    gradient = _gradient(model, workers)
    # By theory: the mean step on the local quadratic, whose gradient at this point is the network's.
    problem, sketched = networks.local_quadratic(model, workers), networks.quadratic_method(model, layout, method)
    x0 = networks.parameter_vector(model)
    exact = theory.exact_moments(problem, sketched, step_size=_STEP_SIZE, rounds=1, x0=x0)
    predicted = np.linalg.norm(_step(np.asarray(exact.mean[1]), x0) - gradient) / np.linalg.norm(gradient)
    # On the network: the mean of first steps, each from another seed.
    steps = np.array([_step(_after_one_round(model, layout, method, workers, seed), x0) for seed in range(draws)])
    bias, error = _length(steps - gradient)
    run = networks.compare_with_quadratic(
        model, layout, method, workers, step_size=_STEP_SIZE, rounds=_ROUNDS, repetitions=repetitions
    ).isel(round=-1)
    before = _loss(model, workers)
    change = run.loss - before
    size = np.linalg.norm(gradient)
    return xarray.Dataset(
        {
            "bias": ("by", [predicted, bias / size]),
            "bias_error": error / size,
            "loss_change": ("by", [float(run.predicted_loss) - before, float(change.mean())]),
            "loss_change_error": float(change.std(ddof=1)) / repetitions**0.5,
        },
        {
            "by": ["theory", "network"],
            "coverage": masks.coverage,
            "overlap": masks.overlap,
            "workers": masks.workers,
            "independent": int(masks.independent),
        },
    )


def _network(workers: int) -> tuple[nn.Module, list[tuple[Any, Any]]]:
    """A small network that has been trained for a while, and what each worker has of its data."""
    import torch

    data = networks.digits()
    inputs, targets = data.train_inputs[:_IMAGES].double(), data.train_targets[:_IMAGES]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = networks.mlp([64, _UNITS, 10]).double()
    model[-1].bias.requires_grad_(False)  # else all workers would hold it, and there would be no formulas
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.01)
    for _ in range(_STEPS_BEFORE):
        optimizer.zero_grad()
        networks.cross_entropy(model(inputs), targets).backward()
        optimizer.step()
    return model, [(inputs[i::workers], targets[i::workers]) for i in range(workers)]


def _loss(model: nn.Module, workers: list[tuple[Any, Any]]) -> float:
    return float(np.mean([networks.cross_entropy(model(x), y).item() for x, y in workers]))


def _gradient(model: nn.Module, workers: list[tuple[Any, Any]]) -> np.ndarray:
    import torch

    parameters = [p for p in model.parameters() if p.requires_grad]
    loss: Any = sum(networks.cross_entropy(model(x), y) for x, y in workers) / len(workers)
    return np.concatenate([g.flatten().numpy() for g in torch.autograd.grad(loss, parameters)])


def _after_one_round(
    model: nn.Module, layout: networks.Layout, method: networks.IST, workers: list[tuple[Any, Any]], seed: int
) -> np.ndarray:
    import torch

    trained = copy.deepcopy(model)
    run = networks.train(
        trained, layout, method, lambda worker, _: workers[worker], steps=1, seed=seed,
        make_optimizer=lambda parameters: torch.optim.SGD(parameters, _STEP_SIZE),
    )  # fmt: skip
    next(run)
    return networks.parameter_vector(trained)


def _step(after: np.ndarray, before: np.ndarray) -> np.ndarray:
    return (before - after) / _STEP_SIZE


def _length(samples: np.ndarray) -> tuple[float, float]:
    """Of the mean of the distribution of samples (count, d), less what their scatter adds, and its standard error."""
    mean, count = samples.mean(axis=0), len(samples)
    squared = mean @ mean - samples.var(axis=0, ddof=1).sum() / count
    # The mean's length changes with the mean along its own direction only, to first order.
    along = samples @ mean / np.linalg.norm(mean)
    return float(np.sqrt(max(squared, 0.0))), float(along.std(ddof=1) / count**0.5)
