"""The rounds of a training run, whoever plays its workers."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from torch import nn

from istsim._validation import positive_int
from istsim.networks._engine import Engine
from istsim.networks._layout import Layout
from istsim.networks._local_parallelism import LocalParallelism
from istsim.networks._masks import Masks
from istsim.networks._methods import Method
from istsim.networks._one_process import OneProcess
from istsim.networks._trainer import BatchOf, Loss, MakeOptimizer, cross_entropy


class Round(NamedTuple):
    """What happened in a round.

    Attributes:
        number: of the round, from 1.
        steps: that each worker has taken by its end.
        loss: the mean over workers and local steps; not finite in the last round of a run that diverged.
        bytes_down: sent to workers so far, all together.
        bytes_up: sent by them so far.
        flops: of all workers so far, forward and backward.
        seconds: so far, of whoever told it; a process that plays all workers does so one after the other.
        held: shape (n, number of units), who holds what.
    """

    number: int
    steps: int
    loss: float
    bytes_down: int
    bytes_up: int
    flops: int
    seconds: float
    held: np.ndarray


def train(
    model: nn.Module,
    layout: Layout,
    method: Method,
    batches: BatchOf,
    *,
    make_optimizer: MakeOptimizer,
    steps: int,
    seed: int = 0,
    loss: Loss | None = None,
) -> Iterator[Round]:
    """Train `model` in place by n workers that one process plays, and tell of each round after it.

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
        seed: of the masks: those of `istsim.simulate` with this key, where the layout has one layer. And of what the
            model draws, such as dropout.
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
    options: dict[str, Any] = {"make_optimizer": make_optimizer, "loss": loss or cross_entropy, "seed": seed}
    engine = one_process(model, layout, method, batches, **options)
    return rounds(engine, method, Masks(method, layout, seed), batches, positive_int("steps", steps))


def one_process(model: nn.Module, layout: Layout, method: Method, batch_of: BatchOf, **options: Any) -> Engine:
    """Who plays all workers of the method, or all units."""
    if isinstance(method, LocalParallelism):
        from istsim.networks.local import LocalOneProcess

        return LocalOneProcess(model, layout, method, batch_of(0, 0)[0], **options)
    return OneProcess(model, layout, method, **options)


def rounds(
    engine: Engine, method: Method, masks: Masks, batch_of: BatchOf, steps: int, done: int = 0
) -> Iterator[Round]:
    """Train until each worker has taken `steps` steps, of which `done`, whole rounds, were taken before.

    Workers are built at once, so that what is wrong with them is told before anything is computed.
    """
    first, begin = done // method.local_steps, time.perf_counter()
    engine.deal(masks.of_round(first))
    return _rounds(engine, method, masks, batch_of, steps, first, time.perf_counter() - begin)


def _rounds(
    engine: Engine, method: Method, masks: Masks, batch_of: BatchOf, steps: int, first: int, seconds: float
) -> Iterator[Round]:
    def clock() -> float:
        return time.perf_counter() - engine.aside()

    for number in range(first, math.ceil(steps / method.local_steps)):
        begin = clock()
        held = masks.of_round(number)
        if masks.drawn_at(number) and number > first:
            engine.deal(held)
        done = number * method.local_steps
        losses = engine.steps(batch_of, range(done, min(done + method.local_steps, steps)))
        done += sum(map(math.isfinite, losses))
        if math.isfinite(losses[0]):
            engine.keep()
        good = math.isfinite(losses[-1]) and engine.merge()
        if not good:
            engine.restore()
        loss = sum(losses) / len(losses) if good else math.nan
        seconds += clock() - begin
        yield Round(number + 1, done, loss, *engine.spent(), seconds, held)
        if not good:
            return
