from __future__ import annotations

import sympy as sp

from istsim.methods._method import Method
from istsim.symbolic import _symbols as s
from istsim.symbolic._coefficients import total
from istsim.symbolic._mean import mean_terms


def fixed_point(method: Method) -> sp.MatrixExpr:
    """`E[B]^-1 E[c]`, where the expected iterate tends, as a formula.

    Raises:
        NotCoveredError: where `mean_operator` does.

    Example:
        >>> import istsim
        >>> istsim.symbolic.fixed_point(istsim.CompressedGradient(istsim.RandK(4, 8, 2)))
        Lbar**(-1)*bbar
    """
    operator, vector = mean_terms(method)
    if len(vector) > 1:
        return sp.Inverse(total(operator)) * total(vector)
    (direction, length), *_ = vector.items()
    ratio = {matrix: sp.factor(factor / length) for matrix, factor in operator.items()}
    return (sp.Inverse(total(ratio)) * direction).doit()


def expected_iterate(method: Method) -> sp.MatrixExpr:
    """`E x_k = (I - gamma E[B])^k x_0 + (I - (I - gamma E[B])^k) x_inf` as a formula.

    The round is the symbol k; for a method with `RandK`, whose size is k, it is K.

    Args:
        method: its kind and its sketch's kind matter, not their numbers.

    Returns:
        A matrix expression of shape (d, 1).

    Raises:
        NotCoveredError: where `mean_operator` does.

    Example:
        >>> import istsim
        >>> istsim.symbolic.expected_iterate(istsim.GradientDescent())
        (I - ((-gamma)*Lbar + I)**k)*Lbar**(-1)*bbar + ((-gamma)*Lbar + I)**k*x_0
    """
    operator, _ = mean_terms(method)
    step = {s.identity: sp.Integer(1)}
    for matrix, factor in operator.items():
        step[matrix] = step.get(matrix, 0) - s.gamma * factor
    power = total(step) ** round_symbol(method)
    return power * s.x0 + (s.identity - power) * fixed_point(method)


def round_symbol(method: Method) -> sp.Symbol:
    """The symbol that counts rounds: k, or K where k is the size of a `RandK` sketch.

    Example:
        >>> import istsim
        >>> istsim.symbolic.round_symbol(istsim.IST(istsim.RandK(4, 8, 2)))
        K
    """
    operator, _ = mean_terms(method)
    return s.K if any(factor.has(s.k) for factor in operator.values()) else s.k
