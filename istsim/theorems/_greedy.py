from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import sympy as sp

from istsim import verify
from istsim.methods import LocalUpdates, Method
from istsim.theorems._instance import Instance
from istsim.theorems._premises import method_is
from istsim.theorems._theorem import Kind, Premise, Theorem

d = sp.Symbol("d")
T, U = sp.MatrixSymbol("T", d, d), sp.MatrixSymbol("U", d, d)
bias, minimizer = sp.MatrixSymbol("bias", d, 1), sp.MatrixSymbol("x_star", d, 1)
rate, smallest, largest = sp.symbols("rate lambda_min lambda_max")


def _greedy() -> Premise:
    def is_greedy(method: Method) -> bool:
        return isinstance(method, LocalUpdates) and method.mode == "greedy"

    def chunked(instance: Instance) -> Method:
        method = instance.method
        assert isinstance(method, LocalUpdates)
        return LocalUpdates(method.blocks, "chunked", window=1)

    return method_is("greedy LocalUpdates", is_greedy, chunked)


def _draw(draw: Callable[[Any], Any]) -> Instance:
    """Any problem with more than one coordinate, cut into a first block and the rest."""
    problem = draw(verify.strategies.integer_problems())
    first = 1 + draw(verify.strategies.indices(problem.dim - 1))
    method = LocalUpdates([first, problem.dim - first])
    return draw(verify.strategies.instances(problem, method))


def _parts(instance: Instance) -> tuple[np.ndarray, np.ndarray]:
    """The block lower-triangular part of Lbar, and the rest, from the blocks' sizes."""
    assert isinstance(instance.method, LocalUpdates)  # a premise
    block = np.repeat(np.arange(len(instance.method.blocks)), instance.method.blocks)
    lower = np.where(block[:, None] >= block, instance.Lbar, 0)
    return lower, instance.Lbar - lower


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

    def draw(self, draw):
        """Any two blocks."""
        return _draw(draw)

    def constants(self, instance):
        """The fixed point from the exact engine, T and U from the blocks."""
        lower, upper = _parts(instance)
        return {
            T: lower,
            U: upper,
            bias: (instance.fixed_point - instance.minimizer)[:, None],
            minimizer: instance.minimizer[:, None],
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

    def draw(self, draw):
        """Any two blocks."""
        return _draw(draw)

    def constants(self, instance):
        """The eigenvalues of the engine's E[B], and those of Lbar."""
        # Computed without using their theory: real up to rounding that a triangular matrix amplifies.
        found = np.linalg.eigvals(instance.mean_operator)
        whole = np.linalg.eigvalsh(instance.Lbar)
        steps = 2 / (found.real.max() + found.real.min())
        return {
            rate: float(np.abs(1 - steps * found).max()),
            smallest: float(whole[0]),
            largest: float(whole[-1]),
        }
