"""The sizes of real models against formulas, and what costs say against what networks predict and measure."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need torch")

from istsim import costs, networks  # noqa: E402
from istsim.costs._of_model import _half  # noqa: E402
from istsim.networks import local  # noqa: E402
from istsim.networks._flops import flops_of_step  # noqa: E402
from istsim.networks._partly_trained import partly_trained  # noqa: E402
from istsim.networks._subnetwork import subnetwork  # noqa: E402

BATCH, LENGTH = 4, 32
KINDS = ("parameters", "gradients", "optimizer", "activations")


def images():
    return torch.zeros(BATCH, 3, 32, 32), torch.zeros(BATCH, dtype=torch.long)


def tokens():
    return torch.zeros(BATCH, LENGTH, dtype=torch.long), torch.zeros(BATCH, LENGTH, dtype=torch.long)


def pixels():
    return torch.zeros(BATCH, 64), torch.zeros(BATCH, dtype=torch.long)


def on_meta(make):
    with torch.device("meta"):
        return make()


MODELS = {
    "transformer": (lambda: networks.Transformer(256, width=64, depth=2, heads=4, hidden=172), tokens),
    "resnet": (lambda: networks.ResNet(10, width=16), images),
    "mlp": (lambda: networks.mlp([64, 32, 16, 10]), pixels),
}


def adam(parameters):
    return torch.optim.Adam(parameters, 1e-3)


def pairs(found, formula):
    return zip(
        (found.before, *found.blocks, found.after), (formula.before, *formula.blocks, formula.after), strict=True
    )


def test_formulas_of_a_transformer_are_what_torch_counts():
    make, examples = MODELS["transformer"]
    found = costs.sizes_of(on_meta(make), *examples())
    formula = costs.llama(vocabulary=256, width=64, depth=2, heads=4, hidden=172, length=LENGTH)
    for one, other in pairs(found, formula):
        for what in ("parameters", "flops", "weight_flops", "weight_activations", "boundary", "sums", "units"):
            assert getattr(one, what) == getattr(other, what), (one.name, what)
    # A norm that is not one operation, as on CPUs, keeps one more stream; angles are kept once for a batch. The loss
    # keeps targets, which are twice as large as other numbers, and a weight.
    stream, angles = LENGTH * 64, 2 * 2 * LENGTH * 64 // 4 // 2 / BATCH
    for one, other in zip(found.blocks, formula.blocks, strict=True):
        assert one.activations.whole == other.activations.whole + 2 * stream + angles
        assert one.activations.once == other.activations.once
    assert found.after.activations.total == formula.after.activations.total + stream + 2 * LENGTH + 1 / BATCH


def test_formulas_of_a_residual_network_are_what_torch_counts():
    make, examples = MODELS["resnet"]
    found = costs.sizes_of(on_meta(make), *examples())
    for one, other in pairs(found, costs.resnet(width=16)):
        for what in ("parameters", "flops", "weight_flops", "weight_activations", "boundary", "sums", "units"):
            assert getattr(one, what) == getattr(other, what), (one.name, what)
        # A batch norm keeps two numbers of a batch for each of its channels, at most 128 at its input and output.
        assert 0 <= one.activations.total - other.activations.total <= (2 * 128 + 2 * 128 + 2) / BATCH


@pytest.mark.sample(2)
@pytest.mark.parametrize("name", list(MODELS))
@pytest.mark.parametrize("kind", ["ist", "forward", "backward"])
def test_memory_is_what_networks_predict(name, kind):
    make, examples = MODELS[name]
    model, (inputs, targets) = on_meta(make), examples()
    if kind == "ist":
        method, one = networks.IST(2), costs.IndependentSubnetworks()
    else:
        method = networks.SDP(4, 0.5, kind)
        one = costs.SubnetworkDataParallel(masking=kind, coverage=0.5)
    predicted = networks.predicted_memory(
        model,
        networks.neurons(model),
        method,
        make_optimizer=adam,
        inputs=inputs,
        targets=targets,
        loss=networks.cross_entropy,
    )
    cluster = costs.Cluster(method.num_workers, 1e9)
    cost = one.cost(costs.sizes_of(model, inputs, targets), cluster, costs.Training(BATCH))
    assert cost.gradients == predicted.gradients
    assert cost.optimizer == predicted.optimizer
    # Batch norms that are trained in part put their scales together anew; those are not of an example.
    scales = 4 * networks.neurons(model).num_units if (name, kind) == ("resnet", "backward") else 0
    assert round(cost.activations) == predicted.activations - scales
    buffers = sum(b.numel() * b.element_size() for b in model.buffers())  # which costs leave out
    assert predicted.parameters - buffers <= cost.parameters <= predicted.parameters


@pytest.mark.sample(2)
@pytest.mark.parametrize("name", list(MODELS))
@pytest.mark.parametrize("masking", ["forward", "backward"])
def test_operations_are_those_that_torch_counts_of_what_a_worker_runs(name, masking):
    make, examples = MODELS[name]
    model, (inputs, targets) = on_meta(make), examples()
    one = costs.SubnetworkDataParallel(masking=masking, coverage=0.5)
    cost = one.cost(costs.sizes_of(model, inputs, targets), costs.Cluster(4, 1e9), costs.Training(BATCH))
    build = subnetwork if masking == "forward" else partly_trained
    worker = _half(model, networks.neurons(model), build)
    assert cost.flops == flops_of_step(worker, inputs, targets, networks.cross_entropy)


def test_the_llama_of_transformers_has_the_parameters_and_operations_of_the_formula():
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    sizes = {"vocab_size": 256, "hidden_size": 64, "intermediate_size": 172, "num_hidden_layers": 3}
    config = transformers.LlamaConfig(**sizes, num_attention_heads=4, num_key_value_heads=2, use_cache=False)
    found = costs.sizes_of(on_meta(lambda: transformers.LlamaForCausalLM(config)), *tokens())
    formula = costs.llama(vocabulary=256, width=64, depth=3, heads=4, key_heads=2, hidden=172, length=LENGTH)
    for one, other in pairs(found, formula):
        for what in ("parameters", "flops", "weight_flops", "boundary", "sums"):
            assert getattr(one, what) == getattr(other, what), (one.name, what)


@pytest.mark.sample(1)
@pytest.mark.parametrize("chunks", [2, 4])
def test_local_parallelism_costs_what_units_of_networks_measure(chunks):
    model = networks.initialised(on_meta(lambda: networks.Transformer(256, width=64, depth=4, heads=4, hidden=172)), 0)
    method = local.LocalParallelism("chunked", chunks=chunks, local_steps=1)
    inputs, targets = tokens()
    sizes = costs.sizes_of(model, inputs, targets)
    engine = local.LocalOneProcess(model, networks.neurons(model), method, inputs, make_optimizer=adam)
    engine.deal(np.ones((1, engine.layout.num_units), bool))
    engine.steps(lambda worker, step: (inputs, targets), range(1))
    found = max(engine.costs()["workers"], key=lambda unit: sum(unit[kind] for kind in KINDS))
    training = costs.Training(BATCH // chunks)
    cost = costs.LocalParallel(chunks=chunks).cost(sizes, costs.Cluster(chunks, 1e9), training)
    assert (cost.parameters, cost.gradients) == (found["parameters"], found["gradients"])
    assert 0 <= found["optimizer"] - cost.optimizer <= 4 * len(list(model.parameters()))  # Adam counts its steps
    # The head's norm, of several operations, keeps one more stream, and its loss targets and a weight.
    assert cost.activations + BATCH * LENGTH * (4 * 64 + 8) + 4 == found["activations"]
    _, sent, flops = engine.spent()
    assert (chunks - 1) * cost.sent == sent
    if chunks == 4:
        assert 4 * cost.flops == flops  # of equal units


@pytest.mark.parametrize(
    ("widths", "norm", "chunks"),
    [((64, 256, 256, 10), False, 2), ((64, 256, 128, 32, 10), False, 3), ((64, 256, 128, 32, 10), True, 3)],
)
def test_local_parallelism_of_a_chain_costs_what_networks_predict(widths, norm, chunks):
    model, batch = on_meta(lambda: networks.mlp(widths, norm=norm)), 4 * chunks
    inputs, targets = torch.zeros(batch, 64), torch.zeros(batch, dtype=torch.long)
    method = local.LocalParallelism("chunked", chunks=chunks)
    sizes, cluster = costs.sizes_of(model, inputs, targets), costs.Cluster(chunks, 1e9)
    cost = costs.LocalParallel(chunks=chunks).cost(sizes, cluster, costs.Training(4))
    assert cost.flops == max(local.flops_of_units(model, method, inputs, targets))
    predicted = max(
        local.predicted_memory_of_units(
            model, method, make_optimizer=adam, inputs=inputs, targets=targets, loss=networks.cross_entropy
        ),
        key=lambda unit: sum(getattr(unit, kind) for kind in KINDS),
    )
    assert (cost.gradients, cost.optimizer) == (predicted.gradients, predicted.optimizer)
    # Costs leave the buffers of batch norms out; the loss of a head keeps targets, and a weight.
    assert 0 <= predicted.parameters - cost.parameters <= norm * 4 * 2 * (256 + 128)
    assert 0 <= predicted.activations - round(cost.activations) <= 8 * batch + 4


def pooled_inside():
    """Convolutions whose layers lie in chains within the chain, and which hand less on than they compute."""
    first = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2))
    second = torch.nn.Sequential(torch.nn.Conv2d(8, 16, 3, padding=1), torch.nn.ReLU(), torch.nn.AvgPool2d(2))
    return torch.nn.Sequential(first, second, torch.nn.Flatten(), torch.nn.Linear(16 * 4 * 4, 10))


def test_local_parallelism_of_chains_within_a_chain_costs_what_networks_predict():
    model, (inputs, targets) = on_meta(pooled_inside), (torch.zeros(8, 3, 16, 16), torch.zeros(8, dtype=torch.long))
    method = local.LocalParallelism("chunked", chunks=2)
    sizes, training = costs.sizes_of(model, inputs, targets), costs.Training(4)
    assert [block.name for block in sizes.blocks] == ["0.0", "1.0", "3"]
    cost = costs.LocalParallel(chunks=2).cost(sizes, costs.Cluster(2, 1e9), training)
    assert cost.flops == max(local.flops_of_units(model, method, inputs, targets))
    assert [one.sent for one in cost.traffic] == [8 * 4 * 8 * 8 * 8]  # of eight examples, behind the pooling
    predicted = local.predicted_memory_of_units(
        model, method, make_optimizer=adam, inputs=inputs, targets=targets, loss=networks.cross_entropy
    )
    largest = max(predicted, key=lambda unit: unit.activations)
    assert cost.gradients == largest.gradients
    # A loss keeps targets and a weight, the batch norm of a head means and deviations.
    assert largest.activations - round(cost.activations) == 8 * 8 + 4 + 2 * 4 * 8


def test_local_parallelism_of_a_chain_has_the_blocks_of_networks():
    model, (inputs, targets) = on_meta(lambda: networks.mlp([64, 256, 256, 10])), pixels()
    sizes = costs.sizes_of(model, inputs, targets)
    assert [len(sizes.local_chain), len(sizes.chain)] == [2, 3]
    with pytest.raises(ValueError, match="2 blocks cannot be cut into 3 chunks"):
        costs.LocalParallel(chunks=3).cost(sizes, costs.Cluster(3, 1e9), costs.Training())


def test_a_model_that_cannot_be_partitioned_has_no_units():
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Softmax(-1), torch.nn.Linear(4, 2))
    sizes = costs.sizes_of(model, torch.zeros(3, 4), torch.zeros(3, dtype=torch.long))
    assert sizes.whole.units == 0
    assert sizes.whole.parameters == costs.Amount(30)
    found = costs.compare(sizes, costs.Cluster(2, 1e9), costs.Training(4), microbatches=1)
    assert {costs.label(cost) for cost in found.costs} >= {"data parallel", "FSDP", "pipeline 1F1B"}
    assert set(found.left_out) == {"tensor parallel", "IST", "SDP forward", "SDP backward", "local parallel"}


@pytest.mark.parametrize(
    "model",
    [torch.nn.ReLU(), torch.nn.Linear(4, 2), torch.nn.Sequential(torch.nn.Linear(4, 2)).requires_grad_(False)],
    ids=["without parameters", "a single layer", "frozen"],
)
def test_a_model_without_parts_to_train_is_refused(model):
    with pytest.raises(ValueError, match="no parts with parameters that could be trained"):
        costs.sizes_of(model, torch.zeros(3, 4), torch.zeros(3, dtype=torch.long))


def test_no_examples_are_refused():
    with pytest.raises(ValueError, match="at least one example, got none"):
        costs.sizes_of(torch.nn.Sequential(torch.nn.Linear(4, 2)), torch.zeros(0, 4), torch.zeros(0, dtype=torch.long))


class Listed(torch.nn.Module):
    """Layers in a list, and one that is not always used."""

    def __init__(self, *, unused=False):
        super().__init__()
        self.layers = torch.nn.ModuleList(torch.nn.Linear(4, 4) for _ in range(2))
        self.last = torch.nn.Linear(4, 2)
        self.unused = torch.nn.Linear(4, 2) if unused else None

    def forward(self, x):
        for layer in self.layers:
            x = layer(x).relu()
        return self.last(x)


def test_layers_of_a_list_are_blocks_of_their_own():
    sizes = costs.sizes_of(Listed(), torch.zeros(3, 4), torch.zeros(3, dtype=torch.long))
    assert [block.name for block in sizes.blocks] == ["layers.0", "layers.1", "last"]
    assert sizes.flops == 2 * (4 * 4 * 2) + 3 * (4 * 4 * 2) + 3 * (4 * 2 * 2)


def test_a_model_with_a_block_that_does_not_run_is_refused():
    with pytest.raises(ValueError, match=r"layers.0, layers.1, last, unused; there ran layers.0, layers.1, last: give"):
        costs.sizes_of(Listed(unused=True), torch.zeros(3, 4), torch.zeros(3, dtype=torch.long))


class Unordered(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.second, self.first = torch.nn.Linear(4, 2), torch.nn.Linear(4, 4)

    def forward(self, x):
        return self.second(self.first(x))


def test_a_model_whose_blocks_run_in_another_order_is_refused():
    with pytest.raises(ValueError, match="must run one after the other, second, first; there ran first, second"):
        costs.sizes_of(Unordered(), torch.zeros(3, 4), torch.zeros(3, dtype=torch.long))
