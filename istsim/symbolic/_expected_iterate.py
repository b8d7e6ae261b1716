from __future__ import annotations

import sympy as sp

from istsim.methods._gradient_descent import GradientDescent
from istsim.methods._method import Method, SketchedMethod
from istsim.sketches._rand_k import RandK
from istsim.symbolic import _symbols as s
from istsim.symbolic._probabilities import inclusion_probability
from istsim.theory import NotCoveredError


def mean_operator(method: Method) -> tuple[sp.MatrixExpr, sp.MatrixExpr]:
    """`E[B]` and `E[c]` of `x+ = x - gamma (B x - c)` as formulas.

    An entry (a, c) of `O_i L_i M_i` carries the product of two mask entries, whose expectation takes
    one value on the diagonal, where they belong to one coordinate, and another off it.

    Args:
        method: its kind and its sketch's kind matter, not their numbers.

    Returns:
        Matrix expressions in Lbar, Dbar (its diagonal, or blocks of it under a `Grouped` sketch) and bbar, and
        in n and q, d and k, or p; alpha and beta are the forward and the gradient scale.

    Raises:
        NotCoveredError: for another merge than the mean, local steps, weights or local updates.

    Example:
        >>> import istsim
        >>> B, c = istsim.symbolic.mean_operator(istsim.CompressedGradient(istsim.RandK(4, 8, 2)))
        >>> B, c
        ((beta*k/d)*Lbar, (beta*k/d)*bbar)
    """
    diagonal, off_diagonal, vector = _mean_entries(method)
    operator = off_diagonal * s.Lbar + sp.factor(diagonal - off_diagonal) * s.Dbar
    return sp.MatAdd(operator).doit(), (vector * s.bbar).doit()


def fixed_point(method: Method) -> sp.MatrixExpr:
    """`E[B]^-1 E[c]`, where the expected iterate tends, as a formula.

    Example:
        >>> import istsim
        >>> istsim.symbolic.fixed_point(istsim.CompressedGradient(istsim.RandK(4, 8, 2)))
        Lbar**(-1)*bbar
    """
    diagonal, off_diagonal, vector = _mean_entries(method)
    on_L, on_D = sp.factor(off_diagonal / vector), sp.factor((diagonal - off_diagonal) / vector)
    return (sp.Inverse((on_L * s.Lbar + on_D * s.Dbar).doit()) * s.bbar).doit()


def expected_iterate(method: Method) -> sp.MatrixExpr:
    """`E x_k = (I - gamma E[B])^k x_0 + (I - (I - gamma E[B])^k) x_inf` as a formula.

    The round is the symbol k; for a method with `RandK`, whose size is k, it is K.

    Args:
        method: its kind and its sketch's kind matter, not their numbers.

    Returns:
        A matrix expression of shape (d, 1).

    Example:
        >>> import istsim
        >>> istsim.symbolic.expected_iterate(istsim.GradientDescent())
        (I - ((-gamma)*Lbar + I)**k)*Lbar**(-1)*bbar + ((-gamma)*Lbar + I)**k*x_0
    """
    operator, _ = mean_operator(method)
    power = (s.identity - s.gamma * operator) ** round_symbol(method)
    return power * s.x0 + (s.identity - power) * fixed_point(method)


def round_symbol(method: Method) -> sp.Symbol:
    """The symbol that counts rounds: k, or K where k is the size of a `RandK` sketch."""
    return s.K if isinstance(method, SketchedMethod) and isinstance(method.sketch, RandK) else s.k


def _mean_entries(method: Method) -> tuple[sp.Expr, sp.Expr, sp.Expr]:
    """The factors of L_i's diagonal, of its other entries, and of b_i's entries, on average."""
    _check_covered(method)
    scale = (s.alpha if method.masks_model else 1) * (s.beta if method.masks_gradient else 1)
    masks = int(method.masks_model) + int(method.masks_gradient)
    if not isinstance(method, SketchedMethod):
        return sp.Integer(1), sp.Integer(1), sp.Integer(1)
    one, several = (inclusion_probability(method.sketch, size) for size in (1, masks))
    vector = s.beta * one if method.masks_gradient else sp.Integer(1)
    return scale * one, scale * several, vector


def _check_covered(method: Method) -> None:
    """The formulas are for one local step and the plain mean of the reports, in which noise has no part."""
    plain = isinstance(method, GradientDescent) or (
        isinstance(method, SketchedMethod)
        and method.merge == "mean"
        and method.local_steps == 1
        and method.weights is None
    )
    if not plain:
        raise NotCoveredError(
            f"formulas are for the merge 'mean', one local step and no weights, got {method}; "
            "istsim.theory.mean_operator has its numbers for one local step"
        )
