"""How far local gradients point where backpropagation does."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from istsim.networks._trainer import outputs_of
from istsim.networks.local._chain import Chain
from istsim.networks.local._one_process import LocalOneProcess


def gradient_cosines(engine: LocalOneProcess, inputs: Tensor, targets: Tensor) -> list[float]:
    """The cosine of each block's local gradient with that of the model's loss, at the present values, on a batch.

    What the engine trains, and its counts, stay as they are.

    Args:
        engine: with units, that is while a run of it goes on.
        inputs: of the model.
        targets: likewise.

    Raises:
        ValueError: for an engine to which no units were dealt.

    Example:
        >>> import numpy as np, torch
        >>> from istsim import networks
        >>> from istsim.networks import local
        >>> model, data = networks.mlp([64, 32, 32, 10]), networks.digits()
        >>> batch = data.train_inputs[:50], data.train_targets[:50]
        >>> engine = local.LocalOneProcess(
        ...     model, networks.neurons(model), networks.LocalParallelism(), batch[0],
        ...     make_optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.1))
        >>> engine.deal(np.ones((1, 64), bool))
        >>> first, last = local.gradient_cosines(engine, *batch)
        >>> first < 1, round(last, 6)
        (True, 1.0)
    """
    if not engine.units:
        raise ValueError("the engine has no units yet: deal them, or ask while a run of it goes on")
    probe, whole = copy.deepcopy(engine), copy.deepcopy(engine.model).train()
    probe.gradients(inputs, targets)
    engine.loss(outputs_of(whole, inputs), targets).backward()
    local, true = (_gradients_of_blocks(Chain.of(model)) for model in (probe.model, whole))
    return [float(torch.cosine_similarity(a, b, dim=0)) for a, b in zip(local, true, strict=True)]


def _gradients_of_blocks(chain: Chain) -> list[Tensor]:
    segments = (chain.segment([block]) for block in range(len(chain.blocks)))
    return [torch.cat([p.grad.flatten() for p in each.parameters() if p.grad is not None]) for each in segments]
