"""What a user's own sketch gives, held against what runs rely on: they read and write where it says, unasked."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from istsim.sketches._sketch import Sketch


def check_form(sketch: Sketch, held: Any, leading: tuple[int, ...]) -> None:
    """Refuse sets that are not of the stated shape and kind; known even where JAX traces them.

    Args:
        sketch: that drew them.
        held: masks, or lists where the sketch's size is stated.
        leading: the axes before those of one round.

    Raises:
        ValueError: with what was expected and what came.
    """
    lists = sketch.size is not None
    shape = (sketch.n, sketch.size if lists else sketch.d)
    dtype = getattr(held, "dtype", None)
    fits = dtype is not None and (jnp.issubdtype(dtype, jnp.integer) if lists else np.dtype(dtype) == np.bool_)
    if fits and held.shape == (*leading, *shape):
        return
    came = f"a {type(held).__name__}" if dtype is None else f"{dtype} of shape {held.shape[len(leading) :]}"
    raise ValueError(
        f"{_draw_of(sketch)} must give "
        f"{'integers of shape (n, size)' if lists else 'booleans of shape (n, d)'} = {shape}, but gave {came}; "
        f"{_HINT}"
    )


def check_range(sketch: Sketch, held: Int[np.ndarray, "*_ n k"]) -> None:
    """Refuse lists with coordinates that there are not.

    Raises:
        ValueError: with the first of them.
    """
    if held.size and not 0 <= held.min() <= held.max() < sketch.d:
        outside = held[(held < 0) | (held >= sketch.d)][0]
        raise ValueError(
            f"{_draw_of(sketch)} must give coordinates from 0 to d - 1 = {sketch.d - 1}, but gave {outside}; {_HINT}"
        )


def check_distinct(sketch: Sketch, in_order: Int[np.ndarray, "*_ n k"]) -> None:
    """Refuse lists, already sorted, that name a coordinate twice.

    Raises:
        ValueError: with the sketch.
    """
    if (in_order[..., 1:] <= in_order[..., :-1]).any():
        raise ValueError(
            f"{_draw_of(sketch)} must give distinct coordinates to each worker, but repeated one in a list; {_HINT}"
        )


def check_lists(sketch: Sketch, held: Any) -> None:
    """Refuse lists of coordinates that there are not, or that are not distinct; any masks will do.

    Raises:
        ValueError: with what was expected and what came.
    """
    held = np.asarray(held)
    if held.dtype != bool:
        check_range(sketch, held)
        check_distinct(sketch, np.sort(held, axis=-1))


_HINT = "correct it, and try the sketch out by istsim.verify.check_sketch(sketch)"


def _draw_of(sketch: Sketch) -> str:
    return f"{type(sketch).__name__}.{'sample' if sketch.size is None else 'sample_indices'}"
