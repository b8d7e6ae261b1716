"""What the local quadratic says will happen, and what happens."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import replace_all_batch_norm_modules_

from istsim import theory
from istsim._validation import positive_int
from istsim.methods import Method
from istsim.methods._method import SketchedMethod
from istsim.networks._layout import Blocks, Layout, block_tensors
from istsim.networks._local_quadratic import local_quadratic, parameter_vector, quadratic_method
from istsim.networks._methods import IST, SDP
from istsim.networks._parameter_sketch import ParameterSketch
from istsim.networks._sketches import PerLayer
from istsim.networks._trainer import Loss, cross_entropy, outputs_of
from istsim.networks._training import train
from istsim.problems import Quadratic
from istsim.sketches import Grouped, Sketch
from istsim.theory._enumerated_law import MAX_OUTCOMES

if TYPE_CHECKING:
    import xarray

_MEMORY = 2e9  # bytes of the listed masks' matrices; the engine has several copies of them on the way


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

    For small networks, see `local_quadratic`. There are formulas for one local step where every trainable parameter
    belongs to exactly one unit: freeze what all workers hold, such as the last bias. Else all masks are listed, which
    takes `8 masks (n + 1) d^2` bytes, at most 2 GB, and several times as much on the way.

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
        have moved since round 0, where it is nan. What training gives is nan from the round on at which a run's
        losses were no longer finite. The attribute `floor` is the loss at the point that the expected parameters tend
        to.

    Raises:
        ValueError: for methods or models that have no local quadratic.
        NotCoveredError: if there are no formulas for the masks and too many to list.

    Example:
        >>> from istsim import networks
        >>> model, data = networks.mlp([64, 2, 10]), networks.digits()
        >>> _ = model[-1].bias.requires_grad_(False)  # all workers would hold it
        >>> method = networks.SDP(2, 0.5, "backward", resample_every=1)
        >>> workers = [(data.train_inputs[i:40:2], data.train_targets[i:40:2]) for i in range(2)]
        >>> found = networks.compare_with_quadratic(
        ...     model, networks.neurons(model), method, workers, step_size=0.01, rounds=2, repetitions=2)
        >>> found.predicted_loss.shape, found.loss.shape
        ((3,), (2, 3))
    """
    import xarray

    rounds, repetitions = positive_int("rounds", rounds), positive_int("repetitions", repetitions)
    if repetitions < 2:
        raise ValueError("repetitions must be at least 2, for a spread")
    start = copy.deepcopy(model).double()
    replace_all_batch_norm_modules_(start)
    wide = [(inputs.double() if inputs.is_floating_point() else inputs, targets) for inputs, targets in data]
    sketched = quadratic_method(start, layout, method)
    if not sketched.sketch.exchangeable or sketched.local_steps > 1:  # soon said: curvatures take long
        _check_can_be_listed(start, layout, sketched)
    problem = local_quadratic(start, wide, damping=damping, loss=loss)
    x0 = parameter_vector(start)
    route = _route(problem, sketched)
    if route == "enumeration":
        _check_can_be_listed(start, layout, sketched)
    exact = theory.exact_moments(problem, sketched, step_size=step_size, rounds=rounds, x0=x0, route=route)
    limit = theory.fixed_point(problem, sketched, step_size=step_size, route=route)
    before = _whole_loss(start, wide, loss)
    constant = before - float(exact.objective_gap[0])
    minimizer = np.asarray(problem.minimizer)
    mean = np.asarray(exact.mean)
    variance = np.asarray(exact.distance_squared) - ((mean - minimizer) ** 2).sum(axis=1)

    # Of a run that ends early, the rounds that it does not reach have no values.
    losses, points = np.full((repetitions, rounds + 1), np.nan), np.full((repetitions, rounds + 1, len(x0)), np.nan)
    losses[:, 0], points[:, 0] = before, x0
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
            if not math.isfinite(one.loss):
                break
            losses[repetition, one.number] = _whole_loss(trained, wide, loss)
            points[repetition, one.number] = parameter_vector(trained)
    error, moved = (np.linalg.norm(x, axis=1) for x in (points.mean(axis=0) - mean, mean - mean[0]))
    return xarray.Dataset(
        {
            "predicted_loss": ("round", np.asarray(exact.objective_gap) + constant),
            "loss": (("repetition", "round"), losses),
            "predicted_spread": ("round", np.sqrt(np.maximum(variance, 0))),
            "trained_spread": ("round", np.sqrt(points.var(axis=0, ddof=1).sum(axis=1))),
            "mean_error": ("round", np.divide(error, moved, out=np.full(rounds + 1, np.nan), where=moved > 0)),
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


def _check_can_be_listed(model: nn.Module, layout: Layout, method: SketchedMethod) -> None:
    """Raise NotCoveredError if the masks are too many for their matrices to be stored."""
    d, workers = method.sketch.d, method.sketch.n
    try:
        count = _num_masks(method.sketch)
    except NotImplementedError as error:
        raise theory.NotCoveredError(f"{error}, and there are no formulas for it; IST has a sketch that does") from None
    except ValueError as error:
        why = f"are too many: {error}"
    else:
        needed = 8 * count * (workers + 1) * d**2
        if needed <= _MEMORY and count <= MAX_OUTCOMES:
            return
        why = (
            f"are {count}, whose matrices take {needed / 1e9:.3g} GB; listed are at most {MAX_OUTCOMES} in "
            f"{_MEMORY / 1e9:g} GB"
        )
    raise theory.NotCoveredError(
        f"for d = {d} trainable parameters and local_steps={method.local_steps} there are no formulas, and the masks "
        f"{why}. {_what_to_do(model, layout, method)}"
    )


def _num_masks(sketch: Sketch) -> int:
    """How many outcomes there are, without listing the combinations of several layers."""
    if isinstance(sketch, ParameterSketch):
        return _num_masks(sketch.units)
    if isinstance(sketch, Grouped):
        return _num_masks(sketch.sketch)
    if isinstance(sketch, PerLayer):
        return math.prod(map(_num_masks, sketch.sketches))
    return sum(1 for _ in sketch.outcomes())


def _what_to_do(model: nn.Module, layout: Layout, method: SketchedMethod) -> str:
    """So that there are formulas, if there can be; else fewer masks or parameters."""
    blocks = [name for group in layout.groups if isinstance(group, Blocks) for name in group.names]
    in_blocks = {tensor for block in blocks for tensor in block_tensors(model, block)}
    shared = [
        name
        for name, p in model.named_parameters()
        if p.requires_grad and name not in in_blocks and not layout.sliced_axes(name)
    ]
    todo = [f"freeze what all workers hold by requires_grad_(False): {', '.join(shared)}"] if shared else []
    if len(layout.groups) == 1 and not blocks:  # a parameter of another layout may belong to two units
        if method.local_steps > 1:
            todo.insert(0, "take one local step")
        if todo:
            return f"For formulas, {', and '.join(todo)}. Or take fewer units"
    return ", or ".join(["Take fewer units", *todo])


def _whole_loss(model: nn.Module, data: Sequence[tuple[Tensor, Tensor]], loss: Loss) -> float:
    with torch.no_grad():
        return float(np.mean([float(loss(outputs_of(model, inputs), targets)) for inputs, targets in data]))
