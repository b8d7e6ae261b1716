"""Random streams: one for each purpose, named, so that adding a draw never shifts another."""

from __future__ import annotations

import operator
import zlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def as_key(key: Any) -> jax.Array:
    """A typed JAX key from a typed key, a raw `uint32` key or an int.

    Raises:
        ValueError: if `key` is none of these.
    """
    if isinstance(key, jax.Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        if key.shape:
            raise ValueError(f"key must be a single key, got an array of keys of shape {key.shape}")
        return key
    dtype = getattr(key, "dtype", None)
    if dtype == jnp.uint32 and getattr(key, "shape", None) == (2,):
        return jax.random.wrap_key_data(jnp.asarray(key))
    try:
        return jax.random.key(operator.index(key))
    except (TypeError, OverflowError):
        raise ValueError(f"key must be an int, jax.random.key(seed) or jax.random.PRNGKey(seed), got {key!r}") from None


def stream(key: jax.Array, name: str) -> jax.Array:
    """The key of the named stream ("problem", "sketch", "data", "noise") under `key`."""
    return jax.random.fold_in(key, zlib.crc32(name.encode()))


def round_key(sketch_key: jax.Array, repetition: Any, round_index: Any) -> jax.Array:
    """The key of one round of one repetition: a function of nothing else.

    Masks are therefore the same, bit for bit, whatever the number of repetitions, the chunking,
    the devices or the precision.
    """
    return jax.random.fold_in(jax.random.fold_in(sketch_key, repetition), round_index)


def random_order(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Uniform random permutations of 0..d-1 along the last axis of `shape`, int32.

    By sorting random words, on a CPU four times faster than `jax.random.permutation`, which sorts pairs. Two words
    tie, and are then ordered by index, with probability at most d^2 2^-(65 - ceil(log2 d)).
    """
    return order_of(jnp.sort(random_words(key, shape), axis=-1))


def random_words(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """64-bit words: the index along the last axis in the low bits, and random bits above it."""
    index = jnp.arange(shape[-1], dtype=jnp.uint64)
    return (jax.random.bits(key, shape, jnp.uint64) << _index_bits(shape[-1])) | index


def order_of(sorted_words: Any) -> Any:
    """The order that sorting random words, by JAX or NumPy, has brought their indices into."""
    index = 2 ** _index_bits(sorted_words.shape[-1]) - 1
    return (sorted_words & np.uint64(index)).astype(np.int32)


def _index_bits(length: int) -> int:
    return max(length - 1, 1).bit_length()
