"""What follows from a law for many rounds: moments round by round, rates, limits, and where a method settles."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy
from jaxtyping import Float, Int

from istsim._arrays import array_namespace, as_known, scan
from istsim._types import Array
from istsim.simulation._blas import one_thread_a_product
from istsim.theory import _symmetric
from istsim.theory._affine import AffineLaw, Moments, summed
from istsim.theory._forms import outer

# Up to this dimension the map of the moments is written out as a matrix: many step sizes share it, and a round with one
# is a single product. At d = 32 it has 561^2 numbers, and writing it out costs as much as a few hundred rounds.
_WRITTEN_OUT = 32
# Between that and this dimension a compiled round takes less time than NumPy's, by up to a half, and compiling pays off
# from so many rounds on; beyond, products of matrices are all that counts, and take the same time by both.
_COMPILED, _MANY_ROUNDS = 250, 4000

# So many times the gradient at the start, and half of all digits of its square are lost.
_FAR = 1e4
# Times the inverse of the largest eigenvalue: shorter steps are not searched for stable ones.
_SHORTEST = 1e-11


@dataclasses.dataclass(frozen=True, eq=False)
class History:
    """Moments at rounds 0 to K.

    Attributes:
        mean: shape (K+1, d), of the iterates.
        metrics: the expected objective gap, squared gradient norm and squared distance, each of shape (K+1,).
        covariance: at the rounds asked for, shape (m, d, d).
    """

    mean: Float[Array, "iterates d"]
    metrics: tuple[Any, Any, Any]
    covariance: Float[Array, "m d d"]


@dataclasses.dataclass(frozen=True, eq=False)
class Settled:
    """The stationary law: its mean, a function that gives its covariance, and the metrics of both together."""

    mean: Float[np.ndarray, " d"]
    covariance: Callable[[], Float[np.ndarray, "d d"]]
    metrics: tuple[float, float, float]


class Dynamics:
    """The moments of a law over many rounds.

    Attributes:
        law: whose second moments are known.
    """

    def __init__(self, law: AffineLaw):
        law.check_second_moments()
        self.law = law

    def history(
        self,
        sizes: Float[Array, " rounds"],
        x0: Float[Array, " d"],
        weighting: Float[Array, "d d"] | None = None,
        covariance_at: Int[np.ndarray, " m"] | None = None,
    ) -> History:
        """The moments round by round.

        Args:
            sizes: the step size of every round.
            x0: where the run starts.
            weighting: of the gradient's norm; None for the identity.
            covariance_at: the rounds at which the covariance is kept.
        """
        if (near := self._about(x0)) is not self:
            return near.history(sizes, x0, weighting, covariance_at)
        chosen = np.zeros(0, int) if covariance_at is None else covariance_at
        d = self.law.problem.dim
        pays_off = _WRITTEN_OUT < d <= _COMPILED and len(sizes) > _MANY_ROUNDS and self.law.is_polynomial
        if pays_off or array_namespace(self.law, sizes, x0, weighting) is jnp:
            return _with_infinite_metrics(*as_known(_compiled_history(self.law, sizes, x0, weighting, chosen)))
        constant = bool((sizes == sizes[0]).all())
        if constant and not len(chosen) and self._is_small and len(sizes) >= _symmetric.count_entries(d):
            return self._history_of_products(float(sizes[0]), len(sizes), x0, weighting)
        with np.errstate(over="ignore", invalid="ignore"):  # a divergent run is a result
            return _with_infinite_metrics(*_history(self.law, sizes, x0, weighting, chosen))

    def gaps(
        self, sizes: Float[np.ndarray, " step_size"], rounds: int, x0: Float[np.ndarray, " d"]
    ) -> Float[np.ndarray, "step_size iterates"]:
        """The expected objective gaps at rounds 0 to K, for constant step sizes."""
        if (near := self._about(x0)) is not self:
            return near.gaps(sizes, rounds, x0)
        if not self._is_small:
            return np.stack([self.history(np.full(rounds, size), x0).metrics[0] for size in sizes])
        e = x0 - self.law.centre
        state = np.concatenate([_symmetric.as_vectors(outer(e, e)), e, [1.0]])
        weights = _as_weights(_metrics_about(self.law)[0])
        states, gaps = np.tile(state[:, None], len(sizes)), np.empty((rounds + 1, len(sizes)))
        # All powers of the step size in one product.
        together = np.concatenate(self._powers, axis=1)
        with one_thread_a_product(), np.errstate(over="ignore", invalid="ignore"):
            factors = np.stack([sizes**power for power in range(len(self._powers))])
            for index in range(rounds + 1):
                gaps[index] = weights @ states
                states = together @ (factors[:, None, :] * states).reshape(-1, len(sizes))
        return infinite_from_overflow(gaps).T

    def rate(self, size: float) -> float:
        """The factor of the squared error a round, asymptotically."""
        with np.errstate(over="ignore", invalid="ignore"):
            if self.law.is_deterministic:  # the map is (I - size B) M (I - size B)'
                return float(np.abs(1 - size * self.law.mean_eigenvalues(size)).max() ** 2)
            if self._is_small:
                return _symmetric.spectral_radius_of(self._map(size))
            recursion = self.law.recursion()
            return _symmetric.spectral_radius(lambda M: recursion(size, Moments(M)).second, self.law.problem.dim)

    def rates(self, sizes: Float[np.ndarray, " step_size"]) -> list[float]:
        """The rates of many step sizes."""
        if self._is_small and not self.law.is_deterministic:
            with np.errstate(over="ignore", invalid="ignore"):
                return _symmetric.spectral_radii_of(map(self._map, sizes))
        return [self.rate(size) for size in sizes]

    def asymptotic_rates(self, sizes: Float[np.ndarray, " step_size"]) -> list[float]:
        """The factor a round of the expected objective gap's distance from its floor, asymptotically, by step size.

        It is the rate of the squared error or, where the method is biased, that of the mean if it is slower: the mean's
        error then counts once, not squared.
        """
        law, minimizer = self.law, self.law.problem.minimizer
        unbiased = 1e-9 * (1 + np.abs(minimizer).max())

        def slower(size: float, squared: float) -> float:
            if np.abs(law.fixed_point(size) - minimizer).max() <= unbiased:
                return squared
            return max(squared, float(np.abs(1 - size * law.mean_eigenvalues(size)).max()))

        return [slower(size, squared) for size, squared in zip(sizes, self.rates(sizes), strict=True)]

    def max_stable_step_size(self) -> float:
        """The supremum of the step sizes with a rate below 1; 0 if there are none."""
        law = self.law
        if law.depends_on_step_size:
            return self._searched_limit()
        operator = law.mean_operator()
        eigenvalues = law.mean_eigenvalues()
        if np.real(eigenvalues).min() <= 1e-14 * np.abs(eigenvalues).max():
            return 0.0  # not even the mean converges, at any step size
        if law.is_deterministic:
            return float((2 * np.real(eigenvalues) / np.abs(eigenvalues) ** 2).min())
        # At the limit s the map M - s S(M) + s^2 T(M), with S(M) = E[B] M + M E[B]' and T(M) = E[B M B'], has the
        # eigenvalue 1. So 1/s is the spectral radius of S^-1 T.
        d = law.problem.dim
        if self._is_small:
            S, T = (_symmetric.written_out(apply, d) for apply in (lambda M: 2 * operator @ M, law.second))
            with one_thread_a_product():
                return 1 / _symmetric.spectral_radius_of(np.linalg.solve(S, T))
        solve = _lyapunov_solver(operator)
        return 1 / _symmetric.spectral_radius(lambda M: np.stack([solve(Q) for Q in law.second(M)]), d)

    def settled(self, size: float) -> Settled | None:
        """The stationary law, or None where the mean-square error diverges.

        Raises:
            ValueError: if its covariance could not be solved for.
        """
        return next(self.all_settled(np.array([size])))

    def all_settled(self, sizes: Float[np.ndarray, " step_size"]) -> Iterator[Settled | None]:
        """The same for many step sizes."""
        fixed = self._centred(None) if self._starts_from_the_identity else None
        for size, rate in zip(sizes, self.rates(sizes), strict=True):
            is_stable = self._is_stable(size, rate)
            yield self._settled(size, rate, *(fixed or self._centred(size))) if is_stable else None

    @property
    def _starts_from_the_identity(self) -> bool:
        """Whether a round's map is a polynomial in the step size that begins with the identity."""
        return self.law.is_polynomial and not self.law.depends_on_step_size

    @functools.cached_property
    def _limit(self) -> float:
        return self.max_stable_step_size()

    def _is_stable(self, size: float, rate: float) -> bool:
        """Whether the rate is below 1: where rounding hides it, as for short steps, by the largest step size."""
        hidden = abs(rate - 1) < 1e-9 and self._starts_from_the_identity
        return bool(size < self._limit if hidden else rate < 1)

    def _settled(self, size: float, rate: float, mean: np.ndarray, driven_parts: list[np.ndarray]) -> Settled:
        d, law = self.law.problem.dim, self.law
        # What is added in a round, and what is lost of M: both over the step size, which may be short.
        divided = int(self._starts_from_the_identity)
        driven = summed(size, driven_parts[divided:])
        driven = (driven + driven.T) / 2
        if self._is_small:
            entries = _symmetric.count_entries(d)
            powers = [power[:entries, :entries] for power in self._powers[divided:]]
            lost = (0 if divided else np.eye(entries)) - summed(size, powers)
            with one_thread_a_product():
                covariance = _symmetric.as_matrices(np.linalg.solve(lost, _symmetric.as_vectors(driven)), d)
        elif divided:
            parts = law.parts(None)[1:]
            covariance = _solved(lambda M: -summed(size, [part(Moments(M)) for part in parts]), driven, size, rate)
        else:
            recursion = law.recursion()
            covariance = _solved(lambda M: M - recursion(size, Moments(M)).second, driven, size, rate)
        bias = mean - law.problem.minimizer
        second = covariance + np.outer(bias, bias)
        gap, gradient, distance = (float((Q * second).sum()) for Q, _, _ in _metrics_about(law))
        return Settled(mean, lambda: covariance, (gap, gradient, distance))

    def _about(self, x0: Float[Array, " d"]) -> Dynamics:
        """These, or where a run starts far away along nearly flat directions, the same with moments about its start.

        Squares of the distance would then hide what a gradient is: it is smaller than their rounding.
        """
        law, problem = self.law, self.law.problem
        if law.centre is not problem.minimizer or array_namespace(law, x0) is jnp:
            return self
        gradient = problem.mean_hessian @ x0 - problem.mean_vector
        largest = np.linalg.norm(problem.mean_hessian) * np.linalg.norm(x0 - problem.minimizer)
        return Dynamics(law.centred_at(x0)) if largest > _FAR * np.linalg.norm(gradient) else self

    def _centred(self, size: float | None) -> tuple[np.ndarray, list[np.ndarray]]:
        """The fixed point, and what the powers of the step size multiply in the covariance that a round adds there.

        Centred at the fixed point the mean vanishes, and what drives the covariance is constant.
        """
        d, mean = self.law.problem.dim, self.law.fixed_point(size)
        nothing = Moments(np.zeros((d, d)), np.zeros(d))
        return mean, [part(nothing) for part in self.law.centred_at(mean).parts(size)]

    @property
    def _is_small(self) -> bool:
        """Whether the map of the moments is to be written out."""
        return self.law.is_polynomial and self.law.problem.dim <= _WRITTEN_OUT

    def _map(self, size: float) -> np.ndarray:
        """What a round does to `E e e'`, written out."""
        entries = _symmetric.count_entries(self.law.problem.dim)
        return summed(size, [power[:entries, :entries] for power in self._powers])

    @functools.cached_property
    def _powers(self) -> list[np.ndarray]:
        """What the powers of the step size multiply in the matrix that takes (E e e', E e, 1) to the next round."""
        d, law = self.law.problem.dim, self.law
        entries = _symmetric.count_entries(d)
        matrices = []
        # From unit vectors of E e, and from 1.
        first, one = np.eye(d + 1, d), np.eye(d + 1)[:, d]
        rest = Moments(np.zeros((d + 1, d, d)), first, one)
        parts, mean_parts = law.parts(None), law.mean_parts(None)
        for power, part in enumerate(parts):
            matrix = np.zeros((entries + d + 1,) * 2)
            matrix[:entries, :entries] = _symmetric.written_out(lambda M, part=part: part(Moments(M)), d)
            images = part(rest)
            matrix[:entries, entries:] = _symmetric.as_vectors((images + np.swapaxes(images, 1, 2)) / 2).T
            if power < len(mean_parts):
                matrix[entries:-1, entries:] = mean_parts[power](first, one[:, None]).T
            matrices.append(matrix)
        matrices[0][-1, -1] = 1.0
        return matrices

    def _history_of_products(self, size: float, rounds: int, x0: np.ndarray, weighting: np.ndarray | None) -> History:
        """The same by the matrix that is written out: a product a round."""
        d, e = self.law.problem.dim, x0 - self.law.centre
        entries = _symmetric.count_entries(d)
        matrix, state = summed(size, self._powers), np.concatenate([_symmetric.as_vectors(outer(e, e)), e, [1.0]])
        weights = np.stack([_as_weights(metric) for metric in _metrics_about(self.law, weighting)])
        means, metrics = np.empty((rounds + 1, d)), np.empty((rounds + 1, len(weights)))
        with np.errstate(over="ignore", invalid="ignore"):
            for index in range(rounds + 1):
                means[index], metrics[index] = state[entries:-1], weights @ state
                state = matrix @ state
        gap, gradient, distance = metrics.T
        return _with_infinite_metrics(self.law.centre + means, (gap, gradient, distance), np.zeros((0, d, d)))

    def _searched_limit(self) -> float:
        largest = 4 / self._largest_eigenvalue()
        grid = np.geomspace(1e-3 * largest, 4 * largest, 40)
        stable = np.array([self.rate(size) < 1 for size in grid])
        if not stable.any() and self.rate(1e-3 * _SHORTEST * largest) > 1 + 1e-9:
            return 0.0  # without a step already, what a round makes of the model grows
        while not stable.any():
            if grid[0] < _SHORTEST * largest:
                raise ValueError(
                    f"the largest stable step size cannot be decided at this precision: none from {grid[0]:.3g} on is "
                    "stable, and for shorter ones the rate differs from 1 by rounding alone"
                )
            grid = np.geomspace(1e-3 * grid[0], grid[0], 20)
            stable = np.array([self.rate(size) < 1 for size in grid])
        last = int(np.flatnonzero(stable)[-1])
        while last == len(grid) - 1:
            grid = np.append(grid, 2 * grid[-1])
            last += self.rate(grid[-1]) < 1
        low, high = grid[last], grid[last + 1]
        # Limits may be shorter than the absolute tolerance that SciPy takes by itself.
        root = scipy.optimize.brentq(lambda size: self.rate(size) - 1, low, high, xtol=1e-10 * low, rtol=1e-10)
        return float(np.real(root))

    def _largest_eigenvalue(self) -> float:
        """The largest eigenvalue of Lbar."""
        return float(np.linalg.eigvalsh(self.law.problem.mean_hessian)[-1])


def infinite_from_overflow(metric: Float[np.ndarray, "iterates ..."]) -> Float[np.ndarray, "iterates ..."]:
    """A metric that is at least 0, with inf from where its moments overflow: of inf - inf NumPy makes nan."""
    return np.where(np.logical_or.accumulate(~np.isfinite(metric), axis=0), np.inf, metric)


def _with_infinite_metrics(mean: Any, metrics: Any, covariance: Any) -> History:
    if array_namespace(mean) is np:
        metrics = tuple(map(infinite_from_overflow, metrics))
    return History(mean, metrics, covariance)


def _history(law: AffineLaw, sizes: Any, x0: Any, weighting: Any, chosen: Any) -> tuple[Any, Any, Any]:
    """Mean, metrics and covariance of a `History`."""
    xp = array_namespace(law, sizes, x0, weighting)
    recursion, metrics = law.recursion(), _metrics_about(law, weighting)

    def recorded(moments):
        found = ((Q * moments.second).sum() + q @ moments.first + value for Q, q, value in metrics)
        return moments.first, *found

    def one_round(state, step):
        moments, covariance = state
        index, size = step
        moments = recursion(size, moments)
        if len(chosen):
            centred = moments.second - outer(moments.first, moments.first)
            covariance = xp.where((chosen == index)[:, None, None], centred, covariance)
        return (moments, covariance), recorded(moments)

    e = x0 - law.centre
    start = Moments(outer(e, e), e)
    steps = xp.stack([1.0 + np.arange(len(sizes)), sizes], axis=1)
    (_, covariance), later = scan(
        xp, one_round, (start, xp.zeros((len(chosen), law.problem.dim, law.problem.dim))), steps
    )
    first = recorded(start)
    mean, *values = (xp.concatenate([xp.asarray(value)[None], more]) for value, more in zip(first, later, strict=True))
    return law.centre + mean, tuple(values), covariance


_compiled_history = jax.jit(_history)


def _metrics_about(
    law: AffineLaw, weighting: Float[Array, "d d"] | None = None
) -> list[tuple[Float[Array, "d d"], Float[Array, " d"], Any]]:
    """The expected objective gap, squared gradient norm and squared distance as functions of the law's moments.

    Returns:
        For each Q, q and r: it is `<Q, E e e'> + q' E e + r`.
    """
    problem, centre = law.problem, law.centre
    Lbar = problem.mean_hessian
    H_times = (lambda vectors: vectors) if weighting is None else (lambda vectors: weighting @ vectors)
    matrices = 0.5 * Lbar, Lbar @ H_times(Lbar), np.eye(problem.dim)
    offset = centre - problem.minimizer
    # At the minimizer it is 0, and not what rounding leaves: the moments there may be as small as that.
    gradient = (offset != 0).any() * (Lbar @ centre - problem.mean_vector)
    weighted = H_times(gradient)
    rest = (
        (gradient, 0.5 * offset @ gradient),
        (2 * Lbar @ weighted, gradient @ weighted),
        (2 * offset, offset @ offset),
    )
    return [(Q, q, value) for Q, (q, value) in zip(matrices, rest, strict=True)]


def _as_weights(metric: tuple[np.ndarray, np.ndarray, Any]) -> np.ndarray:
    """The same for moments in one vector, (E e e', E e, 1)."""
    Q, q, value = metric
    return np.concatenate([_symmetric.as_vectors(Q), q, [value]])


def _lyapunov_solver(operator: Float[np.ndarray, "d d"]) -> Callable[[np.ndarray], np.ndarray]:
    """For Q the M with `operator M + M operator' = Q`."""
    triangular, basis = scipy.linalg.schur(operator, output="complex")

    def solve(Q: np.ndarray) -> np.ndarray:
        right = basis.conj().T @ Q @ basis
        found, scale, _ = scipy.linalg.lapack.ztrsyl(triangular, triangular, right, tranb="C")
        return (basis @ (found / scale) @ basis.conj().T).real

    return solve


def _solved(lost: Callable[[np.ndarray], np.ndarray], driven: np.ndarray, size: float, rate: float) -> np.ndarray:
    """The symmetric M with `lost(M) = driven`, by products with the map alone."""
    d = len(driven)
    goal = driven.ravel()

    def product(vector: np.ndarray) -> np.ndarray:
        found = lost(vector.reshape(d, d))
        return (found + found.T).ravel() / 2

    operator = scipy.sparse.linalg.LinearOperator((d * d, d * d), matvec=product, dtype=float)
    enough = 1e-9 * max(np.abs(driven).max(), np.finfo(float).tiny)
    solution, residual = goal, np.inf
    for _ in range(200):
        solution, failed = scipy.sparse.linalg.gmres(
            operator, goal, x0=solution, rtol=1e-13, atol=0.0, restart=80, maxiter=1
        )
        before, residual = residual, np.abs(product(solution) - goal).max()
        if not failed or before / 2 < residual <= enough:  # no nearer: the products' own rounding
            break
    if residual > enough:
        raise ValueError(
            f"the stationary covariance could not be solved for at step_size = {size:.6g}, where the mean-square error "
            f"shrinks by only {rate:.9g} a round"
        )
    covariance = solution.reshape(d, d)
    return (covariance + covariance.T) / 2
