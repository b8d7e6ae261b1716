from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import sympy as sp
from jaxtyping import Float

from istsim.theorems._instance import Instance
from istsim.theorems._premises import BEYOND
from istsim.theorems._scale_equivalence import draw_ist, ist, ist_without_weights
from istsim.theorems._theorem import Kind, Premise, Theorem, rounds_of

k, alpha = sp.symbols("k alpha")
gap, second, cross, whole = sp.symbols("gap second cross whole")


class BestForwardScale(Theorem):
    """The expected objective is quadratic in one over the forward scale, at a fixed product of step size and scales.

    With z the run at forward scale 1, at that product and from `alpha x_0`, the best forward scale at round k is
    `E ||z_k||^2 / <x*, E z_k>` in the inner product of Lbar, where that is positive, and of two scales that is better
    whose inverse is nearer to the inverse of the best. So the unbiased scale n of a permutation beats 1 exactly where
    the best scale exceeds their harmonic mean, `2 n / (n + 1)`.
    """

    name = "best-forward-scale"
    title = "The best forward scale, and when another beats 1"
    kind = Kind.EXACT
    source = "new here"

    notation: ClassVar = {
        gap: r"(\mathbb{E}f(x_k)-f_\star)",
        second: r"\mathbb{E}\|z_k\|^2_{\bar L}",
        cross: r"\langle x_\star,\mathbb{E}z_k\rangle_{\bar L}",
        whole: r"\|x_\star\|^2_{\bar L}",
    }

    @property
    def statement(self):
        """The expected objective gap at round k: its least value over the scales, and a square."""
        least = (whole - cross**2 / second) / 2
        return sp.Eq(gap, least + second / 2 * (1 / alpha - cross / second) ** 2, evaluate=False)

    @property
    def premises(self):
        """IST without weights, with iterates that are not certainly 0."""
        return (
            ist_without_weights(),
            Premise(
                "E ||z_k||^2 is positive in every round",
                _at_rest,
                sp.Gt(second, 0),
                lambda instance: instance.changed(x0=np.zeros_like(instance.x0)),
                lambda instance: instance.changed(x0=np.full_like(instance.x0, BEYOND)),
            ),
        )

    def draw(self, draw):
        """Any sketch, scales and number of reports."""
        instance = draw_ist(draw)
        return instance if np.any(instance.x0) else instance.changed(x0=np.ones_like(instance.x0))

    def constants(self, instance):
        """The forward scale, and the squared norm of the minimizer."""
        return {
            alpha: instance.method.forward_scale,
            whole: float(instance.minimizer @ instance.Lbar @ instance.minimizer),
        }

    def sequences(self, instance):
        """The gap of the run, and the moments of z."""
        z = _at_forward_scale_1(instance)
        return {
            k: rounds_of(instance),
            gap: instance.objective_gap,
            second: _squared_norms(z),
            cross: z.mean @ instance.Lbar @ instance.minimizer,
        }


def _squared_norms(z: Instance) -> Float[np.ndarray, " iterates"]:
    return np.einsum("ab,kab->k", z.Lbar, z.second_moments)


def _at_rest(instance: Instance) -> str:
    smallest = float(_squared_norms(_at_forward_scale_1(instance)).min())
    return "" if smallest > 0 else f"it is {smallest:.6g} in some round"


def _at_forward_scale_1(instance: Instance) -> Instance:
    method = ist(instance.method)
    scale = method.forward_scale
    return instance.changed(
        method=dataclasses.replace(method, forward_scale=1.0),
        step_size=instance.step_size * scale,
        x0=scale * instance.x0,
    )
