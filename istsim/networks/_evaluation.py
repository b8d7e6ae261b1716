"""What the whole model is worth."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from istsim.networks._layout import Layout
from istsim.networks._methods import IST, Method
from istsim.networks._subnetwork import scale_outputs
from istsim.networks._trainer import Loss, cross_entropy, outputs_of

BATCH = 256  # examples at once


class Evaluation(NamedTuple):
    """Of the whole model, on data that it was not trained on.

    Attributes:
        loss: the mean over all examples.
        accuracy: the fraction of targets that have the largest output; 0 if they are no classes.

    Example:
        >>> from istsim import networks
        >>> loss, accuracy = networks.Evaluation(loss=0.25, accuracy=0.9)
        >>> accuracy
        0.9
    """

    loss: float
    accuracy: float

    @classmethod
    def of(cls, parts: Iterable[tuple[float, float, float]]) -> Evaluation:
        """From the `totals` of some examples each."""
        loss, right, answers = map(sum, zip(*parts, strict=True))
        return cls(loss / answers, right / answers)


def evaluate(
    model: nn.Module,
    layout: Layout,
    method: Method,
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
            in training are of subnetworks. Those of a single example, which have no variance, are left out. None: they
            stay.
        loss: of outputs and targets, a mean.

    Raises:
        ValueError: if all batches for calibration are of a single example.

    Example:
        >>> from istsim import networks
        >>> model, data = networks.mlp([64, 32, 10]), networks.digits()
        >>> method = networks.SDP(2, coverage=1.0, masking="forward")
        >>> found = networks.evaluate(model, networks.neurons(model), method, data.test_inputs, data.test_targets)
        >>> found.accuracy < 0.5
        True
    """
    whole = calibrated(model, layout, method, calibration)
    pairs = zip(inputs.split(BATCH), targets.split(BATCH), strict=True)
    return Evaluation.of([totals(whole, some, wanted, loss) for some, wanted in pairs])


def calibrated(model: nn.Module, layout: Layout, method: Method, calibration: Iterable[Tensor]) -> nn.Module:
    """A copy of the model as it is evaluated."""
    whole = copy.deepcopy(model)
    if isinstance(method, IST) and method.rescale == "evaluation":
        scale_outputs(whole, layout, method.kept(layout))
    batches = list(calibration)
    if batches:
        several = [batch for batch in batches if len(batch) > 1]
        if not several:
            raise ValueError(
                "calibration must have a batch of at least 2 examples, for batch norms compute variances, got "
                f"{len(batches)} of 1: give larger ones, such as train_inputs.split(256)"
            )
        update_bn(several, whole)
    return whole.eval()


def totals(whole: nn.Module, inputs: Tensor, targets: Tensor, loss: Loss) -> tuple[float, float, float]:
    """The sum of the losses of some examples, how many answers are right, and how many there are."""
    with torch.no_grad():
        outputs = outputs_of(whole, inputs)
        answers = targets.numel()
        right = int((outputs.argmax(-1) == targets).sum()) if outputs.shape[:-1] == targets.shape else 0
        return float(loss(outputs, targets)) * answers if answers else 0.0, right, answers
