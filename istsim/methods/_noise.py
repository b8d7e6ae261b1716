from __future__ import annotations

import abc
import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import random
from jaxtyping import Float

from istsim._arrays import array_namespace
from istsim._pytree import Pytree
from istsim._types import Array, Numbers
from istsim._validation import finite_array, is_concrete, ndim_of, positive_int
from istsim.problems._quadratic import Quadratic


class Noise(Pytree, abc.ABC):
    """How the workers' gradients are random, apart from the sketch."""

    @abc.abstractmethod
    def check_fits(self, problem: Quadratic) -> None:
        """Refuse a problem that this noise cannot be used on."""

    @abc.abstractmethod
    def gradients(self, problem: Quadratic, points: Float[Array, "n d"], keys: Any) -> Float[Array, "n d"]:
        """A stochastic gradient of every worker's f_i at its point, from a key for each."""


@dataclasses.dataclass(frozen=True, eq=False, init=False)
class GaussianNoise(Noise):
    """Gaussian noise of mean 0 added to every worker's gradient, fresh at every local step.

    Args:
        covariance: shape (d, d), symmetric positive semidefinite; or shape (d,), the variances of independent
            coordinates.

    Raises:
        ValueError: if the covariance is not such a matrix, or a variance is negative.

    Example:
        >>> import numpy as np, istsim
        >>> istsim.GaussianNoise(0.1 * np.eye(3)).covariance.shape
        (3, 3)
    """

    data_fields = ("covariance", "root")
    covariance: Float[Array, "d d"] | Float[Array, " d"]
    root: Float[Array, "d d"] | Float[Array, " d"]

    def __init__(self, covariance: Numbers):
        if ndim_of(covariance) == 1:
            variances = finite_array("covariance", covariance, "(d, d) or (d,)", 1)
            if not variances.size:
                raise ValueError("covariance must have shape (d, d) or (d,) with d at least 1, got shape (0,)")
            if is_concrete(variances) and (variances < 0).any():
                raise ValueError(f"the variances in covariance must be at least 0, got {variances.min():.6g}")
            vars(self).update(covariance=variances, root=variances**0.5)
            return
        matrix = finite_array("covariance", covariance, "(d, d) or (d,)", 2)
        if matrix.shape[0] != matrix.shape[1] or not matrix.shape[0]:
            raise ValueError(f"covariance must have shape (d, d) or (d,), got shape {matrix.shape}")
        if is_concrete(matrix):
            if not np.allclose(matrix, matrix.T):
                raise ValueError("covariance must be symmetric; pass (C + C.T) / 2 if that is what you mean")
            smallest = np.linalg.eigvalsh(matrix)[0]
            if smallest < -1e-10 * np.abs(matrix).max():
                raise ValueError(f"covariance must be positive semidefinite, but has the eigenvalue {smallest:.6g}")
        xp = array_namespace(matrix)
        values, vectors = xp.linalg.eigh(matrix)
        vars(self).update(covariance=matrix, root=vectors * xp.sqrt(xp.maximum(values, 0)))

    @property
    def matrix(self) -> Float[Array, "d d"]:
        """The covariance as a matrix, shape (d, d)."""
        return self.covariance if self.covariance.ndim == 2 else array_namespace(self.covariance).diag(self.covariance)

    @property
    def variances(self) -> Float[Array, " d"]:
        """The variances of the coordinates, shape (d,)."""
        return self.covariance if self.covariance.ndim == 1 else self.covariance.diagonal()

    def check_fits(self, problem):
        """Refuse a problem of another dimension."""
        if self.covariance.shape[0] != problem.dim:
            raise ValueError(
                f"covariance must have shape (d, d) = {(problem.dim, problem.dim)} or (d,) = ({problem.dim},), got "
                f"{self.covariance.shape}"
            )

    def gradients(self, problem, points, keys):
        """The exact gradients plus noise, shape (n, d)."""
        # Drawn in float64 whatever the precision, so that the noise does not depend on it.
        white = jax.vmap(lambda key: random.normal(key, (problem.dim,), jnp.float64))(keys)
        root = self.root.T.astype(jnp.float64)
        noise = (white @ root if root.ndim == 2 else white * root).astype(points.dtype)
        return problem.hessians.apply(points) - problem.b + noise


@dataclasses.dataclass(frozen=True)
class RowSampling(Noise):
    """Every gradient is that of a few of the worker's samples, drawn without replacement at every local step.

    For problems made by `Quadratic.from_least_squares`, which keep their samples.

    Args:
        batch_size: samples a gradient, at most those of the worker with the fewest.

    Example:
        >>> import istsim
        >>> istsim.RowSampling(8)
        RowSampling(batch_size=8)
    """

    batch_size: int

    def __post_init__(self):
        object.__setattr__(self, "batch_size", positive_int("batch_size", self.batch_size))

    def check_fits(self, problem):
        """Refuse a problem without samples, or with fewer on some worker than are to be drawn."""
        if problem.samples is None:
            raise ValueError("RowSampling needs a problem with samples, made by Quadratic.from_least_squares")
        if is_concrete(problem.samples) and self.batch_size > (fewest := int(problem.samples.counts.min())):
            raise ValueError(
                f"batch_size must be at most {fewest}, the samples of the worker with the fewest, got {self.batch_size}"
            )

    def gradients(self, problem, points, keys):
        """`A_S'(A_S w - y_S) / |S| + ridge w` for each worker's batch S, shape (n, d)."""
        samples: Any = problem.samples  # never None: check_fits has looked
        return jax.vmap(self._gradient, in_axes=(None, 0, 0, 0, 0, 0))(
            samples.ridge, samples.features, samples.targets, samples.counts, points, keys
        )

    def _gradient(self, ridge, features, targets, count, point, key):
        most = features.shape[0]
        # Rows beyond the worker's own are padding: they sort last.
        order = jnp.argsort(jnp.where(jnp.arange(most) < count, random.uniform(key, (most,), jnp.float64), 2.0))
        batch = order[: self.batch_size]
        residual = features[batch] @ point - targets[batch]
        return features[batch].T @ residual / self.batch_size + ridge * point
