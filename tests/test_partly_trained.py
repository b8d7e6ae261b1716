import copy
import itertools

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from network_models import CASES, MASKS, cross_entropy, cut_gradients, gradients, logits, randomised

torch = pytest.importorskip("torch", reason="networks are trained in torch: pip install 'istsim[torch]'")
from torch import nn  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

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


def worst_error(found, expected, held):
    """Of the gradients of the entries held, by the largest expected one."""
    scale = max(float(gradient.abs().max()) for gradient in expected.values())
    return max(
        float((found[name].flatten() - expected[name][held[name]]).abs().max()) / scale
        for name in expected
        if held[name].any()
    )


def trained(model):
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def flops_of_training(model, inputs, targets):
    with FlopCounterMode(display=False) as counter:
        cross_entropy(model(inputs), targets).backward()
    return counter.get_total_flops()


@pytest.mark.sample(17)
@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
def test_it_computes_what_the_model_computes(case, model, part, training):
    inputs, _ = case.data()
    partly = networks.partly_trained(model, part).train(training)
    torch.testing.assert_close(logits(partly(inputs)), logits(model.train(training)(inputs)), **TIGHT)


@pytest.mark.sample(17)
@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
def test_gradients_of_what_is_held_are_those_of_the_whole_model(case, model, mask, part, training):
    partly = networks.partly_trained(model, part).train(training)
    found, expected = (gradients(one, *case.data()) for one in (partly, model.train(training)))
    assert worst_error(found, expected, case.held(model, mask)) < 1e-10


@pytest.mark.parametrize("kind", [name for name, case in CASES.items() if case.by_blocks or len(case.groups) > 1])
def test_gradients_that_do_not_pass_through_what_is_not_held_are_found_to_be_wrong(kind):
    """What is compared above is sensitive to the mistake that backward masking invites: to cut dX as well as dW."""
    case = CASES[kind]
    model, mask = case.model(), MASKS["a-third"](case)
    wrong, held = cut_gradients(case, copy.deepcopy(model), mask), case.held(model, mask)
    inputs, _ = case.data()
    torch.testing.assert_close(logits(wrong(inputs)), logits(copy.deepcopy(model)(inputs)), **TIGHT)
    found, expected = gradients(wrong, *case.data()), gradients(model, *case.data())
    found = {name: gradient[held[name]] for name, gradient in found.items()}
    assert worst_error(found, expected, held) > 1e-3


@pytest.mark.sample(17)
def test_nothing_but_what_is_held_is_trained(case, model, mask, part):
    partly, held = networks.partly_trained(model, part), case.held(model, mask)
    parameters = trained(partly)
    there = [name for name, _ in model.named_parameters() if held[name].any()]
    assert list(parameters) == there
    whole = dict(model.named_parameters())
    for name in there:
        assert torch.equal(parameters[name].flatten(), whole[name][held[name]]), name
        assert parameters[name].shape == part.take(name, whole[name]).shape
        assert parameters[name].is_leaf


@pytest.mark.sample(17)
def test_what_is_not_held_has_no_gradient_and_no_optimizer_state(case, model, mask, part):
    partly = networks.partly_trained(model, part).train()
    optimizer = torch.optim.Adam(trained(partly).values(), lr=0.01)
    inputs, targets = case.data()
    for _ in range(2):
        optimizer.zero_grad()
        cross_entropy(partly(inputs), targets).backward()
        optimizer.step()
    counts = {name: int(held.sum()) for name, held in case.held(model, mask).items()}
    expected = sum(counts[name] for name, _ in model.named_parameters())
    assert sum(parameter.grad.numel() for parameter in trained(partly).values()) == expected
    moments = [state["exp_avg"].numel() for state in optimizer.state.values()]
    assert sum(moments) == expected
    for other in [*partly.buffers(), *(p for p in partly.parameters() if not p.requires_grad)]:
        assert other.grad is None
        assert not other.requires_grad
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.sample(17)
def test_steps_move_what_is_held_as_in_training_of_the_whole_model(case, model, mask, part):
    """The rest stands still, in both."""
    inputs, targets = case.data()
    held, whole, partly = case.held(model, mask), copy.deepcopy(model).train(), networks.partly_trained(model, part)
    optimizer = torch.optim.SGD(partly.train().parameters(), lr=0.1, momentum=0.9)
    velocity = {name: torch.zeros_like(parameter) for name, parameter in whole.named_parameters()}
    for _ in range(3):
        optimizer.zero_grad()
        cross_entropy(partly(inputs), targets).backward()
        optimizer.step()
        found = gradients(whole, inputs, targets)
        with torch.no_grad():
            for name, parameter in whole.named_parameters():
                velocity[name] = 0.9 * velocity[name] + found[name] * held[name]
                parameter -= 0.1 * velocity[name]
    for name, parameter in trained(partly).items():
        expected = whole.get_parameter(name)[held[name]].reshape(parameter.shape)
        torch.testing.assert_close(parameter.detach(), expected.detach(), rtol=1e-9, atol=1e-9)


@pytest.mark.sample(17)
def test_the_model_is_left_as_it_was(case, model, part):
    before = copy.deepcopy(model.state_dict())
    partly = networks.partly_trained(model, part).train()
    inputs, targets = case.data()
    cross_entropy(partly(inputs), targets).backward()
    with torch.no_grad():
        for tensor in partly.state_dict().values():
            tensor.fill_(7)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]), name


@pytest.mark.sample(6)
def test_weights_that_are_not_held_cost_no_gradients(case, model):
    partial, whole = (
        flops_of_training(networks.partly_trained(model, networks.Part(model, case.layout(model), mask)), *case.data())
        for mask in (MASKS["a-third"](case), MASKS["everything"](case))
    )
    assert partial < whole
    assert whole == flops_of_training(model, *case.data())


@given(widths=st.lists(st.integers(2, 6), min_size=3, max_size=5), norm=st.booleans(), seed=st.integers(0, 2**31))
def test_of_any_mlp_all_is_saved_that_the_weights_which_are_not_held_would_cost(widths, norm, seed):
    rng, batch = np.random.default_rng(seed), 3
    model = randomised(networks.mlp(widths, norm=norm), seed)
    layout = networks.neurons(model)
    masks = [rng.random(group.count) < 0.5 for group in layout.groups]
    for kept in masks:
        kept[rng.integers(len(kept))] = True
    partly = networks.partly_trained(model, networks.Part(model, layout, np.concatenate(masks)))
    inputs = torch.as_tensor(rng.standard_normal((batch, widths[0])))
    targets = torch.as_tensor(rng.integers(widths[-1], size=batch))
    held = [widths[0], *(int(kept.sum()) for kept in masks), widths[-1]]
    forward, of_inputs, of_weights = (
        [before * after for before, after in itertools.pairwise(sizes)] for sizes in (widths, widths, held)
    )
    products = sum(forward) + sum(of_inputs[1:]) + sum(of_weights)
    assert flops_of_training(partly, inputs, targets) == 2 * batch * products


def test_only_blocks_above_the_first_one_held_are_passed_by_gradients():
    """Where nothing below is trained, no gradient is needed there."""
    case = CASES["transformer-blocks"]
    model = case.model()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(("blocks", "head", "norm")))
    flops = [
        flops_of_training(
            networks.partly_trained(model, networks.Part(model, case.layout(model), np.arange(3) == kept)), *case.data()
        )
        for kept in range(3)
    ]
    assert flops[0] > flops[1] > flops[2]


def test_frozen_parameters_stay_frozen(case, model):
    part = networks.Part(model, case.layout(model), MASKS["all-but-one"](case))
    name = case.tensor_of_the_first_unit(model)
    model.get_parameter(name).requires_grad_(False)
    partly = networks.partly_trained(model, part)
    assert name not in trained(partly)
    inputs, targets = case.data()
    cross_entropy(partly.train()(inputs), targets).backward()
    assert all(parameter.grad is not None for parameter in trained(partly).values())


CHANGES = {
    "to": lambda model: model.to(torch.float32),
    "float": lambda model: model.float(),
    "double": lambda model: model.float().double(),
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", ["mlp-norm", "convolutions"])
def test_it_goes_on_learning_after_a_change_of_dtype_and_in_copies(kind, change):
    case = CASES[kind]
    model = case.model()
    part = networks.Part(model, case.layout(model), MASKS["a-third"](case))
    partly = CHANGES[change](networks.partly_trained(model, part).train())
    dtype = next(partly.parameters()).dtype
    inputs, targets = case.data()
    inputs = inputs.to(dtype)
    before = partly(inputs).detach()
    cross_entropy(partly(inputs), targets).backward()
    torch.optim.SGD(trained(partly).values(), lr=0.5).step()
    whole = copy.deepcopy(model).to(dtype).train()
    for name, parameter in trained(partly).items():
        part.put(name, whole.get_parameter(name).data, parameter.data)
    torch.testing.assert_close(partly(inputs), whole(inputs), rtol=1e-4, atol=1e-4)
    assert (partly(inputs) - before).abs().max() > 1e-2


@pytest.mark.parametrize("change", CHANGES)
def test_running_statistics_go_on_after_a_change_of_dtype_and_in_copies(change):
    case = CASES["mlp-norm"]
    model = case.model()
    part = networks.Part(model, case.layout(model), MASKS["a-third"](case))
    partly = CHANGES[change](networks.partly_trained(model, part).train())
    before = partly.get_buffer("2.running_mean").clone()
    partly(case.data()[0].to(before.dtype))
    assert not torch.equal(partly.get_buffer("2.running_mean"), before)


def convolutions(**options):
    return randomised(nn.Sequential(nn.Conv2d(2, 5, **options), nn.ReLU(), nn.Conv2d(5, 3, **options)))


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 3, "padding": "same"},
        {"kernel_size": (1, 5), "padding": "same"},
        {"kernel_size": 2, "padding": "same", "dilation": 2},
        {"kernel_size": 3, "padding": "valid", "stride": 2},
    ],
)
def test_padding_in_words_is_that_of_the_model(options):
    model = convolutions(**options)
    part = networks.Part(model, networks.neurons(model), np.arange(5) % 2 == 0)
    x = torch.randn(2, 2, 9, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    partly = networks.partly_trained(model, part)
    torch.testing.assert_close(partly(x), model(x), **TIGHT)
    for one in (partly, model):
        one(x).square().sum().backward()
    for name, parameter in trained(partly).items():
        torch.testing.assert_close(parameter.grad, part.take(name, model.get_parameter(name).grad), **TIGHT)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kernel_size": 2, "padding": "same"}, r"^0: .*'same'.*odd"),
        ({"kernel_size": 3, "padding": 1, "padding_mode": "reflect"}, r"^0: .*reflect"),
    ],
    ids=["uneven", "reflected"],
)
def test_padding_that_has_no_gradient_of_a_part_is_refused_by_the_layers_name(options, words):
    model = convolutions(**options)
    part = networks.Part(model, networks.neurons(model), np.arange(5) % 2 == 0)
    with pytest.raises(ValueError, match=words):
        networks.partly_trained(model, part)
