"""A sketch that is not exchangeable."""

import dataclasses

import jax
import jax.numpy as jnp

import istsim


@dataclasses.dataclass(frozen=True)
class Window(istsim.Sketch):
    """k neighbouring coordinates, from a start drawn by each worker."""

    k: int

    exchangeable = False

    @property
    def size(self):
        return self.k

    def sample_indices(self, key):
        return (jax.random.randint(key, (self.n, 1), 0, self.d) + jnp.arange(self.k)) % self.d

    def inclusion_probability(self, size):
        if size > 1:
            raise NotImplementedError("it depends on which coordinates they are")
        return self.k / self.d

    def joint_probability(self, left, right, shared):
        raise NotImplementedError("it depends on which coordinates they are")
