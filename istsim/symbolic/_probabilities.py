from __future__ import annotations

import sympy as sp

from istsim._validation import instance_of, natural_number, positive_int
from istsim.sketches._bernoulli import Bernoulli
from istsim.sketches._coverage import Coverage
from istsim.sketches._grouped import Grouped
from istsim.sketches._identity import Identity
from istsim.sketches._permutation import Permutation
from istsim.sketches._rand_k import RandK
from istsim.sketches._sketch import Sketch
from istsim.symbolic import _symbols as s
from istsim.theory import NotCoveredError

_SKETCH = "an istsim.Sketch, such as istsim.RandK(n, d, k)"

# Sketches are told apart by their exact type: a subclass may have another law.


def inclusion_probability(sketch: Sketch, size: int) -> sp.Expr:
    """Probability that a worker holds `size` given coordinates, 0 to 4, as a formula.

    In n and q = d/n for a `Permutation` where n divides d, else in n, d and q = floor(d/n); d and k for `RandK`; p for
    `Bernoulli`; n, d, c and q = floor(c d/n) for up to two coordinates of a `Coverage` with c copies. A `Grouped`
    sketch counts groups: G of them stand for d. Elsewhere, and for the user's own sketches, the symbols p_1 to p_4.

    Raises:
        ValueError: for a size outside 0..4.

    Example:
        >>> import istsim
        >>> istsim.symbolic.inclusion_probability(istsim.Permutation(4, 8), 2)
        (q - 1)/(n*(n*q - 1))
    """
    instance_of("sketch", sketch, Sketch, _SKETCH)
    if not natural_number("size", size) <= len(s.inclusion):
        raise ValueError(f"size must be from 0 to {len(s.inclusion)}, got {size}")
    kind = type(sketch)
    if isinstance(sketch, Grouped):
        return inclusion_probability(sketch.sketch, size).xreplace({s.d: s.G})
    if size == 0 or kind is Identity:
        return sp.Integer(1)
    if kind is Bernoulli:
        return s.p**size
    # Three coordinates of a Coverage can be counted too, but next to pairs of workers, for which only symbols are
    # left, sympy then takes minutes to simplify.
    if kind not in (RandK, Permutation, Coverage) or (kind is Coverage and size > 2):
        return s.inclusion[size - 1]
    if size > sketch.d:
        return sp.Integer(0)  # and the general formula would divide by zero
    if kind is RandK:
        return sp.factor(sp.ff(s.k, size) / sp.ff(s.d, size))
    if kind is Coverage:
        return _of_unequal_loads(size, s.c)
    if sketch.n > sketch.d:
        return 1 / s.d if size == 1 else sp.Integer(0)
    if sketch.d % sketch.n:
        return _of_unequal_loads(size, 1)
    # One block of a uniform permutation is a uniform q-subset of the d = n q coordinates.
    return sp.factor(sp.ff(s.q, size) / sp.ff(s.n * s.q, size))


def joint_probability(sketch: Sketch, left: int, right: int, shared: int) -> sp.Expr:
    """Probability that one worker holds `left` given coordinates and another one `right` given ones, as a formula.

    In the symbols of `inclusion_probability` where workers draw independently, and for a `Permutation` with no
    more workers than coordinates. For other sketches symbols such as p_1_2_0, with the smaller number first.

    Args:
        sketch: who holds what.
        left, right: 0, 1 or 2.
        shared: how many of them are the same coordinates, counted in both.

    Raises:
        ValueError: for numbers outside these ranges.

    Example:
        >>> import istsim
        >>> istsim.symbolic.joint_probability(istsim.Permutation(4, 8), 1, 1, 0)
        q/(n*(n*q - 1))
        >>> istsim.symbolic.joint_probability(istsim.Coverage(4, 8, 2), 1, 1, 0)
        p_1_1_0
    """
    instance_of("sketch", sketch, Sketch, _SKETCH)
    left, right, shared = natural_number("left", left), natural_number("right", right), natural_number("shared", shared)
    if not (0 <= left <= 2 and 0 <= right <= 2 and 0 <= shared <= min(left, right)):
        raise ValueError(f"left and right must be 0, 1 or 2 and shared at most both, got {left}, {right} and {shared}")
    if isinstance(sketch, Grouped):
        return joint_probability(sketch.sketch, left, right, shared).xreplace({s.d: s.G})
    if left == 0 or right == 0:
        return inclusion_probability(sketch, left + right)
    if sketch.independent_workers:
        return inclusion_probability(sketch, left) * inclusion_probability(sketch, right)
    if type(sketch) is not Permutation or sketch.n > sketch.d:
        return s.joint[min(left, right), max(left, right), shared]  # workers are exchangeable
    if shared > 0 or left + right > sketch.d:
        return sp.Integer(0)
    if sketch.d % sketch.n == 0:
        return sp.factor(sp.ff(s.q, left) * sp.ff(s.q, right) / sp.ff(s.n * s.q, left + right))
    n, q, longer = s.n, s.q, s.d - s.q * s.n
    pairs = {
        (q + 1, q + 1): longer * (longer - 1),
        (q + 1, q): longer * (n - longer),
        (q, q + 1): (n - longer) * longer,
        (q, q): (n - longer) * (n - longer - 1),
    }
    ways = sum(count * sp.ff(one, left) * sp.ff(other, right) for (one, other), count in pairs.items())
    return sp.factor(ways / (n * (n - 1) * sp.ff(s.d, left + right)))


def reported_probability(sketch: Sketch, participants: int) -> sp.Expr:
    """Probability that one of the reporting workers holds a given coordinate, as a formula.

    Args:
        sketch: who holds what.
        participants: how many workers report; m in the formula, unless all n do.

    Returns:
        In n, m and p_1's symbols where workers draw independently, in n, m and c where each coordinate has c
        holders, else the symbol p_m.

    Raises:
        NotCoveredError: if the sketch does not know its number.

    Example:
        >>> import istsim
        >>> istsim.symbolic.reported_probability(istsim.RandK(4, 8, 2), 4)
        1 - (1 - k/d)**n
        >>> istsim.symbolic.reported_probability(istsim.Permutation(4, 8), 3)
        m/n
    """
    instance_of("sketch", sketch, Sketch, _SKETCH)
    if positive_int("participants", participants) > sketch.n:
        raise ValueError(f"participants must be at most n = {sketch.n}, got {participants}")
    m = s.n if participants == sketch.n else s.m
    if (one := inclusion_probability(sketch, 1)) == 1:
        return one
    if sketch.independent_workers:
        return 1 - (1 - one) ** m
    if sketch.holders == 1:
        return m / s.n
    if sketch.holders is not None:
        return sp.Integer(1) if m == s.n else 1 - sp.binomial(s.n - s.c, m) / sp.binomial(s.n, m)
    try:
        sketch.reported_probability(participants)
    except NotImplementedError as error:
        raise NotCoveredError(str(error)) from None
    return s.reported


def _of_unequal_loads(size: int, copies: sp.Expr | int) -> sp.Expr:
    """Of n workers, c d - q n hold q + 1 of the d coordinates and the others q."""
    longer = copies * s.d - s.q * s.n
    ways = longer * sp.ff(s.q + 1, size) + (s.n - longer) * sp.ff(s.q, size)
    return sp.factor(ways / (s.n * sp.ff(s.d, size)))
