"""Networks seen from near: the quadratic, its sketch, and what the exact engine predicts with them."""

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

import istsim  # noqa: E402
from istsim import networks  # noqa: E402

N, D = 2, 4
_RNG = np.random.default_rng(0)
A, Y = _RNG.normal(size=(N, 9, D)), _RNG.normal(size=(N, 9))


def linear_network():
    """Least squares as a network, whose hidden units are the coordinates."""
    model = torch.nn.Sequential(torch.nn.Linear(D, D, bias=False), torch.nn.Linear(D, 1, bias=False)).double()
    with torch.no_grad():
        model[0].weight.copy_(torch.eye(D)).requires_grad_(False)
        model[1].weight.fill_(1.0)
    return model


def half_squares(outputs, targets):
    return ((outputs[:, 0] - targets) ** 2).mean() / 2


def linear_data():
    return [(torch.from_numpy(A[i]), torch.from_numpy(Y[i])) for i in range(N)]


def small_mlp(*, train_last_bias=False):
    torch.manual_seed(0)
    model = networks.mlp([3, 4, 2]).double()
    model[-1].bias.requires_grad_(train_last_bias)
    return model


def small_data():
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(20, 3, generator=generator, dtype=torch.float64)
    targets = torch.randint(0, 2, (20,), generator=generator)
    return [(inputs[i::2], targets[i::2]) for i in range(2)]


@pytest.mark.parametrize("curvature", networks._local_quadratic.CURVATURES)
def test_the_local_quadratic_of_least_squares_is_least_squares(curvature):
    found = networks.local_quadratic(
        linear_network(), linear_data(), curvature=curvature, damping=1e-12, loss=half_squares
    )
    expected = istsim.Quadratic.from_least_squares(A, Y)
    np.testing.assert_allclose(found.L, expected.L, atol=1e-11)
    np.testing.assert_allclose(found.b, expected.b, atol=1e-11)


def test_its_gradients_are_the_networks():
    model, data = small_mlp(), small_data()
    found = networks.local_quadratic(model, data)
    x0 = networks.parameter_vector(model)
    for i, (inputs, targets) in enumerate(data):
        loss = networks.cross_entropy(model(inputs), targets)
        gradients = torch.autograd.grad(loss, [p for p in model.parameters() if p.requires_grad])
        expected = torch.cat([gradient.reshape(-1) for gradient in gradients]).numpy()
        np.testing.assert_allclose(found.L[i] @ x0 - found.b[i], expected, atol=1e-12)


def test_the_hessian_is_right_to_third_order_and_gauss_newton_is_not():
    torch.manual_seed(0)
    model, data = (
        torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).double(),
        small_data(),
    )
    direction = np.random.default_rng(2).normal(size=len(networks.parameter_vector(model)))
    errors = {}
    for curvature, damping in (("hessian", 1.0), ("gauss-newton", 1e-9)):
        quadratic = networks.local_quadratic(model, data, curvature=curvature, damping=damping)
        x0 = networks.parameter_vector(model)
        errors[curvature] = []
        for length in (1e-2, 5e-3):
            moved = copy.deepcopy(model)
            _set(moved, x0 + length * direction)
            rise = _loss(moved, data) - _loss(model, data) + damping / 2 * length**2 * direction @ direction
            expected = float(quadratic.value(x0 + length * direction) - quadratic.value(x0))
            errors[curvature].append(abs(rise - expected))
    third, second = errors["hessian"], errors["gauss-newton"]
    assert third[0] / third[1] == pytest.approx(8, rel=0.2)
    assert second[0] / second[1] == pytest.approx(4, rel=0.2)


def test_an_indefinite_hessian_is_refused_with_what_would_do():
    with pytest.raises(ValueError, match=r"worker 0 has the eigenvalue -\d.*raise the damping"):
        networks.local_quadratic(small_mlp(), small_data(), curvature="hessian", damping=1e-9)
    with pytest.raises(ValueError, match="damping must be positive"):
        networks.local_quadratic(small_mlp(), small_data(), damping=0.0)


@pytest.mark.parametrize(
    "model",
    [small_mlp(), small_mlp(train_last_bias=True), networks.mlp([3, 4, 6, 2]), networks.ResNet(2, 1, 2, (1, 1))],
    ids=["one layer", "with a shared bias", "two layers", "channels"],
)
def test_a_parameter_is_held_with_all_its_units(model):
    layout = networks.neurons(model)
    sketch = networks.parameter_sketch(model, layout, networks.IST(2).sketch_for(layout))
    for units in (np.random.default_rng(seed).random(layout.num_units) < 0.6 for seed in range(5)):
        part = networks.Part(model, layout, units)
        held = copy.deepcopy(model)
        for name, parameter in held.named_parameters():
            marked = torch.zeros_like(parameter)
            part.put(name, marked, torch.ones_like(part.take(name, parameter)))
            parameter.data = marked
        of_units = sketch if isinstance(sketch, networks.ParameterSketch) else None
        found = of_units._of_units(units[None])[0] if of_units else units[np.asarray(sketch.groups)]
        np.testing.assert_array_equal(found, networks.parameter_vector(held).astype(bool))


def test_there_are_formulas_where_each_parameter_has_one_unit():
    for model, kind in ((small_mlp(), istsim.Grouped), (small_mlp(train_last_bias=True), networks.ParameterSketch)):
        method = networks.quadratic_method(model, networks.neurons(model), networks.IST(2))
        assert type(method.sketch) is kind


def test_whole_blocks_have_a_sketch_of_parameters_too():
    model = networks.ResNet(2, 1, 2, (1, 1))
    layout = networks.blocks(model)
    sketch = networks.parameter_sketch(model, layout, istsim.Permutation(2, 2))
    for mask, _ in sketch.outcomes():
        assert mask.sum() == sum(layout.sizes) + 2 * (sketch.d - sum(layout.sizes))


def test_what_has_no_counterpart_on_parameters_is_refused():
    model = small_mlp()
    layout = networks.neurons(model)
    with pytest.raises(ValueError, match="forward rescaling"):
        networks.quadratic_method(model, layout, networks.IST(2, rescale="forward"))
    with pytest.raises(ValueError, match="set resample_every=1"):
        networks.quadratic_method(model, layout, networks.SDP(2, 1.0, "forward"))


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    "method",
    [networks.SDP(2, 0.5, "backward", resample_every=1), networks.IST(2, local_steps=3)],
    ids=["backward", "IST with local steps"],
)
def test_predictions_for_a_linear_network_are_exact(method):
    repetitions = 100
    found = networks.compare_with_quadratic(
        linear_network(),
        networks.neurons(linear_network()),
        method,
        linear_data(),
        step_size=0.1,
        rounds=4,
        repetitions=repetitions,
        damping=1e-12,
        loss=half_squares,
    )
    agreement = istsim.verify.compare_means(found.loss.values[:, 1:], found.predicted_loss.values[1:])
    assert agreement.agrees
    quadratic = networks.local_quadratic(linear_network(), linear_data(), damping=1e-12, loss=half_squares)
    x0 = networks.parameter_vector(linear_network())
    masked = networks.quadratic_method(linear_network(), networks.neurons(linear_network()), method)
    exact = istsim.theory.exact_moments(quadratic, masked, step_size=0.1, rounds=4, x0=x0, route="enumeration")
    moved = np.linalg.norm(exact.mean - x0, axis=1)
    chance = found.predicted_spread[1:] / repetitions**0.5
    assert (found.mean_error[1:] * moved[1:] < 4 * chance).all()
    np.testing.assert_allclose(found.trained_spread[1:], found.predicted_spread[1:], rtol=0.25)


def test_with_little_chance_a_network_is_predicted_from_near():
    found = networks.compare_with_quadratic(
        small_mlp(),
        networks.neurons(small_mlp()),
        networks.SDP(2, 0.5, "backward", resample_every=1),
        small_data(),
        step_size=0.01,
        rounds=5,
        repetitions=20,
        damping=1e-6,
    )
    change = found.predicted_loss - found.predicted_loss[0]
    wrong = found.loss.mean("repetition") - found.predicted_loss
    chance = found.loss.std("repetition", ddof=1) / 20**0.5
    assert (abs(wrong) <= 5 * chance + 0.05 * abs(change) + 1e-12).all()


def test_the_error_of_the_mean_is_relative_to_how_far_it_has_moved():
    """In the first round all is proportional to the step size, but for what is relative."""
    first, second = (
        networks.compare_with_quadratic(
            small_mlp(),
            networks.neurons(small_mlp()),
            networks.SDP(2, 0.5, "backward", resample_every=1),
            small_data(),
            step_size=step_size,
            rounds=1,
            repetitions=2,
        ).mean_error
        for step_size in (0.01, 0.02)
    )
    assert np.isnan(first[0])
    assert float(first[1]) == pytest.approx(float(second[1]), rel=1e-6)
    assert 0.01 < first[1] < 10


def test_of_runs_that_diverge_only_the_rounds_before_have_values():
    def exploding(outputs, targets):
        return (outputs**6).mean()

    model = torch.nn.Sequential(torch.nn.Linear(D, 2, bias=False), torch.nn.Linear(2, 1, bias=False)).double()
    with torch.no_grad():
        for p in model.parameters():
            p.fill_(1.0)
    found = networks.compare_with_quadratic(
        model,
        networks.neurons(model),
        networks.SDP(2, 0.5, "backward", resample_every=1),
        linear_data(),
        step_size=0.1,
        rounds=6,
        repetitions=2,
        loss=exploding,
    )
    assert np.isfinite(found.predicted_loss).all()
    for trained in (found.loss.mean("repetition"), found.trained_spread):
        assert np.isfinite(trained[0])
        assert np.isnan(trained[-1])


def ones(features):
    return [(torch.ones(6, features, dtype=torch.float64), torch.zeros(6, dtype=torch.long))] * 2


@pytest.mark.parametrize(
    ("method", "freeze", "words"),
    [
        (networks.IST(2, 3), False, r"d = 130.*are 12870.*5.22 GB.*one local step, and freeze.*\): 3\.bias"),
        (networks.IST(2, 3), True, r"d = 128.*are 12870.*For formulas, take one local step\. Or take fewer units"),
        (
            networks.SDP(2, 0.5, "backward", resample_every=1),
            False,
            r"up to that many masks.*freeze what all workers hold by requires_grad_\(False\): 3\.bias",
        ),
    ],
    ids=["IST", "IST with a frozen bias", "SDP"],
)
def test_masks_that_do_not_fit_into_memory_are_refused_with_what_would_do(method, freeze, words):
    model = networks.mlp([5, 16, 2])
    model[-1].bias.requires_grad_(not freeze)
    with pytest.raises(istsim.theory.NotCoveredError, match=words):
        networks.compare_with_quadratic(
            model, networks.neurons(model), method, ones(5), step_size=0.1, rounds=1, repetitions=2
        )


def test_blocks_whose_masks_cannot_be_listed_are_refused():
    model = networks.ResNet(2, 1, 2, (1, 1)).double()
    method = networks.SDP(2, 0.5, "backward", resample_every=1)
    with pytest.raises(istsim.theory.NotCoveredError, match="BalancedCoverage does not list its outcomes"):
        networks.compare_with_quadratic(
            model, networks.blocks(model), method, ones(1), step_size=0.1, rounds=1, repetitions=2
        )


def test_combinations_of_layers_are_counted_before_they_are_listed():
    model = networks.mlp([2, 8, 8, 8, 8, 2])
    with pytest.raises(istsim.theory.NotCoveredError, match=rf"are {70**4}.*Take fewer units, or freeze .*9\.bias"):
        networks.compare_with_quadratic(
            model, networks.neurons(model), networks.IST(2), ones(2), step_size=0.1, rounds=1, repetitions=2
        )


def test_a_model_whose_matrices_do_not_fit_into_memory_is_refused():
    model = networks.mlp([64, 300, 10])
    with pytest.raises(ValueError, match=r"d = 22510 .*8\.11 GB"):
        networks.local_quadratic(model, ones(64))


def _loss(model, data):
    with torch.no_grad():
        return np.mean([float(networks.cross_entropy(model(inputs), targets)) for inputs, targets in data])


def _set(model, x):
    at = 0
    with torch.no_grad():
        for p in model.parameters():
            if p.requires_grad:
                p.copy_(torch.from_numpy(x[at : at + p.numel()]).view(p.shape))
                at += p.numel()
