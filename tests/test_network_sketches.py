"""Who holds which units of a network."""

import itertools

import enumeration
import hypothesis.strategies as st
import jax
import numpy as np
import pytest
import scipy.sparse
import scipy.stats
from hypothesis import given, settings

import istsim
from istsim._random import known_key

torch = pytest.importorskip("torch", reason="networks are trained in torch: pip install 'istsim[torch]'")

from istsim import networks  # noqa: E402


def per_layer():
    """One of Permutation and one of RandK, and by hand all that can happen."""
    sketch = networks.PerLayer((istsim.Permutation(2, 2), istsim.RandK(2, 3, 1)))
    left, right = enumeration.permutation_outcomes(2, 2), enumeration.rand_k_outcomes(2, 3, 1)
    law = {}
    for (first, p), (second, q) in itertools.product(zip(*left, strict=True), zip(*right, strict=True)):
        law[np.concatenate([first, second], axis=1).astype(bool).tobytes()] = p * q
    return sketch, law


def test_outcomes_of_layers_are_all_combinations_with_their_probabilities():
    sketch, law = per_layer()
    found = {}
    for mask, probability in sketch.outcomes():
        assert mask.shape == (2, 5)
        assert mask.tobytes() not in found
        found[mask.tobytes()] = probability
    assert found.keys() == law.keys()
    assert sum(found.values()) == pytest.approx(1, abs=1e-13)
    for mask, probability in law.items():
        assert found[mask] == pytest.approx(probability, rel=1e-13)


def test_sampled_layers_follow_the_law_of_the_outcomes(key, false_alarm_rate):
    sketch, law = per_layer()
    samples = np.asarray(jax.jit(jax.vmap(sketch.sample))(jax.random.split(key, 20_000)))
    count = dict.fromkeys(law, 0)
    for mask in samples:
        count[mask.tobytes()] += 1  # a KeyError is a mask that should be impossible
    expected, observed = np.array([law[mask] * 20_000 for mask in count]), np.array(list(count.values()))
    statistic = ((observed - expected) ** 2 / expected).sum()
    assert statistic < scipy.stats.chi2.isf(false_alarm_rate, len(law) - 1)


@pytest.mark.parametrize("sketches", [(), (istsim.Permutation(2, 4), istsim.Permutation(3, 4))])
def test_layers_need_sketches_for_the_same_workers(sketches):
    with pytest.raises(ValueError):
        networks.PerLayer(sketches)


@settings(max_examples=100)
@given(
    sizes=st.lists(st.integers(1, 50), min_size=6, max_size=6),
    copies=st.integers(1, 4),
    seed=st.integers(0, 2**31),
)
def test_balanced_coverage_has_exact_holders_and_loads_that_differ_by_at_most_the_largest_size(sizes, copies, seed):
    sketch = networks.BalancedCoverage(4, 6, copies, tuple(sizes))
    mask = sketch.sample(known_key(seed))
    np.testing.assert_array_equal(mask.sum(axis=0), copies)
    loads = mask @ np.array(sizes)
    assert loads.max() - loads.min() <= max(sizes)


def test_balanced_coverage_treats_workers_and_equal_coordinates_alike(key, false_alarm_rate):
    sketch, count = networks.BalancedCoverage(3, 4, 2, (5, 3, 3, 1)), 5000
    assert sketch.inclusion_probability(1) == pytest.approx(2 / 3, rel=1e-15)
    masks = np.asarray(jax.jit(jax.vmap(sketch.sample))(jax.random.split(key, count))).astype(int)
    held = masks.sum(axis=0)
    tail = false_alarm_rate / (2 * held.size + 2)
    law = scipy.stats.binom(count, 2 / 3)
    assert law.ppf(tail) <= held.min()
    assert held.max() <= law.isf(tail)
    # Coordinates 1 and 2 weigh the same: whenever one of them is with coordinate 0 and the other is not, either may be.
    one, other = ((masks[:, 0, 0] * masks[:, 0, a] * (1 - masks[:, 0, b])).sum() for a, b in ((1, 2), (2, 1)))
    if one + other:
        fair = scipy.stats.binom(one + other, 0.5)
        assert fair.ppf(tail) <= one <= fair.isf(tail)


def drawn(sketch, count=50):
    """Masks, shape (count, n, d)."""
    return sketch.sample(known_key(0).fold_in(np.arange(count)))


@pytest.mark.sample(2)
@pytest.mark.parametrize(
    "sketch",
    [
        networks.PerLayer((istsim.RandK(3, 5, 2), istsim.Bernoulli(3, 4, 0.5))),
        networks.BalancedCoverage(5, 9, 2, (9, 9, 4, 4, 4, 3, 2, 1, 1)),
        networks.BalancedCoverage(4, 6, 3, (2,) * 6),
        networks.ParameterSketch(istsim.Permutation(2, 4), [[0, 1], [2, -1], [-1, -1], [3, 0]]),
    ],
    ids=lambda sketch: type(sketch).__name__,
)
def test_masks_are_the_same_whether_jax_or_numpy_draws_them(sketch):
    key, rounds = jax.random.key(3), np.arange(20)
    by_jax = jax.jit(jax.vmap(lambda number: sketch.sample(jax.random.fold_in(key, number))))(rounds)
    by_numpy = sketch.sample(known_key(key).fold_in(rounds))
    assert isinstance(by_numpy, np.ndarray)
    np.testing.assert_array_equal(by_numpy, by_jax)
    np.testing.assert_array_equal(sketch.sample(known_key(key).fold_in(7)), by_numpy[7])


@pytest.mark.parametrize("sizes", [(1000, 1, 1, 1), (5, 5, 5, 5), (9, 9, 1, 1, 1)], ids=str)
def test_no_worker_is_left_without_a_coordinate_where_there_are_enough(sizes):
    assert drawn(networks.BalancedCoverage(4, len(sizes), 1, sizes)).any(axis=2).all()


@pytest.mark.parametrize(("n", "copies"), [(6, 2), (8, 2), (8, 3)])
def test_the_blocks_of_a_resnet_connect_all_workers_and_balance_their_loads(n, copies):
    layout = networks.blocks(networks.ResNet(10))
    masks = drawn(networks.SDP(n, copies / n, "forward").sketch_for(layout))
    assert min(map(networks.spectral_gap, masks)) > 1e-9
    loads = masks @ np.array(layout.sizes)
    assert (loads.max(axis=1) - loads.min(axis=1)).max() <= max(layout.sizes)


@settings(max_examples=100)
@given(
    sizes=st.lists(st.integers(1, 50), min_size=5, max_size=5),
    copies=st.integers(2, 6),
    seed=st.integers(0, 2**31),
)
def test_workers_are_connected_wherever_there_are_just_enough_coordinates(sizes, copies, seed):
    mask = networks.BalancedCoverage(6, 5, copies, tuple(sizes)).sample(known_key(seed))
    assert networks.spectral_gap(mask) > 1e-9


@pytest.mark.parametrize(("n", "units", "copies"), [(8, 8, 2), (5, 13, 2), (8, 13, 4)])
def test_to_connect_workers_costs_no_balance_where_all_weigh_the_same(n, units, copies):
    loads = drawn(networks.BalancedCoverage(n, units, copies, (7,) * units)).sum(axis=2)
    assert (loads.max(axis=1) - loads.min(axis=1)).max() <= 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: networks.BalancedCoverage(3, 2, 0, (1, 1)),
        lambda: networks.BalancedCoverage(3, 2, 4, (1, 1)),
        lambda: networks.BalancedCoverage(3, 2, 2, (1, 1, 1)),
    ],
)
def test_coverage_that_cannot_be_is_refused(make, unchecked):
    with pytest.raises(ValueError):
        make()


@given(n=st.integers(2, 6), units=st.integers(1, 7), density=st.floats(0.1, 0.9), seed=st.integers(0, 2**31))
def test_the_spectral_gap_is_that_of_the_walk_and_positive_just_if_all_are_connected(n, units, density, seed):
    rng = np.random.default_rng(seed)
    mask = rng.random((n, units)) < density
    mask[rng.integers(n, size=units), np.arange(units)] = True  # no unit, and no worker, without the other
    mask[np.arange(n), rng.integers(units, size=n)] = True
    walk = (mask / mask.sum(axis=1, keepdims=True)) @ (mask / mask.sum(axis=0)).T
    eigenvalues = np.sort(np.linalg.eigvals(walk).real)
    gap = networks.spectral_gap(mask)
    assert gap == pytest.approx(1 - eigenvalues[-2], abs=1e-7)
    graph = scipy.sparse.bmat([[None, mask.astype(int)], [mask.T.astype(int), None]])
    parts, _ = scipy.sparse.csgraph.connected_components(graph)
    assert (gap > 1e-9) == (parts == 1)


def test_a_worker_that_holds_nothing_is_not_connected():
    assert networks.spectral_gap(np.array([[1, 1], [0, 0]])) == 0
    assert networks.spectral_gap(np.array([[1, 1], [1, 1], [0, 0]])) == 0


def test_one_worker_alone_is_connected():
    assert networks.spectral_gap(np.ones((1, 3), bool)) == 1


def test_a_unit_that_nobody_holds_does_not_matter():
    assert networks.spectral_gap(np.array([[1, 1, 0], [1, 1, 0]])) == pytest.approx(1)
