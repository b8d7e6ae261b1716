from __future__ import annotations

import abc
import dataclasses
import functools
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import scipy
from jaxtyping import Float

from istsim._arrays import as_known
from istsim._precision import require_x64
from istsim._types import Array
from istsim._validation import is_concrete
from istsim.problems._hessians import Hessians, cast
from istsim.problems._krylov import MOST_STEPS, conjugate_gradients, lanczos

# So many coordinates are multiplied with at once, over several workers, that the loop over workers is not felt.
_COORDINATES_AT_ONCE = 4096
# Entries of a diagonal at once: each may take a product with a whole vector.
_ENTRIES_AT_ONCE = 64

Method = TypeVar("Method", bound=Callable[..., Any])


def compiled(method: Method) -> Method:
    """`jax.jit`, as the user's function is JAX's, with known results as NumPy arrays."""
    jitted = jax.jit(method)

    @functools.wraps(method)
    def run(*arguments: Any) -> Any:
        require_x64()
        return as_known(jitted(*arguments))

    return run  # type: ignore[return-value]


@dataclasses.dataclass(frozen=True, eq=False)
class MatrixFree(Hessians):
    """L_i that are never formed: a function multiplies with them.

    Whole vectors are multiplied by one worker after the other, so that what a product makes on the way is held once.

    Attributes:
        matvec: that function, see `Quadratic.from_matvec`, for matrices M_i where `L_i = diag(scale) M_i diag(scale)`.
        data: what it is given, arrays with a leading axis of workers.
        scale: ones, unless the problem was preconditioned.
    """

    data_fields = ("data", "scale")
    _lanczos_steps: ClassVar[int]
    matvec: Callable[..., Any]
    data: Any
    scale: Float[Array, " d"]

    @abc.abstractmethod
    def _multiply(self, worker: Any) -> Callable[..., Array]:
        """The function of `on` and `values` that multiplies with one L_i."""

    def _product(self, data: Any, on: Any, values: Any) -> Array:
        """The product by the data of one worker, in the precision of the values whatever that of the data."""
        scale = self.scale[on].astype(values.dtype)
        result = jnp.asarray(self.matvec(cast(data, values.dtype), on, scale * values))
        if result.shape != on.shape or jnp.issubdtype(result.dtype, jnp.complexfloating):
            raise ValueError(
                f"matvec(data_i, on, values) must return real numbers of the shape of on, {on.shape}, "
                f"got shape {result.shape} and dtype {result.dtype}"
            )
        return scale * result.astype(values.dtype)

    def _whole(self, worker: Any) -> Callable[[Array], Array]:
        """Multiplication with one L_i, of vectors along the last axis."""
        multiply = functools.partial(self._multiply(worker), jnp.arange(self.dim, dtype=jnp.int32))
        return jnp.vectorize(multiply, signature="(d)->(d)")

    def _map(self, of_worker: Callable[..., Any], *arrays: Array, at_once: int | None = None) -> Any:
        """`of_worker(i, *arrays_i)` for one worker after the other, or for so many at once."""
        workers = jnp.arange(self.num_workers)
        return jax.lax.map(lambda of_one: of_worker(*of_one), (workers, *arrays), batch_size=at_once)

    @property
    def dim(self):
        return self.scale.shape[0]

    @compiled
    def dense(self):
        identity = jnp.eye(self.dim, dtype=self.scale.dtype)
        return self._map(lambda worker: self._whole(worker)(identity))  # columns are rows, by symmetry

    @compiled
    def diagonal(self):
        one = jnp.ones(1, self.scale.dtype)

        def of_worker(worker):
            multiply = self._multiply(worker)
            coordinates = jnp.arange(self.dim, dtype=jnp.int32)[:, None]
            return jax.lax.map(lambda on: multiply(on, one)[0], coordinates, batch_size=_ENTRIES_AT_ONCE)

        return self._map(of_worker)

    def scaled(self, scale):
        return dataclasses.replace(self, scale=scale * self.scale)

    def solve(self, vectors):
        solutions, converged = self._solved(vectors)
        if is_concrete(converged) and not converged.all():
            raise ValueError(self._unsolved)
        return solutions

    @compiled
    def _solved(self, vectors):
        solved = self._map(lambda worker, vector: conjugate_gradients(self._whole(worker), vector), vectors)
        return solved.solution, solved.converged

    @property
    def _unsolved(self) -> str:
        return (
            f"conjugate gradients have not converged in {MOST_STEPS} steps: the average Lbar of the L_i must "
            "be positive definite, and better conditioned than it is; a ridge helps, such as 1e-3 * values added to "
            "what matvec returns"
        )

    @compiled
    def apply(self, points):
        by_worker = self._map(lambda worker, points: self._whole(worker)(points), jnp.moveaxis(points, -2, 0))
        return jnp.moveaxis(by_worker, 0, -2)

    @compiled
    def apply_rows(self, indices, point):
        return self._map(lambda worker, on: self._whole(worker)(point)[on], indices)

    @compiled
    def apply_columns(self, indices, values):
        def of_worker(worker, on, values):
            return self._whole(worker)(jnp.zeros(self.dim, values.dtype).at[on].set(values))

        return self._map(of_worker, indices, values)

    def _random_vectors(self, count: int) -> Float[np.ndarray, "count d"]:
        """To try products on: the same ones every time, and unlike any that data may have been made of."""
        return np.random.default_rng([*b"matvec"]).standard_normal((count, self.dim))

    @compiled
    def apply_block(self, indices, values):
        def of_worker(worker, on, values):
            return self._multiply(worker)(on, values)

        return self._map(of_worker, indices, values, at_once=_COORDINATES_AT_ONCE // indices.shape[1] or None)

    def rounding(self):
        # Rounding the entries moves an eigenvalue by eps/2 times the Frobenius norm at most; arithmetic is in float64.
        wide, eps = np.finfo(np.float64).eps, np.finfo(self.scale.dtype).eps
        # The mean of |L_i v|^2 over standard normal v is the squared norm of L_i.
        vectors = self._random_vectors(10)
        return np.asarray(self._norms(vectors)) / np.sqrt(10) * (eps + 10 * np.sqrt(self.dim) * wide)

    @compiled
    def _norms(self, vectors):
        return self._map(lambda worker: jnp.linalg.norm(self._whole(worker)(vectors)))

    def smallest_eigenvalue(self, worker):
        """From above: the smallest one that Lanczos' method finds."""
        entries, couplings = (np.asarray(part) for part in self._lanczos(worker, self._random_vectors(1)[0]))
        # Where no more than rounding is left, the start leads nowhere else.
        exhausted = couplings <= 1e-13 * (np.abs(entries) + couplings).max()
        reached = 1 + np.argmax(np.append(exhausted[:-1], True))
        values = scipy.linalg.eigvalsh_tridiagonal(
            entries[:reached], couplings[: reached - 1], select="i", select_range=(0, 0)
        )
        return float(values[0])

    @compiled
    def _lanczos(self, worker, start):
        return lanczos(self._whole(worker), start, min(self._lanczos_steps, 10 * self.dim))


class MatrixFreeHessians(MatrixFree):
    """Those of the workers."""

    worker_fields = ("data",)
    # For d up to a million they find an eigenvalue that is negative by a twentieth of the spread of all, but for a
    # probability of 1e-6.
    _lanczos_steps = 50

    @property
    def num_workers(self):
        return len(jax.tree.leaves(self.data)[0])

    def _multiply(self, worker):
        return functools.partial(self._product, jax.tree.map(lambda leaf: leaf[worker], self.data))

    def mean(self):
        return MatrixFreeMean(self.matvec, self.data, self.scale)

    def is_definite(self, worker, shift):
        return self.smallest_eigenvalue(worker) > -shift

    def check_matvec(self) -> None:
        """Refuse products that are not those of a symmetric matrix, or not the same for a part of the coordinates."""
        tolerance = np.sqrt(np.finfo(self.scale.dtype).eps)
        u, v = self._random_vectors(2)
        on = np.argsort(u)[: (self.dim + 1) // 2].astype(np.int32)  # half of the coordinates, in any order
        asymmetry, mismatch, size = (np.asarray(of_workers) for of_workers in self._deviations(u, v, on))
        for i in range(self.num_workers):
            if not np.isfinite(size[i]):
                raise ValueError(
                    "matvec must return finite numbers, so small that their products do not overflow, but does not for "
                    f"worker {i} and random values"
                )
            if asymmetry[i] > tolerance * size[i]:
                raise ValueError(
                    f"every L_i must be symmetric, but u'L v and v'L u differ by {asymmetry[i]:.3g} for worker {i} and "
                    "random vectors u and v"
                )
            if mismatch[i] > tolerance * size[i]:
                raise ValueError(
                    "matvec(data_i, on, values) must return the entries at on of L_i x, where x is zero but for values "
                    f"at on, but for worker {i} and a part of the coordinates they differ by {mismatch[i]:.3g} from "
                    "those that all coordinates give"
                )

    @compiled
    def _deviations(self, u, v, on):
        masked = jnp.zeros_like(u).at[on].set(u[on])

        def of_worker(worker):
            multiply = self._whole(worker)
            Lu, Lv = multiply(u), multiply(v)
            mismatch = jnp.linalg.norm(self._multiply(worker)(on, u[on]) - multiply(masked)[on])
            return jnp.abs(u @ Lv - v @ Lu), mismatch, jnp.linalg.norm(Lu) + jnp.linalg.norm(Lv)

        return self._map(of_worker)


class MatrixFreeMean(MatrixFree):
    """Their average, as that of a single worker: by one product a worker, added up as they come."""

    _lanczos_steps = MOST_STEPS  # asked for only where Lbar is refused

    @property
    def num_workers(self):
        return 1

    def _multiply(self, worker):
        def average(on, values):
            def add(total, data):
                return total + self._product(data, on, values), None

            total, _ = jax.lax.scan(add, jnp.zeros_like(values), self.data)
            return total / len(jax.tree.leaves(self.data)[0])

        return average

    def mean(self):
        return self

    def astype(self, dtype):
        # Products are in the precision of what is multiplied, so that the data need no copy in another one.
        return self

    def is_definite(self, worker, shift):
        # Conjugate gradients cannot reduce a random vector without meeting every direction of curvature up to zero.
        converged, positive = self._solve_shifted(self._random_vectors(1)[0], shift)
        if positive and not converged:
            raise ValueError(self._unsolved)
        return bool(positive)

    @compiled
    def _solve_shifted(self, vector, shift):
        multiply = self._whole(0)
        solved = conjugate_gradients(lambda x: multiply(x) + shift * x, vector)
        return solved.converged, solved.positive
