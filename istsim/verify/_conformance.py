"""What a user's own sketch must satisfy, tried out."""

from __future__ import annotations

import itertools
from typing import Any

import jax
import numpy as np
from scipy import stats

from istsim._random import as_key
from istsim._validation import positive_int
from istsim.sketches._sketch import Sketch

# The probability that a correct sketch fails, over all comparisons of one call.
FALSE_ALARM_RATE = 1e-6


def check_sketch(sketch: Sketch, *, key: Any = 0, draws: int = 4000) -> None:
    """Try out whether a sketch is what the exact theory takes it to be.

    Its draws must be masks of the right shape and, where `size` is stated, of that size; they must be
    the same under `jit` and `vmap` as without; and the frequencies with which one worker holds one or
    two coordinates, and two workers hold one each, must be those stated, for every choice of workers and
    coordinates tried: a sketch that is not exchangeable fails here. The outcomes, where listed, must have
    exactly the stated probabilities. `holders` and `independent_workers` are held against draws and
    probabilities. Of a sketch that says that it is not exchangeable, draws are compared with the outcomes.

    Args:
        sketch: to be tried, best with few workers and coordinates.
        key: a JAX key or an int.
        draws: how many masks to draw, at least 1000.

    Raises:
        ValueError: for fewer draws.
        AssertionError: with everything that was found wrong. Frequencies of a correct sketch are called wrong with
            probability at most 1e-6.

    Example:
        >>> import istsim
        >>> istsim.verify.check_sketch(istsim.Coverage(3, 4, 2))
    """
    if positive_int("draws", draws) < 1000:
        raise ValueError(f"draws must be at least 1000 to tell probabilities apart, got {draws}")
    keys = jax.random.split(as_key(key), draws)
    masks = np.asarray(jax.vmap(sketch.sample)(keys))
    faults = _faults_of_masks(sketch, masks, keys)
    if not faults and sketch.exchangeable:
        events = _stated_events(sketch, masks)
        faults = [*_faults_of_frequencies(events), *_faults_of_independence(sketch), *_faults_of_outcomes(sketch)]
    elif not faults:
        faults = _faults_of_frequencies(_listed_events(sketch, masks))
    if faults:
        raise AssertionError(f"{sketch} does not conform:\n- " + "\n- ".join(faults))


def _faults_of_masks(sketch: Sketch, masks: np.ndarray, keys: jax.Array) -> list[str]:
    shape = (sketch.n, sketch.d)
    if masks.shape[1:] != shape or masks.dtype != bool:
        return [f"sample must give boolean masks of shape (n, d) = {shape}, got {masks.dtype} of {masks.shape[1:]}"]
    faults = []
    if not np.array_equal(jax.jit(sketch.sample)(keys[0]), masks[0]):
        faults.append("sample gives other masks under jit than under vmap")
    if not np.array_equal(sketch.sample(keys[0]), masks[0]):
        faults.append("sample gives other masks under vmap than without")
    if sketch.size is not None and (masks.sum(axis=2) != sketch.size).any():
        faults.append(f"size says that every worker holds {sketch.size} coordinates, but some hold others")
    if sketch.holders is not None and (masks.sum(axis=1) != sketch.holders).any():
        faults.append(f"holders says that every coordinate has {sketch.holders}, but some have others")
    return faults


# What may happen in a draw, its probability, and in which draws it did.
Event = tuple[str, float, np.ndarray]


def _stated_events(sketch: Sketch, masks: np.ndarray) -> list[Event]:
    """One worker holds one or two coordinates, two workers hold one each, with the probabilities stated."""
    columns = [int(np.flatnonzero(sketch.labels == label)[0]) for label in np.unique(sketch.labels)]
    workers, pairs = range(sketch.n), list(itertools.combinations(range(sketch.n), 2))
    two = list(itertools.combinations(columns, 2))
    events: list[Event] = []
    for i, a in itertools.product(workers, columns):
        events.append((f"worker {i} holds {a}", sketch.inclusion_probability(1), masks[:, i, a]))
    for i, (a, b) in itertools.product(workers, two):
        both = masks[:, i, a] & masks[:, i, b]
        events.append((f"worker {i} holds {a} and {b}", sketch.inclusion_probability(2), both))
    for (i, j), a in itertools.product(pairs, columns):
        both = masks[:, i, a] & masks[:, j, a]
        events.append((f"workers {i} and {j} hold {a}", sketch.joint_probability(1, 1, 1), both))
    for (i, j), (a, b) in itertools.product(pairs, two):
        both = masks[:, i, a] & masks[:, j, b]
        events.append((f"worker {i} holds {a} and {j} holds {b}", sketch.joint_probability(1, 1, 0), both))
    return events


def _listed_events(sketch: Sketch, masks: np.ndarray) -> list[Event]:
    """One worker holds a coordinate, with the probability that the outcomes give it; nothing where there are none."""
    try:
        outcomes = list(sketch.outcomes())
    except (NotImplementedError, ValueError):
        return []
    mean = np.sum([probability * mask for mask, probability in outcomes], axis=0)
    places = itertools.product(range(sketch.n), range(sketch.d))
    return [(f"worker {i} holds {a}", float(mean[i, a]), masks[:, i, a]) for i, a in places]


def _faults_of_frequencies(events: list[Event]) -> list[str]:
    """Compare counts with the binomial law of the probability stated."""
    faults = []
    for text, probability, held in events:
        if not 0 <= probability <= 1 + 1e-12:
            faults.append(f"the probability that {text} is stated as {probability:.6g}")
        elif stats.binomtest(int(held.sum()), len(held), min(float(probability), 1.0)).pvalue < FALSE_ALARM_RATE / len(
            events
        ):
            faults.append(f"{text} in {held.mean():.4f} of the draws, but with stated probability {probability:.4f}")
    return faults


def _faults_of_independence(sketch: Sketch) -> list[str]:
    if not sketch.independent_workers or sketch.n == 1:
        return []
    groups, faults = len(np.unique(sketch.labels)), []
    for left, right in itertools.product((1, 2), repeat=2):
        product = float(sketch.inclusion_probability(left) * sketch.inclusion_probability(right))
        for shared in range(max(0, left + right - groups), min(left, right) + 1):
            stated = float(sketch.joint_probability(left, right, shared))
            if abs(stated - product) > 1e-9:
                faults.append(
                    f"independent_workers says so, but joint_probability({left}, {right}, {shared}) is {stated:.9g}, "
                    f"and the product of the workers' own probabilities {product:.9g}"
                )
    return faults


def _faults_of_outcomes(sketch: Sketch) -> list[str]:
    try:
        outcomes = list(sketch.outcomes())
    except (NotImplementedError, ValueError):
        return []
    masks, p = np.array([mask for mask, _ in outcomes]), np.array([probability for _, probability in outcomes])
    faults = [] if abs(p.sum() - 1) < 1e-9 else [f"the outcomes' probabilities add up to {p.sum():.9g}"]
    columns = [int(np.flatnonzero(sketch.labels == label)[0]) for label in np.unique(sketch.labels)]
    for size in range(1, min(4, len(columns)) + 1):
        listed, stated = float(p @ masks[:, 0, columns[:size]].all(axis=1)), float(sketch.inclusion_probability(size))
        if abs(listed - stated) > 1e-9:
            faults.append(f"inclusion_probability({size}) is {stated:.9g}, but {listed:.9g} by the outcomes")
    if sketch.n == 1:
        return faults
    for left, right in itertools.product((1, 2), repeat=2):
        for shared in range(max(0, left + right - len(columns)), min(left, right) + 1):
            ours, theirs = columns[:left], columns[left - shared : left - shared + right]
            listed = float(p @ (masks[:, 0, ours].all(axis=1) & masks[:, 1, theirs].all(axis=1)))
            stated = float(sketch.joint_probability(left, right, shared))
            if abs(listed - stated) > 1e-9:
                faults.append(
                    f"joint_probability({left}, {right}, {shared}) is {stated:.9g}, but {listed:.9g} by the outcomes"
                )
    return faults
