"""What a user's own sketch must satisfy, tried out."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from istsim._random import as_key
from istsim._validation import instance_of, positive_int
from istsim.sketches._sketch import Sketch, falling_ratio

# The probability that a correct sketch fails, over all comparisons of one call.
FALSE_ALARM_RATE = 1e-6

# What may differ between numbers that are equal but for rounding.
EXACT = 1e-9

# What the exact theory asks of two workers besides orders of one coordinate each: theirs, the other's, shared.
JOINT_ORDERS = ((2, 1, 0), (1, 2, 0), (2, 1, 1), (1, 2, 1), (2, 2, 0), (2, 2, 1), (2, 2, 2))

# How many choices of workers and coordinates are tried for each of these, of which there may be very many.
CHOICES = 60

# How many deviating frequencies are told; the others are counted.
TOLD = 5


def check_sketch(sketch: Sketch, *, key: Any = 0, draws: int = 4000) -> None:
    """Try out whether a sketch is what the exact theory takes it to be.

    Its draws must be masks of the right shape and, where `size` is stated, of that size; they must be
    the same under `jit` and `vmap` as without; and the frequencies with which one worker holds one or
    two coordinates, and two workers hold one each, must be those stated, for every choice of workers and
    coordinates tried: a sketch that is not exchangeable fails here. So must those with which one worker holds three or
    four coordinates, and two workers hold up to two each, for some choices, unless these probabilities raise
    NotImplementedError. Where `size` is stated, one worker's must follow from it; the outcomes, where listed, must
    have exactly the stated probabilities. `holders` and `independent_workers` are held against draws and
    probabilities. Of a sketch that says that it is not exchangeable, the frequencies with which a worker holds a
    coordinate are compared with `inclusion_probability(1)`, unless that raises NotImplementedError, and with the
    outcomes, where listed.

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
    instance_of("sketch", sketch, Sketch, "an istsim.Sketch, such as istsim.RandK(n, d, k)")
    if positive_int("draws", draws) < 1000:
        raise ValueError(f"draws must be at least 1000 to tell probabilities apart, got {draws}")
    if faults := _faults_of_size(sketch):
        raise AssertionError(_refusal(sketch, faults))
    keys = jax.random.split(as_key(key), draws)
    masks = np.asarray(jax.vmap(sketch.sample)(keys))
    faults = _faults_of_masks(sketch, masks, keys)
    if not faults and sketch.exchangeable:
        events = [*_stated_events(sketch, masks), *_events_of_high_order(sketch, masks)]
        faults = [
            *_faults_of_frequencies(events),
            *_faults_of_none(sketch),
            *_faults_of_stated_size(sketch),
            *_faults_of_independence(sketch),
            *_faults_of_outcomes(sketch),
        ]
    elif not faults:
        faults = _faults_of_frequencies([*_single_events(sketch, masks), *_listed_events(sketch, masks)])
    if faults:
        raise AssertionError(_refusal(sketch, faults))


def _refusal(sketch: Sketch, faults: list[str]) -> str:
    return "\n- ".join([f"{sketch} does not conform:", *faults])


def _faults_of_size(sketch: Sketch) -> list[str]:
    if sketch.size is not None and not 1 <= sketch.size <= sketch.d:
        return [f"size must be None or a number of coordinates from 1 to d = {sketch.d}, got {sketch.size}"]
    probability = _single_probability(sketch)
    if probability is not None and not probability > 0:
        return [f"inclusion_probability(1) must be positive, since unbiased scales divide by it, got {probability:.6g}"]
    return []


def _single_probability(sketch: Sketch) -> float | None:
    """The probability that a worker holds a coordinate; None where a sketch that is not exchangeable has no number."""
    try:
        return float(sketch.inclusion_probability(1))
    except NotImplementedError:
        if sketch.exchangeable:
            raise
        return None


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


class Event(NamedTuple):
    """What may happen in a draw, the probability that should be its, and in which draws it happened.

    Attributes:
        text: what happens.
        probability: how often it should.
        happened: whether it did in each draw.
        by: where the probability is from.
        alike: for what all events are alike that have this probability, if they have one because of exchangeability.
    """

    text: str
    probability: float
    happened: np.ndarray
    by: str
    alike: str = ""


def _stated_events(sketch: Sketch, masks: np.ndarray) -> Iterator[Event]:
    """One worker holds one or two coordinates, two workers hold one each, with the probabilities stated."""
    columns = _columns(sketch)
    workers, pairs = range(sketch.n), list(itertools.combinations(range(sketch.n), 2))
    two = list(itertools.combinations(columns, 2))
    for i, a in itertools.product(workers, columns):
        stated = sketch.inclusion_probability(1)
        yield Event(f"worker {i} holds {a}", stated, masks[:, i, a], "stated", "coordinates or workers")
    for i, (a, b) in itertools.product(workers, two):
        stated, both = sketch.inclusion_probability(2), masks[:, i, a] & masks[:, i, b]
        yield Event(f"worker {i} holds {a} and {b}", stated, both, "stated", "pairs of coordinates")
    for (i, j), a in itertools.product(pairs, columns):
        stated, both = sketch.joint_probability(1, 1, 1), masks[:, i, a] & masks[:, j, a]
        yield Event(f"workers {i} and {j} hold {a}", stated, both, "stated", "pairs of workers")
    for (i, j), (a, b) in itertools.product(pairs, two):
        stated, both = sketch.joint_probability(1, 1, 0), masks[:, i, a] & masks[:, j, b]
        yield Event(f"worker {i} holds {a} and {j} holds {b}", stated, both, "stated", "coordinates of two workers")


def _columns(sketch: Sketch) -> list[int]:
    """One coordinate of every group."""
    return [int(np.flatnonzero(sketch.labels == label)[0]) for label in np.unique(sketch.labels)]


def _events_of_high_order(sketch: Sketch, masks: np.ndarray) -> Iterator[Event]:
    """One worker holds three or four coordinates, two workers three or four in all, for some choices of them."""
    for size in (3, 4):
        if (stated := _probability(sketch.inclusion_probability, size)) is None:
            continue
        for (i,), on in _choices(sketch, 1, size):
            text, alike = f"worker {i} holds {_listed(on)}", f"sets of {size} coordinates"
            yield Event(text, stated, _holds(masks, i, on), "stated", alike)
    for left, right, shared in JOINT_ORDERS:
        if (stated := _probability(sketch.joint_probability, left, right, shared)) is None:
            continue
        for (i, j), on in _choices(sketch, 2, left + right - shared):
            ours, theirs = on[:left], on[left - shared :]
            happened = _holds(masks, i, ours) & _holds(masks, j, theirs)
            text = f"worker {i} holds {_listed(ours)} and {j} holds {_listed(theirs)}"
            alike = f"sets of {left} and {right} coordinates, {shared} of them shared, of two workers"
            yield Event(text, stated, happened, "stated", alike)


def _holds(masks: np.ndarray, worker: int, on: list[int]) -> np.ndarray:
    """In which draws a worker holds all of some coordinates."""
    return np.asarray(masks[:, worker, on].all(axis=1))


def _probability(stated: Callable[..., Any], *order: int) -> float | None:
    """A probability, or None where the sketch does not say."""
    try:
        return float(stated(*order))
    except NotImplementedError:
        return None


def _choices(sketch: Sketch, workers: int, coordinates: int) -> Iterator[tuple[list[int], list[int]]]:
    """The first workers and coordinates, and some others, the same every time; of every group one coordinate."""
    columns = _columns(sketch)
    if sketch.n < workers or len(columns) < coordinates:
        return
    rng = np.random.default_rng([*b"choices", workers, coordinates])
    orders = [(np.arange(sketch.n), np.array(columns))]
    orders += [(rng.permutation(sketch.n), rng.permutation(columns)) for _ in range(CHOICES - 1)]
    found = dict.fromkeys((*i[:workers].tolist(), *on[:coordinates].tolist()) for i, on in orders)
    for choice in found:
        yield list(choice[:workers]), list(choice[workers:])


def _listed(coordinates: list[int]) -> str:
    *first, last = map(str, coordinates)
    return f"{', '.join(first)} and {last}" if first else last


def _single_events(sketch: Sketch, masks: np.ndarray) -> Iterator[Event]:
    """One worker holds a coordinate, with the probability stated; nothing where none is."""
    if (probability := _single_probability(sketch)) is not None:
        for i, a in itertools.product(range(sketch.n), range(sketch.d)):
            yield Event(f"worker {i} holds {a}", probability, masks[:, i, a], "stated")


def _listed_events(sketch: Sketch, masks: np.ndarray) -> Iterator[Event]:
    """One worker holds a coordinate, with the probability that the outcomes give it; nothing where there are none."""
    try:
        outcomes = list(sketch.outcomes())
    except (NotImplementedError, ValueError):
        return
    mean = np.sum([probability * mask for mask, probability in outcomes], axis=0)
    for i, a in itertools.product(range(sketch.n), range(sketch.d)):
        yield Event(f"worker {i} holds {a}", float(mean[i, a]), masks[:, i, a], "listed")


def _faults_of_frequencies(events: list[Event]) -> list[str]:
    """Compare counts with the binomial law of their probabilities."""
    faults, alike = [], []
    for event in events:
        if not 0 <= event.probability <= 1 + 1e-12:
            faults.append(f"the probability that {event.text} is {event.by} as {event.probability:.6g}")
        elif _is_unlikely(event.happened, event.probability, len(events)):
            frequency = f"{event.text} in {event.happened.mean():.4f} of the draws"
            faults.append(f"{frequency}, but with {event.by} probability {event.probability:.4f}")
            alike.append(event.alike)
    more = [f"and {len(faults) - TOLD} more such frequencies"] if len(faults) > TOLD else []
    return [*_faults_of_exchangeability(events, set(alike) - {""}), *faults[:TOLD], *more]


def _faults_of_exchangeability(events: list[Event], deviating: set[str]) -> list[str]:
    """Whether events that should be alike, and of which some deviate, differ among themselves as well."""
    for kind in dict.fromkeys(event.alike for event in events if event.alike in deviating):
        same = [event.happened for event in events if event.alike == kind]
        if any(_is_unlikely(happened, np.mean(same), len(events)) for happened in same):
            return [
                f"frequencies differ between {kind}: the sketch is not exchangeable; define `exchangeable` as False "
                "and list its `outcomes`, or draw all coordinates and all workers alike"
            ]
    return []


def _is_unlikely(happened: np.ndarray, probability: Any, comparisons: int) -> bool:
    """Whether so many draws, or a less likely number, have at most this comparison's part of the false-alarm rate."""
    count, draws, chance = int(happened.sum()), len(happened), min(float(probability), 1.0)
    # Nearly all counts are within three standard deviations, where even a single count is not that unlikely.
    if (count - draws * chance) ** 2 <= 9 * draws * chance * (1 - chance):
        return False
    from scipy import stats  # which takes half a second to import

    tail = stats.binomtest(count, draws, chance).pvalue
    return bool(tail < FALSE_ALARM_RATE / comparisons)


def _faults_of_none(sketch: Sketch) -> list[str]:
    """To hold no coordinates is certain."""
    one = sketch.inclusion_probability(1)
    orders = [("inclusion_probability", (0,), 1.0)]
    if sketch.n > 1:
        both = [((0, 0, 0), 1.0), ((1, 0, 0), one), ((0, 1, 0), one)]
        orders += [("joint_probability", order, expected) for order, expected in both]
    faults = []
    for name, order, expected in orders:
        stated = _probability(getattr(sketch, name), *order)
        if stated is not None and abs(stated - float(expected)) > EXACT:
            known = ", ".join(map(str, order))
            faults.append(f"{name}({known}) is {stated:.9g}, but to hold no coordinates is certain: {expected:.9g}")
    return faults


def _faults_of_stated_size(sketch: Sketch) -> list[str]:
    """Sets of one size that are all alike hold given coordinates with probabilities that follow."""
    if sketch.size is None or len(_columns(sketch)) < sketch.d:
        return []
    faults = []
    for size in range(1, min(4, sketch.d) + 1):
        stated, follows = _probability(sketch.inclusion_probability, size), falling_ratio(sketch.size, sketch.d, size)
        if stated is not None and abs(stated - follows) > EXACT:
            faults.append(
                f"inclusion_probability({size}) is {stated:.9g}, but {follows:.9g} where every worker holds "
                f"{sketch.size} of {sketch.d} coordinates that are all alike"
            )
    return faults


def _faults_of_independence(sketch: Sketch) -> list[str]:
    if not sketch.independent_workers or sketch.n == 1:
        return []
    groups, faults = len(np.unique(sketch.labels)), []
    for left, right in itertools.product((1, 2), repeat=2):
        product = float(sketch.inclusion_probability(left) * sketch.inclusion_probability(right))
        for shared in range(max(0, left + right - groups), min(left, right) + 1):
            stated = float(sketch.joint_probability(left, right, shared))
            if abs(stated - product) > EXACT:
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
    faults = [] if abs(p.sum() - 1) < EXACT else [f"the outcomes' probabilities add up to {p.sum():.9g}"]
    columns = _columns(sketch)
    for size in range(1, min(4, len(columns)) + 1):
        listed, stated = float(p @ masks[:, 0, columns[:size]].all(axis=1)), float(sketch.inclusion_probability(size))
        if abs(listed - stated) > EXACT:
            faults.append(f"inclusion_probability({size}) is {stated:.9g}, but {listed:.9g} by the outcomes")
    if sketch.n == 1:
        return faults
    for left, right in itertools.product((1, 2), repeat=2):
        for shared in range(max(0, left + right - len(columns)), min(left, right) + 1):
            ours, theirs = columns[:left], columns[left - shared : left - shared + right]
            listed = float(p @ (masks[:, 0, ours].all(axis=1) & masks[:, 1, theirs].all(axis=1)))
            stated = float(sketch.joint_probability(left, right, shared))
            if abs(listed - stated) > EXACT:
                faults.append(
                    f"joint_probability({left}, {right}, {shared}) is {stated:.9g}, but {listed:.9g} by the outcomes"
                )
    return faults
