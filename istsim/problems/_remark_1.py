from __future__ import annotations

import numpy as np

from istsim._validation import finite_number
from istsim.problems._quadratic import Quadratic


def remark_1_quadratic(a: float, b: float, c: float) -> Quadratic:
    """Two equal workers with `L = [[a, c], [c, b]]` and interpolation: the family of Remark 1.

    With `Permutation(2, 2)` IST's matrix W of Theorem 1 is indefinite where `|c| > 2 a b / (a + b)`, though L is
    positive definite: from some points one round then increases the expected objective, at every step size (Shulgin and
    Richtarik, arXiv 2306.16484, version 1, Remark 1).

    Raises:
        ValueError: unless `a, b > 0` and `c^2 < a b`.

    Example:
        >>> import istsim
        >>> method = istsim.IST(istsim.Permutation(2, 2))
        >>> istsim.theory.contraction(istsim.remark_1_quadratic(8.0, 1.0, 2.0), method).is_semidefinite
        False
    """
    a, b, c = finite_number("a", a), finite_number("b", b), finite_number("c", c)
    if a <= 0 or b <= 0 or c / b * c >= a:  # no square overflows
        raise ValueError(f"a and b must be positive and c^2 below a b, got a = {a}, b = {b}, c = {c}")
    return Quadratic(np.array([[[a, c], [c, b]]] * 2), np.zeros((2, 2)))
