import collections
import copy
import gc
import itertools
import types

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from network_models import CASES, MASKS, cross_entropy, logits, randomised

torch = pytest.importorskip("torch", reason="networks are trained in torch: pip install 'istsim[torch]'")
from torch import nn  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from istsim import networks  # noqa: E402

TIGHT = {"rtol": 1e-10, "atol": 1e-10}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


@pytest.fixture
def model(case):
    return case.model()


@pytest.fixture(params=MASKS)
def mask(request, case):
    return MASKS[request.param](case)


@pytest.fixture
def part(case, model, mask):
    return networks.Part(model, case.layout(model), mask)


def tensors(model):
    """Parameters and buffers by name, tied ones once."""
    return {name: x for name, x in [*model.named_parameters(), *model.named_buffers()] if name in model.state_dict()}


def counted(model):
    """Every entry a number of its own."""
    with torch.no_grad():
        for number, tensor in enumerate(tensors(model).values()):
            tensor.copy_(torch.arange(tensor.numel()).reshape(tensor.shape) + 1000 * number)
    return model


def reachable_tensors(root):
    """All tensors that an object refers to, however deep; not those that belong to modules or types."""
    seen, queue, found = {id(root)}, collections.deque([root]), []
    while queue:
        one = queue.popleft()
        if isinstance(one, torch.Tensor):
            found.append(one)
        if isinstance(one, types.FunctionType):
            following = [*(one.__closure__ or ()), one.__defaults__, one.__dict__]
        else:
            following = gc.get_referents(one)
        for other in following:
            if not isinstance(other, (type, types.ModuleType, types.CodeType)) and id(other) not in seen:
                seen.add(id(other))
                queue.append(other)
    return found


class Allocations(TorchDispatchMode):
    """The number of entries of every tensor made that is not a view."""

    def __init__(self):
        super().__init__()
        self.sizes = []

    def __torch_dispatch__(self, function, kinds, arguments=(), options=None):
        result = function(*arguments, **(options or {}))
        given = {x.untyped_storage()._cdata for x in arguments if isinstance(x, torch.Tensor)}
        if isinstance(result, torch.Tensor) and result.device.type != "meta":
            storage = result.untyped_storage()
            if storage._cdata not in given:
                self.sizes.append(storage.nbytes() // result.element_size())
        return result


# --- Layouts


def test_a_layout_has_the_units_that_the_model_has(case, model):
    layout = case.layout(model)
    assert [group.count for group in layout.groups] == [group.count for group in case.groups]
    assert layout.num_units == case.num_units
    for group, expected in zip(layout.groups, case.groups, strict=True):
        if case.by_blocks:
            assert isinstance(group, networks.Blocks)
            for name, prefix in zip(group.names, expected.prefixes, strict=True):
                assert prefix.startswith(f"{name}.")
        else:
            assert isinstance(group, networks.Units)
            assert {s.tensor: (s.axis, s.width) for s in group.slices} == expected.owned
            assert set(group.consumers) == set(expected.consumers)
            assert group.name == expected.name


def test_the_size_of_a_unit_is_the_number_of_parameters_that_go_with_it(case, model):
    names = {name for name, _ in model.named_parameters()}

    def parameters(mask):
        return sum(int(held.sum()) for name, held in case.held(model, mask).items() if name in names)

    everything = np.ones(case.num_units, bool)
    gone = [parameters(everything) - parameters(np.arange(case.num_units) != unit) for unit in range(case.num_units)]
    assert list(case.layout(model).sizes) == gone


@given(leading=st.lists(st.integers(0, 3), max_size=2), seed=st.integers(0, 2**32 - 1))
def test_split_cuts_the_last_axis_at_the_groups(leading, seed):
    layout = networks.neurons(networks.mlp([2, 3, 1, 4, 2]))
    mask = np.random.default_rng(seed).random((*leading, 8)) < 0.5
    pieces = layout.split(mask)
    assert [piece.shape for piece in pieces] == [(*leading, 3), (*leading, 1), (*leading, 4)]
    np.testing.assert_array_equal(np.concatenate(pieces, axis=-1), mask)


def test_blocks_can_be_those_of_one_stage():
    model = networks.ResNet(3, width=2, depths=(1, 2, 3))
    assert networks.blocks(model, within="stages.2").groups[0].names == ("stages.2.0", "stages.2.1", "stages.2.2")
    with pytest.raises(ValueError):
        networks.blocks(model, within="stages.7")


def test_a_layout_of_ones_own_need_not_be_found_by_istsim():
    """Hidden units that a module of ours hides in its forward."""

    class Hidden(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.outer = nn.Linear(4, 5), nn.Linear(5, 3)

        def forward(self, x):
            return self.outer(torch.relu(self.inner(x)))

    model = randomised(Hidden())
    slices = (networks.Slice("inner.weight", 0), networks.Slice("inner.bias", 0), networks.Slice("outer.weight", 1))
    layout = networks.Layout((networks.Units("inner", 5, slices, ("outer",)),), (8,) * 5)
    small = networks.subnetwork(model, networks.Part(model, layout, np.arange(5) % 2 == 0))
    x = torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    hidden = torch.relu(model.inner(x)) * torch.tensor([1, 0, 1, 0, 1])
    torch.testing.assert_close(small(x), model.outer(hidden), **TIGHT)
    assert small.inner.weight.shape == (3, 4)


SLICES = (networks.Slice("a.weight", 0), networks.Slice("a.bias", 0), networks.Slice("b.weight", 1))


def two_layers(units=8):
    return nn.ModuleDict({"a": nn.Linear(4, units), "b": nn.Linear(units, 2)})


@pytest.mark.parametrize(
    ("slices", "consumers", "words"),
    [
        ((SLICES[0], SLICES[2]), ("b",), r"a\.bias are not; add Slice\('a\.bias', 0\)"),
        ((SLICES[1], SLICES[2]), ("b",), r"a\.weight are not; add Slice\('a\.weight', 0\)"),
        (SLICES[:2], ("b",), r"b takes its units in.*Slice\('b\.weight', 1\)"),
        (SLICES, ("c",), "'c' is no module"),
        ((networks.Slice("a.weight", -2), *SLICES[1:]), ("b",), "axis -2"),
    ],
    ids=["bias", "weight", "consumer", "unknown-consumer", "negative-axis"],
)
def test_a_layout_that_forgets_something_is_refused_with_what_is_missing(slices, consumers, words):
    with pytest.raises(ValueError, match=words):
        networks.Layout.of(two_layers(), (networks.Units("a", 8, slices, consumers),))


def test_a_norm_must_be_sliced_as_a_whole():
    model = nn.ModuleDict({"a": nn.Linear(4, 8, bias=False), "norm": nn.BatchNorm1d(8), "b": nn.Linear(8, 2)})
    slices = [networks.Slice("a.weight", 0), networks.Slice("b.weight", 1)]
    slices += [networks.Slice(f"norm.{name}", 0) for name in ("weight", "bias", "running_mean")]
    with pytest.raises(ValueError, match=r"norm\.running_var"):
        networks.Layout.of(model, (networks.Units("a", 8, tuple(slices), ("b",)),))


def test_a_layout_of_another_model_is_refused():
    layout = networks.Layout.of(two_layers(), (networks.Units("a", 8, SLICES, ("b",)),))
    for other in (two_layers(9), networks.mlp([4, 8, 2])):
        with pytest.raises(ValueError, match=r"a\.weight.*another"):
            networks.Part(other, layout, np.ones(8, bool))
    by_blocks = networks.blocks(networks.ResNet(2, 1, 2, (1, 1)))
    with pytest.raises(ValueError, match=r"stages\.0\.0.*another"):
        networks.Part(two_layers(), by_blocks, np.zeros(2, bool))


def test_the_repr_of_a_layout_has_a_few_words_for_each_group():
    assert repr(networks.neurons(networks.mlp([4, 300, 20, 2]))) == "Layout('1': 300 units, '3': 20 units)"
    assert repr(networks.blocks(networks.ResNet(2, 1, 2, (1, 1)))) == "Layout('blocks': 2 blocks)"


# --- Models


def test_rotary_positions_are_as_exact_in_bfloat16_as_its_numbers():
    x = torch.ones(1, 1, 1000, 8, dtype=torch.float64)
    rotated = networks.models._transformer._rotated
    torch.testing.assert_close(rotated(x.bfloat16()).double(), rotated(x), rtol=0, atol=2**-6)


# --- Subnetworks


@pytest.mark.sample(17)
@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
def test_a_subnetwork_computes_what_the_model_does_without_what_is_not_held(case, model, mask, part, training):
    inputs, _ = case.data()
    small, whole = networks.subnetwork(model, part).train(training), case.masked(model, mask).train(training)
    torch.testing.assert_close(logits(small(inputs)), logits(whole(inputs)), **TIGHT)
    running = small.state_dict()
    for name, held in case.held(model, mask).items():
        if held.any() and "running" in name:
            torch.testing.assert_close(running[name], whole.get_buffer(name)[held], **TIGHT)


@pytest.mark.sample(17)
def test_a_subnetwork_consists_of_what_is_held_in_the_order_of_the_model(case, model, mask):
    model = counted(model)
    part = networks.Part(model, case.layout(model), mask)
    small, held, whole = networks.subnetwork(model, part), case.held(model, mask), tensors(model)
    there = [name for name in whole if held[name].any()]
    assert list(tensors(small)) == there
    assert set(part.names) == set(there)
    for name, tensor in tensors(small).items():
        assert tensor.flatten().tolist() == whole[name][held[name]].tolist()
        assert torch.equal(part.take(name, whole[name]), tensor)
    parameters = sum(int(held[name].sum()) for name, _ in model.named_parameters())
    assert sum(parameter.numel() for parameter in small.parameters()) == parameters


@pytest.mark.sample(17)
def test_nothing_in_a_subnetwork_is_larger_than_its_own_tensors(case, model, mask, part):
    """Nor is anything larger than all of them made on the way to it."""
    with Allocations() as made:
        small = networks.subnetwork(model, part)
    own = [*small.parameters(), *small.buffers()]
    assert max(made.sizes) <= sum(parameter.numel() for parameter in small.parameters())
    storages = {t.untyped_storage()._cdata: t.untyped_storage().nbytes() for t in reachable_tensors(small)}
    assert sum(storages.values()) == sum(tensor.numel() * tensor.element_size() for tensor in own)


@pytest.mark.sample(17)
def test_a_subnetwork_shares_no_memory_with_the_model_and_leaves_it_as_it_was(case, model, part):
    before = copy.deepcopy(model)
    small = networks.subnetwork(model, part).train()
    inputs, targets = case.data()
    cross_entropy(small(inputs), targets).backward()
    with torch.no_grad():
        for tensor in small.state_dict().values():
            tensor.fill_(7)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before.state_dict()[name]), name
    assert all(parameter.grad is None for parameter in model.parameters())
    torch.testing.assert_close(logits(model(inputs)), logits(before(inputs)), rtol=0, atol=0)


def test_a_subnetwork_is_in_the_mode_of_the_model_and_trains_the_same_parameters(case, model):
    part = networks.Part(model, case.layout(model), MASKS["all-but-one"](case))
    name = case.tensor_of_the_first_unit(model)
    model.get_parameter(name).requires_grad_(False)
    for training in (True, False):
        small = networks.subnetwork(model.train(training), part)
        assert {module.training for module in small.modules() if [*module.parameters(recurse=False)]} == {training}
        assert [n for n, p in small.named_parameters() if not p.requires_grad] == [name]


@pytest.mark.sample(17)
def test_writing_back_changes_the_entries_held_and_nothing_else(case, model, mask):
    model = counted(model)
    part = networks.Part(model, case.layout(model), mask)
    before, held = copy.deepcopy(model.state_dict()), case.held(model, mask)
    small = networks.subnetwork(model, part)
    with torch.no_grad():
        for tensor in tensors(small).values():
            tensor += tensor + 3
    networks.write_back(model, part, small)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, torch.where(held[name], 2 * before[name] + 3, before[name])), name


def test_taking_and_putting_a_tensor_are_by_the_entries_held(case, model, mask, part):
    generator, held = torch.Generator().manual_seed(3), case.held(model, mask)
    for name in part.names:
        whole = torch.randn(held[name].shape, generator=generator)
        before, piece = whole.clone(), part.take(name, whole)
        assert torch.equal(piece.flatten(), whole[held[name]])
        part.put(name, whole, piece + 1)
        assert torch.equal(whole, torch.where(held[name], before + 1, before))
        piece.zero_()  # a tensor of its own
        assert torch.equal(whole, torch.where(held[name], before + 1, before))


@pytest.mark.sample(17)
def test_training_a_subnetwork_is_training_the_masked_model(case, model, mask, part):
    inputs, targets = case.data()
    held, before = case.held(model, mask), copy.deepcopy(model)
    small, whole = networks.subnetwork(model, part).train(), case.masked(model, mask).train()
    for one in (small, whole):
        optimizer = torch.optim.SGD(one.parameters(), lr=0.05)
        cross_entropy(one(inputs), targets).backward()
        optimizer.step()
    networks.write_back(model, part, small)
    for name, tensor in model.state_dict().items():
        expected = torch.where(held[name], whole.state_dict()[name], before.state_dict()[name])
        torch.testing.assert_close(tensor, expected, **TIGHT, msg=lambda text, name=name: f"{name}: {text}")


@given(
    widths=st.lists(st.integers(1, 6), min_size=3, max_size=5),
    norm=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_any_subnetwork_of_any_mlp_is_the_masked_model(widths, norm, seed):
    rng = np.random.default_rng(seed)
    model = randomised(networks.mlp(widths, norm=norm), seed)
    layout = networks.neurons(model)
    masks = [rng.random(group.count) < 0.6 for group in layout.groups]
    for kept in masks:
        kept[rng.integers(len(kept))] = True
    small = networks.subnetwork(model, networks.Part(model, layout, np.concatenate(masks)))
    # By its definition: the units that are not held give out zero.
    x = torch.as_tensor(rng.standard_normal((5, widths[0])))
    hidden, kept = x, iter(masks)
    for module in model:
        hidden = module(hidden)
        if isinstance(module, nn.ReLU):
            hidden = hidden * torch.as_tensor(next(kept))
    torch.testing.assert_close(small(x), hidden, **TIGHT)
    sizes = [widths[0], *(int(kept.sum()) for kept in masks), widths[-1]]
    dense = sum(before * after + after for before, after in itertools.pairwise(sizes))
    assert sum(parameter.numel() for parameter in small.parameters()) == dense + 2 * norm * sum(sizes[1:-1])


def test_scaled_outputs_are_those_of_the_units_until_the_handles_are_removed(case, model):
    inputs, _ = case.data()
    layout, reference, model = case.layout(model), case.model().eval(), model.eval()
    factors = [0.5 + number for number in range(len(case.groups))]
    each = np.repeat(factors, [group.count for group in case.groups])
    handles = networks.scale_outputs(model, layout, factors)
    torch.testing.assert_close(
        logits(model(inputs)), logits(case.scale_outputs(case.model().eval(), each)(inputs)), **TIGHT
    )
    for handle in handles:
        handle.remove()
    torch.testing.assert_close(logits(model(inputs)), logits(reference(inputs)), rtol=0, atol=0)


@pytest.mark.parametrize("kind", ["transformer", "llama", "llama-blocks", "hf-resnet-basic"])
def test_a_subnetwork_takes_inputs_of_other_shapes_than_those_it_was_made_for(kind):
    case = CASES[kind]
    model, mask = case.model(), MASKS["a-third"](case)
    small, whole = networks.subnetwork(model, networks.Part(model, case.layout(model), mask)), case.masked(model, mask)
    inputs, _ = case.data()
    longer = torch.cat([inputs, inputs], dim=-1)[:2]
    torch.testing.assert_close(logits(small.eval()(longer)), logits(whole.eval()(longer)), **TIGHT)


# --- Refusals


def test_a_layer_without_any_unit_is_refused_by_its_name(case, model):
    if case.by_blocks:
        return
    layout = case.layout(model)
    for group, units in zip(case.groups, case.cut(np.arange(case.num_units)), strict=True):
        mask = np.ones(case.num_units, bool)
        mask[units] = False
        with pytest.raises(ValueError, match=f"{group.name}\\b"):
            networks.Part(model, layout, mask)


def test_all_blocks_may_be_left_out():
    case = CASES["transformer-blocks"]
    model = case.model()
    small = networks.subnetwork(model, networks.Part(model, case.layout(model), np.zeros(3, bool)))
    inputs, _ = case.data()
    torch.testing.assert_close(small(inputs), model.head(model.norm(model.embedding(inputs))), **TIGHT)
    assert {name.split(".")[0] for name, _ in small.named_parameters()} == {"embedding", "norm", "head"}


@pytest.mark.parametrize("units", [0, 12, 14])
def test_a_mask_for_another_number_of_units_is_refused(units):
    model = networks.mlp([5, 7, 6, 3])
    with pytest.raises(ValueError, match="13"):
        networks.Part(model, networks.neurons(model), np.ones(units, bool))


class Shift(nn.Module):
    """Elementwise, but nobody can know: it moves zero."""

    def forward(self, x):
        return x + 1


class Weighted(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(6))

    def forward(self, x):
        return self.weight * x


class Wrapped(nn.Module):
    """Of modules that are known, and itself is not."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(6, 6)

    def forward(self, x):
        return self.inner(x).cumsum(-1)


class MyActivation(Shift):
    """Elementwise by the name of its module, says whoever only looks for the word."""

    __module__ = "mine.activations"


def linear_with_weight_norm():
    return nn.utils.parametrizations.weight_norm(nn.Linear(4, 6))


def between(*modules, convolutions=False):
    if convolutions:
        return nn.Sequential(nn.Conv2d(2, 6, 3), *modules, nn.Conv2d(6, 3, 3))
    return nn.Sequential(nn.Linear(4, 6), *modules, nn.Linear(6, 3))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: between(nn.GroupNorm(2, 6), nn.ReLU(), convolutions=True), ["1", "GroupNorm"]),
        (lambda: between(nn.LayerNorm(6), nn.ReLU()), ["1", "LayerNorm"]),
        (lambda: between(nn.RMSNorm(6), nn.ReLU()), ["1", "RMSNorm"]),
        (lambda: between(nn.LocalResponseNorm(2), convolutions=True), ["1", "LocalResponseNorm"]),
        (lambda: between(nn.ChannelShuffle(2), convolutions=True), ["1", "ChannelShuffle"]),
        (lambda: between(nn.Softmax(dim=-1)), ["1", "Softmax"]),
        (lambda: between(nn.ReLU(), nn.Conv2d(6, 6, 3, groups=2), convolutions=True), ["2", "groups"]),
        (lambda: between(nn.ReLU(), nn.Conv2d(6, 6, 3, groups=6), convolutions=True), ["2", "groups"]),
        (lambda: between(Shift()), ["1", "Shift"]),
        (lambda: between(Weighted()), ["1", "Weighted"]),
        (lambda: between(nn.ReLU(), Wrapped(), nn.Linear(6, 6), nn.ReLU()), ["2", "Wrapped"]),
        (lambda: between(MyActivation()), ["1", "MyActivation"]),
        (lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.Flatten(2), nn.Linear(16, 3)), ["1", "Flatten", "start_dim=2"]),
        (lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.Flatten(1, 2), nn.Linear(16, 3)), ["1", "Flatten", "end_dim=2"]),
        (lambda: nn.Sequential(linear_with_weight_norm(), nn.ReLU(), nn.Linear(6, 3)), ["0"]),
        (lambda: nn.TransformerEncoderLayer(8, 2, 16), ["TransformerEncoderLayer"]),
        (lambda: nn.Linear(4, 3), ["Linear"]),
        (lambda: networks.mlp([4, 3]), ["Sequential"]),
        (lambda: Shift(), ["Shift"]),
    ],
    ids=[
        "group-norm",
        "layer-norm",
        "rms-norm",
        "local-response-norm",
        "channel-shuffle",
        "softmax",
        "grouped-convolution",
        "depthwise-convolution",
        "unknown-module",
        "unknown-module-with-parameters",
        "unknown-module-with-children",
        "unknown-module-of-activations",
        "flattened-without-the-channels",
        "flattened-not-to-the-end",
        "weight-norm",
        "unknown-model",
        "one-layer",
        "mlp-without-hidden-layers",
        "no-parameters",
    ],
)
def test_what_mixes_units_or_is_not_known_is_refused_by_its_name(make, words):
    with pytest.raises(ValueError) as caught:
        networks.neurons(make())
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Flatten(), nn.Linear(18, 3)), (2, 3, 5)),
        (lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Linear(4, 3)), (2, 2, 6, 6)),
        (lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(2), nn.Linear(16, 3)), (2, 2, 6, 6)),
    ],
    ids=["positions-before-units", "dense-along-an-axis-of-images", "flattened-without-the-channels"],
)
def test_a_consumer_whose_inputs_are_not_the_units_in_their_order_is_refused_or_right(make, shape):
    model = randomised(make())
    try:
        layout = networks.neurons(model)
    except ValueError:
        return
    mask = np.arange(layout.num_units) % 2 == 0
    x = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    small = networks.subnetwork(model, networks.Part(model, layout, mask))
    axis = 1 if isinstance(model[0], nn.Conv2d) else -1
    hidden = model[1](model[0](x)).movedim(axis, -1) * torch.as_tensor(mask)
    torch.testing.assert_close(small(x), model[2:](hidden.movedim(-1, axis)), **TIGHT)


def test_what_a_residual_block_takes_in_is_not_partitioned():
    block = networks.models.PreActivationBlock(4, 4)
    layout = networks.neurons(nn.Sequential(nn.Conv2d(2, 4, 3), block, nn.Flatten(), nn.Linear(16, 3)))
    assert [group.name for group in layout.groups] == ["1.branch.2"]


def test_models_without_known_blocks_are_refused_with_some_that_can_be_imported():
    with pytest.raises(ValueError, match=r"Sequential has no residual blocks.*ResNet and Transformer") as caught:
        networks.blocks(networks.mlp([4, 3, 2]))
    assert "torch.Sequential" not in str(caught.value)
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    for name in ("LlamaForCausalLM", "ResNetForImageClassification"):
        assert name in str(caught.value)
        assert hasattr(transformers, name)


def tied():
    first, second = nn.Linear(6, 6), nn.Linear(6, 6)
    second.weight = first.weight
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), first, nn.ReLU(), second, nn.ReLU(), nn.Linear(6, 3))


def used_twice():
    shared = nn.Linear(6, 6)
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), shared, nn.ReLU(), shared, nn.ReLU(), nn.Linear(6, 3))


def tied_across():
    """The weight that takes units in is the one that others come from."""
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))
    other = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))
    other[0].weight = model[0].weight
    return nn.ModuleDict({"one": model, "other": other})


def tied_to_an_embedding():
    """Under a name that comes later, and that no unit has."""
    model = nn.ModuleDict({"head": nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))})
    model["embed"] = nn.Embedding(6, 4)
    model["embed"].weight = model["head"][0].weight
    return model


@pytest.mark.parametrize("make", [tied, used_twice, tied_across, tied_to_an_embedding])
def test_tied_weights_that_would_be_sliced_are_refused(make):
    model = make()
    with pytest.raises(ValueError, match=r"tied|share|twice"):
        networks.Part(model, networks.neurons(model), np.ones(networks.neurons(model).num_units, bool))


def test_blocks_that_share_a_module_are_refused():
    model = networks.Transformer(5, width=4, depth=2, heads=2)
    model.blocks[1].mlp = model.blocks[0].mlp
    with pytest.raises(ValueError, match=r"blocks\.0\.mlp\.gate_proj\.weight is tied to blocks\.1"):
        networks.blocks(model)


def test_weights_tied_within_one_block_come_and_go_with_it():
    model = networks.Transformer(5, width=4, depth=2, heads=2)
    model.blocks[1].mlp.up_proj.weight = model.blocks[1].mlp.gate_proj.weight
    layout = networks.blocks(model)
    assert layout.sizes[0] - layout.sizes[1] == model.blocks[1].mlp.up_proj.weight.numel()
    small = networks.subnetwork(model, networks.Part(model, layout, np.array([False, True])))
    assert small.blocks[1].mlp.up_proj.weight is small.blocks[1].mlp.gate_proj.weight


@pytest.mark.parametrize("kind", ["llama-tied", "llama-tied-blocks"])
def test_tied_weights_that_are_not_sliced_stay_tied(kind):
    case = CASES[kind]
    model, mask = case.model(), MASKS["all-but-one"](case)
    small = networks.subnetwork(model, networks.Part(model, case.layout(model), mask))
    assert small.lm_head.weight is small.model.embed_tokens.weight
    assert model.lm_head.weight is model.model.embed_tokens.weight
