import itertools

import numpy as np
import pytest

import istsim

NAMES = {"diabetes": (442, 10), "breast_cancer": (569, 30), "digits": (1797, 61)}


@pytest.fixture(scope="module", params=NAMES)
def dataset(request):
    return request.param, *istsim.load_dataset(request.param)


def test_data_sets_have_their_shape_without_constant_columns(dataset):
    name, features, targets = dataset
    assert features.shape == NAMES[name]
    assert targets.shape == NAMES[name][:1]


def test_features_and_targets_are_standardised(dataset):
    _, features, targets = dataset
    for column in (*features.T, targets):
        assert column.mean() == pytest.approx(0, abs=1e-12)
        assert column.std() == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("split", ["even", "random", "label"])
@pytest.mark.parametrize(("m", "n"), [(12, 4), (13, 4), (4, 4), (5, 1)])
def test_every_split_gives_every_sample_to_one_worker_in_parts_that_differ_by_at_most_one(split, m, n):
    targets = np.random.default_rng(0).standard_normal(m)
    parts = istsim.split_over_workers(targets, n, split)
    assert len(parts) == n
    assert sorted(np.concatenate(parts)) == list(range(m))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_the_even_split_deals_in_turn():
    parts = istsim.split_over_workers(np.zeros(7), 3, "even")
    assert [part.tolist() for part in parts] == [[0, 3, 6], [1, 4], [2, 5]]


def test_the_label_split_separates_the_labels():
    targets = np.random.default_rng(1).standard_normal(50)
    parts = istsim.split_over_workers(targets, 5, "label")
    for lower, upper in itertools.pairwise(parts):
        assert targets[lower].max() <= targets[upper].min()


def test_the_label_split_keeps_the_order_of_samples_with_the_same_label():
    targets = np.arange(60) % 2
    parts = istsim.split_over_workers(targets, 2, "label")
    assert [part.tolist() for part in parts] == [list(range(0, 60, 2)), list(range(1, 60, 2))]


def test_the_random_split_depends_on_its_key_alone():
    targets = np.zeros(30)
    one, same, other = (
        np.concatenate(istsim.split_over_workers(targets, 3, "random", key=key)).tolist() for key in (1, 1, 2)
    )
    assert one == same != other


@pytest.mark.parametrize("name", NAMES)
def test_a_real_problem_is_ridge_regression_on_the_parts(name):
    features, targets = istsim.load_dataset(name)
    parts = istsim.split_over_workers(targets, 4, "label")
    problem = istsim.real_quadratic(name, 4, split="label", ridge=0.1)
    assert (problem.num_workers, problem.dim) == (4, NAMES[name][1])
    for i, part in enumerate(parts):
        A, y = features[part], targets[part]
        expected = A.T @ A / len(part) + 0.1 * np.eye(A.shape[1])
        np.testing.assert_allclose(problem.L[i], expected, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(problem.b[i], A.T @ y / len(part), rtol=1e-12, atol=1e-12)


def test_splitting_by_label_makes_workers_differ_more():
    def spread(split):
        b = np.asarray(istsim.real_quadratic("diabetes", 5, split=split).b)
        return ((b - b.mean(axis=0)) ** 2).sum()

    assert spread("label") > 5 * max(spread("even"), spread("random"))


def test_the_random_split_of_a_real_problem_follows_its_key():
    one, same, other = (istsim.real_quadratic("diabetes", 5, split="random", key=key).b for key in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_many_workers_on_few_samples_keep_factors():
    problem = istsim.real_quadratic("digits", 100, ridge=0.1)  # 17 or 18 samples each, d = 61
    assert "factored" in repr(problem)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: istsim.load_dataset("iris"), ["diabetes", "breast_cancer", "digits", "iris"]),
        (lambda: istsim.real_quadratic("iris", 2), ["diabetes", "iris"]),
        (lambda: istsim.real_quadratic("diabetes", 2, split="odd"), ["even", "random", "label", "odd"]),
        (lambda: istsim.real_quadratic("diabetes", 443), ["442", "443"]),
        (lambda: istsim.real_quadratic("diabetes", 0), ["n ", "at least 1", "0"]),
        (lambda: istsim.real_quadratic("diabetes", 2, ridge=-1.0), ["ridge", "-1"]),
        (lambda: istsim.split_over_workers(np.zeros(3), 2, "odd"), ["even", "random", "label", "odd"]),
        (lambda: istsim.split_over_workers(np.zeros(3), 4, "even"), ["3", "4"]),
    ],
)
def test_bad_arguments_are_refused_with_what_was_expected_and_what_came(call, words, unchecked):
    with pytest.raises(ValueError) as caught:
        call()
    for word in words:
        assert word in str(caught.value)
