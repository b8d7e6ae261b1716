"""Sketches that deal unevenly, against relabellings enumerated here, one by one."""

import itertools
from collections import Counter

import jax
import numpy as np
import pytest
import scipy.stats

import istsim


def permutation_law(n, d):
    """Every order of coordinates and of workers, dealt as the definition says."""
    law = Counter()
    for coordinates in itertools.permutations(range(d)):
        for workers in itertools.permutations(range(n)):
            mask = np.zeros((n, d), bool)
            if n <= d:
                sizes = [d // n + (position < d % n) for position in range(n)]
                start = 0
                for worker, size in zip(workers, sizes, strict=True):
                    mask[worker, list(coordinates[start : start + size])] = True
                    start += size
            else:
                for position, worker in enumerate(workers):
                    mask[worker, coordinates[position % d]] = True
            law[mask.tobytes()] += 1
    return law


def coverage_law(n, d, copies):
    law = Counter()
    for coordinates in itertools.permutations(range(d)):
        for workers in itertools.permutations(range(n)):
            mask = np.zeros((n, d), bool)
            for position, coordinate in enumerate(coordinates):
                for copy in range(copies):
                    mask[workers[(position * copies + copy) % n], coordinate] = True
            law[mask.tobytes()] += 1
    return law


LAWS = [
    *(
        (istsim.Permutation(n, d), permutation_law(n, d))
        for n, d in [(2, 3), (2, 5), (3, 4), (3, 5), (3, 2), (5, 2), (4, 3), (3, 1)]
    ),
    *(
        (istsim.Coverage(n, d, c), coverage_law(n, d, c))
        for n, d, c in [(3, 3, 2), (4, 3, 2), (3, 4, 2), (2, 4, 1), (4, 2, 3), (3, 2, 3), (5, 3, 2)]
    ),
]
with_laws = pytest.mark.parametrize(("sketch", "law"), LAWS, ids=[repr(sketch) for sketch, _ in LAWS])


def masks_and_probabilities(sketch, law):
    masks = np.array([np.frombuffer(mask, bool).reshape(sketch.n, sketch.d) for mask in law])
    return masks, np.array(list(law.values())) / law.total()


@with_laws
def test_outcomes_are_the_law(sketch, law):
    listed = {mask.tobytes(): p for mask, p in sketch.outcomes()}
    assert listed.keys() == law.keys()
    for mask, times in law.items():
        assert listed[mask] == pytest.approx(times / law.total(), rel=1e-12)


@with_laws
def test_probabilities_are_those_of_the_law(sketch, law):
    masks, p = masks_and_probabilities(sketch, law)
    for size in range(min(4, sketch.d) + 1):
        assert sketch.inclusion_probability(size) == pytest.approx(p @ masks[:, 0, :size].all(axis=1), abs=1e-12)
    for left, right in itertools.product(range(3), repeat=2):
        for shared in range(max(0, left + right - sketch.d), min(left, right) + 1):
            ours, theirs = slice(0, left), slice(left - shared, left - shared + right)
            counted = p @ (masks[:, 0, ours].all(axis=1) & masks[:, -1, theirs].all(axis=1))
            assert sketch.joint_probability(left, right, shared) == pytest.approx(counted, abs=1e-12)


@with_laws
def test_reported_probability_is_that_of_the_law(sketch, law):
    masks, p = masks_and_probabilities(sketch, law)
    for participants in range(1, sketch.n + 1):
        groups = list(itertools.combinations(range(sketch.n), participants))
        counted = np.mean([p @ masks[:, list(group), 0].any(axis=1) for group in groups])
        assert sketch.reported_probability(participants) == pytest.approx(counted, abs=1e-12)


@pytest.mark.sample(5)
@with_laws
def test_draws_follow_the_law(sketch, law, key, false_alarm_rate):
    draws = 4000
    drawn = np.asarray(jax.vmap(sketch.sample)(jax.random.split(key, draws)))
    counts = Counter(mask.tobytes() for mask in drawn)
    assert counts.keys() <= law.keys()
    expected = np.array(list(law.values())) / law.total() * draws
    if len(expected) > 1:
        observed = np.array([counts[mask] for mask in law])
        chi_square = ((observed - expected) ** 2 / expected).sum()
        assert chi_square < scipy.stats.chi2.isf(false_alarm_rate, len(expected) - 1)


@pytest.mark.parametrize(("n", "d"), [(3, 7), (4, 10), (10, 47)])
def test_uneven_permutations_have_their_closed_form(n, d):
    q = d // n
    s = d - q * n
    sketch = istsim.Permutation(n, d)
    assert sketch.inclusion_probability(1) == pytest.approx(1 / n)
    ratio = sketch.inclusion_probability(2) / sketch.inclusion_probability(1)
    assert ratio == pytest.approx(q * (d - n + s) / (d * (d - 1)))


def test_groups_are_held_together(key):
    groups = [0, 2, 1, 1, 0, 2]
    sketch = istsim.Grouped(istsim.RandK(4, 3, 2), groups)
    for mask in jax.vmap(sketch.sample)(jax.random.split(key, 20)):
        for group in range(3):
            columns = np.asarray(mask)[:, np.array(groups) == group]
            assert (columns == columns[:, :1]).all()
    underlying = {mask[:, groups].tobytes() for mask, _ in istsim.RandK(4, 3, 2).outcomes()}
    assert {mask.tobytes() for mask, _ in sketch.outcomes()} == underlying
