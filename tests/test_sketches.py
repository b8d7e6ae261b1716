import itertools

import enumeration
import jax
import numpy as np
import pytest
import scipy.stats

import istsim

SAMPLES = 20_000

SMALL = {
    "identity": (istsim.Identity(2, 3), enumeration.identity_outcomes(2, 3)),
    "permutation-2-2": (istsim.Permutation(2, 2), enumeration.permutation_outcomes(2, 2)),
    "permutation-3-3": (istsim.Permutation(3, 3), enumeration.permutation_outcomes(3, 3)),
    "permutation-2-4": (istsim.Permutation(2, 4), enumeration.permutation_outcomes(2, 4)),
    "permutation-3-6": (istsim.Permutation(3, 6), enumeration.permutation_outcomes(3, 6)),
    "permutation-2-6": (istsim.Permutation(2, 6), enumeration.permutation_outcomes(2, 6)),
    "permutation-1-3": (istsim.Permutation(1, 3), enumeration.permutation_outcomes(1, 3)),
    "rand-k-2-4-1": (istsim.RandK(2, 4, 1), enumeration.rand_k_outcomes(2, 4, 1)),
    "rand-k-2-4-2": (istsim.RandK(2, 4, 2), enumeration.rand_k_outcomes(2, 4, 2)),
    "rand-k-3-3-2": (istsim.RandK(3, 3, 2), enumeration.rand_k_outcomes(3, 3, 2)),
    "rand-k-2-3-3": (istsim.RandK(2, 3, 3), enumeration.rand_k_outcomes(2, 3, 3)),
    "bernoulli-2-2": (istsim.Bernoulli(2, 2, 0.3), enumeration.bernoulli_outcomes(2, 2, 0.3)),
    "bernoulli-2-4": (istsim.Bernoulli(2, 4, 0.6), enumeration.bernoulli_outcomes(2, 4, 0.6)),
    "bernoulli-2-3-certain": (istsim.Bernoulli(2, 3, 1.0), enumeration.bernoulli_outcomes(2, 3, 1.0)),
}
small = pytest.mark.parametrize(("sketch", "expected"), SMALL.values(), ids=SMALL.keys())

LARGE = {
    "permutation": istsim.Permutation(10, 40),
    "rand-k": istsim.RandK(10, 40, 7),
    "bernoulli": istsim.Bernoulli(10, 40, 0.15),
}


def as_law(masks, probabilities):
    """Probability by mask, as bytes, without impossible masks."""
    law = {}
    for mask, probability in zip(masks, probabilities, strict=True):
        if probability > 0:
            name = np.asarray(mask, dtype=bool).tobytes()
            law[name] = law.get(name, 0.0) + float(probability)
    return law


def draw(sketch, key, count):
    return np.asarray(jax.jit(jax.vmap(sketch.sample))(jax.random.split(key, count)))


@small
def test_outcomes_are_all_masks_with_their_probabilities(sketch, expected):
    pairs = list(sketch.outcomes())
    law, reference = as_law([m for m, _ in pairs], [p for _, p in pairs]), as_law(*expected)
    assert law.keys() == reference.keys()
    for name, probability in reference.items():
        assert law[name] == pytest.approx(probability, rel=1e-13)


@small
def test_outcomes_are_distinct_boolean_masks_whose_probabilities_sum_to_one(sketch, expected):
    pairs = list(sketch.outcomes())
    for mask, probability in pairs:
        assert mask.shape == (sketch.num_workers, sketch.dim)
        assert mask.dtype == bool
        assert probability >= 0
    assert len({mask.tobytes() for mask, _ in pairs}) == len(pairs)
    assert sum(probability for _, probability in pairs) == pytest.approx(1, abs=1e-13)


@pytest.mark.sample(7)
@small
def test_sampled_masks_follow_the_law_of_the_outcomes(sketch, expected, key, false_alarm_rate):
    reference = as_law(*expected)
    count = dict.fromkeys(reference, 0)
    for mask in draw(sketch, key, SAMPLES):
        count[mask.tobytes()] += 1  # a KeyError is a mask that should be impossible
    if len(reference) == 1:
        return
    expected_count = np.array([reference[name] * SAMPLES for name in count])
    observed = np.array(list(count.values()))
    # Pool the rarest outcomes into one cell of at least 20, where the chi-square law is a good approximation.
    order = np.argsort(expected_count)
    pooled = np.flatnonzero(np.cumsum(expected_count[order]) >= 20)[0] + 1
    expected_count, observed = (
        np.append(values[order][pooled:], values[order][:pooled].sum()) for values in (expected_count, observed)
    )
    statistic = ((observed - expected_count) ** 2 / expected_count).sum()
    assert statistic < scipy.stats.chi2.isf(false_alarm_rate, len(observed) - 1)


@pytest.mark.parametrize("sketch", LARGE.values(), ids=LARGE.keys())
def test_at_large_d_every_entry_and_every_pair_is_held_as_often_as_stated(sketch, key, false_alarm_rate):
    masks = draw(sketch, key, 4000).astype(int)
    m, _, d = masks.shape
    pairs = ~np.eye(d, dtype=bool)
    same_worker, two_workers = masks[:, 0].T @ masks[:, 0], masks[:, 3].T @ masks[:, 8]
    held = [
        (masks.sum(axis=0), sketch.inclusion_probability(1)),
        (same_worker[pairs], sketch.inclusion_probability(2)),
        (two_workers[pairs], sketch.joint_probability(1, 1, 0)),
        (np.diag(two_workers), sketch.joint_probability(1, 1, 1)),
    ]
    # Bonferroni over all counts, two-sided. For rare pairs the normal law's tails are far too thin.
    tail = false_alarm_rate / (2 * sum(counts.size for counts, _ in held))
    for counts, probability in held:
        law = scipy.stats.binom(m, probability)
        assert law.ppf(tail) <= counts.min()
        assert counts.max() <= law.isf(tail)


@pytest.mark.parametrize("sketch", [LARGE["permutation"], LARGE["rand-k"]], ids=["permutation", "rand-k"])
def test_fixed_size_sketches_draw_lists_of_distinct_coordinates_that_are_their_masks(sketch, key):
    assert sketch.size is not None
    for k in jax.random.split(key, 5):
        indices = np.asarray(sketch.sample_indices(k))
        assert indices.shape == (10, sketch.size)
        mask = np.zeros((10, 40), dtype=bool)
        np.put_along_axis(mask, indices, True, axis=1)
        np.testing.assert_array_equal(mask, sketch.sample(k))
        np.testing.assert_array_equal(mask.sum(axis=1), sketch.size)


def test_permutation_gives_every_coordinate_one_holder_and_every_worker_q_coordinates(key):
    masks = draw(istsim.Permutation(10, 40), key, 200)
    np.testing.assert_array_equal(masks.sum(axis=1), 1)
    np.testing.assert_array_equal(masks.sum(axis=2), 4)


@small
def test_inclusion_probability_is_the_probability_over_all_outcomes(sketch, expected):
    masks, probabilities = expected
    for size in range(sketch.dim + 1):
        for held in (range(size), range(sketch.dim - size, sketch.dim)):  # any coordinates will do
            for worker in range(sketch.num_workers):
                exact = probabilities @ masks[:, worker, list(held)].prod(axis=1)
                assert sketch.inclusion_probability(size) == pytest.approx(exact, rel=1e-13, abs=1e-15)


@small
def test_joint_probability_is_the_probability_over_all_outcomes(sketch, expected):
    masks, probabilities = expected
    d = sketch.dim
    if sketch.num_workers == 1:
        return
    for left, right in itertools.product(range(min(d, 2) + 1), repeat=2):
        for shared in range(max(0, left + right - d), min(left, right) + 1):
            left_set = list(range(left))
            right_set = list(range(left - shared, left + right - shared))
            for i, j in ((0, 1), (1, 0), (0, sketch.num_workers - 1)):
                held = masks[:, i, left_set].prod(axis=1) * masks[:, j, right_set].prod(axis=1)
                joint = sketch.joint_probability(left, right, shared)
                assert joint == pytest.approx(probabilities @ held, rel=1e-13, abs=1e-15)


@pytest.mark.parametrize(
    ("sketch", "p1", "p2"),
    [
        # p1 and p2/p1 of the table of sketches, at n = 5, d = 20: q = 4, so r = (q-1)/(d-1) = 3/19.
        (istsim.Identity(5, 20), 1.0, 1.0),
        (istsim.Permutation(5, 20), 1 / 5, 1 / 5 * 3 / 19),
        (istsim.RandK(5, 20, 8), 8 / 20, 8 / 20 * 7 / 19),
        (istsim.Bernoulli(5, 20, 0.25), 0.25, 0.25**2),
    ],
    ids=["identity", "permutation", "rand-k", "bernoulli"],
)
def test_first_and_second_inclusion_probabilities_are_those_of_the_table(sketch, p1, p2):
    assert sketch.inclusion_probability(0) == 1
    assert sketch.inclusion_probability(1) == pytest.approx(p1, rel=1e-15)
    assert sketch.inclusion_probability(2) == pytest.approx(p2, rel=1e-14)


@pytest.mark.sample(2)
@pytest.mark.parametrize("sketch", [*LARGE.values(), istsim.Identity(10, 40)], ids=[*LARGE, "identity"])
def test_sampling_is_the_same_plain_jitted_and_vmapped(sketch, key):
    keys = jax.random.split(key, 4)
    one_by_one = np.stack([sketch.sample(k) for k in keys])
    assert one_by_one.dtype == bool
    assert one_by_one.shape == (4, 10, 40)
    np.testing.assert_array_equal(one_by_one, np.stack([jax.jit(sketch.sample)(k) for k in keys]))
    np.testing.assert_array_equal(one_by_one, jax.vmap(sketch.sample)(keys))


@pytest.mark.parametrize("sketch", LARGE.values(), ids=LARGE.keys())
def test_the_mask_depends_on_the_key_and_on_nothing_else(sketch, key):
    one, other = jax.random.split(key)
    np.testing.assert_array_equal(sketch.sample(one), sketch.sample(one))
    assert (np.asarray(sketch.sample(one)) != np.asarray(sketch.sample(other))).any()


def test_sketches_that_say_the_same_compare_equal_and_say_what_they_are():
    assert istsim.RandK(3, 5, 2) == istsim.RandK(3, 5, 2) != istsim.RandK(3, 5, 3)
    assert istsim.Permutation(2, 4) != istsim.Identity(2, 4)
    assert repr(istsim.RandK(3, 5, 2)) == "RandK(n=3, d=5, k=2)"
    assert (istsim.Permutation(3, 6).num_workers, istsim.Permutation(3, 6).dim) == (3, 6)


def test_a_sketch_whose_outcomes_are_too_many_refuses_to_list_them():
    for sketch in (istsim.Permutation(10, 40), istsim.RandK(10, 40, 7), istsim.Bernoulli(10, 40, 0.15)):
        with pytest.raises(ValueError, match="outcomes"):
            next(iter(sketch.outcomes()))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: istsim.Identity(0, 3), ["n ", "at least 1", "0"]),
        (lambda: istsim.Identity(2, 0), ["d ", "at least 1", "0"]),
        (lambda: istsim.Identity(-1, 3), ["n ", "-1"]),
        (lambda: istsim.Identity(2.0, 3), ["n ", "integer", "2.0"]),
        (lambda: istsim.Identity(True, 3), ["n ", "integer", "True"]),
        (lambda: istsim.Permutation(0, 4), ["n ", "at least 1", "0"]),
        (lambda: istsim.RandK(2, 4, 0), ["k ", "at least 1", "0"]),
        (lambda: istsim.RandK(2, 4, 5), ["k ", "at most", "4", "5"]),
        (lambda: istsim.RandK(2, 4, 1.5), ["k ", "integer", "1.5"]),
        (lambda: istsim.Bernoulli(2, 4, 0.0), ["p ", "(0, 1]", "0.0"]),
        (lambda: istsim.Bernoulli(2, 4, 1.5), ["p ", "(0, 1]", "1.5"]),
        (lambda: istsim.Bernoulli(2, 4, -0.5), ["p ", "(0, 1]", "-0.5"]),
        (lambda: istsim.Bernoulli(2, 4, float("nan")), ["p ", "nan"]),
        (lambda: istsim.Bernoulli(2, 4, "half"), ["p ", "half"]),
    ],
)
def test_bad_arguments_are_refused_with_what_was_expected_and_what_came(make, words, unchecked):
    with pytest.raises(ValueError) as caught:
        make()
    for word in words:
        assert word in str(caught.value)


def test_a_users_own_sketch_need_only_sample_and_give_its_probabilities(key):
    class Everything(istsim.Sketch):
        def sample(self, key):
            return jax.numpy.ones((self.n, self.d), bool)

        def inclusion_probability(self, size):
            return 1.0

        def joint_probability(self, left, right, shared):
            return 1.0

    sketch = Everything(2, 3)
    assert istsim.IST(sketch).forward_scale == 1
    with pytest.raises(NotImplementedError):
        next(iter(sketch.outcomes()))


@pytest.mark.parametrize("groups", [[[0, 1], [1, 0]], 1, [], [0.0, 1.0]])
def test_groups_are_a_list_of_integer_labels(groups, unchecked):
    with pytest.raises(ValueError, match="groups must be integer labels of shape"):
        istsim.Grouped(istsim.Permutation(2, 2), groups)
