"""Who holds which units in each round."""

from __future__ import annotations

import functools
from typing import Any

import jax
import numpy as np

from istsim._random import as_key, known_key, round_key, stream
from istsim._threefry import Threefry
from istsim.networks._graph import spectral_gap
from istsim.networks._layout import Layout
from istsim.networks._methods import Method
from istsim.sketches import Sketch
from istsim.sketches._sketch import needs_jax

_DRAWS = 100  # tries to find masks that connect the workers


class Masks:
    """Who holds what: a function of the round, and of nothing that happened before.

    Args:
        method: whose sketch is drawn from, and how often.
        layout: of what.
        seed: masks are those of `istsim.simulate` with this key, where the layout has one layer.

    Raises:
        ValueError: for a layer that cannot be dealt so.
    """

    def __init__(self, method: Method, layout: Layout, seed: int):
        self._sketch, self._every = method.sketch_for(layout), method.rounds_a_draw
        key = as_key(seed)
        self._key = stream(key if needs_jax(self._sketch) else known_key(key), "sketch")

    def drawn_at(self, number: int) -> bool:
        """Whether all is dealt anew before round `number`, from 0."""
        return number == 0 if self._every is None else number % self._every == 0

    def of_round(self, number: int) -> np.ndarray:
        """Who holds what in round `number`, shape (n, number of units).

        Raises:
            ValueError: if workers cannot be connected by masks that stay.
        """
        return self._connected if self._every is None else self._draw(number // self._every)

    def _draw(self, number: int) -> np.ndarray:
        if isinstance(self._key, Threefry):
            return self._sketch.sample(round_key(self._key, 0, number))
        return np.asarray(_sampled(self._sketch, self._key, number))

    @functools.cached_property
    def _connected(self) -> np.ndarray:
        for mask in map(self._draw, range(_DRAWS)):
            if spectral_gap(mask) > 0:
                return mask
        raise ValueError(
            f"in {_DRAWS} draws of {self._sketch} workers were never all connected; raise the coverage or resample"
        )


@jax.jit
def _sampled(sketch: Sketch, key: jax.Array, number: Any) -> Any:
    return sketch.sample(round_key(key, 0, number))
