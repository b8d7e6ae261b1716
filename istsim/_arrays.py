"""NumPy or JAX: every formula is written once, against the namespace that its arrays belong to.

Known numbers are computed by NumPy and BLAS at once. JAX would compile a program for every new shape first, which takes
seconds where the answer takes milliseconds. Where JAX traces an argument (`jit`, `grad`, `vmap`), the same lines run in
`jax.numpy`. Very long recursions are compiled all the same: see `theory._dynamics`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from istsim._precision import require_x64
from istsim._types import Array
from istsim._validation import is_concrete

State = TypeVar("State")
Tree = TypeVar("Tree")


def array_namespace(*values: Any) -> Any:
    """`jax.numpy` if one of the values is a JAX array or holds one, else `numpy`.

    Raises:
        RuntimeError: where JAX's x64 mode is switched off, and it is needed.

    Example:
        >>> import numpy
        >>> from istsim._arrays import array_namespace
        >>> array_namespace(1.0, numpy.ones(3)) is numpy
        True
    """
    for value in values:
        if isinstance(value, jax.Array):
            require_x64()
            return jnp
        if not isinstance(value, np.ndarray | float | int | None) and any(
            isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(value)
        ):
            require_x64()
            return jnp
    return np


def as_known(tree: Tree) -> Tree:
    """A tree with NumPy arrays in place of JAX's, or unchanged where JAX traces one of them."""
    leaves, structure = jax.tree.flatten(tree)
    if not is_concrete(leaves) or not any(isinstance(leaf, jax.Array) for leaf in leaves):
        return tree
    return structure.unflatten([np.asarray(leaf) if isinstance(leaf, jax.Array) else leaf for leaf in leaves])


def scan(
    xp: Any, step: Callable[[State, Any], tuple[State, tuple[Array, ...]]], start: State, xs: Array
) -> tuple[State, tuple[Array, ...]]:
    """Repeat `state, outputs = step(state, x)` over the entries of xs; the last state, and the outputs stacked.

    Args:
        xp: the namespace: in NumPy this is a loop, in JAX `jax.lax.scan`.
        step: gives the next state and a tuple of arrays to keep.
        start: the first state.
        xs: shape (rounds, ...), at least one round.
    """
    if xp is jnp:
        return jax.lax.scan(step, start, xs)
    state, kept = start, []
    for x in xs:
        state, outputs = step(state, x)
        kept.append(outputs)
    return state, tuple(np.stack(values) for values in zip(*kept, strict=True))
