"""What the methods are compared with: local SGD, Dropout, Stochastic Depth, activation checkpointing."""

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need torch")

from istsim import networks  # noqa: E402
from istsim.networks._checkpointing import compute_blocks_twice, most_of_a_block  # noqa: E402
from istsim.networks._dropout import drop_outputs  # noqa: E402
from istsim.networks._kept import KeptForBackward  # noqa: E402


@pytest.mark.parametrize(("name", "value"), [("keep", 0.0), ("keep", 1.5), ("local_steps", 0), ("num_workers", 0)])
def test_wrong_arguments_are_refused_by_name(name, value):
    with pytest.raises(ValueError, match=name):
        networks.DataParallel(**{"num_workers": 2, name: value})


def model_and_batches(workers):
    data = networks.digits()
    torch.manual_seed(0)
    return networks.mlp([64, 12, 10]).double(), lambda worker, step: (
        data.train_inputs[step * workers + worker :: 97].double(),
        data.train_targets[step * workers + worker :: 97],
    )


def sgd(parameters):
    return torch.optim.SGD(parameters, 0.1)


def trained(method, steps, make=sgd):
    model, batches = model_and_batches(method.num_workers)
    found = list(networks.train(model, networks.neurons(model), method, batches, make_optimizer=make, steps=steps))
    return model, found


def averaged(tensors):
    return sum(tensors) / len(tensors)


@pytest.mark.parametrize(
    "make", [sgd, lambda parameters: torch.optim.Adam(parameters, 0.01)], ids=["SGD", "Adam, whose state is averaged"]
)
def test_local_sgd_is_what_it_says_in_plain_torch(make):
    model, batches = model_and_batches(3)
    replicas = [copy.deepcopy(model) for _ in range(3)]
    optimizers = [make(replica.parameters()) for replica in replicas]
    for round_number in range(2):
        for worker, (replica, optimizer) in enumerate(zip(replicas, optimizers, strict=True)):
            for step in range(4 * round_number, 4 * round_number + 4):
                optimizer.zero_grad()
                inputs, targets = batches(worker, step)
                networks.cross_entropy(replica(inputs), targets).backward()
                optimizer.step()
        with torch.no_grad():
            for same in zip(*(replica.parameters() for replica in replicas), strict=True):
                states = [optimizer.state[p] for optimizer, p in zip(optimizers, same, strict=True)]
                for key in states[0]:
                    mean = averaged([state[key] for state in states])
                    for state in states:
                        state[key].copy_(mean)
                mean = averaged(same)
                for parameter in same:
                    parameter.copy_(mean)
    found, rounds = trained(networks.DataParallel(3, local_steps=4), 8, make)
    assert len(rounds) == 2
    for mine, theirs in zip(found.parameters(), replicas[0].parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-10)


class Wrapped(torch.nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x):
        return self.module(x)


@pytest.mark.parametrize("method", [networks.SDP(2, 1.0, "forward"), networks.IST(2, 2), networks.DataParallel(2)])
def test_a_model_may_have_a_child_called_module(method):
    plain, batches = model_and_batches(2)
    wrapped = Wrapped(copy.deepcopy(plain))
    for model in (plain, wrapped):
        for _ in networks.train(model, networks.neurons(model), method, batches, make_optimizer=sgd, steps=4):
            pass
    for mine, theirs in zip(wrapped.parameters(), plain.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_dropout_of_a_transformer_reaches_heads_and_widths():
    torch.manual_seed(0)
    model = networks.Transformer(20, width=16, depth=1, heads=2)
    tokens = torch.randint(20, (2, 6))
    plain = model(tokens)
    layout = networks.neurons(model)
    seen = []
    drop_outputs(model, layout, 0.5)
    for group in layout.groups:
        for name in group.consumers:
            hook = lambda _, inputs: seen.append(float((inputs[0] == 0).float().mean()))  # noqa: E731
            model.get_submodule(name).register_forward_pre_hook(hook)
    assert not torch.equal(model(tokens), plain)
    assert len(seen) == len(layout.groups)
    assert all(0.3 < zeros < 0.7 for zeros in seen)


def test_one_local_step_of_gradient_descent_is_data_parallelism():
    one, _ = trained(networks.DataParallel(3), 3)
    model, batches = model_and_batches(3)
    for step in range(3):
        loss = sum(
            networks.cross_entropy(model(inputs), targets) for inputs, targets in (batches(i, step) for i in range(3))
        )
        (loss / 3).backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= 0.1 * parameter.grad
                parameter.grad = None
    for mine, theirs in zip(one.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-12)


def test_data_parallelism_is_sdp_with_full_coverage():
    (one, mine), (other, theirs) = trained(networks.DataParallel(3), 3), trained(networks.SDP(3, 1.0, "forward"), 3)
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
    assert [r[:6] for r in mine] == [r[:6] for r in theirs]


def test_local_sgd_sends_once_a_round():
    sent = {}
    for local_steps in (1, 5):
        _, rounds = trained(networks.DataParallel(3, local_steps), 10)
        sent[local_steps] = rounds[-1].bytes_up
    assert sent[1] == 5 * sent[5]


def dropped_outputs(model, layout, keep, inputs, draws):
    drop_outputs(model, layout, keep)
    with torch.no_grad():
        return torch.stack([model(inputs) for _ in range(draws)])


def test_dropout_keeps_the_mean_of_what_a_layer_gets():
    torch.manual_seed(0)
    model = networks.mlp([6, 50, 3]).double()
    inputs = torch.randn(2, 6, dtype=torch.float64)
    plain = model(inputs).detach()
    found = dropped_outputs(model, networks.neurons(model), 0.7, inputs, 4000)
    error = found.std(0) / 4000**0.5
    assert float(((found.mean(0) - plain) / error).abs().max()) < 5
    assert float(found.std(0).min()) > 0


def test_dropout_of_channels_drops_whole_ones():
    model = networks.ResNet(10, channels=1, width=4, depths=(1, 1))
    seen = []
    layout = networks.neurons(model)
    drop_outputs(model, layout, 0.5)
    consumer = model.get_submodule(layout.groups[0].consumers[0])
    consumer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model(torch.randn(6, 1, 8, 8))
    dropped = (seen[0] == 0).flatten(2)
    whole = dropped.all(dim=2)
    assert 0 < int(whole.sum()) < whole.numel()


def test_stochastic_depth_drops_the_branches_of_single_examples():
    torch.manual_seed(0)
    model = networks.ResNet(10, channels=1, width=4, depths=(1, 1)).eval()
    images = torch.randn(1, 1, 8, 8).expand(64, 1, 8, 8)
    drop_outputs(model, networks.blocks(model), 0.5)
    with torch.no_grad():
        outputs = model(images)
    assert len(outputs.unique(dim=0)) == 4  # each of two blocks is there or not


@pytest.mark.parametrize("name", ["resnet", "transformer"])
def test_checkpointing_changes_memory_and_no_gradient(name):
    torch.manual_seed(0)
    if name == "resnet":
        model, inputs, targets = networks.ResNet(10, 1, 4, (1, 1)), torch.randn(4, 1, 8, 8), torch.arange(4)
    else:
        model, inputs, targets = (
            networks.Transformer(20, width=16, depth=2, heads=2),
            torch.randint(20, (3, 8)),
            torch.randint(20, (3, 8)),
        )
    twice = copy.deepcopy(model)
    compute_blocks_twice(twice)
    kept = {}
    for each in (model, twice):
        with KeptForBackward(each) as counted:
            networks.cross_entropy(each(inputs), targets).backward()
        kept[each] = counted.count()
    for one, two in zip(model.parameters(), twice.parameters(), strict=True):
        assert torch.equal(one.grad, two.grad)
    assert kept[twice] + most_of_a_block(twice, inputs) < kept[model]
    assert most_of_a_block(model, inputs) == 0
    # What all blocks keep is what is missing, but for their inputs.
    assert 0 < most_of_a_block(twice, inputs) < kept[model]


@pytest.mark.slow
def test_a_run_with_checkpointing_has_the_same_losses_and_more_operations():
    runs = {}
    for checkpointing in (False, True):
        run = networks.TrainingRun(
            method="dense", model="llama", data="text", width=32, workers=2, batch_size=2, rounds=3,
            checkpointing=checkpointing,
        )  # fmt: skip
        data = run.load_data()
        model = run.make_model(data)
        engine = networks.OneProcess(model, *run.layout_and_method(model), make_optimizer=run.make_optimizer())
        runs[checkpointing] = list(run.rows(engine, data))
        measured, predicted = engine.costs()["workers"][0], run.predicted_memory(data)["this"]
        assert abs(measured["activations"] / predicted["activations"] - 1) < 0.01
    assert [row["loss"] for row in runs[True]] == [row["loss"] for row in runs[False]]
    ratio = runs[True][-1]["flops"] / runs[False][-1]["flops"]
    assert 1.2 < ratio < 4 / 3  # once more forward, of what is in blocks


def test_masks_of_data_parallelism_are_everything():
    model = networks.mlp([4, 3, 2])
    method, layout = networks.DataParallel(2, local_steps=3), networks.neurons(model)
    assert method.kept(layout) == [1.0]
    assert bool(np.asarray(method.sketch_for(layout).sample(None)).all())
