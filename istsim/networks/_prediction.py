"""What the local quadratic says will happen, and what happens."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import replace_all_batch_norm_modules_

from istsim import theory
from istsim._validation import positive_int
from istsim.methods import Method
from istsim.networks._layout import Layout
from istsim.networks._local_quadratic import local_quadratic, parameter_vector, quadratic_method
from istsim.networks._methods import IST, SDP
from istsim.networks._training import train
from istsim.networks._worker import Loss, cross_entropy, outputs_of
from istsim.problems import Quadratic

if TYPE_CHECKING:
    import xarray


def compare_with_quadratic(
    model: nn.Module,
    layout: Layout,
    method: IST | SDP,
    data: Sequence[tuple[Tensor, Tensor]],
    *,
    step_size: float,
    rounds: int,
    repetitions: int,
    damping: float = 1e-3,
    loss: Loss = cross_entropy,
) -> xarray.Dataset:
    """Predict the next rounds by the exact engine on the network's local quadratic, and train to see.

    Each worker computes the gradient of all its data, so that only the masks are random. In float64; batch norms, if
    there are any, use the statistics of what they see.

    Args:
        model: its parameters are where the quadratic is made and where training starts; it stays as it is.
        layout: which parts of it only some workers hold.
        method: with masks drawn anew in every round.
        data: inputs and targets of each worker.
        step_size: of gradient descent.
        rounds: how many.
        repetitions: training runs, with masks of their own, at least 2.
        damping: of the local quadratic.
        loss: of outputs and targets.

    Returns:
        Over `round` (from 0) the `predicted_loss` and `predicted_spread`, the root of the summed variances of all
        parameters; over `repetition` and `round` the `loss` of the whole model on all data; `trained_spread`, that of
        the runs; `mean_error`, the distance of the runs' mean parameters from the predicted, relative to how far these
        have moved. The attribute `floor` is the loss at the point that the expected parameters tend to.

    Raises:
        ValueError: for methods or models that have no local quadratic.
        NotCoveredError: if there are no formulas for the masks and too many to list.
    """
    import xarray

    rounds, repetitions = positive_int("rounds", rounds), positive_int("repetitions", repetitions)
    if repetitions < 2:
        raise ValueError("repetitions must be at least 2, for a spread")
    start = copy.deepcopy(model).double()
    replace_all_batch_norm_modules_(start)
    wide = [(inputs.double() if inputs.is_floating_point() else inputs, targets) for inputs, targets in data]
    problem = local_quadratic(start, wide, damping=damping, loss=loss)
    sketched = quadratic_method(start, layout, method)
    x0 = parameter_vector(start)
    route = _route(problem, sketched)
    exact = theory.exact_moments(problem, sketched, step_size=step_size, rounds=rounds, x0=x0, route=route)
    limit = theory.fixed_point(problem, sketched, step_size=step_size, route=route)
    before = _whole_loss(start, wide, loss)
    constant = before - float(exact.objective_gap[0])
    minimizer = np.asarray(problem.minimizer)
    mean = np.asarray(exact.mean)
    variance = np.asarray(exact.distance_squared) - ((mean - minimizer) ** 2).sum(axis=1)

    losses, points = np.full((repetitions, rounds + 1), before), np.tile(x0, (repetitions, rounds + 1, 1))
    for repetition in range(repetitions):
        trained = copy.deepcopy(start)
        run = train(
            trained,
            layout,
            method,
            lambda worker, _step: wide[worker],
            make_optimizer=lambda parameters: torch.optim.SGD(parameters, step_size),
            steps=rounds * method.local_steps,
            seed=repetition,
            loss=loss,
        )
        for one in run:
            losses[repetition, one.number] = _whole_loss(trained, wide, loss)
            points[repetition, one.number] = parameter_vector(trained)
    return xarray.Dataset(
        {
            "predicted_loss": ("round", np.asarray(exact.objective_gap) + constant),
            "loss": (("repetition", "round"), losses),
            "predicted_spread": ("round", np.sqrt(np.maximum(variance, 0))),
            "trained_spread": ("round", np.sqrt(points.var(axis=0, ddof=1).sum(axis=1))),
            "mean_error": ("round", np.linalg.norm(points.mean(axis=0) - mean, axis=1)),
        },
        coords={"round": np.arange(rounds + 1)},
        attrs={"floor": float(problem.objective_gap(limit)) + constant, "dim": problem.dim, "step_size": step_size},
    )


def _route(problem: Quadratic, method: Method) -> str:
    """Formulas, where there are any for these masks and local steps."""
    try:
        theory.exact_moments(problem, method, step_size=1.0, rounds=1)
    except theory.NotCoveredError:
        return "enumeration"
    return "formula"


def _whole_loss(model: nn.Module, data: Sequence[tuple[Tensor, Tensor]], loss: Loss) -> float:
    with torch.no_grad():
        return float(np.mean([float(loss(outputs_of(model, inputs), targets)) for inputs, targets in data]))
