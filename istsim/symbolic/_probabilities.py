from __future__ import annotations

import functools

import sympy as sp

from istsim.sketches._bernoulli import Bernoulli
from istsim.sketches._identity import Identity
from istsim.sketches._permutation import Permutation
from istsim.sketches._rand_k import RandK
from istsim.sketches._sketch import Sketch
from istsim.symbolic import _symbols as s


@functools.singledispatch
def inclusion_probability(sketch: Sketch, size: int) -> sp.Expr:
    """Probability that a worker holds `size` given coordinates, 0, 1 or 2, as a formula.

    In n and q = d/n for a `Permutation` where n divides d, d and k for `RandK`, p for `Bernoulli`; for other
    sketches, the user's own among them, the symbols p_1 and p_2 themselves.

    Example:
        >>> import istsim
        >>> istsim.symbolic.inclusion_probability(istsim.Permutation(4, 8), 2)
        (q - 1)/(n*(n*q - 1))
    """
    return (sp.Integer(1), s.p1, s.p2)[size]


@inclusion_probability.register
def _(sketch: Identity, size: int) -> sp.Expr:
    return sp.Integer(1)


@inclusion_probability.register
def _(sketch: Permutation, size: int) -> sp.Expr:
    if sketch.d % sketch.n:
        return inclusion_probability.dispatch(Sketch)(sketch, size)
    # One block of a uniform permutation is a uniform q-subset of the d = n q coordinates.
    return sp.factor(_uniform_subset(s.q, s.d, size).subs(s.d, s.n * s.q))


@inclusion_probability.register
def _(sketch: RandK, size: int) -> sp.Expr:
    return _uniform_subset(s.k, s.d, size)


@inclusion_probability.register
def _(sketch: Bernoulli, size: int) -> sp.Expr:
    return s.p**size


def _uniform_subset(chosen: sp.Symbol, total: sp.Symbol, size: int) -> sp.Expr:
    """Count the subsets that contain `size` given coordinates, and all subsets."""
    return sp.combsimp(sp.binomial(total - size, chosen - size) / sp.binomial(total, chosen))
