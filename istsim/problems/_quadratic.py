from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from istsim._arrays import array_namespace
from istsim._precision import require_x64
from istsim._pytree import Pytree
from istsim._types import Array, Numbers
from istsim._validation import finite_array, finite_number, floating_type, is_concrete, points, refuse_masked
from istsim.problems._dense import DenseHessians
from istsim.problems._diagonal import DiagonalHessians
from istsim.problems._factored import FactoredHessians, is_factor_cheaper
from istsim.problems._hessians import Hessians, cast
from istsim.problems._matrix_free import MatrixFreeHessians
from istsim.problems._tridiagonal import TridiagonalHessians


@dataclasses.dataclass(frozen=True, eq=False)
class Samples(Pytree):
    """The data behind a least-squares problem, padded with zeros to equally many samples a worker.

    Attributes:
        features: shape (n, m, d).
        targets: shape (n, m).
        counts: shape (n,), the samples of each worker.
        ridge: shape (d,), added to the diagonal of every L_i.
    """

    data_fields = ("features", "targets", "counts", "ridge")
    worker_fields = ("features", "targets", "counts")
    features: Float[Array, "n m d"]
    targets: Float[Array, "n m"]
    counts: Int[Array, " n"]
    ridge: Float[Array, " d"]


class Quadratic(Pytree):
    r"""The average of n quadratics, `f_i(x) = 1/2 x'L_i x - b_i'x`, one for each worker.

    Args:
        L: shape (n, d, d), symmetric positive semidefinite matrices whose average Lbar is positive
            definite.
        b: shape (n, d).

    The arithmetic is that of the arguments: float32 if both are, else float64.

    Attributes:
        hessians: the L_i in the structure they are stored in.
        b: shape (n, d), the vectors b_i.
        samples: the data of a least-squares problem, else None.
        scale: shape (d,), by which a preconditioned problem's variables are multiplied to give the original ones;
            None where they are the original ones.
        average: Lbar in its structure, as the hessians of a single worker.
        mean_vector: shape (d,), bbar.
        minimizer: shape (d,), `x* = Lbar^-1 bbar`.

    Raises:
        ValueError: for wrong shapes, non-finite entries, an L_i that is not symmetric positive
            semidefinite, a singular Lbar, or numbers so large that their squares or sums overflow. Inside `jit` or
            `grad` only shapes can be checked.

    Example:
        >>> import numpy as np, istsim
        >>> problem = istsim.Quadratic(L=[[[2.0, 1.0], [1.0, 2.0]]], b=[[3.0, 3.0]])
        >>> np.asarray(problem.minimizer).round(12).tolist()
        [1.0, 1.0]
    """

    data_fields = ("hessians", "b", "samples", "scale", "average", "mean_vector", "minimizer")
    worker_fields = ("hessians", "b", "samples")
    hessians: Hessians
    samples: Samples | None
    b: Float[Array, "n d"]
    scale: Float[Array, " d"] | None
    average: Hessians
    mean_vector: Float[Array, " d"]
    minimizer: Float[Array, " d"]

    def __init__(self, L: Numbers, b: Numbers):
        matrices = finite_array("L", L, "(n, d, d)", 3)
        vectors = finite_array("b", b, "(n, d)", 2)
        if matrices.shape[1] != matrices.shape[2] or 0 in matrices.shape:
            raise ValueError(f"L must have shape (n, d, d) with n, d >= 1, got {matrices.shape}")
        if vectors.shape != matrices.shape[:2]:
            raise ValueError(f"b must have shape (n, d) = {matrices.shape[:2]} to go with L, got {vectors.shape}")
        dtype = np.result_type(matrices.dtype, vectors.dtype)
        matrices = _checked_symmetric(matrices) if is_concrete(matrices) else matrices
        _assemble_checked(self, DenseHessians(matrices.astype(dtype)), _as_array(vectors, dtype))

    @classmethod
    def from_diagonals(cls, diagonals: Numbers, b: Numbers) -> Quadratic:
        """L_i that are diagonal, and kept so.

        Args:
            diagonals: shape (n, d), at least 0, positive on average.
            b: shape (n, d).

        Raises:
            ValueError: for wrong shapes, non-finite or negative entries, or a coordinate without any curvature.

        Example:
            >>> import istsim
            >>> istsim.Quadratic.from_diagonals([[1.0, 2.0], [3.0, 2.0]], [[2.0, 4.0], [2.0, 0.0]]).minimizer.tolist()
            [1.0, 1.0]
        """
        entries, vectors = _checked_bands(diagonals, b)
        return _assemble_checked(object.__new__(cls), DiagonalHessians(entries), vectors)

    @classmethod
    def from_tridiagonals(cls, diagonals: Numbers, off_diagonals: Numbers, b: Numbers) -> Quadratic:
        """L_i that are symmetric and tridiagonal, and kept so: memory and time are of order n d.

        Args:
            diagonals: shape (n, d).
            off_diagonals: shape (n, d - 1), the entries above the diagonals, and below them.
            b: shape (n, d).

        Raises:
            ValueError: for wrong shapes, non-finite entries, an L_i that is not positive semidefinite, or a
                singular Lbar.

        Example:
            >>> import istsim
            >>> problem = istsim.Quadratic.from_tridiagonals([[2.0, 2.0, 2.0]], [[-1.0, -1.0]], [[1.0, 0.0, 1.0]])
            >>> problem.minimizer.round(12).tolist()
            [1.0, 1.0, 1.0]
        """
        entries, vectors = _checked_bands(diagonals, b)
        n, d = entries.shape
        couplings = finite_array("off_diagonals", off_diagonals, "(n, d - 1)", 2)
        if couplings.shape != (n, d - 1):
            raise ValueError(f"off_diagonals must have shape (n, d - 1) = {(n, d - 1)}, got {couplings.shape}")
        hessians = TridiagonalHessians.of(entries, _as_array(couplings, entries.dtype))
        return _assemble_checked(object.__new__(cls), hessians, vectors)

    @classmethod
    def from_least_squares(cls, A: Any, y: Any, ridge: float = 0.0) -> Quadratic:
        r"""Least squares with one data set a worker: `L_i = A_i'A_i/m_i + ridge I`, `b_i = A_i'y_i/m_i`.

        Workers weigh equally whatever their number of samples m_i; constants are dropped from the
        value. With fewer than d/2 samples on every worker the L_i are kept as factors.

        Args:
            A: shape (n, m, d), or a sequence of n arrays of shape (m_i, d).
            y: shape (n, m), or a sequence of n arrays of shape (m_i,).
            ridge: at least 0.

        Raises:
            ValueError: for shapes that do not match, non-finite data, a negative ridge, data so large that
                their products overflow, or data that leave Lbar singular (then a positive ridge helps).

        Example:
            >>> import numpy as np, istsim
            >>> A, x = np.eye(3)[None].repeat(2, axis=0), np.array([1.0, 2.0, 3.0])
            >>> problem = istsim.Quadratic.from_least_squares(A, A @ x)
            >>> np.asarray(problem.minimizer).round(12).tolist()
            [1.0, 2.0, 3.0]
        """
        ridge = finite_number("ridge", ridge)
        if ridge < 0:
            raise ValueError(f"ridge must be at least 0, got {ridge}")
        features, targets = _checked_samples(A, y)
        most_samples, d = max(len(samples) for samples in features), features[0].shape[1]
        dtype = np.result_type(*features, *targets)
        samples = _padded(features, targets, ridge, dtype)
        with np.errstate(over="ignore", invalid="ignore"):  # it is refused below
            b = np.stack([a.T @ t / len(a) for a, t in zip(features, targets, strict=True)])
            grams = [] if is_factor_cheaper(d, most_samples) else [a.T @ a / len(a) for a in features]
        if is_factor_cheaper(d, most_samples):
            scale = 1 / np.sqrt(samples.counts.astype(dtype))
            factors = samples.features.transpose(0, 2, 1) * scale[:, None, None]
            hessians = FactoredHessians(factors, samples.ridge)
        else:
            hessians = DenseHessians((np.stack(grams) + ridge * np.eye(d, dtype=dtype)).astype(dtype))
        return _assemble_checked(object.__new__(cls), hessians, b.astype(dtype), samples)

    @classmethod
    def from_matvec(cls, matvec: Callable[..., Any], data: Any, b: Numbers) -> Quadratic:
        """L_i that are never formed: a function of yours multiplies with them.

        Args:
            matvec: `matvec(data_i, on, values)` gets the data of one worker, a list `on` of distinct coordinates in any
                order, shape (k,), and as many values. It returns the entries at `on` of `L_i x`, shape (k,), where x is
                zero but for `values` at `on`. Pure JAX. Compiled programs belong to the function, so define it once.
            data: arrays with a leading axis of n workers, alone or in nested tuples, lists and dicts; floating-point
                numbers are converted to the problem's precision, which is float32 if they and b are, else float64.
            b: shape (n, d).

        The minimizer is found by conjugate gradients. That matvec is symmetric, and the same for a part of the
        coordinates as for all, is tried on random values. An L_i that is not positive semidefinite is found by Lanczos'
        method, where its smallest eigenvalue is negative by at least a twentieth of the spread of all, and mostly long
        before. All this takes some 65 products with every L_i, and those with Lbar to solve two systems.

        Raises:
            ValueError: for wrong shapes, non-finite numbers, products that are not those of a symmetric positive
                semidefinite matrix, a singular Lbar, or one for which conjugate gradients do not converge.

        Example:
            >>> import numpy as np, istsim
            >>> def matvec(u, on, values):  # I + u u'
            ...     return values + u[on] * (u[on] @ values)
            >>> problem = istsim.Quadratic.from_matvec(matvec, np.array([[1.0, 1.0]]), [[3.0, 3.0]])
            >>> problem, problem.minimizer.round(12).tolist()
            (Quadratic(num_workers=1, dim=2, matrix-free, float64), [1.0, 1.0])
        """
        if not (callable(matvec) and isinstance(matvec, Hashable)):
            raise ValueError(f"matvec must be a function of (data_i, on, values) that can be hashed, got {matvec!r}")
        require_x64()
        vectors = finite_array("b", b, "(n, d)", 2)
        if 0 in vectors.shape:
            raise ValueError(f"b must have shape (n, d) with n, d >= 1, got {vectors.shape}")
        data, dtype = _checked_data(data, vectors)
        hessians = MatrixFreeHessians(matvec, cast(data, dtype), np.ones(vectors.shape[1], dtype))
        if is_concrete(hessians, vectors):
            hessians.check_matvec()
        return _assemble_checked(object.__new__(cls), hessians, _as_array(vectors, dtype))

    @property
    def num_workers(self) -> int:
        """n, the number of workers."""
        return self.hessians.num_workers

    @property
    def dim(self) -> int:
        """d, the number of coordinates."""
        return self.hessians.dim

    @property
    def dtype(self) -> Any:
        """The floating-point type everything is computed in."""
        return self.b.dtype

    @property
    def L(self) -> Float[Array, "n d d"]:
        """The matrices L_i as one dense array, shape (n, d, d), whatever their structure."""
        return self.hessians.dense()

    @property
    def mean_hessian(self) -> Float[Array, "d d"]:
        """Lbar as a dense array, shape (d, d), whatever its structure."""
        return self.average.dense()[0]

    @property
    def minimum(self) -> Float[Array, ""]:
        """`f(x*)`, a scalar."""
        return self.value(self.minimizer)

    def value(self, x: Numbers) -> Float[Array, "..."]:
        """`f(x) = 1/2 x'Lbar x - bbar'x` at points x of shape (..., d), shape (...)."""
        point = self._point("x", x)
        with np.errstate(over="ignore", invalid="ignore"):  # a diverged run has a value too
            return 0.5 * (point * self.mean_hessian_times(point)).sum(axis=-1) - point @ self.mean_vector

    def gradient(self, x: Numbers) -> Float[Array, "*_ d"]:
        """`grad f(x) = Lbar x - bbar` at points x of shape (..., d), shape (..., d)."""
        point = self._point("x", x)
        with np.errstate(over="ignore", invalid="ignore"):
            return self.mean_hessian_times(point) - self.mean_vector

    def objective_gap(self, x: Numbers) -> Float[Array, "..."]:
        """`f(x) - f(x*)` as `1/2 (x - x*)'Lbar(x - x*)`, accurate near the optimum, at points x of shape (..., d)."""
        error = self._point("x", x) - self.minimizer
        with np.errstate(over="ignore", invalid="ignore"):
            return 0.5 * (error * self.mean_hessian_times(error)).sum(axis=-1)

    def _point(self, name: str, x: Numbers) -> Float[Array, "..."]:
        """x in the problem's precision: a NumPy array, unless it or the problem is JAX's."""
        x = points(name, x, self.dim)
        with np.errstate(over="ignore"):
            return array_namespace(x, self.b).asarray(x, self.dtype)

    def mean_hessian_times(self, vectors: Float[Array, "... d"]) -> Float[Array, "... d"]:
        """Lbar times vectors along the last axis, by whatever structure Lbar has."""
        return self.average.apply(vectors[..., None, :])[..., 0, :]

    def preconditioned(self) -> Quadratic:
        """The same problem in the variables `z = Dbar^1/2 x`, Dbar the diagonal of Lbar.

        The L_i become `Dbar^-1/2 L_i Dbar^-1/2`, and Lbar gets a diagonal of ones; where all L_i are equal
        this is the preconditioning (22) of Shulgin and Richtarik (arXiv 2306.16484, version 1). The value of f is the
        same; `original` leads back from z to x. The structure of the L_i is kept.

        Example:
            >>> import numpy as np, istsim
            >>> problem = istsim.Quadratic(L=np.array([[[4.0, 1.0], [1.0, 9.0]]]), b=np.ones((1, 2)))
            >>> better = problem.preconditioned()
            >>> better.L[0].diagonal().round(12).tolist()
            [1.0, 1.0]
            >>> bool(np.allclose(better.original(better.minimizer), problem.minimizer))
            True
        """
        step = self.average.diagonal()[0] ** -0.5
        samples = self.samples
        if samples is not None:
            samples = dataclasses.replace(samples, features=step * samples.features, ridge=step**2 * samples.ridge)
        scale = step if self.scale is None else step * self.scale
        return _assemble(object.__new__(type(self)), self.hessians.scaled(step), step * self.b, samples, scale)

    def original(self, z: Numbers) -> Float[Array, "... d"]:
        """Points of a preconditioned problem, shape (..., d), in the original variables; else the points themselves."""
        z = self._point("z", z)
        return z if self.scale is None else self.scale * z

    def astype(self, dtype: Any) -> Quadratic:
        """The same problem with all arrays converted to `dtype`, float32 or float64."""
        dtype = floating_type("dtype", dtype)
        if self.dtype == dtype:
            return self
        with np.errstate(over="ignore"):  # it is refused
            b, samples, scale = cast((self.b, self.samples, self.scale), dtype)
            hessians = self.hessians.astype(dtype)
        return _assemble(object.__new__(type(self)), hessians, b, samples, scale)

    def __repr__(self) -> str:
        words = re.findall("[A-Z][a-z]+", type(self.hessians).__name__.removesuffix("Hessians"))
        kind = "-".join(words).lower()
        return f"Quadratic(num_workers={self.num_workers}, dim={self.dim}, {kind}, {self.dtype})"


def _padded(features: list[np.ndarray], targets: list[np.ndarray], ridge: float, dtype: Any) -> Samples:
    counts, d = [len(a) for a in features], features[0].shape[1]
    padded_features = np.zeros((len(features), max(counts), d), dtype)
    padded_targets = np.zeros((len(features), max(counts)), dtype)
    for i, (a, t) in enumerate(zip(features, targets, strict=True)):
        padded_features[i, : len(a)], padded_targets[i, : len(a)] = a, t
    return Samples(padded_features, padded_targets, np.array(counts), np.full(d, ridge, dtype))


def _assemble(
    problem: Quadratic,
    hessians: Hessians,
    b: Float[Array, "n d"],
    samples: Samples | None = None,
    scale: Float[Array, " d"] | None = None,
) -> Quadratic:
    """Fill in what is derived from the L_i and b_i, once, in float64, then rounded to the problem's dtype.

    Known arrays become read-only: changing one would leave what is derived from it behind.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # it is refused
        average, mean_vector = hessians.mean(), b.mean(axis=0)
        _check_range("b", b, mean_vector)
        _check_range("L", *jax.tree.leaves(average))
        minimizer = average.astype(np.float64).solve(mean_vector.astype(np.float64)[None])[0].astype(b.dtype)
        _check_range("the minimizer", minimizer)
        _check_range("the value f(x*)", mean_vector @ minimizer)
    vars(problem).update(
        hessians=hessians,
        b=b,
        samples=samples,
        scale=scale,
        average=average,
        mean_vector=mean_vector,
        minimizer=minimizer,
    )
    for leaf in jax.tree.leaves(problem):
        if isinstance(leaf, np.ndarray):
            leaf.setflags(write=False)
    return problem


def _check_range(what: str, *arrays: Array) -> None:
    """Refuse numbers computed from finite ones that are not finite, where they are known."""
    for array in arrays:
        if is_concrete(array) and jnp.issubdtype(array.dtype, jnp.floating) and not np.isfinite(array).all():
            raise _out_of_range(what, array.dtype)


def _out_of_range(what: str, dtype: Any) -> ValueError:
    wider = ", or pass all data in float64" if dtype == np.float32 else ""
    return ValueError(
        f"{what} leaves the range of {dtype}: the data are finite, but their squares, products and sums overflow, as "
        f"they go beyond {np.finfo(dtype).max:.3g}; divide L and b by one large number, which leaves the minimizer as "
        f"it is and multiplies stable step sizes by that number, scale the data of a least-squares problem{wider}"
    )


def _checked_symmetric(L: np.ndarray) -> np.ndarray:
    """L with rounding asymmetry removed."""
    tolerance = np.sqrt(np.finfo(L.dtype).eps)
    for i, matrix in enumerate(L):
        with np.errstate(over="ignore"):
            asymmetry, size = np.abs(matrix - matrix.T).max(), np.abs(matrix).max()
        if asymmetry > tolerance * size:
            raise ValueError(
                f"every L_i must be symmetric, but L[{i}] differs from its transpose by {asymmetry:.3g}; "
                "pass (L + L.transpose(0, 2, 1)) / 2 if that is what you mean"
            )
    return L / 2 + L.transpose(0, 2, 1) / 2


def _assemble_checked(
    problem: Quadratic, hessians: Hessians, b: Float[Array, "n d"], samples: Samples | None = None
) -> Quadratic:
    """Fill in a problem from a user, whose L_i are checked first, where they have values."""
    if is_concrete(hessians, b):
        _check_definite(hessians)
    return _assemble(problem, hessians, b, samples)


def _check_definite(hessians: Hessians) -> None:
    """Refuse an L_i that is not positive semidefinite, or an Lbar that is singular."""
    with np.errstate(over="ignore", invalid="ignore"):  # it is refused
        average, slacks = hessians.mean(), hessians.rounding()
        (average_slack,) = average.rounding()
    for i, slack in enumerate(slacks):
        if not np.isfinite(slack):
            raise _out_of_range(f"L[{i}]", slacks.dtype)
        # Rounding moves the zero eigenvalues of a rank-deficient matrix by about this much.
        if slack > 0 and not hessians.is_definite(i, shift=slack):
            raise ValueError(
                "every L_i must be positive semidefinite, but "
                f"L[{i}] has the eigenvalue {hessians.smallest_eigenvalue(i):.6g}"
            )
    if not np.isfinite(average_slack):
        raise _out_of_range("the average Lbar of the L_i", slacks.dtype)
    if average_slack == 0 or not average.is_definite(0, shift=-average_slack):
        raise ValueError(
            "the average Lbar of the L_i must be positive definite for f to have one minimizer, but its "
            f"smallest eigenvalue is {average.smallest_eigenvalue(0):.3g}; add a ridge, such as "
            "Quadratic.from_least_squares(A, y, ridge=1e-3) or Quadratic(L + 1e-3 * numpy.eye(d), b)"
        )


def _as_array(values: Any, dtype: Any) -> Any:
    """A copy in that precision, which later changes of the user's own array leave alone; or what JAX traces."""
    return array_namespace(values).array(values, dtype)


def _checked_bands(diagonals: Numbers, b: Numbers) -> tuple[Float[Array, "n d"], Float[Array, "n d"]]:
    entries, vectors = finite_array("diagonals", diagonals, "(n, d)", 2), finite_array("b", b, "(n, d)", 2)
    if 0 in entries.shape:
        raise ValueError(f"diagonals must have shape (n, d) with n, d >= 1, got {entries.shape}")
    if vectors.shape != entries.shape:
        raise ValueError(f"b must have shape (n, d) = {entries.shape} to go with diagonals, got {vectors.shape}")
    dtype = np.result_type(entries.dtype, vectors.dtype)
    return _as_array(entries, dtype), _as_array(vectors, dtype)


def _checked_data(data: Any, b: Any) -> tuple[Any, Any]:
    """The data of a matvec as arrays, and the precision of the problem."""
    n, dtypes = len(b), [b.dtype]
    if not jax.tree.leaves(data):
        raise ValueError(f"data must hold at least one array, with a leading axis of n = {n} workers, got {data!r}")

    def checked(path: Any, leaf: Any) -> Array:
        name, shape = f"data{jax.tree_util.keystr(path)}", jnp.shape(leaf)
        if shape[:1] != (n,):
            raise ValueError(f"{name} must have a leading axis of n = {n} workers, as b has, got shape {shape}")
        refuse_masked(name, leaf)
        array = np.array(leaf) if is_concrete(leaf) else jnp.array(leaf)
        if jnp.issubdtype(array.dtype, jnp.floating):
            dtypes.append(array.dtype)
            if is_concrete(array) and not np.isfinite(array).all():
                raise ValueError(f"{name} must be finite, but has entries that are not")
        return array

    arrays = jax.tree_util.tree_map_with_path(checked, data)
    return arrays, np.result_type(*dtypes)


def _checked_samples(A: Any, y: Any) -> tuple[list[np.ndarray], list[np.ndarray]]:
    if not isinstance(A, np.ndarray | jax.Array | Sequence) or not isinstance(y, np.ndarray | jax.Array | Sequence):
        raise ValueError(
            "A and y must be arrays of shape (n, m, d) and (n, m), or sequences of n arrays of shape "
            f"(m_i, d) and (m_i,), got {type(A).__name__} and {type(y).__name__}"
        )
    if len(A) == 0 or len(A) != len(y):
        raise ValueError(f"A and y must hold one data set for each of n >= 1 workers, got {len(A)} and {len(y)}")
    features = [finite_array(f"A[{i}]", a, "(m_i, d)", 2) for i, a in enumerate(A)]
    targets = [finite_array(f"y[{i}]", t, "(m_i,)", 1) for i, t in enumerate(y)]
    for i, (a, t) in enumerate(zip(features, targets, strict=True)):
        if 0 in a.shape or len(a) != len(t):
            raise ValueError(
                f"A[{i}] and y[{i}] must hold the same number m_i >= 1 of samples, got shapes {a.shape} and {t.shape}"
            )
        if a.shape[1] != features[0].shape[1]:
            raise ValueError(f"A[{i}] must have d = {features[0].shape[1]} columns as A[0] has, got {a.shape[1]}")
    return features, targets
