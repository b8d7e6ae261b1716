"""The same for diagonal L_i: the diagonal of the second moment goes from round to round by itself."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from istsim._arrays import array_namespace, scan
from istsim._types import Array
from istsim.theory._affine import Moments, summed
from istsim.theory._diagonal_law import DiagonalLaw
from istsim.theory._dynamics import Dynamics, History, Settled, infinite_from_overflow


class DiagonalDynamics(Dynamics):
    """The moments of single coordinates over many rounds, in d numbers each.

    Correlations of different coordinates never come in, neither in the metrics nor in rates: they are largest on the
    diagonal, by the Cauchy-Schwarz inequality.
    """

    law: DiagonalLaw

    def history(self, sizes, x0, weighting=None, covariance_at=None):
        """The moments round by round; for weightings and covariances, by matrices."""
        if weighting is not None or (covariance_at is not None and len(covariance_at)):
            return super().history(sizes, x0, weighting, covariance_at)
        arguments = self.law, sizes, x0
        with np.errstate(over="ignore", invalid="ignore"):  # a divergent run is a result
            mean, metrics = (_traced_history if array_namespace(*arguments) is jnp else _history)(*arguments)
        if array_namespace(mean) is np:
            gap, gradient, distance = map(infinite_from_overflow, metrics)
            metrics = gap, gradient, distance
        return History(self.law.centre + mean, metrics, np.zeros((0, self.law.problem.dim, self.law.problem.dim)))

    def gaps(self, sizes, rounds, x0):
        """All step sizes at once."""
        parts, mean_parts, curvature = self._parts, self.law.mean_parts(None), self.law.curvature
        m = np.tile(x0 - self.law.centre, (len(sizes), 1))
        v, gaps, column = m**2, np.empty((len(sizes), rounds + 1)), sizes[:, None]
        with np.errstate(over="ignore", invalid="ignore"):
            for index in range(rounds + 1):
                gaps[:, index] = v @ curvature / 2
                v = summed(column, [part(v, m, 1.0) for part in parts])
                m = summed(column, [part(m, 1.0) for part in mean_parts])
        return infinite_from_overflow(gaps.T).T

    def rate(self, size):
        """The largest of all coordinates."""
        return float(self._factors(size).max())

    def rates(self, sizes):
        """One by one."""
        return [self.rate(size) for size in sizes]

    def max_stable_step_size(self):
        """The least of all coordinates: 1 - 2 s E[B] + s^2 E[B^2] is below 1 up to s = 2 E[B] / E[B^2]."""
        if self.law.depends_on_step_size:
            return self._searched_limit()
        moments = self._moments
        if moments.B.min() <= 1e-14 * moments.B.max():
            return 0.0
        return float((2 * moments.B / moments.BB).min())

    def all_settled(self, sizes):
        """One by one."""
        return map(self.settled, sizes)

    def settled(self, size):
        """Coordinate by coordinate; the covariance of different ones when it is asked for."""
        if not self._is_stable(size, self.rate(size)):
            return None
        mean, zeros = self.law.fixed_point(size), np.zeros(self.law.problem.dim)
        centred = DiagonalDynamics(self.law.centred_at(mean))
        # What is added in a round, and what is lost: both over the step size, which may be short.
        divided = int(self._starts_from_the_identity)
        ones = np.ones(len(mean))
        lost = (1 - divided) * ones - summed(size, [part(ones, None, 0.0) for part in self._parts[divided:]])
        variances = summed(size, [part(zeros, zeros, 1.0) for part in centred._parts[divided:]]) / lost
        squares, curvature = variances + (mean - self.law.problem.minimizer) ** 2, self.law.curvature
        metrics = float(curvature @ squares / 2), float(curvature**2 @ squares), float(squares.sum())
        return Settled(mean, functools.partial(_covariance, centred.law, size), metrics)

    def _largest_eigenvalue(self):
        return float(self.law.curvature.max())

    @functools.cached_property
    def _moments(self):
        return self.law.coordinate_moments()

    @property
    def _parts(self):
        return _parts(self._moments, self.law.centre)

    def _factors(self, size: float) -> Float[np.ndarray, " d"]:
        """By how much a round multiplies each squared error."""
        ones = np.ones(self.law.problem.dim)
        return summed(size, [part(ones, None, 0.0) for part in self._parts])


def _parts(moments: Any, z: Float[Array, " d"]) -> tuple[Any, Any, Any]:
    """What the powers of the step size multiply in `E e+^2`, from `E e^2`, E e and 1."""
    E = moments

    def constant(v, m, one):
        homogeneous = E.KK * v
        return homogeneous if m is None else homogeneous - 2 * E.KJ * z * m + one * E.JJ * z**2

    def linear(v, m, one):
        homogeneous = -2 * E.KB * v
        return homogeneous if m is None else homogeneous + 2 * (E.Kg + E.JB * z) * m - 2 * one * E.Jg * z

    def quadratic(v, m, one):
        homogeneous = E.BB * v
        return homogeneous if m is None else homogeneous - 2 * E.Bg * m + one * E.gg

    return constant, linear, quadratic


def _history(law: DiagonalLaw, sizes: Any, x0: Any) -> tuple[Any, tuple[Any, Any, Any]]:
    """Mean and metrics of a `History`."""
    xp, curvature = array_namespace(law, sizes, x0), law.curvature
    parts, mean_parts = _parts(law.coordinate_moments(), law.centre), law.mean_parts(None)

    def metrics(v):
        return curvature @ v / 2, curvature**2 @ v, v.sum()

    def one_round(state, size):
        v, m = state
        v, m = summed(size, [part(v, m, 1.0) for part in parts]), summed(size, [part(m, 1.0) for part in mean_parts])
        return (v, m), (m, *metrics(v))

    e = x0 - law.centre
    _, later = scan(xp, one_round, (e**2, e), sizes)
    first = (e, *metrics(e**2))
    mean, *values = (xp.concatenate([xp.asarray(value)[None], more]) for value, more in zip(first, later, strict=True))
    return mean, tuple(values)


_traced_history = jax.jit(_history)


def _covariance(centred: DiagonalLaw, size: float) -> Float[np.ndarray, "d d"]:
    """Of the stationary law: every entry of a second moment goes from round to round by itself, too."""
    d = len(centred.centre)
    nothing, ones = Moments(np.zeros((d, d)), np.zeros(d)), Moments(np.ones((d, d)))
    if centred.depends_on_step_size:
        recursion = centred.recursion()
        return recursion(size, nothing).second / (1 - recursion(size, ones).second)
    # Both over the step size, which may be short.
    _, *parts = centred.parts(None)
    driven, lost = (summed(size, [part(moments) for part in parts]) for moments in (nothing, ones))
    return -(driven + driven.T) / (lost + lost.T)
