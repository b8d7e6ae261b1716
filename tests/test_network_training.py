"""Rounds of IST, and what IST and SDP have in common."""

import copy
import itertools
import math

import numpy as np
import pytest
from network_models import CASES, cross_entropy, gradients, logits
from network_rounds import (
    EXACT,
    KINDS,
    MASKINGS,
    OPTIMIZERS,
    SINGLE,
    TIGHT,
    always,
    assert_parameters,
    averaged_over_holders,
    batches_of,
    in_turn,
    ist_round_by_hand,
    least_squares,
    linear_path,
    load,
    parameters_of,
    run,
    sgd,
    trained_plainly,
)

import istsim

torch = pytest.importorskip("torch", reason="networks are trained in torch: pip install 'istsim[torch]'")
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from istsim import networks  # noqa: E402

# --- Independent subnetwork training


@pytest.mark.sample(3)
@pytest.mark.parametrize("kind", KINDS)
def test_a_round_of_ist_is_sgd_on_masked_models_and_a_mean_over_holders(kind):
    case = CASES[kind]
    method = networks.IST(2, local_steps=2, sketch=istsim.Permutation if kind == "mlp" else in_turn)
    _, rounds, path = run(case, method, make_optimizer=sgd(0.05), steps=4)
    assert [one.steps for one in rounds] == [2, 4]
    by_hand = case.model()
    for number, one in enumerate(rounds):
        steps = range(2 * number, 2 * number + 2)
        after, loss = ist_round_by_hand(case, by_hand, one.held, batches_of(case), steps, 0.05)
        assert one.loss == pytest.approx(loss, rel=1e-10)
        assert_parameters(load(by_hand, path[number + 1]), after, **TIGHT)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_ist_on_one_worker_is_plain_training(optimizer):
    case = CASES["mlp-norm"]
    model, rounds, _ = run(case, networks.IST(1, local_steps=2), make_optimizer=OPTIMIZERS[optimizer], steps=7)
    assert all(one.held.all() for one in rounds)
    plain = trained_plainly(case.model(), lambda step: [case.data(seed=step)], OPTIMIZERS[optimizer], 7)
    assert_parameters(model, parameters_of(plain), **EXACT)
    for name, buffer in model.named_buffers():
        torch.testing.assert_close(buffer, plain.get_buffer(name), **EXACT)


@pytest.mark.sample(4)
@pytest.mark.parametrize("kind", ["convolutions", "resnet-blocks", "transformer", "llama-tied", "hf-resnet-basic"])
@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
def test_ist_on_one_worker_is_plain_training_of_every_kind_of_model(kind, optimizer):
    case = CASES[kind]
    model, _, _ = run(case, networks.IST(1, local_steps=2), make_optimizer=OPTIMIZERS[optimizer], steps=5)
    plain = trained_plainly(case.model(), lambda step: [case.data(seed=step)], OPTIMIZERS[optimizer], 5)
    assert_parameters(model, parameters_of(plain), **(SINGLE if "llama" in kind else TIGHT))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_workers_that_do_the_same_are_as_one(optimizer):
    """State is averaged over those who hold an entry, steps counted are not added up."""
    case = CASES["mlp"]
    method = networks.IST(2, local_steps=2, sketch=istsim.Identity)
    batches = lambda worker, step: case.data(seed=step)  # noqa: E731
    model, _, _ = run(case, method, make_optimizer=OPTIMIZERS[optimizer], steps=6, batches=batches)
    plain = trained_plainly(case.model(), lambda step: [batches(0, step)], OPTIMIZERS[optimizer], 6)
    assert_parameters(model, parameters_of(plain), **TIGHT)


@pytest.mark.parametrize("kind", ["mlp", "resnet-blocks"])
def test_ist_of_one_local_step_in_which_all_hold_everything_is_data_parallelism(kind):
    case, method = CASES[kind], networks.IST(3, local_steps=1, sketch=istsim.Identity)
    model, _, _ = run(case, method, make_optimizer=OPTIMIZERS["momentum"], steps=4)
    data = lambda step: [batches_of(case)(worker, step) for worker in range(3)]  # noqa: E731
    plain = trained_plainly(case.model(), data, OPTIMIZERS["momentum"], 4)
    assert_parameters(model, parameters_of(plain), **TIGHT)


@pytest.mark.parametrize("masking", MASKINGS)
def test_workers_compute_as_in_training_and_the_model_stays_as_it_is_set(masking):
    case = CASES["mlp-norm"]
    method = networks.SDP(2, coverage=0.5, masking=masking, resample_every=1)
    results = []
    for training in (True, False):
        model, rounds, _ = run(case, method, make_optimizer=sgd(), steps=2, model=case.model().train(training))
        assert all(module.training == training for module in model.modules())
        results.append((model.state_dict(), [one.loss for one in rounds]))
    (expected, losses), (found, same_losses) = results
    assert losses == same_losses
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_a_last_round_of_fewer_steps_is_merged_like_all_others():
    case = CASES["mlp"]
    asked = []

    def batches(worker, step):
        asked.append((worker, step))
        return batches_of(case)(worker, step)

    _, rounds, path = run(case, networks.IST(2, local_steps=5), make_optimizer=sgd(), steps=12, batches=batches)
    assert [(one.number, one.steps) for one in rounds] == [(1, 5), (2, 10), (3, 12)]
    assert sorted(asked) == list(itertools.product(range(2), range(12)))
    before = load(case.model(), path[2])
    after, loss = ist_round_by_hand(case, before, rounds[2].held, batches_of(case), [10, 11], 0.1)
    assert rounds[2].loss == pytest.approx(loss, rel=1e-10)
    assert any(not torch.equal(path[2][name], path[3][name]) for name in after)
    assert_parameters(load(before, path[3]), after, **TIGHT)


def test_what_several_hold_is_averaged_over_them_and_what_nobody_holds_stays():
    """Unit 3 of the first layer has no holder, and not every pair of units of the two layers has one."""
    case = CASES["mlp"]
    first = np.array([[1, 1, 0, 0, 0, 0, 1], [0, 1, 1, 0, 0, 0, 0], [0, 1, 0, 0, 1, 1, 0]])
    second = np.array([[1, 0, 0, 1, 0, 0], [0, 1, 0, 1, 0, 0], [0, 0, 1, 1, 1, 1]])
    method = networks.IST(3, local_steps=2, sketch=always(first, second))
    _, rounds, path = run(case, method, make_optimizer=sgd(momentum=0.9), steps=2)
    masks = np.concatenate([first, second], axis=1).astype(bool)
    np.testing.assert_array_equal(rounds[0].held, masks)
    before, small = case.model(), []
    for worker, mask in enumerate(masks):
        part = networks.Part(before, case.layout(before), mask)
        one = networks.subnetwork(before, part)
        trained_plainly(one, lambda step, worker=worker: [batches_of(case)(worker, step)], sgd(momentum=0.9), 2)
        mine = {name: torch.zeros_like(parameter) for name, parameter in parameters_of(before).items()}
        for name, parameter in one.named_parameters():
            mine[name][case.held(before, mask)[name]] = parameter.detach().flatten()
        small.append(mine)
    held = [case.held(before, mask) for mask in masks]
    unheld = 0
    for name, parameter in parameters_of(before).items():
        holders = [h[name] for h in held]
        expected = averaged_over_holders([x[name] for x in small], holders, parameter)
        torch.testing.assert_close(path[1][name], expected, rtol=1e-13, atol=1e-13)
        nobody = ~torch.stack(holders).any(dim=0)
        assert torch.equal(path[1][name][nobody], parameter[nobody])
        unheld += int(nobody.sum())
    assert unheld > 20


def test_the_momentum_of_a_unit_goes_with_it_from_worker_to_worker():
    A, y, x0 = least_squares(0, 2, 6, 5)
    method = networks.IST(2, local_steps=2)
    rounds, path = linear_path(A, y, x0, method, make_optimizer=sgd(0.05, momentum=0.9), steps=8)
    x, velocity = x0.copy(), np.zeros(5)
    for number, one in enumerate(rounds):
        for worker, held in enumerate(one.held):
            for _ in range(2):
                gradient = A[worker][:, held].T @ (A[worker][:, held] @ x[held] - y[worker]) / 6
                velocity[held] = 0.9 * velocity[held] + gradient
                x[held] -= 0.05 * velocity[held]
        np.testing.assert_allclose(path[number + 1], x, rtol=1e-12, atol=1e-12)
    holders = np.array([one.held.argmax(axis=0) for one in rounds])
    assert (holders != holders[0]).any(axis=0).all()  # every unit has moved


def test_the_momentum_of_a_weight_is_kept_while_nobody_holds_it():
    case = CASES["mlp"]
    _, rounds, path = run(case, networks.IST(2, local_steps=2), make_optimizer=sgd(0.05, momentum=0.9), steps=8)
    velocity = {name: torch.zeros_like(parameter) for name, parameter in path[0].items()}
    trained = []
    for number, one in enumerate(rounds):
        before = load(case.model(), path[number])
        held = [case.held(before, mask) for mask in one.held]
        values, velocities = [], []
        for worker, mask in enumerate(one.held):
            whole, mine = case.masked(before, mask), dict(velocity)
            for step in (2 * number, 2 * number + 1):
                found = gradients(whole, *batches_of(case)(worker, step))
                with torch.no_grad():
                    for name, parameter in whole.named_parameters():
                        mine[name] = 0.9 * mine[name] + found[name]
                        parameter -= 0.05 * mine[name] * held[worker][name]
            values.append(parameters_of(whole))
            velocities.append(mine)
        holders = {name: [mine[name] for mine in held] for name in velocity}
        expected, velocity = (
            {name: averaged_over_holders([x[name] for x in each], holders[name], old[name]) for name in old}
            for each, old in ((values, path[number]), (velocities, velocity))
        )
        assert_parameters(load(before, path[number + 1]), expected, **TIGHT)
        trained.append(torch.stack(holders["3.weight"]).any(dim=0))
    assert any((a & ~b & c).any() for a, b, c in zip(trained, trained[1:], trained[2:], strict=False))


@pytest.mark.parametrize("masking", MASKINGS)
@pytest.mark.parametrize("copies", [1, 2])
def test_the_momentum_of_a_unit_goes_with_it_where_gradients_are_shared(masking, copies):
    A, y, x0 = least_squares(2, 3, 6, 5)
    method = networks.SDP(3, coverage=copies / 3, masking=masking, resample_every=2)
    rounds, path = linear_path(A, y, x0, method, make_optimizer=sgd(0.05, momentum=0.9), steps=8)
    x, velocity = x0.copy(), np.zeros(5)
    for number, one in enumerate(rounds):
        seen = x * one.held if masking == "forward" else np.tile(x, (3, 1))
        residuals = np.einsum("imd,id->im", A, seen) - y
        each = np.einsum("imd,im->id", A, residuals) / 6
        velocity = 0.9 * velocity + (each * one.held).sum(axis=0) / copies
        x = x - 0.05 * velocity
        np.testing.assert_allclose(path[number + 1], x, rtol=1e-12, atol=1e-12)
    assert any((one.held != rounds[0].held).any() for one in rounds)


def test_the_moments_of_adam_go_with_their_unit_as_well():
    A, y, x0 = least_squares(1, 2, 6, 5)
    rounds, path = linear_path(
        A, y, x0, networks.IST(2, local_steps=3), make_optimizer=lambda p: torch.optim.Adam(p, lr=0.02), steps=9
    )
    x, first, second = x0.copy(), np.zeros(5), np.zeros(5)
    for number, one in enumerate(rounds):
        for worker, held in enumerate(one.held):
            for step in range(3 * number + 1, 3 * number + 4):
                gradient = A[worker][:, held].T @ (A[worker][:, held] @ x[held] - y[worker]) / 6
                first[held] = 0.9 * first[held] + 0.1 * gradient
                second[held] = 0.999 * second[held] + 0.001 * gradient**2
                scale = np.sqrt(second[held] / (1 - 0.999**step)) + 1e-8
                x[held] -= 0.02 * first[held] / (1 - 0.9**step) / scale
        np.testing.assert_allclose(path[number + 1], x, rtol=1e-10, atol=1e-10)


@pytest.mark.sample(2)
@pytest.mark.parametrize("kind", ["mlp", "convolutions", "resnet", "transformer", "resnet-blocks", "llama-tied-blocks"])
def test_forward_rescaling_divides_what_units_give_by_the_fraction_held(kind):
    case = CASES[kind]
    method = networks.IST(2, local_steps=2, rescale="forward", sketch=in_turn)
    model, rounds, path = run(case, method, make_optimizer=sgd(0.02), steps=2)
    before = case.model()
    after, loss = ist_round_by_hand(case, before, rounds[0].held, batches_of(case), range(2), 0.02, "forward")
    unscaled = ist_round_by_hand(case, before, rounds[0].held, batches_of(case), range(2), 0.02)[1]
    assert rounds[0].loss == pytest.approx(loss, rel=1e-10)
    assert abs(loss - unscaled) > 1e-3
    assert_parameters(model, after, **TIGHT)
    inputs, _ = case.data()
    expected = load(case.model(), path[1]).eval()(inputs)  # nothing of the factors remains
    buffers = dict(model.named_buffers())
    if not any("running" in name for name in buffers):
        torch.testing.assert_close(logits(model.eval()(inputs)), logits(expected), **EXACT)


def test_forward_rescaling_leaves_a_worker_without_any_block_as_it_is():
    case = CASES["resnet-blocks"]
    method = networks.IST(2, local_steps=1, rescale="forward", sketch=always([[True, True, False], [False] * 3]))
    model, (one,), _ = run(case, method, make_optimizer=sgd(0.02), steps=1)
    after, loss = ist_round_by_hand(case, case.model(), one.held, batches_of(case), range(1), 0.02, "forward")
    assert one.loss == pytest.approx(loss, rel=1e-10)
    assert_parameters(model, after, **TIGHT)


@pytest.mark.sample(1)
@pytest.mark.parametrize("kind", ["resnet-blocks", "transformer-blocks", "mlp"])
def test_rescaling_in_evaluation_changes_evaluation_alone(kind):
    case = CASES[kind]
    plain, scaled = networks.IST(2, local_steps=2), networks.IST(2, local_steps=2, rescale="evaluation")
    paths = [run(case, method, make_optimizer=sgd(0.02), steps=4)[2] for method in (plain, scaled)]
    for name, parameter in paths[0][-1].items():
        assert torch.equal(parameter, paths[1][-1][name])
    model = load(case.model(), paths[0][-1]).eval()
    inputs, targets = case.data()
    halved = case.scale_outputs(copy.deepcopy(model), np.full(case.num_units, 0.5))
    for method, expected in ((plain, model), (scaled, halved)):
        found = networks.evaluate(model, case.layout(model), method, inputs, targets, loss=cross_entropy)
        assert found.loss == pytest.approx(float(cross_entropy(expected(inputs), targets).detach()), rel=1e-10)


def test_resist_deals_the_blocks_of_the_third_stage():
    layout, method = networks.resist(networks.ResNet(3, channels=2, width=2, depths=(1, 1, 3, 1)), 2)
    assert layout.groups[0].names == ("stages.2.0", "stages.2.1", "stages.2.2")
    assert (method.num_workers, method.local_steps, method.rescale) == (2, 50, "evaluation")


def test_resist_deals_the_third_stage_of_transformers_as_well():
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    config = transformers.ResNetConfig(
        num_channels=2, embedding_size=2, hidden_sizes=[2, 3, 4, 5], depths=[1, 1, 2, 1], layer_type="basic"
    )
    layout, _ = networks.resist(transformers.ResNetForImageClassification(config), 2)
    assert layout.groups[0].names == ("resnet.encoder.stages.2.layers.0", "resnet.encoder.stages.2.layers.1")


def test_work_is_counted_over_all_workers_and_steps():
    case = CASES["mlp"]
    _, whole, _ = run(case, networks.IST(1, local_steps=2), make_optimizer=sgd(), steps=4)
    with FlopCounterMode(display=False) as counter:
        trained_plainly(case.model(), lambda step: [case.data(seed=step)], sgd(), 2)
    assert [one.flops for one in whole] == [counter.get_total_flops(), 2 * counter.get_total_flops()]
    _, dealt, _ = run(case, networks.IST(2, local_steps=2), make_optimizer=sgd(), steps=4)
    first, second = (int(layer[0].sum()) for layer in case.layout(case.model()).split(dealt[0].held))
    products = 0
    for a, b in ((first, second), (7 - first, 6 - second)):
        forward = [5 * a, a * b, b * 3]
        products += 3 * sum(forward) - forward[0]
    assert dealt[0].flops == 2 * 7 * products * 2  # a batch of 7, two steps


def test_work_depends_on_the_shape_of_a_batch():
    case = CASES["mlp"]
    inputs, targets = case.data()
    batches = lambda worker, step: (inputs.repeat(1 + step, 1), targets.repeat(1 + step))  # noqa: E731
    _, rounds, _ = run(case, networks.IST(1, local_steps=1), make_optimizer=sgd(), steps=3, batches=batches)
    one = rounds[0].flops
    assert [r.flops for r in rounds] == [one, 3 * one, 6 * one]


def test_work_depends_on_which_blocks_are_held():
    case = CASES["resnet-blocks"]
    masks = [[True, False, False], [False, True, False]]
    _, (one,), _ = run(case, networks.IST(2, local_steps=1, sketch=always(masks)), make_optimizer=sgd(), steps=1)
    counts = []
    for mask in masks:
        model = case.model()
        small = networks.subnetwork(model, networks.Part(model, case.layout(model), np.array(mask)))
        with FlopCounterMode(display=False) as counter:
            trained_plainly(small, lambda step: [case.data()], sgd(), 1)
        counts.append(counter.get_total_flops())
    assert counts[0] != counts[1]
    assert one.flops == sum(counts)


# --- Both


METHODS = {
    "ist": networks.IST(2, local_steps=2),
    "sdp-forward": networks.SDP(2, coverage=0.5, masking="forward", resample_every=1),
    "sdp-backward": networks.SDP(2, coverage=0.5, masking="backward", resample_every=2),
}
methods = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


@pytest.mark.sample(1)
@methods
def test_a_run_depends_on_its_seed_and_on_nothing_else(method):
    case = CASES["mlp-norm"]
    results = []
    for seed, others in ((3, 0), (3, 1), (4, 0)):
        torch.manual_seed(others)
        np.random.seed(others)
        model, rounds, _ = run(case, method, make_optimizer=OPTIMIZERS["adam"], steps=5, seed=seed)
        results.append((model.state_dict(), rounds))
    (one, rounds), (same, same_rounds), (other, _) = results
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert [r.loss for r in rounds] == [r.loss for r in same_rounds]
    assert any(not torch.equal(one[name], other[name]) for name in one)


@methods
@pytest.mark.parametrize(
    "make_optimizer",
    [
        lambda parameters: torch.optim.Adafactor(parameters, lr=0.01),
        lambda parameters: torch.optim.LBFGS(parameters, lr=0.01),
    ],
    ids=["Adafactor", "LBFGS"],
)
def test_an_optimizer_whose_state_cannot_follow_entries_is_refused(method, make_optimizer):
    with pytest.raises(ValueError, match="optimizer"):
        run(CASES["mlp"], method, make_optimizer=make_optimizer, steps=4)


@pytest.mark.sample(6)
@methods
@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("at", [0, 1, 6])
def test_a_run_ends_where_a_loss_is_not_finite_with_parameters_whose_loss_was_finite(method, bad, at):
    """Those at the beginning of the last round without such a loss: nobody has seen the loss of what it ended with."""
    case = CASES["mlp-norm"]

    def batches(worker, step):
        inputs, targets = batches_of(case)(worker, step)
        return (inputs.fill_(bad) if (worker, step) == (1, at) else inputs), targets

    model, rounds, path = run(case, method, make_optimizer=OPTIMIZERS["momentum"], steps=20, batches=batches)
    finite_rounds = at // 2 if isinstance(method, networks.IST) else at
    assert [math.isfinite(one.loss) for one in rounds] == [True] * finite_rounds + [False]
    assert_parameters(model, path[max(finite_rounds - 1, 0)], **EXACT)
    assert all(tensor.isfinite().all() for tensor in model.state_dict().values())


@pytest.mark.parametrize(
    "method",
    [networks.IST(1, local_steps=3), networks.IST(1, local_steps=1), networks.SDP(2, coverage=1.0, masking="backward")],
    ids=["ist", "ist-one-step", "sdp"],
)
@pytest.mark.parametrize("step_size", [1e3, 1e40, 1e300])
def test_a_run_that_diverges_comes_back_to_a_finite_loss(method, step_size):
    case = CASES["mlp"]
    model = case.model()
    inputs, _ = case.data()
    targets = torch.zeros(7, 3, dtype=torch.float64)
    loss = lambda outputs, targets: (outputs - targets).square().mean()  # noqa: E731
    rounds = list(
        networks.train(
            model,
            case.layout(model),
            method,
            lambda worker, step: (inputs, targets),
            make_optimizer=sgd(step_size),
            steps=200,
            loss=loss,
        )
    )
    assert not math.isfinite(rounds[-1].loss)
    assert all(math.isfinite(one.loss) for one in rounds[:-1])
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    assert math.isfinite(float(loss(model(inputs), targets).detach()))
