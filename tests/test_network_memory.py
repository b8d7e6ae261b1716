"""What a worker keeps in memory: counted by hand, measured in a step, predicted from sizes."""

import dataclasses
import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks are trained in torch: pip install 'istsim[torch]'")
from torch import nn  # noqa: E402

from istsim import networks  # noqa: E402
from istsim.networks._costs import Costs  # noqa: E402
from istsim.networks._kept import KeptForBackward, bytes_of  # noqa: E402
from istsim.networks._masks import Masks  # noqa: E402
from istsim.networks._worker import Worker  # noqa: E402

KINDS = [field.name for field in dataclasses.fields(networks.Memory)]
MODELS = {
    "mlp": {"model": "mlp", "data": "digits", "width": 16},
    "resnet": {"model": "resnet18", "data": "digits", "width": 8},
    "transformer": {"model": "llama", "data": "text", "width": 64},
}


def a_run(model, **options):
    return networks.TrainingRun(
        **{"method": "sdp", "masking": "forward", "coverage": 0.5, "optimizer": "adam", **MODELS[model], **options}
    )


def a_batch(run, examples=4):
    data = run.load_data()
    return data, data.train_inputs[:examples].clone(), data.train_targets[:examples].clone()


def predicted(run):
    data, inputs, targets = a_batch(run)
    model = run.empty_model(data)
    layout, method = run.layout_and_method(model)
    return networks.predicted_memory(
        model,
        layout,
        method,
        make_optimizer=run.make_optimizer(),
        inputs=inputs,
        targets=targets,
        loss=networks.cross_entropy,
    )


def measured(run):
    """Of each worker."""
    data, inputs, targets = a_batch(run)
    model = run.make_model(data)
    layout, method = run.layout_and_method(model)
    found = []
    for held in Masks(method, layout, 0).of_round(0):
        worker = Worker(model, networks.Part(model, layout, held), method, run.make_optimizer(), {})
        costs = Costs()
        costs.gradients(worker, inputs, targets, networks.cross_entropy, (0,))
        worker.step()
        costs.stepped(worker)
        found.append(costs.measured())
    return {kind: np.array([one[kind] for one in found]) for kind in KINDS}


def test_a_dense_layer_keeps_its_inputs_and_what_follows_it_its_own():
    model = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3))
    inputs = torch.zeros(4, 5, requires_grad=False)
    with KeptForBackward(model) as kept:
        model(inputs).square().sum()
    # The inputs, the ReLU's outputs, which are also the inputs of the second layer, and what is squared.
    assert kept.count() == 4 * (4 * 5 + 4 * 7 + 4 * 3)


def test_a_storage_that_several_tensors_share_counts_once():
    whole = torch.zeros(10)
    assert bytes_of([whole, whole[:3], torch.zeros(2)]) == 4 * 12


def test_memory_of_a_perceptron_by_hand():
    found = measured(a_run("mlp", optimizer="momentum", coverage=0.5))
    entries = 8 * 64 + 8 + 8 * 8 + 8 + 10 * 8 + 10  # half of two layers of 16
    assert found["parameters"].tolist() == found["gradients"].tolist() == [4 * entries] * 4
    assert found["optimizer"].tolist() == [4 * entries] * 4
    # The images and their labels, two hidden layers, the logarithms of probabilities, and the mean's weight.
    assert found["activations"].tolist() == [4 * (4 * 64 + 4 * 8 + 4 * 8 + 4 * 10 + 1) + 8 * 4] * 4


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_the_state_is_as_large_as_the_optimizer_makes_it(optimizer):
    found, numbers = measured(a_run("mlp", optimizer=optimizer)), {"sgd": 0, "momentum": 1, "adam": 2}[optimizer]
    counts = 6 * 4 if optimizer == "adam" else 0  # of steps, one for each tensor
    assert (found["optimizer"] == numbers * found["gradients"] + counts).all()


@pytest.mark.sample(3)
@pytest.mark.parametrize("masking", ["forward", "backward"])
@pytest.mark.parametrize(
    ("model", "level"), [("mlp", "neuron"), ("resnet", "neuron"), ("resnet", "block"), ("transformer", "block")]
)
def test_the_prediction_is_the_mean_over_workers(model, masking, level):
    run = a_run(model, masking=masking, level=level)
    expected, found = predicted(run), measured(run)
    for kind in KINDS:
        # Blocks differ in what they keep; which ones a worker has is chance.
        close = 0.2 if level == "block" and kind == "activations" else 0.01
        assert found[kind].mean() == pytest.approx(getattr(expected, kind), rel=close), kind


@pytest.mark.sample(2)
@pytest.mark.parametrize("model", list(MODELS))
@pytest.mark.parametrize("coverage", [0.25, 0.75])
def test_backward_masking_never_keeps_more_than_data_parallelism(model, coverage):
    whole = predicted(a_run(model, coverage=1.0))
    part = predicted(a_run(model, masking="backward", coverage=coverage, resample_every=1))
    assert part.parameters == whole.parameters
    assert part.gradients < whole.gradients
    # The scales and shifts of all features of a batch norm are put together from two parts.
    assert part.activations <= whole.activations + (4 * 8 * 100 if model == "resnet" else 0)


def test_a_log_has_what_was_measured_and_what_was_predicted(tmp_path):
    run = networks.TrainingRun(method="sdp", width=16, rounds=2, workers=4)
    list(networks.train_in_folder(run, tmp_path))
    log = networks.Log(tmp_path, run)
    log.take_over(2)
    assert len(log.measured["workers"]) == 4
    assert all(one["step_seconds"] > 0 for one in log.measured["workers"])
    assert log.measured["processes"][0]["peak_memory"] > 10**8
    lines = networks.memory_table(log)
    assert [line.split("  ")[0] for line in lines] == [
        "MB of a worker",
        "measured, largest of all workers",
        "predicted",
        "data parallelism, predicted",
    ]
    assert lines[1].split()[-4:] == lines[2].split()[-4:]


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    "options",
    [
        {"method": "dense", "workers": 1},
        {"method": "ist"},
        {"method": "sdp", "masking": "backward"},
        {"method": "local", "mode": "chunked", "chunks": 2},
    ],
    ids=lambda options: options["method"],
)
def test_no_mask_of_attention_is_predicted_that_transformers_does_not_make(options, tmp_path):
    run = networks.TrainingRun(model="hf-llama", data="text", width=64, rounds=1, batch_size=2, **options)
    list(networks.train_in_folder(run, tmp_path))
    log = json.loads((tmp_path / "log.json").read_text())
    measured = max(worker["activations"] for worker in log["measured"]["workers"])
    assert log["predicted"]["this"]["activations"] == pytest.approx(measured, rel=0.002)
