from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np
import sympy as sp

from istsim.methods import IST
from istsim.problems import Quadratic
from istsim.sketches import Permutation
from istsim.theorems._instance import Instance
from istsim.theorems._premises import BEYOND, is_ist_by_single_coordinates
from istsim.theorems._theorem import Kind, Premise, Theorem

d = sp.Symbol("d")
operator = sp.MatrixSymbol("EB", d, d)


class Erratum23(Theorem):
    """The sketch (23) as printed, with the diagonal of the inverse root of L_i, is said to make B the identity.

    It takes the inverse root of the diagonal. The printed weights are larger, so that B exceeds I unless every L_i is
    diagonal: `heterogeneous-preconditioning` has the corrected statement.
    """

    name = "erratum-23"
    title = "The printed weights make B the identity"
    kind = Kind.REFUTED
    source = "Shulgin and Richtarik, arXiv 2306.16484, version 1, equation (23)"

    notation: ClassVar = {operator: r"\mathbb{E}B"}

    @property
    def statement(self):
        """The mean operator."""
        return sp.Eq(operator, sp.Identity(d), evaluate=False)

    @property
    def premises(self):
        """The sketch as printed."""
        return (
            Premise(
                "IST with n = d, one coordinate each, weights the diagonal of L_i^-1/2, scales sqrt(n), merge mean",
                _other,
                break_just=_reweighted,
            ),
        )

    def constants(self, instance):
        """E[B] from the exact engine."""
        return {operator: instance.mean_operator}

    def counterexample(self):
        """Any L_i that are not diagonal."""
        problem = Quadratic([[[2.0, 1.0], [1.0, 2.0]]] * 2, np.zeros((2, 2)))
        scale = 2**0.5
        method = IST(Permutation(2, 2), weights=printed_weights(problem), forward_scale=scale, gradient_scale=scale)
        return problem, method, {"step_size": 0.5, "rounds": 1}


def printed_weights(problem: Quadratic) -> np.ndarray:
    values, vectors = np.linalg.eigh(np.asarray(problem.L))
    return np.einsum("nak,nk,nak->na", vectors, values**-0.5, vectors)


def _reweighted(instance: Instance) -> Instance:
    assert isinstance(instance.method, IST)
    weights = np.array(instance.method.weights)
    weights[0, 0] *= 1 + BEYOND
    return instance.changed(method=dataclasses.replace(instance.method, weights=weights))


def _other(instance: Instance) -> str:
    method: Any = instance.method
    n = instance.problem.num_workers
    if not is_ist_by_single_coordinates(method) or method.weights is None:
        return f"the method is {method!r}"
    if method.merge != "mean" or method.participants not in (None, n):
        return f"the method is {method!r}"
    if not np.allclose([method.forward_scale, method.gradient_scale], n**0.5, rtol=1e-12):
        return f"the scales are {method.forward_scale:.6g} and {method.gradient_scale:.6g}"
    if np.linalg.eigvalsh(np.asarray(instance.problem.L)).min() <= 0:
        return "an L_i is singular"
    different = float(np.abs(np.asarray(method.weights) / printed_weights(instance.problem) - 1).max())
    return "" if different <= 1e-9 else f"the weights differ by a factor of up to {1 + different:.6g}"
