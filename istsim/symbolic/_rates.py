from __future__ import annotations

import sympy as sp

from istsim.methods._local_updates import LocalUpdates
from istsim.methods._method import Method
from istsim.symbolic import _symbols as s
from istsim.symbolic._probabilities import inclusion_probability
from istsim.symbolic._workers import (
    check_covered,
    check_noise_leaves_operator,
    loses_model,
    one_reports,
    owned_share,
    scale,
    sketch_of,
    two_report,
)
from istsim.theory import NotCoveredError


def convergence_rate(method: Method) -> sp.Expr:
    """The factor by which the expected iterate's distance to its fixed point shrinks a round, asymptotically.

    `max |kept - gamma s lambda|` over the least and the largest eigenvalue of a matrix: Lbar, `(1 - r) Dbar + r Lbar`
    with `r = p_2/p_1` where model and gradient are masked, T for local updates. s is its factor in `E[B]`; kept is 1,
    but for the merge "literal" what it keeps of a masked model.

    Args:
        method: its kind and its sketch's kind matter, not their numbers.

    Returns:
        In lambda_min, lambda_max, gamma, alpha, beta and the sketch's symbols.

    Raises:
        NotCoveredError: for several local steps, for overlapping local updates, whose T may have complex eigenvalues,
            and where `mean_operator` raises it.

    Example:
        >>> import istsim
        >>> istsim.symbolic.convergence_rate(istsim.GradientDescent())
        Max(Abs(gamma*lambda_max - 1), Abs(gamma*lambda_min - 1))
    """
    kept, speed = _kept_and_speed(method)
    return sp.Max(*(sp.Abs(kept - s.gamma * speed * eigenvalue) for eigenvalue in (s.lambda_min, s.lambda_max)))


def best_step_size(method: Method) -> sp.Expr:
    """The step size with the least `convergence_rate`: `2 kept / (s (lambda_min + lambda_max))`.

    There the rate is `kept (lambda_max - lambda_min) / (lambda_max + lambda_min)`. It takes no account of the
    spread, which may call for shorter steps; `istsim.theory.best_step_size` does.

    Raises:
        NotCoveredError: where `convergence_rate` does.

    Example:
        >>> import istsim
        >>> istsim.symbolic.best_step_size(istsim.IST(istsim.Permutation(4, 8)))
        2*n/(alpha*beta*(lambda_max + lambda_min))
    """
    kept, speed = _kept_and_speed(method)
    return 2 * kept / (speed * (s.lambda_min + s.lambda_max))


def mean_square_rate(method: Method) -> sp.Expr:
    """The factor of the squared error a round, asymptotically, on equal and isotropic workers: all `L_i = lambda I`.

    There B is diagonal, and the rate is `E[(1 - gamma B)^2]` at one coordinate: the square of the mean's, and a
    variance from how many of the reporting workers hold it.

    Args:
        method: its kind and its sketch's kind matter, not their numbers.

    Returns:
        In lambda, gamma, alpha, beta and the sketch's symbols; m is the number of participants.

    Raises:
        NotCoveredError: for sampled rows, the merge "owners" where the numbers of holders vary, and where
            `convergence_rate` raises it.

    Example:
        >>> import istsim
        >>> istsim.symbolic.mean_square_rate(istsim.CompressedGradient(istsim.RandK(4, 8, 2)))
        beta**2*gamma**2*k*lambda**2*(d - k)/(d**2*n) + (-beta*gamma*k*lambda/d + 1)**2
    """
    kept, speed = _kept_and_speed(method)
    check_noise_leaves_operator(method)
    if isinstance(method, LocalUpdates):
        return (kept - s.gamma * speed * s.lambda_) ** 2
    here = {0}
    squared = s.n * one_reports(method)(here, here) + s.n * (s.n - 1) * two_report(method)(here, here)
    variance = sp.factor(squared - (speed / scale(method)) ** 2)
    masked = s.gamma * scale(method) * s.lambda_ - (s.alpha if loses_model(method) else 0)
    return (kept - s.gamma * speed * s.lambda_) ** 2 + masked**2 * variance


def _kept_and_speed(method: Method) -> tuple[sp.Expr, sp.Expr]:
    """What a round keeps of x besides the gradient, and what multiplies the matrix in `E[B]`."""
    check_covered(method, local_steps=1)
    if isinstance(method, LocalUpdates):
        if method.mode == "overlapping":
            raise NotCoveredError(
                f"formulas of the rate are for greedy and chunked blocks, whose T has real eigenvalues, got {method}"
            )
        return sp.Integer(1), sp.Integer(1)
    held = inclusion_probability(sketch_of(method), 1)
    return s.alpha * held if loses_model(method) else sp.Integer(1), scale(method) * owned_share(method) * held
