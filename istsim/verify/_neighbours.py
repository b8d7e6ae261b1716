"""Instances near a given one that are hard for a theorem: where its premises end, and where one of its terms rules."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from istsim import theory
from istsim.methods import IST, CompressedGradient, CompressedIterates, LocalUpdates, Method
from istsim.methods._local_updates import MODES, SHARED
from istsim.methods._method import MERGES, SketchedMethod
from istsim.methods._noise import GaussianNoise
from istsim.problems import Quadratic
from istsim.sketches import Bernoulli, Coverage, Grouped, Identity, Permutation, RandK, Sketch
from istsim.theorems._instance import Instance
from istsim.theorems._theorem import Theorem
from istsim.verify._all_or_one import AllOrOne

# After so many rounds little is left of the start, so that what is left is the floor.
MANY_ROUNDS = 20


def neighbours(theorem: Theorem, instance: Instance) -> Iterator[Instance]:
    """Instances near one inside the premises, of which some are inside too.

    - Where a premise ends: just inside.
    - From the minimizer, and from there along the extreme eigenvectors of Lbar, at which bounds by eigenvalues are
      attained; after one round and after many.
    - With other matrices and vectors: for most terms of a statement there is one in which it is larger than the others,
      and for most premises about the problem one that fails it.
    - With a method that differs in its kind or in one argument: a sketch, merge, weight or noise of which a proof may
      not know.
    - Where something is 0: see `_small_and_flat`.
    """
    edges = [premise.keep_just(instance) for premise in theorem.premises if premise.keep_just is not None]
    for base in (instance, *edges):
        yield from _runs(base)
    yield instance.changed(step_size=4 * instance.step_size)
    for step_size in _nearly_unstable(instance):
        yield instance.changed(step_size=step_size)
        yield instance.changed(step_size=step_size, x0=instance.minimizer)
    for base in (instance, *edges):
        for problem in _problems(base.problem):
            changed = base.changed(problem=problem, method=_reweighted(base.method, problem))
            yield changed
            yield changed.changed(x0=changed.minimizer, rounds=2)
    yield from _small_and_flat(instance)
    for method in _methods(instance.method, instance.problem.num_workers, instance.problem.dim):
        yield instance.changed(method=method)
        if isinstance(getattr(method, "sketch", None), AllOrOne):
            yield from (instance.changed(method=method, problem=problem) for problem in _problems(instance.problem))
        if method.noise is not None:
            yield instance.changed(method=method, x0=instance.minimizer)


def _runs(base: Instance) -> Iterator[Instance]:
    vectors = np.linalg.eigh(base.Lbar)[1]
    yield base
    for x0 in (base.minimizer, base.minimizer + vectors[:, 0], base.minimizer + vectors[:, -1], *_limit(base)):
        yield base.changed(x0=x0, rounds=2)
    yield base.changed(rounds=MANY_ROUNDS)


def _nearly_unstable(instance: Instance) -> list[float]:
    """A step size that is nearly too long for the mean to settle."""
    try:
        largest = float(np.abs(np.linalg.eigvals(instance.mean_operator)).max())
    except theory.NotCoveredError:
        return []
    return [1.9 / largest] if largest > 0 else []


def _limit(base: Instance) -> list[np.ndarray]:
    """The expected iterate's, where there is one."""
    try:
        return [base.fixed_point]
    except theory.NotCoveredError:
        return []


def _problems(problem: Quadratic) -> Iterator[Quadratic]:
    L, b = np.asarray(problem.L), np.asarray(problem.b)
    n, d = b.shape
    vectors = 10 * np.cos(np.arange(1, n * d + 1)).reshape(n, d)
    centred, average = vectors - vectors.mean(axis=0), np.broadcast_to(L.mean(axis=0), L.shape)
    yield Quadratic(L, vectors)
    yield Quadratic(L, centred)
    yield Quadratic(average, centred)
    yield Quadratic(L, np.zeros_like(b))
    # The first worker alone is different.
    yield Quadratic(L * (1 + (np.arange(n) == 0))[:, None, None], b)
    yield Quadratic(2 * L, b)


def _small_and_flat(instance: Instance) -> Iterator[Instance]:
    """Where something is 0: a curvature of a worker, what a round leaves of an error, the number of other workers."""
    L, b = np.asarray(instance.problem.L), np.asarray(instance.problem.b)
    n, d = b.shape
    signs = (-1.0) ** np.arange(d)
    flat = np.array(L)
    flat[0, 0, :] = flat[0, :, 0] = 0.0
    # One step, a power of two, ends exactly at the minimizer along each coordinate.
    step_size = 2.0 ** np.round(np.log2(instance.step_size))
    coupled = (np.eye(d) + (np.ones((d, d)) - np.eye(d)) / (2 * d)) / step_size
    nearly_singular = np.outer(signs, signs) + 0.1 * np.eye(d)
    for matrices in (flat, np.broadcast_to(coupled, L.shape), np.broadcast_to(nearly_singular, L.shape)):
        if np.linalg.eigvalsh(matrices.mean(axis=0))[0] > 1e-3:
            problem = Quadratic(matrices, b)
            yield instance.changed(problem=problem, step_size=step_size)
            # Twice as long, two steps leave what they began with.
            for method in _methods(instance.method, n, d):
                if isinstance(method, LocalUpdates) or method.local_steps == 2:
                    yield instance.changed(problem=problem, method=method, step_size=2 * step_size)
                    yield instance.changed(problem=problem, method=method, step_size=step_size)
    if isinstance(instance.method, SketchedMethod):
        alone: dict[str, Any] = {"participants": None} | ({"weights": None} if isinstance(instance.method, IST) else {})
        for sketch in _sketches(1, d):
            method = dataclasses.replace(instance.method, sketch=sketch, **alone)
            yield instance.changed(problem=Quadratic(L.mean(axis=0)[None], b[:1]), method=method)


def _reweighted(method: Method, problem: Quadratic) -> Method:
    """With the weights D_i^-1/2 of the problem, where the method has weights, which are made for a problem."""
    diagonals = np.asarray(problem.hessians.diagonal())
    if not isinstance(method, IST) or method.weights is None or diagonals.min() <= 0:
        return method
    return dataclasses.replace(method, weights=1 / np.sqrt(diagonals))


def _methods(method: Method, n: int, d: int) -> Iterator[Method]:
    if isinstance(method, SketchedMethod):
        yield CompressedGradient(method.sketch)
        yield CompressedIterates(method.sketch)
        for merge in MERGES:
            yield IST(method.sketch, merge=merge, local_steps=1)
            yield IST(method.sketch, merge=merge, local_steps=2)
        changes: list[dict[str, Any]] = [{"sketch": sketch} for sketch in _sketches(n, d)]
        changes += [{"merge": merge} for merge in MERGES]
        changes += [{"merge": "owners", "sketch": AllOrOne(n, d, 0.5)}]
        changes += [{"participants": count} for count in {1, max(1, n - 1)}]
        changes += [{"local_steps": 2}, {"noise": GaussianNoise(np.eye(d))}]
        changes += [{scale: 2.0} for scale in ("forward_scale", "gradient_scale")]
        if isinstance(method, IST):
            changes += [{"weights": 1 + np.arange(n * d).reshape(n, d) / (n * d)}]
    elif isinstance(method, LocalUpdates):
        # Single coordinates in windows of two: the plainest method in which blocks share losses.
        overlapping = {"blocks": [1] * d, "mode": "overlapping", "window": min(2, d)}
        changes = [{"mode": mode, "window": 1} for mode in MODES]
        changes += [overlapping | {"shared": shared} for shared in SHARED]
        changes += [{"blocks": blocks, "mode": "greedy", "window": None} for blocks in ([d], [1, d - 1], [1] * d)]
    else:
        return
    for change in changes:
        try:
            yield dataclasses.replace(method, **change)
        except (TypeError, ValueError):  # arguments that do not go together
            continue


def _sketches(n: int, d: int) -> Iterator[Sketch]:
    yield Identity(n, d)
    yield RandK(n, d, max(1, d - 1))
    yield Bernoulli(n, d, 0.3)
    yield Permutation(n, d)
    yield Coverage(n, d, max(1, n - 1))
    yield AllOrOne(n, d, 0.5)
    yield Grouped(Permutation(n, max(1, d // 2)), [j % max(1, d // 2) for j in range(d)])
