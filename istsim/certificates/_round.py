from __future__ import annotations

import dataclasses
import functools
from fractions import Fraction
from typing import Any

import numpy as np
from jaxtyping import Shaped

from istsim.certificates._outcomes import Listed, sketched_maps
from istsim.certificates._rational import arithmetic_of, as_fractions, fraction, fractions, over_common_denominator
from istsim.methods import IST, CompressedGradient, CompressedIterates, GradientDescent, LocalUpdates, Method
from istsim.problems._quadratic import Quadratic
from istsim.simulation._rounds import check_problem_and_method
from istsim.theory._errors import NotCoveredError


@dataclasses.dataclass(frozen=True, eq=False)
class RationalRound:
    """One round `x+ = x - gamma (B x - c)` in rational numbers, by listing all that can happen in it.

    Every float of the problem and the method is read as the simplest fraction that rounds to it (see `as_fraction`);
    results are about the instance so read. Made by `RationalRound.of`.

    Attributes:
        Lbar: shape (d, d).
        step_size: gamma, if B depends on it; else None.
        operators: B of every outcome.
        vectors: c of every outcome.
    """

    Lbar: Shaped[np.ndarray, "d d"] = dataclasses.field(repr=False)
    step_size: Fraction | None
    operators: Listed = dataclasses.field(repr=False)
    vectors: Listed = dataclasses.field(repr=False)

    @classmethod
    def of(
        cls, problem: Quadratic, method: Method, *, step_size: Any = None, arithmetic: str | None = None
    ) -> RationalRound:
        """List a round's outcomes: who holds what, and who reports.

        Args:
            problem: the quadratic.
            method: one that takes one local step with exact gradients, and whose sketch lists its outcomes.
            step_size: a positive number, for the merge "literal" of masked models, where B depends on it.
            arithmetic: "flint" or "fractions", with equal results; None for flint's where it is installed.

        Raises:
            ValueError: if problem and method do not go together, or for a step size that is not positive.
            NotCoveredError: with the reason, for other methods, for more than 20 000 outcomes, and for
                probabilities that do not add up to 1 when read as fractions.

        Example:
            >>> import numpy as np, istsim
            >>> from istsim.certificates import RationalRound
            >>> problem = istsim.Quadratic(L=np.stack([np.diag([1.0, 2.0])] * 2), b=np.zeros((2, 2)))
            >>> method = istsim.IST(istsim.Permutation(2, 2), forward_scale=1 / 3)
            >>> RationalRound.of(problem, method).mean_operator.tolist()
            [[Fraction(1, 3), Fraction(0, 1)], [Fraction(0, 1), Fraction(2, 3)]]
        """
        check_problem_and_method(problem, method)
        chosen, size = arithmetic_of(arithmetic), _step_size_of(method, step_size)
        wide = problem.astype(np.float64)
        L, b = as_fractions(np.asarray(wide.L)), as_fractions(np.asarray(wide.b))
        L = (L + L.transpose(0, 2, 1)) / Fraction(2)  # A'A computed in floating point may be asymmetric by rounding
        Lbar, bbar = L.sum(axis=0) / Fraction(len(L)), b.sum(axis=0) / Fraction(len(b))
        if type(method) is IST or type(method) is CompressedGradient or type(method) is CompressedIterates:
            return cls(Lbar, size, *sketched_maps(method, L, b, size, chosen))
        if type(method) is LocalUpdates:
            B, c = as_fractions(method.mask) * Lbar, as_fractions(method.losses) * bbar
        elif type(method) is GradientDescent:
            B, c = Lbar, bbar
        else:
            raise NotCoveredError(f"exact rounds cover the methods that come with istsim, not {method!r}")
        return cls(Lbar, size, _certain(B), _certain(c))

    @functools.cached_property
    def mean_operator(self) -> Shaped[np.ndarray, "d d"]:
        """E[B], shape (d, d)."""
        return self.operators.mean(self.operators.numerators, self.operators.denominator)

    @functools.cached_property
    def mean_vector(self) -> Shaped[np.ndarray, " d"]:
        """E[c], shape (d,)."""
        return self.vectors.mean(self.vectors.numerators, self.vectors.denominator)

    @functools.cached_property
    def W(self) -> Shaped[np.ndarray, "d d"]:
        """`1/2 (Lbar E[B] + E[B]' Lbar)`, shape (d, d)."""
        half = self.Lbar @ self.mean_operator / Fraction(2)
        return half + half.T

    @functools.cached_property
    def V(self) -> Shaped[np.ndarray, "d d"]:
        """`E[B' Lbar B]`, shape (d, d)."""
        return self.transposed_second(self.Lbar)

    def second(self, X: Any) -> Shaped[np.ndarray, "d d"]:
        """`E[B X B']` for a matrix of shape (d, d)."""
        return self._sandwich(self.operators.numerators, X)

    def transposed_second(self, X: Any) -> Shaped[np.ndarray, "d d"]:
        """`E[B' X B]` for a matrix of shape (d, d)."""
        return self._sandwich(self.operators.numerators.transpose(0, 2, 1), X)

    def after(self, step_size: Any, X: Any) -> Shaped[np.ndarray, "d d"]:
        """`E[(I - gamma B)' X (I - gamma B)]` for a matrix X of shape (d, d): what a round makes of `e' X e`.

        Raises:
            ValueError: if the step size is not positive, or not the one that B is for.
        """
        gamma, X = _positive(step_size), fractions("X", X)
        if self.step_size not in (None, gamma):
            raise ValueError(f"B is for the step size {self.step_size}, got {gamma}")
        B = self.mean_operator
        return X - gamma * (X @ B + B.T @ X) + gamma**2 * self.transposed_second(X)

    def _sandwich(self, factors: Shaped[np.ndarray, "outcome d d"], X: Any) -> Shaped[np.ndarray, "d d"]:
        inner, common = over_common_denominator(fractions("X", X))
        if inner.shape != self.Lbar.shape:
            raise ValueError(f"X must have shape (d, d) = {self.Lbar.shape}, got shape {inner.shape}")
        products = factors @ inner @ factors.transpose(0, 2, 1)
        return self.operators.mean(products, self.operators.denominator**2 * common)


def _step_size_of(method: Method, step_size: Any) -> Fraction | None:
    """The step size where B depends on it, else None; and no methods of which B and c do not tell all."""
    given = None if step_size is None else _positive(step_size)
    if method.local_steps > 1:
        raise NotCoveredError(f"exact rounds have one local step, but the method has {method.local_steps}")
    if method.noise is not None:
        raise NotCoveredError(f"exact rounds have exact gradients, but the method has {type(method.noise).__name__}")
    if method.weights is not None:
        raise NotCoveredError("exact rounds have no diagonal weights: those of interest are square roots")
    if method.merge != "literal" or not method.masks_model:
        return None
    if given is None:
        raise NotCoveredError("B depends on the step size here: pass step_size")
    return given


def _positive(step_size: Any) -> Fraction:
    gamma = fraction("step_size", step_size)
    if gamma <= 0:
        raise ValueError(f"step_size must be positive, got {step_size}")
    return gamma


def _certain(value: Shaped[np.ndarray, "..."]) -> Listed:
    """The one outcome of a round in which nothing is random."""
    return Listed(*over_common_denominator(value[None]), np.array([1], dtype=object), 1)
