"""Probabilities of a sketch: counted with symbols, and by listing every outcome where there are few."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping

import numpy as np
import sympy as sp

from istsim.derivations._expectation import Entry, ScalarMean
from istsim.derivations._rewriting import Relation, reduce, vanishes
from istsim.derivations._scalars import scalar
from istsim.sketches import Sketch


def check_count(relation: Relation, favourable: sp.Expr, outcomes: sp.Expr, rules: Iterable[Relation]) -> None:
    """Make sure that the ratio of two numbers of outcomes is the probability claimed.

    Raises:
        ValueError: if it is not.
    """
    ratio = sp.combsimp(favourable / outcomes)
    if not vanishes(reduce(ratio - relation.right, rules)):
        raise ValueError(f"{favourable} of {outcomes} outcomes are {ratio} and not {relation.right}")


def check_outcomes(
    relation: Relation, sketch: Callable[..., Sketch], cases: Iterable[Mapping[str, int]], rules: Iterable[Relation]
) -> None:
    """Make sure that the sketches have the probability claimed, whatever the worker and the coordinates.

    Raises:
        ValueError: if one has another, or the relation is not about a product of one worker's mask entries.
    """
    number, value = _number_of_entries(relation.left), reduce(relation.right, rules)
    for case in cases:
        outcomes = list(sketch(**case).outcomes())
        claimed = float(value.subs({sp.Symbol(name): scalar(number) for name, number in case.items()}))
        for coordinates in itertools.permutations(range(outcomes[0][0].shape[1]), number):
            listed = sum(probability * mask[:, coordinates].all(axis=1) for mask, probability in outcomes)
            if np.abs(listed - claimed).max() > 1e-12:
                raise ValueError(f"at {dict(case)} the outcomes give {listed}, and the claim is {claimed:.6g}")


def _number_of_entries(mean: sp.Expr) -> int:
    """Of how many different coordinates' mask entries this is the mean product."""
    entries = sp.Mul.make_args(mean.of) if isinstance(mean, ScalarMean) else ()
    masks = {entry.letter for entry in entries if isinstance(entry, Entry) and entry.letter.idempotent}
    places = {entry.at for entry in entries if isinstance(entry, Entry)}
    if len(masks) != 1 or len(places) != len(entries) or any(row != column for row, column in places):
        raise ValueError(f"only the mean of a product of one mask's diagonal entries can be counted, got {mean}")
    return len(entries)
