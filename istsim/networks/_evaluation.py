"""What the whole model is worth."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from istsim.networks._layout import Layout
from istsim.networks._methods import IST, SDP
from istsim.networks._subnetwork import scale_outputs
from istsim.networks._worker import Loss, cross_entropy, outputs_of

_BATCH = 256


class Evaluation(NamedTuple):
    """Of the whole model, on data that it was not trained on.

    Attributes:
        loss: the mean over all examples.
        accuracy: the fraction of targets that have the largest output.
    """

    loss: float
    accuracy: float


def evaluate(
    model: nn.Module,
    layout: Layout,
    method: IST | SDP,
    inputs: Tensor,
    targets: Tensor,
    *,
    calibration: Iterable[Tensor] = (),
    loss: Loss = cross_entropy,
) -> Evaluation:
    """The whole model's loss and accuracy; `model` stays as it is.

    Args:
        model: the whole one.
        layout: which parts of it only some workers held.
        method: with `rescale="evaluation"`, units' outputs are multiplied by the fraction that a worker holds.
        inputs: the examples along axis 0.
        targets: likewise.
        calibration: batches of training inputs, from which the statistics of batch norms are computed anew: those met
            in training are of subnetworks. None: they stay.
        loss: of outputs and targets, a mean.

    Example:
        >>> from istsim import networks
        >>> model, data = networks.mlp([64, 32, 10]), networks.digits()
        >>> method = networks.SDP(2, coverage=1.0, masking="forward")
        >>> found = networks.evaluate(model, networks.neurons(model), method, data.test_inputs, data.test_targets)
        >>> found.accuracy < 0.5
        True
    """
    whole = copy.deepcopy(model)
    if isinstance(method, IST) and method.rescale == "evaluation":
        scale_outputs(whole, layout, method.kept(layout))
    batches = list(calibration)
    if batches:
        update_bn(batches, whole)
    whole.eval()
    total, right, answers = 0.0, 0, 0
    with torch.no_grad():
        for some, wanted in zip(inputs.split(_BATCH), targets.split(_BATCH), strict=True):
            outputs = outputs_of(whole, some)
            total += float(loss(outputs, wanted)) * wanted.numel()
            answers += wanted.numel()
            if outputs.shape[:-1] == wanted.shape:
                right += int((outputs.argmax(-1) == wanted).sum())
    return Evaluation(total / answers, right / answers)
