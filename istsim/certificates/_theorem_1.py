"""The matrix inequalities of Theorem 1 (Shulgin and Richtarik, arXiv 2306.16484, version 1), decided exactly.

Under interpolation, all b_i = 0, the error `e = x - x*` becomes `(I - gamma B) e` in a round, so that statements about
one round from any point are inequalities between matrices.
"""

from __future__ import annotations

from typing import Any

from istsim._validation import instance_of
from istsim.certificates._decision import Decision, decide
from istsim.certificates._rational import fraction, number_text
from istsim.certificates._round import RationalRound

_ROUND = "a RationalRound, such as RationalRound.of(problem, method)"


def decide_theta(one_round: RationalRound, theta: Any, *, arithmetic: str | None = None) -> Decision:
    """Whether `E[B' Lbar B] <= theta W`, the premise on theta.

    Args:
        one_round: the round, in rational numbers.
        theta: any number.
        arithmetic: "flint" or "fractions", with equal results; None for flint's where it is installed.

    Example:
        >>> import numpy as np, istsim
        >>> from istsim.certificates import RationalRound, decide_theta
        >>> problem = istsim.Quadratic(L=np.array([[[2.0, 1.0], [1.0, 2.0]]]), b=np.zeros((1, 2)))
        >>> one_round = RationalRound.of(problem, istsim.GradientDescent())  # the least theta is lmax(Lbar) = 3
        >>> print(decide_theta(one_round, 3))
        true: E[B' Lbar B] <= 3 W
        >>> print(decide_theta(one_round, 2.9))
        false: E[B' Lbar B] <= 29/10 W: right less left is -31/10 at v = (2, 1)
    """
    instance_of("one_round", one_round, RationalRound, _ROUND)
    theta = fraction("theta", theta)
    claim = f"E[B' Lbar B] <= {number_text(theta)} W"
    return decide(claim, theta * one_round.W - one_round.V, arithmetic=arithmetic)


def decide_iterates(one_round: RationalRound, step_size: Any, rate: Any, *, arithmetic: str | None = None) -> Decision:
    """Whether `E[(I - gamma B)' Lbar (I - gamma B)] <= (1 - gamma rate) Lbar`: one round of equation (16).

    From whatever point, the expected squared error in the norm of Lbar shrinks by that factor; the theorem's rate
    is `largest_rate(W, Lbar)`.

    Args:
        one_round: the round, in rational numbers.
        step_size: gamma, a positive number.
        rate: any number.
        arithmetic: "flint" or "fractions", with equal results; None for flint's where it is installed.

    Raises:
        ValueError: for a step size that is not positive, or not the one that B is for.

    Example:
        >>> import numpy as np, istsim
        >>> from istsim.certificates import RationalRound, decide_iterates
        >>> problem = istsim.Quadratic(L=np.array([[[2.0, 1.0], [1.0, 2.0]]]), b=np.zeros((1, 2)))
        >>> one_round = RationalRound.of(problem, istsim.GradientDescent())
        >>> print(decide_iterates(one_round, step_size=1 / 3, rate=1))
        true: E[(I - 1/3 B)' Lbar (I - 1/3 B)] <= 2/3 Lbar
    """
    instance_of("one_round", one_round, RationalRound, _ROUND)
    gamma, rate = fraction("step_size", step_size), fraction("rate", rate)
    factor = 1 - gamma * rate
    claim = f"{_left_side(gamma)} <= {number_text(factor)} Lbar"
    return decide(claim, factor * one_round.Lbar - one_round.after(gamma, one_round.Lbar), arithmetic=arithmetic)


def decide_gradients(one_round: RationalRound, step_size: Any, *, arithmetic: str | None = None) -> Decision:
    """Whether `E[(I - gamma B)' Lbar (I - gamma B)] <= Lbar - gamma W`: one round of equation (15).

    From whatever point, the expected objective falls by at least half of `gamma ||grad f||^2`, in the norm of
    `Lbar^-1 W Lbar^-1`.

    Args:
        one_round: the round, in rational numbers.
        step_size: gamma, a positive number.
        arithmetic: "flint" or "fractions", with equal results; None for flint's where it is installed.

    Raises:
        ValueError: for a step size that is not positive, or not the one that B is for.

    Example:
        >>> import numpy as np, istsim
        >>> from istsim.certificates import RationalRound, decide_gradients
        >>> problem = istsim.Quadratic(L=np.array([[[2.0, 1.0], [1.0, 2.0]]]), b=np.zeros((1, 2)))
        >>> one_round = RationalRound.of(problem, istsim.GradientDescent())
        >>> decide_gradients(one_round, 1 / 3).holds, decide_gradients(one_round, 0.34).holds
        (True, False)
    """
    instance_of("one_round", one_round, RationalRound, _ROUND)
    gamma = fraction("step_size", step_size)
    claim = f"{_left_side(gamma)} <= Lbar - {number_text(gamma)} W"
    matrix = one_round.Lbar - gamma * one_round.W - one_round.after(gamma, one_round.Lbar)
    return decide(claim, matrix, arithmetic=arithmetic)


def _left_side(gamma: Any) -> str:
    return f"E[(I - {number_text(gamma)} B)' Lbar (I - {number_text(gamma)} B)]"
