"""Expectations of products of random masks, by which positions coincide.

A moment such as `E[B X B']` is, entry by entry, a sum over coordinate indices (positions) of
numbers times a product of mask entries. The expectation of that product depends only on which
positions hold equal coordinates: on a set partition of the positions, the pattern. So there are
15 cases for four positions, 5 for three, 2 for two.

A sum restricted to "the pattern is exactly pi" is awkward; one where only the equalities of sigma
are imposed is a matrix expression. Moebius inversion on the partition lattice goes from the first
kind to the second: with w(pi) the expectation at exact pattern pi, the coefficients

    kappa(pi) = w(pi) - sum of kappa(sigma) over sigma strictly finer than pi

satisfy `sum of kappa(sigma) over all sigma whose equalities hold = w(pi)` for indices of pattern pi.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from istsim._types import Array
from istsim._validation import is_concrete

# A pattern is a restricted growth string: positions with equal labels hold equal coordinates.
Pattern = tuple[int, ...]
Coefficients = Float[Array | np.ndarray, " patterns"]  # in the order of `patterns`
# Of a pattern and of the coordinates held on the left and on the right.
Expectation = Callable[[Pattern, set[int], set[int]], Any]


@dataclasses.dataclass(frozen=True)
class Weight:
    """The factor of a position at coordinate j: `offset + slope [j is held by the worker]`."""

    offset: Any
    slope: Any


WHOLE = Weight(1.0, 0.0)


@functools.cache
def patterns(count: int) -> tuple[Pattern, ...]:
    """All set partitions of `count` positions, finer before coarser.

    Example:
        >>> from istsim.theory._patterns import patterns
        >>> [len(patterns(count)) for count in (1, 2, 3, 4)]  # Bell numbers
        [1, 2, 5, 15]
    """
    if count == 0:
        return ((),)
    shorter = patterns(count - 1)
    found = [(*labels, new) for labels in shorter for new in range(max(labels, default=-1) + 2)]
    return tuple(sorted(found, key=lambda labels: (-len(set(labels)), labels)))


@functools.cache
def strictly_finer(pattern: Pattern) -> tuple[Pattern, ...]:
    """The patterns whose equalities all hold in `pattern` too, `pattern` itself excepted."""
    pairs = list(itertools.combinations(range(len(pattern)), 2))

    def equalities(labels):
        return {pair for pair in pairs if labels[pair[0]] == labels[pair[1]]}

    return tuple(other for other in patterns(len(pattern)) if equalities(other) < equalities(pattern))


def coefficients(left: Sequence[Weight], right: Sequence[Weight], expectation: Expectation) -> Coefficients:
    """The coefficients of all patterns of the left and right positions.

    Args:
        left, right: what multiplies each position.
        expectation: of the product of "this position is held" over some of the positions, and of whatever
            else multiplies it: a function of the pattern, and of the chosen positions, a subset of it.
    """
    # Probabilities are usually plain numbers even where JAX traces the weights: kept apart like this, the inversion is
    # done once, outside the compiled function.
    choices, products = _multiplied_out((*left, *right))
    rows: dict[Pattern, Any] = {}
    for pattern in patterns(len(left) + len(right)):
        row = _as_array([expectation(*_held(pattern, choice, len(left))) for choice in choices])
        # Subtracting one by one keeps exact zeros exact: what masks cannot tell apart cancels.
        for finer in strictly_finer(pattern):
            row = row - rows[finer]
        rows[pattern] = row
    return _as_array(list(rows.values())) @ _as_array(products)


def _multiplied_out(weights: Sequence[Weight]) -> tuple[list[tuple[bool, ...]], list[Any]]:
    """The product of the weights: at which positions "slope [held]" is taken in each term, and the term's factor.

    Terms that are known to be 0 are left out: of the 16 terms of four masks a single one remains.
    """
    options = [
        [(taken, factor) for taken, factor in ((False, weight.offset), (True, weight.slope)) if not _is_zero(factor)]
        for weight in weights
    ]
    terms = list(itertools.product(*options))
    return [tuple(taken for taken, _ in term) for term in terms], [math.prod(f for _, f in term) for term in terms]


def _is_zero(factor: Any) -> bool:
    return is_concrete(factor) and factor == 0


def expectation_at_one(
    left: Sequence[Weight], right: Sequence[Weight], expectation: Callable[[set[int], set[int]], Any]
) -> Any:
    """The expectation of the product of the weights where all positions hold the same coordinate, number 0.

    Args:
        left, right: what multiplies each position.
        expectation: of the product of "this position is held" over some of them: of the coordinates held on the left
            and on the right, none or number 0.
    """
    pattern = (0,) * (len(left) + len(right))
    terms = zip(*_multiplied_out((*left, *right)), strict=True)
    return sum(factor * expectation(*_held(pattern, choice, len(left))[1:]) for choice, factor in terms)


def _held(pattern: Pattern, choice: Sequence[bool], count_left: int) -> tuple[Pattern, set[int], set[int]]:
    """The pattern, and the coordinates at the chosen positions on the left and on the right."""
    left = {pattern[i] for i, chosen in enumerate(choice) if chosen and i < count_left}
    right = {pattern[i] for i, chosen in enumerate(choice) if chosen and i >= count_left}
    return pattern, left, right


def _as_array(values: Sequence[Any]) -> Any:
    """A NumPy array, or a JAX array where something in it is traced."""
    return np.asarray(values, float) if is_concrete(values) else jnp.asarray(values, float)
