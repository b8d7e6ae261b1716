"""What a scalar is, and when a scalar expression vanishes identically."""

from __future__ import annotations

from typing import Any

import sympy as sp

# Stands for a power whose exponent is a symbol.
power_of = sp.Function("power")


def scalar(value: Any) -> Any:
    """A number or a sympy expression as an expression.

    Raises:
        ValueError: for text, which sympy would run as Python, and for whatever else is neither.
    """
    try:
        return sp.sympify(value, strict=True)
    except sp.SympifyError:
        raise ValueError(
            f"a scalar must be a number or a sympy expression, got {value!r}; sympy.Symbol(name) makes a symbol"
        ) from None


def is_zero(expression: sp.Expr) -> bool:
    """Whether an expression is 0 wherever it is defined; symbolic exponents stand for integers."""
    expanded = sp.expand(split_sums(split_powers(expression)))
    return expanded == 0 or sp.cancel(sp.together(expanded)) == 0


def split_powers(expression: sp.Expr) -> sp.Expr:
    """Write `a**(2 k + 1)` as `a` times the square of one unknown that stands for `a**k`."""
    return expression.replace(lambda part: part.is_Pow and not part.exp.is_number, lambda part: _split(*part.args))


def split_sums(expression: sp.Expr) -> sp.Expr:
    """Write a sum of terms as sums of single terms, with what does not depend on the index before them."""
    return expression.replace(sp.Sum, lambda summand, limits: _sum_of_terms(summand, limits))


def _sum_of_terms(summand: sp.Expr, limits: sp.Tuple) -> sp.Expr:
    total = sp.S.Zero
    for term in sp.Add.make_args(sp.expand(summand)):
        fixed, varying = term.as_independent(limits[0], as_Add=False)
        total += fixed * sp.Sum(varying, limits)
    return total


def _split(base: sp.Expr, exponent: sp.Expr) -> sp.Expr:
    if base.is_Pow and base.exp.is_Integer:
        return _split(base.base, base.exp * exponent)
    base, product = sp.expand(base), sp.S.One
    for part in sp.Add.make_args(sp.expand(exponent)):
        number, rest = part.as_coeff_Mul()
        product *= base**number if rest == 1 else power_of(base, rest) ** number
    return product


def is_whole(expression: sp.Expr) -> bool:
    """Whether an expression is a sum of whole multiples of plain symbols and a whole number."""
    return all(
        part.as_coeff_Mul()[0].is_Integer and (part.is_number or type(part.as_coeff_Mul()[1]) is sp.Symbol)
        for part in sp.Add.make_args(sp.expand(expression))
    )


def is_natural(expression: sp.Expr) -> bool:
    """Whether an expression is whole, and not negative wherever its symbols are not."""
    return is_whole(expression) and not any(
        part.could_extract_minus_sign() for part in sp.Add.make_args(sp.expand(expression))
    )
