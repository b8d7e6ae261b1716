from __future__ import annotations

import math

import sympy as sp

from istsim.methods._local_updates import LocalUpdates
from istsim.methods._method import Method
from istsim.symbolic import _symbols as s
from istsim.symbolic._coefficients import Terms, coefficients, total
from istsim.symbolic._forms import Forms, diagonal_of
from istsim.symbolic._probabilities import inclusion_probability
from istsim.symbolic._workers import check_covered, loses_model, one_holds, owned_share, scale, sketch_of


def mean_operator(method: Method) -> tuple[sp.MatrixExpr, sp.MatrixExpr]:
    """`E[B]` and `E[c]` of `x+ = x - gamma (B x - c)` as formulas.

    An entry (a, c) of `O_i L_i M_i` carries the product of two mask entries, whose expectation takes
    one value on the diagonal, where they belong to one coordinate, and another off it. With two local steps,
    `L_i P_i L_i` has three positions; the merge "literal" adds the model that masking loses, over gamma.

    Args:
        method: its kind and its sketch's kind matter, not their numbers.

    Returns:
        Matrix expressions in Lbar, Dbar (its diagonal, or blocks of it under a `Grouped` sketch) and bbar, and
        in n and q, d and k, or p; alpha and beta are the forward and the gradient scale. In T, the part of Lbar that
        they see, for local updates.

    Raises:
        NotCoveredError: for weights, more than two local steps, sketches that are not exchangeable, and merges "owners"
            where the sketch does not know how often a coordinate is reported.

    Example:
        >>> import istsim
        >>> B, c = istsim.symbolic.mean_operator(istsim.CompressedGradient(istsim.RandK(4, 8, 2)))
        >>> B, c
        ((beta*k/d)*Lbar, (beta*k/d)*bbar)
    """
    operator, vector = mean_terms(method)
    return total(operator), total(vector)


def mean_terms(method: Method) -> tuple[Terms, Terms]:
    """What multiplies which matrix in `E[B]`, and which vector in `E[c]`."""
    check_covered(method, local_steps=2)
    if isinstance(method, LocalUpdates):
        summed = method.mode == "overlapping" and method.shared == "sum"
        return {s.T: sp.Integer(1)}, {s.N * s.bbar if summed else s.bbar: sp.Integer(1)}
    # A round sums multiples of `O_i K_i^t L_i M_i` and `O_i K_i^t b_i` over t, K_i being `P_i L_i P_i` or L_i. The
    # patterns of coinciding positions stand for these averages over workers, for t = 0 and for t = 1.
    one_operator: Forms = {(0, 1): s.Lbar, (0, 0): s.Dbar}
    two_operators: Forms = {
        (0, 1, 2): s.LLbar,
        (0, 0, 1): s.DLbar,
        (0, 1, 1): s.DLbar.T,
        (0, 1, 0): diagonal_of(s.LLbar, method),
        (0, 0, 0): s.DDbar,
    }
    one_vector: Forms = {(0,): s.bbar}
    two_vectors: Forms = {(0, 1): s.Lbbar, (0, 0): s.Dbbar}
    forms = ((one_operator, one_vector), (two_operators, two_vectors))
    both, held = method.masks_model and method.masks_gradient, one_holds(method)
    operator, vector = {}, {}
    for t, (matrices, vectors) in enumerate(forms[: method.local_steps]):
        factor = math.comb(method.local_steps, t + 1) * (-s.gamma) ** t * owned_share(method)
        masked = [method.masks_gradient, *[both] * t]
        for pattern, value in coefficients([*masked, method.masks_model], [], held).items():
            operator[matrices[pattern]] = factor * scale(method) * value
        for pattern, value in coefficients(masked, [], held).items():
            vector[vectors[pattern]] = factor * (s.beta if method.masks_gradient else 1) * value
    if loses_model(method):
        operator[s.identity] = (1 - s.alpha * inclusion_probability(sketch_of(method), 1)) / s.gamma
    return operator, vector
