"""Random streams: one for each purpose, named, so that adding a draw never shifts another.

What draws takes one key of JAX's, which may be traced, or an array of keys as `Threefry`, for which nothing is compiled
and each result has the leading axes of the keys. The bits are the same.
"""

from __future__ import annotations

import operator
import statistics
import zlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from istsim._precision import require_x64
from istsim._threefry import NAME, Threefry
from istsim._validation import is_concrete

# Quantiles of so many numbers are computed one by one.
_FEW = 2**14


def as_key(key: Any) -> jax.Array:
    """A typed JAX key from a typed key, a raw `uint32` key or an int.

    Raises:
        ValueError: if `key` is none of these.
    """
    require_x64()
    if isinstance(key, jax.Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        if key.shape:
            raise ValueError(f"key must be a single key, got an array of keys of shape {key.shape}")
        return key
    dtype = getattr(key, "dtype", None)
    if dtype == jnp.uint32 and getattr(key, "shape", None) == (2,):
        return jax.random.wrap_key_data(jnp.asarray(key))
    try:
        if isinstance(key, bool | np.bool_):
            raise TypeError
        return _seeded(operator.index(key))
    except (TypeError, OverflowError):
        raise ValueError(f"key must be an int, jax.random.key(seed) or jax.random.PRNGKey(seed), got {key!r}") from None


def _seeded(seed: int) -> jax.Array:
    """`jax.random.key(seed)`, where possible without the program that XLA compiles for it."""
    config: Any = jax.config
    if config.jax_default_prng_impl != NAME or config.jax_random_seed_offset:
        return jax.random.key(seed)
    bits = int(np.int64(seed)) % 2**64
    words: Any = np.array([bits >> 32, bits % 2**32], np.uint32)
    return jax.random.wrap_key_data(words, impl=NAME)


def stream(key: Any, name: str) -> Any:
    """The key of the named stream ("problem", "sketch", "data", "noise") under `key`."""
    return fold_in(key, zlib.crc32(name.encode()))


def round_key(sketch_key: Any, repetition: Any, round_index: Any) -> Any:
    """The key of one round of one repetition: a function of nothing else.

    Masks are therefore the same, bit for bit, whatever the number of repetitions, the chunking,
    the devices or the precision.
    """
    return fold_in(fold_in(sketch_key, repetition), round_index)


def fold_in(key: Any, number: Any) -> Any:
    """The key of that number under `key`."""
    return key.fold_in(number) if isinstance(key, Threefry) else jax.random.fold_in(key, number)


def split(key: Any, num: int = 2) -> tuple[Any, ...]:
    """So many keys."""
    return key.split(num) if isinstance(key, Threefry) else tuple(jax.random.split(key, num))


def uniform(key: Any, shape: tuple[int, ...]) -> Any:
    """Uniform float64 numbers in [0, 1), whatever a problem's precision: masks do not depend on it."""
    if not isinstance(key, Threefry):
        require_x64()
        return jax.random.uniform(key, shape, jnp.float64)
    # As JAX makes them: random bits are the mantissa of a number in [1, 2).
    return ((key.bits(shape) >> np.uint64(12)) | np.float64(1).view(np.uint64)).view(np.float64) - 1


def uniform_of_each(key: Any, numbers: np.ndarray, shape: tuple[int, ...]) -> Any:
    """Those of the keys of several numbers under `key`, shape (*shape of the numbers, *shape)."""
    keys = fold_in(key, numbers) if isinstance(key, Threefry) else jax.vmap(fold_in, (None, 0))(key, numbers)
    return uniform(keys, shape) if isinstance(key, Threefry) else jax.vmap(lambda one: uniform(one, shape))(keys)


def normal(key: Any, shape: tuple[int, ...]) -> Any:
    """Standard normal float64 numbers."""
    if not isinstance(key, Threefry):
        require_x64()
        return jax.random.normal(key, shape, jnp.float64)
    # As JAX makes them, to rounding: the quantiles of uniform numbers between -1 and 1.
    lowest = np.nextafter(-1.0, 0.0)
    number = np.maximum(uniform(key, shape) * (1.0 - lowest) + lowest, lowest)
    return -np.sign(number) * _normal_quantiles((1.0 - np.abs(number)) / 2)


def _normal_quantiles(probabilities: np.ndarray) -> np.ndarray:
    if probabilities.size > _FEW:
        from scipy.special import ndtri

        return ndtri(probabilities)
    # Python's own function takes less time for these than SciPy takes to load.
    quantile = statistics.NormalDist().inv_cdf
    return np.array([quantile(p) for p in probabilities.ravel().tolist()]).reshape(probabilities.shape)


def orthogonal(key: Any, d: int, shape: tuple[int, ...] = ()) -> Any:
    """Uniform random orthogonal matrices, (*shape, d, d), in float64."""
    if not isinstance(key, Threefry):
        require_x64()
        return jax.random.orthogonal(key, d, shape=shape, dtype=jnp.float64)
    Q, R = np.linalg.qr(normal(key, (*shape, d, d)))
    return Q * np.sign(np.einsum("...ii->...i", R))[..., None, :]


def known_key(key: Any) -> Any:
    """A key as `Threefry`, for which nothing is compiled; JAX's own where it is traced or of another implementation."""
    found = as_key(key)
    return (Threefry.of(found) or found) if is_concrete(found) else found


def leading_axes(key: Any) -> tuple[int, ...]:
    """The shape of an array of keys; JAX's come one by one."""
    return key.shape if isinstance(key, Threefry) else ()


def random_order(key: Any, shape: tuple[int, ...]) -> Any:
    """Uniform random permutations of 0..d-1 along the last axis of `shape`, int32.

    By sorting random words, on a CPU four times faster than `jax.random.permutation`, which sorts pairs. Two words
    tie, and are then ordered by index, with probability at most d^2 2^-(65 - ceil(log2 d)).
    """
    if isinstance(key, Threefry):
        return _sorted_indices(key.bits(shape))
    require_x64()
    return _sorted_indices(jax.random.bits(key, shape, jnp.uint64))


def inverse(order: Any) -> Any:
    """Where each of 0..d-1 is in permutations of them along the last axis."""
    return _sorted_indices(order.astype(np.uint64))


def taken_along(values: Any, indices: Any) -> Any:
    """The values at indices along the last axis."""
    return (np if isinstance(values, np.ndarray) else jnp).take_along_axis(values, indices, axis=-1)


def _sorted_indices(values: Any) -> Any:
    """The indices along the last axis that sort the low bits of values; equal ones stay in order.

    The index is put in the low bits of each, which makes room for it by losing as many high ones.
    """
    length = values.shape[-1]
    index_bits = max(length - 1, 1).bit_length()
    index, low = np.arange(length, dtype=np.uint64), np.uint64(2**index_bits - 1)
    words = (values << np.uint64(index_bits)) | index
    if not isinstance(words, np.ndarray):
        return (jnp.sort(words, axis=-1) & low).astype(np.int32)
    words.sort(axis=-1)
    words &= low
    return words.astype(np.int32)
