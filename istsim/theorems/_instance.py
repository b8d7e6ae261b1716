"""What a theorem is asked about, and what the exact engine knows of it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from istsim import theory
from istsim._types import Numbers
from istsim._validation import positive_int
from istsim.methods._method import Method
from istsim.problems._quadratic import Quadratic
from istsim.simulation._rounds import check_problem_and_method, checked_step_size, starting_point


@dataclasses.dataclass(frozen=True, eq=False)
class Instance:
    """A problem, a method and a run of it, for which a theorem is asked about.

    The expectations here are the exact engine's. `istsim.verify` puts averages over simulated runs in their place, so
    a theorem that takes its numbers from here can be held against both.
    """

    problem: Quadratic
    method: Method
    step_size: float
    rounds: int
    x0: Float[np.ndarray, " d"]
    parameters: Mapping[str, float] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(
        cls,
        problem: Quadratic,
        method: Method,
        *,
        step_size: float,
        rounds: int,
        x0: Numbers | None = None,
        parameters: Mapping[str, float] | None = None,
    ) -> Instance:
        """From the arguments of `Theorem.check`.

        Raises:
            ValueError: if they describe no run.
        """
        check_problem_and_method(problem, method)
        problem = problem.astype(np.float64)
        return cls(
            problem=problem,
            method=method,
            step_size=float(checked_step_size(step_size, np.float64)),
            rounds=positive_int("rounds", rounds),
            x0=np.asarray(starting_point(problem, x0)),
            parameters=parameters or {},
        )

    def changed(self, **changes: Any) -> Instance:
        """The same but for some of the attributes."""
        return dataclasses.replace(self, **changes)

    @property
    def Lbar(self) -> Float[np.ndarray, "d d"]:
        """The average of the L_i."""
        return np.asarray(self.problem.mean_hessian)

    @property
    def minimizer(self) -> Float[np.ndarray, " d"]:
        """x*."""
        return np.asarray(self.problem.minimizer)

    @property
    def run(self) -> dict[str, Any]:
        """Step size, rounds and start, as the engine takes them."""
        return {"step_size": self.step_size, "rounds": self.rounds, "x0": self.x0}

    @functools.cached_property
    def smallest_unit(self) -> float:
        """No number about this run is of a naturally smaller size, be it an objective value, a step size or a rate.

        The objective has the size of its gap at the start and of its minimum, if the b_i did not cancel in their mean.
        """
        diagonal, b = np.asarray(self.problem.average.diagonal()[0]), np.asarray(self.problem.b)
        curvature = float(diagonal.mean())
        objective = float(self.problem.objective_gap(self.x0)) + 0.5 * float((b**2 / diagonal).sum(axis=1).mean())
        return min(1.0, objective) * min(curvature, 1 / curvature)

    @functools.cached_property
    def length(self) -> float:
        """The largest coordinate of x0, of x* and of the minimizers that workers have by single coordinates."""
        diagonal, b = np.asarray(self.problem.average.diagonal()[0]), np.asarray(self.problem.b)
        return float(max(np.abs(points).max() for points in (self.x0, self.minimizer, b / diagonal)))

    @functools.cached_property
    def mean(self) -> Float[np.ndarray, "iterates d"]:
        """`E x_k`, k = 0..K."""
        return np.asarray(theory.exact_mean(self.problem, self.method, **self.run))

    @functools.cached_property
    def objective_gap(self) -> Float[np.ndarray, " iterates"]:
        """`E f(x_k) - f(x*)`, k = 0..K."""
        return np.asarray(theory.exact_moments(self.problem, self.method, **self.run).objective_gap)

    def gradient_norm_squared(self, weighting: Float[np.ndarray, "d d"]) -> Float[np.ndarray, " iterates"]:
        """`E[grad f(x_k)' H grad f(x_k)]`, k = 0..K, for a symmetric H."""
        moments = theory.exact_moments(self.problem, self.method, **self.run, gradient_weighting=weighting)
        return np.asarray(moments.gradient_norm_squared)

    @functools.cached_property
    def second_moments(self) -> Float[np.ndarray, "iterates d d"]:
        """`E x_k x_k'`, k = 0..K."""
        every = range(self.rounds + 1)
        moments = theory.exact_moments(self.problem, self.method, **self.run, covariance_at=every)
        means = np.asarray(moments.mean)
        return np.asarray(moments.covariance) + means[:, :, None] * means[:, None, :]

    @functools.cached_property
    def mean_operator(self) -> Float[np.ndarray, "d d"]:
        """`E[B]`."""
        return np.asarray(theory.mean_operator(self.problem, self.method, step_size=self.step_size)[0])

    @functools.cached_property
    def fixed_point(self) -> Float[np.ndarray, " d"]:
        """`E[B]^-1 E[c]`."""
        return np.asarray(theory.fixed_point(self.problem, self.method, step_size=self.step_size))

    def second_moment(self, X: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "d d"]:
        """`E[B X B']`."""
        return np.asarray(theory.second_moment(self.problem, self.method, X, step_size=self.step_size))

    @functools.cached_property
    def contraction(self) -> theory.Contraction:
        """W and theta."""
        return theory.contraction(self.problem, self.method)

    @functools.cached_property
    def settled_gap(self) -> float:
        """The limit of `E f(x_k) - f(x*)`."""
        return float(theory.stationary(self.problem, self.method, self.step_size).objective_gap)
