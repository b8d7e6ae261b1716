"""Evaluation by all processes together."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from istsim.networks._evaluation import BATCH, Evaluation, calibrated, totals
from istsim.networks._layout import Layout
from istsim.networks._methods import Method
from istsim.networks._trainer import Loss
from istsim.networks.distributed._group import Group


def evaluate_shares(
    group: Group,
    model: nn.Module,
    layout: Layout,
    method: Method,
    inputs: Tensor,
    targets: Tensor,
    *,
    calibration: Sequence[Tensor],
    loss: Loss,
) -> Evaluation:
    """What `istsim.networks.evaluate` gives, of a model that all processes have: each takes its share of the data.

    All go through the layers equally often, so that layers may talk to each other.
    """
    passes = -(-len(inputs) // (group.size * BATCH))
    shares = (
        tensor.to(group.device).tensor_split(passes * group.size)[group.rank :: group.size]
        for tensor in (inputs, targets)
    )
    whole = calibrated(model, layout, method, [batch.to(group.device) for batch in calibration])
    mine = [totals(whole, some, wanted, loss) for some, wanted in zip(*shares, strict=True)]
    return Evaluation.of(group.gather([sum(column) for column in zip(*mine, strict=True)]).tolist())
