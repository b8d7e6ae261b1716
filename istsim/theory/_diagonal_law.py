from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np
from jaxtyping import Float

from istsim._arrays import array_namespace
from istsim._types import Array
from istsim.methods._noise import GaussianNoise
from istsim.problems._diagonal import DiagonalHessians
from istsim.theory._patterns import Weight, expectation_at_one
from istsim.theory._reports import Reports
from istsim.theory._sketched_law import SketchedLaw, with_sum


class CoordinateMoments(NamedTuple):
    """Moments of what a round does to each coordinate: `e+ = K e - step_size (B e - g) - J z`, with J = 1 - K.

    z is the centre; K is 1 unless the merge "literal" loses a part of the model. All are of shape (d,).
    """

    B: Any
    g: Any
    K: Any
    J: Any
    BB: Any
    Bg: Any
    gg: Any
    KK: Any
    KJ: Any
    JJ: Any
    KB: Any
    Kg: Any
    JB: Any
    Jg: Any


class DiagonalLaw(SketchedLaw):
    """The L_i are diagonal: every coordinate has a law of its own, and d numbers do for d x d.

    All means, and the diagonal of the second moment, on which the metrics depend, are vectors here. What is asked as a
    matrix is inherited.
    """

    @property
    def curvature(self) -> Float[Array, " d"]:
        """The diagonal of Lbar."""
        return self.problem.average.diagonal()[0]

    def mean_eigenvalues(self, step_size=None):
        """The diagonal of `E[B]`."""
        return np.asarray(self._mean_diagonal() + self.lost_over(step_size))

    def fixed_point(self, step_size=None):
        """Coordinate by coordinate."""
        operator = self._mean_diagonal() + self.lost_over(step_size)
        if array_namespace(operator) is np and np.abs(operator).min() <= np.finfo(float).eps * np.abs(operator).max():
            raise ValueError("E[B] is singular: the expected iterate has no single fixed point")
        return self.centre + self.mean_residual(step_size) / operator

    def mean_residual(self, step_size=None):
        """`E[c - B z]`."""
        return self._mean_residual_of_updates() - self.lost_over(step_size) * self.centre

    def mean_parts(self, step_size):
        """Coordinate by coordinate."""
        operator, residual = self._mean_diagonal(), self._mean_residual_of_updates()
        lost, centre = self.mean_lost(), self.centre
        return (lambda m, one: m - lost * (m + one * centre)), (lambda m, one: one * residual - operator * m)

    def _mean_diagonal(self) -> Float[Array, " d"]:
        """The diagonal of `E[B]`, the model's loss apart."""
        all_entries, within_groups, _ = self._mean_factors()
        return (all_entries + within_groups) * self._entries()[:-1].mean(axis=0)

    def _mean_residual_of_updates(self) -> Float[Array, " d"]:
        """`E[c - B z]`, the model's loss apart: in a form in which what vanishes, vanishes exactly."""
        all_entries, within_groups, vector = self._mean_factors()
        curvature, r = self._entries()[:-1].mean(axis=0), self._residuals()[:-1].mean(axis=0)
        return vector * r + (vector - all_entries - within_groups) * curvature * self.centre

    def _entries(self) -> Float[Array, "m d"]:
        """The diagonals of the L_i, weighted, and their sum."""
        entries, weights = cast(DiagonalHessians, self.problem.hessians).entries, self.method.weights
        return with_sum(entries if weights is None else weights**2 * entries)

    def coordinate_moments(self) -> CoordinateMoments:
        """All that the second moments of single coordinates need."""
        output, model, lost = self.output_weight, self.model_weight, self.lost_weight
        entries, r, z, ones = self._entries(), self._residuals(), self.centre, np.ones(self.problem.dim)
        at_centre = entries * z
        B, g = self._mean_diagonal(), self._mean_residual_of_updates()
        moments = {
            "BB": self._expected([output, model], [model, output], entries, entries),
            "Bg": self._expected([output, model], [output], entries, r)
            + self._expected([output, model], [lost, output], entries, at_centre),
            "gg": self._expected([output], [output], r, r)
            + 2 * self._expected([output, lost], [output], at_centre, r)
            + self._expected([output, lost], [lost, output], at_centre, at_centre),
        }
        noise = self.method.noise
        if isinstance(noise, GaussianNoise):
            # Workers' noises are independent: only pairs of equal workers.
            weights = self._weights()
            same = self._expected([output], [output], weights, weights, pairs=False)
            moments["gg"] = moments["gg"] + noise.variances * same
        if not self.loses_model:
            kept = dict(K=ones, J=0 * ones, KK=ones, KJ=0 * ones, JJ=0 * ones, KB=B, Kg=g, JB=0 * ones, Jg=0 * ones)
            return CoordinateMoments(B=B, g=g, **moments, **kept)
        K = self._mean_kept()
        J = 1 - K
        if self._keeps_constant_share:
            kept = dict(KK=K * K, KJ=K * J, JJ=J * J, KB=K * B, Kg=K * g, JB=J * B, Jg=J * g)
        else:
            weights = self._weights()
            KK = self._expected([model], [model], weights, weights)
            KB = self._expected([output, model], [model], entries, weights)
            Kg = self._expected([output], [model], r, weights)
            Kg = Kg + self._expected([output, lost], [model], at_centre, weights)
            kept = dict(KK=KK, KJ=K - KK, JJ=1 - 2 * K + KK, KB=KB, Kg=Kg, JB=B - KB, Jg=g - Kg)
        return CoordinateMoments(B=B, g=g, K=K, J=J, **moments, **kept)

    def _expected(
        self,
        left: list[Weight],
        right: list[Weight],
        left_values: Float[Array, "m d"],
        right_values: Float[Array, "m d"],
        *,
        pairs: bool = True,
    ) -> Float[Array, " d"]:
        """The expectation, coordinate by coordinate, of the product of two sums over the workers.

        Args:
            left, right: What multiplies the values of a worker in each sum.
            left_values, right_values: Of the workers, and their sums last.
            pairs: Whether different workers count too.
        """
        reports = Reports.of(self.method, self.sketch)
        same = expectation_at_one(left, right, lambda held, other: reports.one_worker(held | other, 0, 0))
        different = 0.0
        if pairs:
            different = expectation_at_one(left, right, lambda held, other: reports.two_workers(held, other, 0, 0))
        products = left_values * right_values
        return (same - different) * products[:-1].sum(axis=0) + different * products[-1]
