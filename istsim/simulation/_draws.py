"""Who holds what, and who reports, in some rounds of all repetitions: what the compiled loops are given."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from istsim._random import round_key
from istsim._threefry import Threefry
from istsim._validation import is_concrete
from istsim.methods import IST, Method
from istsim.methods._method import SketchedMethod
from istsim.sketches._drawn import check_lists
from istsim.sketches._sketch import is_own

Held = Int[np.ndarray, "repetition round n k"] | Bool[np.ndarray, "repetition round n d"]
Reporting = Bool[np.ndarray, "repetition round n"]
# So many rounds of a user's own sketch are looked at before a run by JAX.
_TRIED = 8


def by_numpy(
    method: IST, sketch_key: Threefry, repetitions: int, first: int, rounds: int, num_workers: int
) -> tuple[Held, Reporting]:
    """Draw masks, or lists in any order, without anything to compile."""
    keys = round_key(sketch_key, np.arange(repetitions), np.arange(first, first + rounds))
    draws = method.draw(keys, num_workers)
    return as_numpy(draws.held, draws.reporting, rounds)


def by_jax(
    method: Method, sketch_key: Array, repetitions: int, first: int, rounds: int, num_workers: int
) -> tuple[Array, Array | None]:
    """Draw the same, of at least so many rounds, as arrays that may still be being computed."""
    # A power of two at least, so that few lengths are compiled.
    count = 1 << (rounds - 1).bit_length()
    return _by_jax(method, sketch_key, jnp.arange(repetitions), first, count=count, num_workers=num_workers)


def check_first(method: Method, sketch_key: Any, rounds: int, num_workers: int) -> None:
    """Refuse a user's own sketch whose first lists are not of distinct coordinates; nothing while JAX traces.

    Raises:
        ValueError: with the sketch and what is wrong with it.
    """
    if not isinstance(method, SketchedMethod) or not is_own(method.sketch) or method.sketch.size is None:
        return
    held, _ = by_jax(method, sketch_key, 1, 0, min(rounds, _TRIED), num_workers)
    if is_concrete(held):
        check_lists(method.sketch, held)


@functools.partial(jax.jit, static_argnames=("count", "num_workers"))
def _by_jax(
    method: Method,
    sketch_key: Array,
    repetitions: Int[Array, " repetition"],
    first: Any,
    *,
    count: int,
    num_workers: int,
) -> tuple[Array, Array | None]:
    def of_round(repetition: Any, round_index: Any) -> tuple[Array, Array | None]:
        draws = method.draw(round_key(sketch_key, repetition, round_index), num_workers)
        return draws.held, draws.reporting

    return jax.vmap(jax.vmap(of_round, (None, 0)), (0, None))(repetitions, first + jnp.arange(count))


def as_numpy(held: Any, reporting: Any, rounds: int) -> tuple[Held, Reporting]:
    """What was drawn for the first rounds, in arrays that are always of the same types to the loops."""
    held = np.array(held[:, :rounds], order="C")
    if reporting is None:
        return held, np.ones(held.shape[:3], bool)
    return held, np.array(reporting[:, :rounds], order="C")
