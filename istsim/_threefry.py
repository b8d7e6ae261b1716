"""JAX's threefry2x32 keys, hashed by NumPy or by a loop that numba keeps on disk.

The bits are those of `jax.random`, and nothing is compiled for them.
"""

from __future__ import annotations

import dataclasses
import math
import sys
from typing import Any

import jax
import numpy as np

from istsim._loops import why_not

NAME = "threefry2x32"
# So many pairs are hashed by NumPy in less time than numba takes to load.
_FEW = 2**20


@dataclasses.dataclass(frozen=True, eq=False)
class Threefry:
    """Keys of any shape.

    Attributes:
        words: shape (..., 2), uint32.
        partitionable: JAX's setting `jax_threefry_partitionable`, on which its bits depend.
    """

    words: np.ndarray
    partitionable: bool

    @classmethod
    def of(cls, key: jax.Array) -> Threefry | None:
        """A typed key of JAX's; None where it is of another implementation, such as rbg."""
        if str(jax.random.key_impl(key)) != NAME:
            return None
        config: Any = jax.config
        return cls(np.asarray(jax.random.key_data(key)), bool(config.jax_threefry_partitionable))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array of keys."""
        return self.words.shape[:-1]

    def fold_in(self, numbers: Any) -> Threefry:
        """For each key and each of the numbers from 0 to 2^32 - 1 a key: `(..., *shape of the numbers)`."""
        numbers = np.asarray(numbers, np.uint32)
        hashed = self._hashed(np.zeros(numbers.size, np.uint32), numbers.ravel())
        return self._with(_halves(hashed).reshape(*self.shape, *numbers.shape, 2))

    def split(self, num: int) -> tuple[Threefry, ...]:
        """So many keys for each key."""
        words = _halves(self._hashed(*self._counts(num)))
        if not self.partitionable:  # JAX puts all first halves before all second ones, and cuts that in pairs
            words = words.swapaxes(-1, -2).reshape(words.shape)
        return tuple(self._with(words[..., index, :]) for index in range(num))

    def bits(self, shape: tuple[int, ...]) -> np.ndarray:
        """Random uint64, (..., *shape)."""
        return self._hashed(*self._counts(math.prod(shape))).reshape(*self.shape, *shape)

    def _with(self, words: np.ndarray) -> Threefry:
        return dataclasses.replace(self, words=words)

    def _counts(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        count = np.arange(number, dtype=np.uint32)
        return (np.zeros_like(count), count) if self.partitionable else (count, count + np.uint32(number))

    def _hashed(self, high: np.ndarray, low: np.ndarray) -> np.ndarray:
        """The hash of each pair by each key, (..., pairs): one uint64 of two words."""
        keys = self.words.reshape(-1, 2).copy()  # of one type to numba, whatever they are a view of
        if (len(keys) * len(low) <= _FEW and "numba" not in sys.modules) or why_not():
            return _hash_pairs(keys, high, low).reshape(*self.shape, len(low))
        from istsim._threefry_loop import hash_pairs

        found = np.empty((len(keys), len(low)), np.uint64)
        hash_pairs(keys, high, low, found)
        return found.reshape(*self.shape, len(low))


def _hash_pairs(keys: np.ndarray, high: np.ndarray, low: np.ndarray) -> np.ndarray:
    """The hash function threefry2x32 (Salmon et al., 2011) in NumPy: what `_threefry_loop.hash_pairs` does."""
    k0, k1 = keys[:, :1], keys[:, 1:]
    schedule = (k0, k1, k0 ^ k1 ^ np.uint32(0x1BD11BDA))
    x0, x1 = high + k0, low + k1
    for group in range(5):
        for rotation in ((13, 15, 26, 6), (17, 29, 16, 24))[group % 2]:
            x0 = x0 + x1
            x1 = ((x1 << np.uint32(rotation)) | (x1 >> np.uint32(32 - rotation))) ^ x0
        x0 = x0 + schedule[(group + 1) % 3]
        x1 = x1 + schedule[(group + 2) % 3] + np.uint32(group + 1)
    return (x0.astype(np.uint64) << np.uint64(32)) | x1


def _halves(hashed: np.ndarray) -> np.ndarray:
    """The two words of each uint64, (..., 2)."""
    return np.stack([hashed >> np.uint64(32), hashed & np.uint64(2**32 - 1)], axis=-1).astype(np.uint32)
