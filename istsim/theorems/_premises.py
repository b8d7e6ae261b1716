"""Conditions that several theorems share: why they fail, and how an instance is changed so that they just fail."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

from istsim import theory, verify
from istsim.methods import IST, CompressedGradient, Method
from istsim.methods._method import SketchedMethod
from istsim.methods._noise import GaussianNoise
from istsim.problems import Quadratic, remark_1_quadratic
from istsim.sketches import Identity, Permutation
from istsim.theorems._instance import Instance
from istsim.theorems._theorem import Premise

gamma, theta, smallest = sp.symbols("gamma theta lambda_min")
i, j = sp.symbols("i j", integer=True)
b, L, D = sp.IndexedBase("b"), sp.IndexedBase("L"), sp.IndexedBase("D")

# Quantities computed in floating point, such as a step size 1/theta, must pass where they are exact.
SLACK = 1e-12

# How far beyond the edge of a premise an instance lies that breaks it just, and how far inside one that keeps it just.
BEYOND = 1e-6


def method_is(text: str, holds: Callable[[Method], bool], other: Callable[[Instance], Method]) -> Premise:
    """A premise about the method alone, and a method that just does not meet it."""

    def failure(instance: Instance) -> str:
        return "" if holds(instance.method) else f"the method is {instance.method!r}"

    return Premise(text, failure, break_just=lambda instance: instance.changed(method=other(instance)))


def with_changes(**changes: Any) -> Callable[[Instance], Method]:
    """For `method_is`: the method but for these arguments."""

    def other(instance: Instance) -> Method:
        assert isinstance(instance.method, SketchedMethod)
        return dataclasses.replace(instance.method, **changes)

    return other


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

    return Premise("all b_i = 0", failure, sp.Eq(b[i], 0), _change_one_b)


def equal_vectors() -> Premise:
    """All workers have the same b_i."""

    def failure(instance: Instance) -> str:
        vectors = np.asarray(instance.problem.b)
        largest = float(np.abs(vectors - vectors[0]).max())
        return "" if largest <= SLACK * np.abs(vectors).max() else f"they differ by up to {largest:.6g}"

    return Premise("all b_i are equal", failure, sp.Eq(b[i], b[j]), _change_one_b)


def exact_gradients() -> Premise:
    """There is no noise."""

    def failure(instance: Instance) -> str:
        noise = instance.method.noise
        return "" if noise is None else f"there is {type(noise).__name__}"

    def break_just(instance: Instance) -> Instance:
        method, problem = instance.method, instance.problem
        if not isinstance(method, SketchedMethod):
            method = CompressedGradient(Identity(problem.num_workers, problem.dim))
        noise = GaussianNoise(BEYOND * np.eye(problem.dim))
        return instance.changed(method=dataclasses.replace(method, noise=noise))

    return Premise("the gradients are exact", failure, break_just=break_just)


def semidefinite_w() -> Premise:
    """W has no negative eigenvalue."""

    def failure(instance: Instance) -> str:
        contraction = instance.contraction
        if contraction.is_semidefinite:
            return ""
        return f"its smallest eigenvalue in the geometry of Lbar is {contraction.smallest:.6g}"

    def break_just(instance: Instance) -> Instance:
        return _remark_1(instance, 1.6 + BEYOND)

    text = "W = 1/2 E[Lbar B + B' Lbar] is positive semidefinite"
    return Premise(text, failure, sp.Ge(smallest, 0), break_just, _nearly_singular_w, certified=True)


def some_theta() -> Premise:
    """There is a theta."""

    def failure(instance: Instance) -> str:
        finite = math.isfinite(instance.contraction.theta)
        return "" if finite else "the kernel of W is not in that of E[B' Lbar B]"

    # There W is singular, while B is not.
    text = "some theta has E[B' Lbar B] <= theta W"
    relation, singular = sp.Lt(theta, sp.oo), lambda instance: _remark_1(instance, 1.6)
    return Premise(text, failure, relation, singular, _nearly_singular_w, certified=True)


def step_size_within_theta(longest: int = 1) -> Premise:
    """The step size times theta is at most 1, as in Theorem 1, or another number."""

    def failure(instance: Instance) -> str:
        least = instance.contraction.theta
        if instance.step_size * least <= longest * (1 + SLACK):
            return ""
        return f"it is {instance.step_size:.6g}, and {longest}/theta is {longest / least:.6g}"

    def break_just(instance: Instance) -> Instance:
        return _step_within_theta(instance, longest * (1 + BEYOND))

    def keep_just(instance: Instance) -> Instance:
        return _step_within_theta(instance, longest)

    text, relation = f"step size at most {longest}/theta", sp.Le(gamma, longest / theta)
    return Premise(text, failure, relation, break_just, keep_just, certified=True)


def of_theorem_1(longest: int = 1) -> tuple[Premise, ...]:
    """All premises of Theorem 1, with steps up to 1/theta, or another multiple of it."""
    return (
        interpolation(),
        exact_gradients(),
        semidefinite_w(),
        some_theta(),
        step_size_within_theta(longest),
    )


def draw_for_theorem_1(draw: Callable[[Any], Any], longest: int = 1) -> Instance:
    """An instance in which they hold, with steps as for `of_theorem_1`."""
    import hypothesis
    from hypothesis import strategies as st

    problem = draw(verify.strategies.integer_problems(interpolation=True))
    method = draw(verify.strategies.methods(problem.num_workers, problem.dim))
    # W by the definition, well away from singular.
    B, Lbar = np.asarray(theory.mean_operator(problem, method)[0]), np.asarray(problem.mean_hessian)
    eigenvalues = np.linalg.eigvalsh(Lbar @ B + B.T @ Lbar)
    hypothesis.assume(eigenvalues[0] > 1e-3 * eigenvalues[-1])
    step_size = draw(st.floats(0.01, 1.0)) * longest / theory.contraction(problem, method).theta
    return draw(verify.strategies.instances(problem, method, step_size))


def step_size_at_most(limit: float, *, excluded: bool = False) -> Premise:
    """The step size lies in (0, limit], or in (0, limit)."""

    def failure(instance: Instance) -> str:
        size = instance.step_size
        inside = size < limit if excluded else size <= limit * (1 + SLACK)
        return "" if inside else f"it is {size:.6g}"

    def break_just(instance: Instance) -> Instance:
        return instance.changed(step_size=limit if excluded else limit * (1 + BEYOND))

    def keep_just(instance: Instance) -> Instance:
        return instance.changed(step_size=limit * (1 - BEYOND) if excluded else limit)

    relation = sp.Lt(gamma, sp.nsimplify(limit)) if excluded else sp.Le(gamma, sp.nsimplify(limit))
    text = f"step size {'below' if excluded else 'at most'} {limit:g}"
    return Premise(text, failure, relation, break_just, keep_just)


def equal_matrices() -> Premise:
    """All workers have the same L_i."""

    def failure(instance: Instance) -> str:
        matrices = np.asarray(instance.problem.L)
        largest = float(np.abs(matrices - matrices[0]).max())
        return "" if largest <= SLACK * np.abs(matrices).max() else f"they differ by up to {largest:.6g}"

    def break_just(instance: Instance) -> Instance:
        # Off the diagonal, so that only this premise fails.
        matrices = np.array(instance.problem.L)
        matrices[0, 0, 1] += BEYOND
        matrices[0, 1, 0] += BEYOND
        return instance.changed(problem=Quadratic(matrices, instance.problem.b))

    return Premise("all L_i are equal", failure, sp.Eq(L[i], L[j]), break_just)


def ones_on_the_diagonals() -> Premise:
    """The L_i are preconditioned by their diagonals."""

    def failure(instance: Instance) -> str:
        diagonals = np.asarray(instance.problem.hessians.diagonal())
        largest = float(np.abs(diagonals - 1).max())
        return "" if largest <= 1e-9 else f"they differ from 1 by up to {largest:.6g}"

    def break_just(instance: Instance) -> Instance:
        problem = instance.problem
        return instance.changed(problem=Quadratic((1 + BEYOND) * problem.L, problem.b))

    return Premise("the L_i have ones on the diagonal", failure, sp.Eq(D[i], sp.Symbol("I")), break_just)


def _change_one_b(instance: Instance) -> Instance:
    vectors = np.array(instance.problem.b)
    vectors[0, 0] += BEYOND * max(1.0, np.abs(vectors).max())
    return instance.changed(problem=Quadratic(instance.problem.L, vectors))


def _step_within_theta(instance: Instance, multiple: float) -> Instance:
    return instance.changed(step_size=multiple / instance.contraction.theta)


def _nearly_singular_w(instance: Instance) -> Instance:
    return _step_within_theta(_remark_1(instance, 1.6 - BEYOND), 1)


def _remark_1(instance: Instance, c: float) -> Instance:
    """Remark 1's example, where W is singular at c = 1.6 and indefinite beyond."""
    problem, method = remark_1_quadratic(4.0, 1.0, c), IST(Permutation(2, 2))
    return instance.changed(problem=problem, method=method, x0=np.ones(2))
