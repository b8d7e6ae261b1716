"""Steps of subnetwork data parallelism, its masks, and the methods that are refused."""

import itertools

import jax
import numpy as np
import pytest
from network_models import CASES
from network_rounds import (
    KINDS,
    MASKINGS,
    OPTIMIZERS,
    SINGLE,
    TIGHT,
    always,
    assert_parameters,
    batches_of,
    in_turn,
    load,
    parameters_of,
    run,
    sdp_gradient_by_hand,
    sgd,
    trained_plainly,
)

import istsim

torch = pytest.importorskip("torch", reason="networks are trained in torch: pip install 'istsim[torch]'")

from istsim import networks  # noqa: E402


@pytest.mark.sample(4)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "resnet"])
@pytest.mark.parametrize("masking", MASKINGS)
def test_a_step_of_sdp_follows_the_mean_gradient_of_the_holders(kind, masking):
    case = CASES[kind]
    method = networks.SDP(3, coverage=2 / 3, masking=masking)
    model, rounds, path = run(case, method, make_optimizer=sgd(0.05, momentum=0.9), steps=2)
    by_hand = case.model()
    velocity = {name: 0.0 for name in path[0]}
    for step in range(2):
        held = rounds[-1].held  # the same throughout
        found = sdp_gradient_by_hand(case, by_hand, held, batches_of(case), step, masking)
        for name, parameter in by_hand.named_parameters():
            velocity[name] = 0.9 * velocity[name] + found[name]
            with torch.no_grad():
                parameter -= 0.05 * velocity[name]
    assert_parameters(model, parameters_of(by_hand), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("masking", MASKINGS)
def test_two_workers_that_share_nothing_but_what_all_hold(masking):
    """Of two hidden layers: a weight between units of different workers belongs to nobody, and stays."""
    case, method = CASES["mlp"], networks.SDP(2, coverage=0.5, masking=masking, resample_every=1)
    model, rounds, path = run(case, method, make_optimizer=sgd(0.05), steps=4)
    assert [one.steps for one in rounds] == [1, 2, 3, 4]
    for step, one in enumerate(rounds):
        before = load(case.model(), path[step])
        found = sdp_gradient_by_hand(case, before, one.held, batches_of(case), step, masking)
        expected = {name: parameter - 0.05 * found[name] for name, parameter in path[step].items()}
        assert_parameters(load(before, path[step + 1]), expected, **TIGHT)
        nobody = ~(case.held(model, one.held[0])["3.weight"] | case.held(model, one.held[1])["3.weight"])
        assert nobody.any()
        assert torch.equal(path[step + 1]["3.weight"][nobody], path[step]["3.weight"][nobody])


@pytest.mark.sample(4)
@pytest.mark.parametrize(
    ("kind", "optimizer"),
    [
        ("mlp-norm", "adam"),
        ("mlp-norm", "nesterov"),
        ("resnet", "momentum"),
        ("transformer", "adam"),
        ("llama-tied", "momentum"),
        ("hf-resnet-basic-blocks", "adam"),
    ],
)
@pytest.mark.parametrize("masking", MASKINGS)
def test_with_coverage_one_it_is_data_parallelism(kind, optimizer, masking):
    case = CASES[kind]
    method = networks.SDP(3, coverage=1.0, masking=masking)
    model, rounds, _ = run(case, method, make_optimizer=OPTIMIZERS[optimizer], steps=3)
    assert all(one.held.all() for one in rounds)
    data = lambda step: [batches_of(case)(worker, step) for worker in range(3)]  # noqa: E731
    plain = trained_plainly(case.model(), data, OPTIMIZERS[optimizer], 3)
    assert_parameters(model, parameters_of(plain), **(SINGLE if "llama" in kind else TIGHT))


@pytest.mark.parametrize("masking", MASKINGS)
def test_the_moments_of_batch_norms_are_learned_as_well(masking):
    case = CASES["mlp-norm"]
    model, _, _ = run(case, networks.SDP(2, coverage=1.0, masking=masking), make_optimizer=sgd(0.0), steps=1)
    expected = []
    for worker in range(2):
        plain = case.model()
        plain(batches_of(case)(worker, 0)[0])
        expected.append(dict(plain.named_buffers()))
    for name, buffer in model.named_buffers():
        if "running" in name:
            torch.testing.assert_close(buffer, (expected[0][name] + expected[1][name]) / 2, **TIGHT)


@pytest.mark.parametrize(("n", "copies"), [(3, 1), (4, 2), (5, 3), (8, 6)])
def test_units_have_equally_many_holders_and_workers_equal_loads(n, copies):
    model = networks.mlp([3, 13, 8, 2])
    layout = networks.neurons(model)
    sketch = networks.SDP(n, coverage=copies / n, masking="forward", resample_every=1).sketch_for(layout)
    for mask in np.asarray(jax.jit(jax.vmap(sketch.sample))(jax.random.split(jax.random.key(n), 20))):
        np.testing.assert_array_equal(mask.sum(axis=0), copies)
        for layer in layout.split(mask):
            loads = layer.sum(axis=1)
            assert loads.min() > 0
            assert loads.max() - loads.min() <= 1


@pytest.mark.parametrize(("n", "copies"), [(3, 2), (4, 2), (6, 3)])
def test_masks_stay_where_nothing_else_is_asked(n, copies):
    case = CASES["mlp"]
    method = networks.SDP(n, coverage=copies / n, masking="forward")
    _, (first, second), _ = run(case, method, make_optimizer=sgd(), steps=2)
    np.testing.assert_array_equal(first.held, second.held)
    np.testing.assert_array_equal(first.held.sum(axis=0), copies)


def test_masks_that_never_connect_the_workers_are_refused():
    class Apart(networks.SDP):
        def sketch_for(self, layout):
            return in_turn(self.num_workers, layout.num_units)

    method = Apart(2, coverage=0.5, masking="forward", resample_every=1)
    run(CASES["mlp"], method, make_optimizer=sgd(), steps=1)  # nobody asks where all is dealt anew
    method = Apart(2, coverage=1.0, masking="forward")
    with pytest.raises(ValueError, match=r"in 100 draws of .* never all connected; raise the coverage or resample"):
        run(CASES["mlp"], method, make_optimizer=sgd(), steps=1)


def test_masks_are_dealt_anew_as_often_as_asked():
    case = CASES["mlp"]
    for every in (1, 3, None):
        method = networks.SDP(3, coverage=2 / 3, masking="forward", resample_every=every)
        _, rounds, _ = run(case, method, make_optimizer=sgd(0.01), steps=7)
        held = [one.held for one in rounds]
        for earlier, later in itertools.combinations(range(7), 2):
            same = every is None or earlier // every == later // every
            assert (held[earlier] == held[later]).all() == same


def test_blocks_of_different_sizes_are_dealt_by_their_parameters():
    model = networks.ResNet(3, width=2, depths=(2, 2, 2, 2))
    layout = networks.blocks(model)
    sketch = networks.SDP(4, coverage=0.5, masking="forward", resample_every=1).sketch_for(layout)
    sizes = np.array(layout.sizes)
    for key in jax.random.split(jax.random.key(0), 5):
        mask = np.asarray(sketch.sample(key))
        np.testing.assert_array_equal(mask.sum(axis=0), 2)
        loads = mask @ sizes
        assert loads.max() - loads.min() <= sizes.max()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: networks.SDP(8, coverage=0.3, masking="forward"), ["0.3", "0.25", "0.375", "1"]),
        (lambda: networks.SDP(3, coverage=0.5, masking="backward"), ["0.5", "0.333", "0.666"]),
        (lambda: networks.SDP(4, coverage=0.0, masking="forward"), ["coverage", "0"]),
        (lambda: networks.SDP(4, coverage=1.25, masking="forward"), ["coverage", "1.25"]),
        (lambda: networks.SDP(4, coverage=float("nan"), masking="forward"), ["coverage", "nan"]),
        (lambda: networks.SDP(4, coverage=0.25, masking="forward"), ["coverage", "resample_every"]),
        (lambda: networks.SDP(0, coverage=1.0, masking="forward"), ["num_workers", "0"]),
        (lambda: networks.SDP(2, coverage=1.0, masking="sideways"), ["masking", "forward", "sideways"]),
        (lambda: networks.SDP(2, coverage=1.0, masking="forward", resample_every=0), ["resample_every", "0"]),
        (lambda: networks.IST(0), ["num_workers", "0"]),
        (lambda: networks.IST(2, local_steps=0), ["local_steps", "0"]),
        (lambda: networks.IST(2, rescale="both"), ["rescale", "both"]),
        (
            lambda: networks.IST(4, sketch=istsim.Permutation(4, 32)),
            ["sketch", "lambda n, d:", "Permutation(n=4, d=32)"],
        ),
        (lambda: networks.IST(4, sketch=istsim.Bernoulli), ["sketch", "lambda n, d:", "Bernoulli", "'p'"]),
    ],
)
def test_methods_that_make_no_sense_are_refused_with_what_is_possible(make, words, unchecked):
    with pytest.raises(ValueError) as caught:
        make()
    for word in words:
        assert word in str(caught.value)


def test_a_layer_with_fewer_units_than_the_workers_need_is_refused_by_its_name():
    layout = networks.neurons(networks.mlp([4, 9, 2, 3]))
    method = networks.SDP(8, coverage=0.25, masking="forward", resample_every=1)
    with pytest.raises(ValueError, match=r"\b3\b") as caught:
        method.sketch_for(layout)
    assert "2" in str(caught.value)


def test_a_mask_that_leaves_a_worker_without_a_layer_ends_the_run_by_its_name():
    case = CASES["mlp"]
    first, second = np.array([[1] * 7, [0] * 7]), np.array([[1] * 6, [1] * 6])
    with pytest.raises(ValueError, match=r"\b1\b"):
        run(case, networks.IST(2, sketch=always(first, second)), make_optimizer=sgd(), steps=2)
