from __future__ import annotations

from typing import ClassVar

import numpy as np
import sympy as sp

from istsim import theory
from istsim.methods import LocalUpdates, Method
from istsim.theorems._premises import method_is
from istsim.theorems._theorem import Instance, Kind, Premise, Theorem

d = sp.Symbol("d")
T, U = sp.MatrixSymbol("T", d, d), sp.MatrixSymbol("U", d, d)
bias, minimizer = sp.MatrixSymbol("bias", d, 1), sp.MatrixSymbol("x_star", d, 1)
rate, smallest, largest = sp.symbols("rate lambda_min lambda_max")


def _greedy() -> Premise:
    def is_greedy(method: Method) -> bool:
        return isinstance(method, LocalUpdates) and method.mode == "greedy"

    return method_is("greedy LocalUpdates", is_greedy)


def _parts(instance: Instance) -> tuple[np.ndarray, np.ndarray]:
    """The block lower-triangular part of Lbar, and the rest, from the blocks' sizes."""
    assert isinstance(instance.method, LocalUpdates)  # a premise
    block = np.repeat(np.arange(len(instance.method.blocks)), instance.method.blocks)
    Lbar = np.asarray(instance.problem.mean_hessian)
    lower = np.where(block[:, None] >= block, Lbar, 0)
    return lower, Lbar - lower


class GreedyFixedPoint(Theorem):
    """Where greedy local updates stop.

    With T the block lower-triangular part of Lbar and U the rest, `T x_inf = bbar = (T + U) x*`. There is
    no bias exactly where `U x* = 0`.
    """

    name = "greedy-fixed-point"
    title = "The bias of greedy local updates"
    kind = Kind.EXACT
    source = "new here"

    notation: ClassVar = {bias: r"(x_\infty-x_\star)", minimizer: r"x_\star"}

    @property
    def statement(self):
        """The bias by forward substitution."""
        return sp.Eq(bias, T**-1 * U * minimizer, evaluate=False)

    @property
    def premises(self):
        """Greedy updates."""
        return (_greedy(),)

    def constants(self, instance):
        """The fixed point from the exact engine, T and U from the blocks."""
        lower, upper = _parts(instance)
        found = theory.fixed_point(instance.problem, instance.method) - instance.problem.minimizer
        return {
            T: lower,
            U: upper,
            bias: np.asarray(found)[:, None],
            minimizer: np.asarray(instance.problem.minimizer)[:, None],
        }


class GreedyEigenvalues(Theorem):
    """Greedy local updates contract at least as fast as gradient descent, asymptotically, each at its best step.

    The eigenvalues of T are those of the diagonal blocks of Lbar, which lie between its own extreme ones. So they are
    real and positive, and the best rate `(largest - smallest) / (largest + smallest)` is no larger.
    """

    name = "greedy-eigenvalues"
    title = "Greedy local updates contract no more slowly than gradient descent"
    kind = Kind.UPPER
    source = "new here"

    notation: ClassVar = {
        rate: r"\min_\gamma\rho(I-\gamma T)",
        smallest: r"\lambda_{\min}(\bar L)",
        largest: r"\lambda_{\max}(\bar L)",
    }

    @property
    def statement(self):
        """Greedy updates' best rate, and gradient descent's."""
        return sp.Le(rate, (largest - smallest) / (largest + smallest), evaluate=False)

    @property
    def premises(self):
        """Greedy updates."""
        return (_greedy(),)

    def constants(self, instance):
        """The eigenvalues of the engine's E[B], and those of Lbar."""
        operator, _ = theory.mean_operator(instance.problem, instance.method)
        # Computed without using their theory: real up to rounding that a triangular matrix amplifies.
        found = np.linalg.eigvals(np.asarray(operator))
        whole = np.linalg.eigvalsh(np.asarray(instance.problem.mean_hessian))
        steps = 2 / (found.real.max() + found.real.min())
        return {
            rate: float(np.abs(1 - steps * found).max()),
            smallest: float(whole[0]),
            largest: float(whole[-1]),
        }
