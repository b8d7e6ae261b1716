"""Training with n workers that one process plays, one after the other."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from istsim._random import as_key, round_key, stream
from istsim._validation import positive_int
from istsim.networks._graph import spectral_gap
from istsim.networks._layout import Layout, tensors_of
from istsim.networks._merging import average_gradients, average_state, average_values
from istsim.networks._meter import Meter
from istsim.networks._methods import IST, SDP
from istsim.networks._part import Part
from istsim.networks._partly_trained import refresh
from istsim.networks._worker import Loss, MakeOptimizer, OptimizerState, Worker
from istsim.sketches import Sketch

_DRAWS = 100  # tries to find masks that connect the workers


class Round(NamedTuple):
    """What happened in a round.

    Attributes:
        number: of the round, from 1.
        steps: that each worker has taken by its end.
        loss: the mean over workers and local steps; not finite in the last round of a run that diverged.
        bytes_down: sent to workers so far, all together.
        bytes_up: sent by them so far.
        flops: of all workers so far, forward and backward.
        held: shape (n, number of units), who holds what.
    """

    number: int
    steps: int
    loss: float
    bytes_down: int
    bytes_up: int
    flops: int
    held: np.ndarray


def train(
    model: nn.Module,
    layout: Layout,
    method: IST | SDP,
    batches: Callable[[int, int], tuple[Tensor, Tensor]],
    *,
    make_optimizer: MakeOptimizer,
    steps: int,
    seed: int = 0,
    loss: Loss | None = None,
) -> Iterator[Round]:
    """Train `model` in place, and tell of each round after it.

    In every round each worker takes the method's local steps, on data of its own; a last round of fewer steps is
    averaged like all others. If a loss is not finite the run ends, and the model is as it was when its losses last
    were all finite.

    Args:
        model: what is trained.
        layout: which parts of it only some workers hold.
        method: who holds what, and what is averaged.
        batches: for a worker, from 0, and a step, from 0, its inputs and targets.
        make_optimizer: gives an optimizer for parameters; one whose state belongs to single entries, such as SGD or
            Adam.
        steps: that each worker takes in all.
        seed: of the masks: those of `istsim.simulate` with this key, where the layout has one layer.
        loss: of outputs and targets; cross-entropy if None.

    Raises:
        ValueError: for a coverage that a layer cannot have, a mask that leaves a worker without a layer, or an
            optimizer whose state cannot follow its entries.

    Example:
        >>> import torch
        >>> from istsim import networks
        >>> model = networks.mlp([64, 32, 10])
        >>> data = networks.digits()
        >>> run = networks.train(model, networks.neurons(model), networks.IST(2, local_steps=5),
        ...                      networks.Batches(data, 2, 32, seed=0), steps=12,
        ...                      make_optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.1))
        >>> [(one.number, one.steps) for one in run]
        [(1, 5), (2, 10), (3, 12)]
    """
    steps, sketch = positive_int("steps", steps), method.sketch_for(layout)
    masks = _draws(method, sketch, stream(as_key(seed), "sketch"))
    return _rounds(model, layout, method, masks, batches, make_optimizer, steps, loss or cross_entropy)


def _rounds(
    model: nn.Module,
    layout: Layout,
    method: IST | SDP,
    masks: Iterator[np.ndarray],
    batches: Callable[[int, int], tuple[Tensor, Tensor]],
    make_optimizer: MakeOptimizer,
    steps: int,
    loss: Loss,
) -> Iterator[Round]:
    meter = Meter(method)
    parameters, tensors = dict(model.named_parameters()), tensors_of(model)
    state: OptimizerState = {}
    workers: list[Worker] = []
    mask, done, before = np.empty(0), 0, _copied(tensors)
    for number in range(math.ceil(steps / method.local_steps)):
        if not workers or (method.rounds_a_draw is not None and number % method.rounds_a_draw == 0):
            state = average_state(parameters, workers, state)
            mask = next(masks)
            workers = [Worker(model, Part(model, layout, held), method, make_optimizer, state) for held in mask]
            meter.sent_parts(workers)
        losses = []
        for step in range(done, min(done + method.local_steps, steps)):
            losses.append(_step(workers, [batches(i, step) for i in range(len(workers))], loss, method, meter))
            if not math.isfinite(losses[-1]):
                break
        done += len(losses)
        if math.isfinite(losses[0]):
            before = _copied(tensors)  # the last values known to be good
        if math.isfinite(losses[-1]):
            with torch.no_grad():
                average_values(tensors, workers)
        if not (math.isfinite(losses[-1]) and all(bool(tensor.isfinite().all()) for tensor in tensors.values())):
            _restore(tensors, before)
            yield Round(number + 1, done, math.nan, meter.bytes_down, meter.bytes_up, meter.flops, mask)
            return
        if method.masking == "backward":
            for worker in workers:
                refresh(worker.module, model, worker.part)
        meter.sent_results(workers, tensors)
        yield Round(number + 1, done, sum(losses) / len(losses), meter.bytes_down, meter.bytes_up, meter.flops, mask)


def _step(
    workers: list[Worker], data: list[tuple[Tensor, Tensor]], loss: Loss, method: IST | SDP, meter: Meter
) -> float:
    """One step of every worker, if the mean loss, which it gives, is finite."""
    with meter.counting(workers, data[0][0].shape):
        losses = [worker.gradients(*mine, loss) for worker, mine in zip(workers, data, strict=True)]
    mean = float(torch.stack(losses).mean())
    if math.isfinite(mean):
        if method.shares_gradients:
            average_gradients(workers)
        for worker in workers:
            worker.optimizer.step()
    return mean


def cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Of outputs (batch, classes) and targets (batch,), or of sequences of both."""
    return functional.cross_entropy(outputs.flatten(0, -2), targets.flatten())


def _draws(method: IST | SDP, sketch: Sketch, key: jax.Array) -> Iterator[np.ndarray]:
    """Masks (n, number of units), one draw after the other."""
    drawn = (np.asarray(_sampled(sketch, key, number)) for number in itertools.count())
    if method.rounds_a_draw is not None:
        yield from drawn
    for mask in itertools.islice(drawn, _DRAWS):
        if spectral_gap(mask) > 0:
            yield mask
    raise ValueError(f"in {_DRAWS} draws of {sketch} workers were never all connected; raise the coverage or resample")


@jax.jit
def _sampled(sketch: Sketch, key: jax.Array, number: Any) -> jax.Array:
    return sketch.sample(round_key(key, 0, number))


def _copied(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def _restore(tensors: dict[str, Tensor], values: dict[str, Tensor]) -> None:
    with torch.no_grad():
        for name, tensor in tensors.items():
            tensor.copy_(values[name])
