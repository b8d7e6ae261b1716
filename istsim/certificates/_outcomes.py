"""All that can happen in one round, as rational maps: `x+ = x - gamma (B x - c)` for every outcome."""

from __future__ import annotations

import dataclasses
import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np
from jaxtyping import Bool, Shaped

from istsim.certificates._rational import Arithmetic, as_fraction, elementwise, over_common_denominator
from istsim.methods._method import SketchedMethod
from istsim.sketches._sketch import Sketch
from istsim.theory._errors import NotCoveredError

MAX_OUTCOMES = 20_000


@dataclasses.dataclass(frozen=True, eq=False)
class Listed:
    """A matrix or vector for each outcome: the probability of outcome o is `weights[o] / total`, its value
    `numerators[o] / denominator`, all integers.
    """

    numerators: Shaped[np.ndarray, "outcome ..."]
    denominator: int
    weights: Shaped[np.ndarray, " outcome"]
    total: int

    def mean(self, values: Any, denominator: int) -> Shaped[np.ndarray, "..."]:
        """The expectation of integers over a denominator, one for each outcome."""
        sums, over = np.tensordot(self.weights, values, axes=1), self.total * denominator
        return elementwise(lambda x: Fraction(int(x), over), sums)


def sketched_maps(
    method: SketchedMethod,
    L: Shaped[np.ndarray, "n d d"],
    b: Shaped[np.ndarray, "n d"],
    step_size: Fraction | None,
    arithmetic: Arithmetic,
) -> tuple[Listed, Listed]:
    """B and c for every outcome; the step size is for the merge "literal" of masked models.

    Raises:
        NotCoveredError: for a sketch whose outcomes cannot be listed exactly, or too many of them.
    """
    held, reporting, weights, total = _outcomes(method.sketch, method.num_reports(len(L)))
    alpha, beta, m = as_fraction(method.forward_scale), as_fraction(method.gradient_scale), reporting[0].sum().item()
    everything = np.broadcast_to(reporting[:, :, None], held.shape)
    rows = held if method.masks_gradient else everything
    columns = held if method.masks_model else everything

    # A coordinate's reports are divided by their number, which is m or, for owners, that of its holders.
    holders = held.sum(axis=1)
    common = math.lcm(*range(1, m + 1))
    share = common // (np.maximum(holders, 1) if method.merge == "owners" else np.full_like(holders, m)).astype(object)
    # The merge "literal" averages the workers' starts, alpha P_i x, where the others keep x.
    identity, start = (Fraction(0), Fraction(0)) if step_size is None else (1 / step_size, alpha / (m * step_size))

    parts = [*(alpha * beta * L / common).flat, identity, start]
    integers, denominator = over_common_denominator(parts)
    *hessians, identity, start = elementwise(arithmetic.integer, integers)
    B = sum(
        np.where(rows[:, i, :, None] & columns[:, i, None, :], L_i, 0)
        for i, L_i in enumerate(np.array(hessians, dtype=object).reshape(L.shape))
    )
    B = B * share[:, :, None]
    coordinates = np.arange(L.shape[1])
    B[:, coordinates, coordinates] += identity - start * holders.astype(object)

    vectors, denominator_of_c = over_common_denominator(beta * b / common)
    c = sum(np.where(rows[:, i], b_i, 0) for i, b_i in enumerate(vectors)) * share
    return Listed(B, denominator, weights, total), Listed(c, denominator_of_c, weights, total)


def _outcomes(
    sketch: Sketch, reports: int
) -> tuple[Bool[np.ndarray, "outcome n d"], Bool[np.ndarray, "outcome n"], Shaped[np.ndarray, " outcome"], int]:
    """What the reporting workers hold, who they are, and the probabilities as integers over their total."""
    try:
        listed = list(itertools.islice(sketch.outcomes(), MAX_OUTCOMES + 1))
    except (NotImplementedError, ValueError) as error:
        raise NotCoveredError(str(error)) from None
    ways = math.comb(sketch.n, reports)
    if len(listed) * ways > MAX_OUTCOMES:
        more = "more than" if len(listed) > MAX_OUTCOMES else "as many as"
        raise NotCoveredError(
            f"there are {more} {min(len(listed), MAX_OUTCOMES)} masks, {ways} ways to report each; at most "
            f"{MAX_OUTCOMES} outcomes are listed in rational numbers: use a smaller n or d"
        )
    read = {p: as_fraction(p) for p in {float(p) for _, p in listed}}
    weights, total = over_common_denominator([read[float(p)] for _, p in listed])
    if weights.sum() != total:
        raise NotCoveredError(
            f"the probabilities of {sketch!r}, each read as the simplest fraction that rounds to it, add up to "
            f"1 {'-' if weights.sum() < total else '+'} {abs(weights.sum() / total - 1):.3g}, not to 1"
        )
    groups = np.array(
        [np.isin(np.arange(sketch.n), group) for group in itertools.combinations(range(sketch.n), reports)]
    )
    masks = np.array([mask for mask, _ in listed], dtype=bool)
    held = (masks[:, None] & groups[None, :, :, None]).reshape(-1, sketch.n, sketch.d)
    reporting = np.tile(groups, (len(masks), 1))
    return held, reporting, np.repeat(weights, ways), total * ways
