from __future__ import annotations

from typing import ClassVar

import numpy as np
import sympy as sp

from istsim import verify
from istsim.methods import IST
from istsim.problems import Quadratic
from istsim.sketches import Permutation
from istsim.theorems._instance import Instance
from istsim.theorems._premises import BEYOND, is_ist_by_single_coordinates, method_is, with_changes
from istsim.theorems._theorem import Kind, Premise, Theorem

n, gamma, alpha, steps = sp.symbols("n gamma alpha H")
i, j = sp.symbols("i j", integer=True)
D, b, limit = sp.IndexedBase("D"), sp.IndexedBase("b"), sp.IndexedBase("x")


class LocalStepsSingleCoordinates(Theorem):
    """Where several local steps on single coordinates tend.

    A worker that holds coordinate j iterates `w <- w - gamma (D_ij w - b_ij)`, H times, with D_ij that entry of the
    diagonal of its L_i, so its own minimum `b_ij / D_ij` weighs as `1 - (1 - gamma D_ij)^H`. With few, short
    steps workers weigh by their curvature, which gives `bbar_j / Dbar_j`; with many they all weigh the same.
    """

    name = "local-steps-single-coordinates"
    title = "The fixed point of several local steps on single coordinates"
    kind = Kind.EXACT
    source = "new here"

    about_lengths = True
    notation: ClassVar = {sp.Symbol("x"): r"x_\infty", steps: "H"}

    @property
    def statement(self):
        """Coordinate j of the fixed point, a weighted mean over workers."""
        weight = 1 - (1 - gamma * D[i, j]) ** steps
        mean = sp.Sum(weight * b[i, j] / D[i, j], (i, 0, n - 1)) / sp.Sum(weight, (i, 0, n - 1))
        return sp.Eq(limit[j], mean / alpha, evaluate=False)

    @property
    def premises(self):
        """IST by single coordinates, with steps that are stable on each."""
        return (
            method_is(
                "IST with n = d, one coordinate each, merge mean or owners, exact gradients, no weights",
                lambda method: (
                    is_ist_by_single_coordinates(method)
                    and method.merge in ("mean", "owners")
                    and method.weights is None
                    and method.noise is None
                ),
                with_changes(merge="literal"),
            ),
            Premise("all D_ij are positive", _flat, sp.Gt(D[i, j], 0), _flattened, _flattened_nearly),
            Premise("step size below 2 / max D_ij", _too_long, sp.Lt(gamma, 2 / D[i, j]), _longest, _nearly_longest),
        )

    def draw(self, draw):
        """Any problem, scales and up to three local steps."""
        size = draw(verify.strategies.square_sizes())
        problem = draw(verify.strategies.integer_problems(size, size))
        method = IST(
            Permutation(size, size),
            local_steps=1 + draw(verify.strategies.indices(3)),
            forward_scale=draw(verify.strategies.numbers(0.2, 4.0)),
            gradient_scale=draw(verify.strategies.numbers(0.2, 4.0)),
        )
        step_size = draw(verify.strategies.numbers(0.05, 1.9)) / float(problem.hessians.diagonal().max())
        return draw(verify.strategies.instances(problem, method, step_size))

    def constants(self, instance):
        """The fixed point, and the workers' curvatures and gradients at 0."""
        method = instance.method
        return {
            n: instance.problem.num_workers,
            gamma: instance.step_size,
            alpha: method.forward_scale,
            steps: method.local_steps,
            D: np.asarray(instance.problem.hessians.diagonal()),
            b: np.asarray(instance.problem.b),
            j: np.arange(instance.problem.dim),
            limit: instance.fixed_point,
        }


def _diagonals(instance: Instance) -> np.ndarray:
    return np.asarray(instance.problem.hessians.diagonal())


def _flat(instance: Instance) -> str:
    smallest = float(_diagonals(instance).min())
    return "" if smallest > 0 else f"the smallest is {smallest:.6g}"


def _flattened(instance: Instance, curvature: float = 0.0) -> Instance:
    L = np.array(instance.problem.L)
    L[0, 0, :] = L[0, :, 0] = 0.0
    L[0, 0, 0] = curvature
    return instance.changed(problem=Quadratic(L, instance.problem.b))


def _flattened_nearly(instance: Instance) -> Instance:
    return _flattened(instance, BEYOND)


def _too_long(instance: Instance) -> str:
    limit = 2 / float(_diagonals(instance).max())
    return "" if instance.step_size < limit else f"it is {instance.step_size:.6g}, and the limit {limit:.6g}"


def _longest(instance: Instance) -> Instance:
    return instance.changed(step_size=2 / float(_diagonals(instance).max()))


def _nearly_longest(instance: Instance) -> Instance:
    return instance.changed(step_size=(1 - BEYOND) * 2 / float(_diagonals(instance).max()))
