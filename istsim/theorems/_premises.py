"""Conditions that several theorems share: for an instance, why they fail, or "" if they hold."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from istsim.methods import IST, Method
from istsim.methods._method import SketchedMethod
from istsim.sketches import Permutation
from istsim.theorems._theorem import Instance, Premise

# Quantities computed in floating point, such as a step size 1/theta, must pass where they are exact.
SLACK = 1e-12


def method_is(text: str, holds: Callable[[Method], bool]) -> Premise:
    """A premise about the method alone."""

    def failure(instance: Instance) -> str:
        return "" if holds(instance.method) else f"the method is {instance.method!r}"

    return Premise(text, failure)


def plain(method: Method, merges: tuple[str, ...] = ("mean",)) -> bool:
    """Whether all workers report exact, unweighted gradients after one local step, merged in one of these ways."""
    n = method.sketch.n if isinstance(method, SketchedMethod) else 1
    return (
        method.merge in merges
        and method.local_steps == 1
        and method.num_reports(n) == n
        and method.noise is None
        and method.weights is None
    )


def is_ist_by_single_coordinates(method: Method, n: int | None = None) -> bool:
    """Whether it is IST with n = d workers that hold one coordinate each, for the n given or any."""
    if not (isinstance(method, IST) and isinstance(method.sketch, Permutation)):
        return False
    return method.sketch.n == method.sketch.d and n in (None, method.sketch.n)


def interpolation() -> Premise:
    """All b_i are 0."""

    def failure(instance: Instance) -> str:
        largest = float(abs(instance.problem.b).max())
        return f"the largest entry of the b_i is {largest:.6g}" if largest > 0 else ""

    return Premise("all b_i = 0", failure)


def exact_gradients() -> Premise:
    """There is no noise."""

    def failure(instance: Instance) -> str:
        noise = instance.method.noise
        return "" if noise is None else f"there is {type(noise).__name__}"

    return Premise("the gradients are exact", failure)


def semidefinite_w() -> Premise:
    """W has no negative eigenvalue."""

    def failure(instance: Instance) -> str:
        contraction = instance.contraction
        if contraction.is_semidefinite:
            return ""
        return f"its smallest eigenvalue in the geometry of Lbar is {contraction.smallest:.6g}"

    return Premise("W = 1/2 E[Lbar B + B' Lbar] is positive semidefinite", failure)


def some_theta() -> Premise:
    """There is a theta."""

    def failure(instance: Instance) -> str:
        finite = math.isfinite(instance.contraction.theta)
        return "" if finite else "the kernel of W is not in that of E[B' Lbar B]"

    return Premise("some theta has E[B' Lbar B] <= theta W", failure)


def step_size_at_most_inverse_theta() -> Premise:
    """The step size is short enough for Theorem 1."""

    def failure(instance: Instance) -> str:
        theta = instance.contraction.theta
        if instance.step_size * theta <= 1 + SLACK:
            return ""
        return f"it is {instance.step_size:.6g}, and 1/theta is {1 / theta:.6g}"

    return Premise("step size at most 1/theta", failure)


def of_theorem_1() -> tuple[Premise, ...]:
    """All premises of Theorem 1."""
    return (
        interpolation(),
        exact_gradients(),
        semidefinite_w(),
        some_theta(),
        step_size_at_most_inverse_theta(),
    )


def step_size_at_most(limit: float, *, excluded: bool = False) -> Premise:
    """The step size lies in (0, limit], or in (0, limit)."""

    def failure(instance: Instance) -> str:
        size = instance.step_size
        inside = size < limit if excluded else size <= limit * (1 + SLACK)
        return "" if inside else f"it is {size:.6g}"

    return Premise(f"step size {'below' if excluded else 'at most'} {limit:g}", failure)


def equal_matrices() -> Premise:
    """All workers have the same L_i."""

    def failure(instance: Instance) -> str:
        L = np.asarray(instance.problem.L)
        largest = float(np.abs(L - L[0]).max())
        return "" if largest <= SLACK * np.abs(L).max() else f"they differ by up to {largest:.6g}"

    return Premise("all L_i are equal", failure)


def ones_on_the_diagonals() -> Premise:
    """The L_i are preconditioned by their diagonals."""

    def failure(instance: Instance) -> str:
        diagonals = np.asarray(instance.problem.hessians.diagonal())
        largest = float(np.abs(diagonals - 1).max())
        return "" if largest <= 1e-9 else f"they differ from 1 by up to {largest:.6g}"

    return Premise("the L_i have ones on the diagonal", failure)
