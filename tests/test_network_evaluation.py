"""What the whole model is worth: means over examples, and batch norms calibrated for it."""

import copy
import math

import numpy as np
import pytest
from network_models import CASES, cross_entropy

torch = pytest.importorskip("torch", reason="networks are trained in torch: pip install 'istsim[torch]'")
from torch import nn  # noqa: E402

from istsim import networks  # noqa: E402

NO_UNITS = networks.Layout((), ())
METHOD = networks.SDP(2, coverage=1.0, masking="forward")
NORM = CASES["mlp-norm"]


def examples(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(count, 5, generator=generator, dtype=torch.float64)
    return inputs, torch.randint(3, (count,), generator=generator)


def calibrated(model, inputs):
    """In evaluation, with the statistics of one batch."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.momentum = 1.0
    model.train()(inputs)
    return model.eval()


def test_every_example_counts_the_same_whatever_the_last_batch():
    scores = torch.zeros(300, 3, dtype=torch.float64)
    scores[:256, 1], scores[256:, 2] = 5.0, 3.0  # the model is right in 256, and sure of something else in 44
    targets = torch.ones(300, dtype=torch.long)
    found = networks.evaluate(nn.Identity(), NO_UNITS, METHOD, scores, targets)
    right, wrong = math.log(1 + 2 * math.exp(-5)), math.log(2 + math.exp(3))
    assert found.loss == pytest.approx((256 * right + 44 * wrong) / 300, rel=1e-12)
    assert found.accuracy == 256 / 300


def test_every_token_of_text_counts():
    scores = torch.tensor([[[9.0, 0.0], [0.0, 9.0], [9.0, 0.0]], [[9.0, 0.0], [9.0, 0.0], [9.0, 0.0]]])
    targets = torch.tensor([[0, 1, 1], [1, 1, 1]])
    assert networks.evaluate(nn.Identity(), NO_UNITS, METHOD, scores, targets).accuracy == 2 / 6


def test_targets_that_are_no_classes_have_a_loss_alone():
    found = networks.evaluate(
        nn.Identity(), NO_UNITS, METHOD, torch.ones(4, 3), torch.zeros(4, 3), loss=nn.functional.mse_loss
    )
    assert found == networks.Evaluation(loss=1.0, accuracy=0.0)


@pytest.mark.parametrize("rescale", ["none", "evaluation"])
def test_batch_norms_have_the_statistics_of_the_whole_model_for_evaluation_alone(rescale):
    """Of what they meet there: with units' outputs multiplied by the fraction held, if they are."""
    model, (inputs, targets), (seen, _) = NORM.model(), examples(20), examples(30, seed=1)
    before = copy.deepcopy(model.state_dict())
    method = networks.IST(2, rescale=rescale)
    found = networks.evaluate(model, NORM.layout(model), method, inputs, targets, calibration=[seen])
    assert model.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    factors = np.ones(13) if rescale == "none" else np.concatenate([np.full(7, 0.5), np.full(6, 0.5)])
    expected = calibrated(NORM.scale_outputs(model, factors), seen)
    assert found.loss == pytest.approx(float(cross_entropy(expected(inputs), targets).detach()), rel=1e-10)


def test_without_calibration_batch_norms_keep_their_statistics():
    model, (inputs, targets) = NORM.model(), examples(20)
    found = networks.evaluate(model, NORM.layout(model), METHOD, inputs, targets)
    expected = model.eval()(inputs)
    assert found.loss == pytest.approx(float(cross_entropy(expected, targets).detach()), rel=1e-10)


def test_a_batch_of_one_example_is_left_out_of_calibration():
    model, (inputs, targets), (seen, _) = NORM.model(), examples(20), examples(17, seed=1)
    found, expected = (
        networks.evaluate(model, NORM.layout(model), METHOD, inputs, targets, calibration=batches)
        for batches in (seen.split(8), seen[:16].split(8))
    )
    assert found == expected


def test_calibration_by_single_examples_is_refused():
    model, (inputs, targets) = NORM.model(), examples(20)
    with pytest.raises(ValueError, match=r"calibration must have a batch of at least 2 examples.*got 20 of 1: give"):
        networks.evaluate(model, NORM.layout(model), METHOD, inputs, targets, calibration=inputs.split(1))
