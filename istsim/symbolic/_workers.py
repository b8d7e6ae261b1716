"""Who reports and who holds what, as formulas: the only thing about a sketch that moments depend on."""

from __future__ import annotations

from collections.abc import Callable

import sympy as sp

from istsim.methods._gradient_descent import GradientDescent
from istsim.methods._local_updates import LocalUpdates
from istsim.methods._method import Method, SketchedMethod
from istsim.methods._noise import RowSampling
from istsim.sketches._identity import Identity
from istsim.sketches._sketch import Sketch
from istsim.symbolic import _symbols as s
from istsim.symbolic._probabilities import inclusion_probability, joint_probability, reported_probability
from istsim.theory import NotCoveredError
from istsim.theory._reports import check_other_holders

# Of the coordinates held on the left and on the right.
Expectation = Callable[[set[int], set[int]], sp.Expr]


def check_covered(method: Method, *, local_steps: int) -> None:
    """Raise NotCoveredError for a method without formulas.

    Args:
        method: the method.
        local_steps: up to how many of them are covered.
    """
    sketched = isinstance(method, SketchedMethod)
    if not (
        isinstance(method, GradientDescent | LocalUpdates)
        or (sketched and method.local_steps <= local_steps and method.weights is None and method.sketch.exchangeable)
    ):
        raise NotCoveredError(
            "formulas are for gradient descent, local updates and methods that mask by an exchangeable sketch, with up "
            f"to {local_steps} local step{'s' * (local_steps > 1)} and no weights, got {method}; "
            "istsim.theory may have its numbers"
        )


def check_noise_leaves_operator(method: Method) -> None:
    """Raise NotCoveredError for sampled rows, by which the L_i, and so B, are random besides."""
    if isinstance(method.noise, RowSampling):
        raise NotCoveredError(
            f"formulas of the spread are for whole gradients or Gaussian noise, which is not in B, got {method.noise}"
        )


def sketch_of(method: Method) -> Sketch:
    """The sketch, or the identity where nothing is masked."""
    return method.sketch if isinstance(method, SketchedMethod) else Identity(1, 1)


def scale(method: Method) -> sp.Expr:
    """What multiplies the masked L_i."""
    model, gradient = s.alpha if method.masks_model else sp.Integer(1), s.beta if method.masks_gradient else 1
    return model * gradient


def loses_model(method: Method) -> bool:
    """Whether it is the workers' masked models that are averaged."""
    return method.merge == "literal" and method.masks_model


def owned_share(method: Method) -> sp.Expr:
    """By how much the merge "owners" multiplies a mean over workers; 1 for other merges."""
    if method.merge != "owners":
        return sp.Integer(1)
    sketch = sketch_of(method)
    check_other_holders(sketch)
    return reported_probability(sketch, method.num_reports(sketch.n)) / inclusion_probability(sketch, 1)


def one_holds(method: Method) -> Expectation:
    """Probability that one worker holds the coordinates on both sides."""
    return lambda left, right: inclusion_probability(sketch_of(method), len(left | right))


def one_reports(method: Method) -> Expectation:
    """The same, times the probability that it reports, over the square of what the merge divides by."""
    (m, divisor), holds = _reports_and_divisor(method), one_holds(method)
    return lambda left, right: m / s.n / divisor**2 * holds(left, right)


def two_report(method: Method) -> Expectation:
    """For two different workers, of whom one holds the left coordinates, the other one the right ones."""
    (m, divisor), sketch = _reports_and_divisor(method), sketch_of(method)
    # Written so that nothing is divided by n - 1, which may be 0, where all report.
    both = sp.Integer(1) if m == s.n else m * (m - 1) / (s.n * (s.n - 1))

    def expectation(left: set[int], right: set[int]) -> sp.Expr:
        return both / divisor**2 * joint_probability(sketch, len(left), len(right), len(left & right))

    return expectation


def _reports_and_divisor(method: Method) -> tuple[sp.Expr, sp.Expr]:
    """How many workers report, and what the merge divides by.

    Raises:
        NotCoveredError: for a merge "owners" whose divisor varies.
    """
    sketch = sketch_of(method)
    m = s.n if method.num_reports(sketch.n) == sketch.n else s.m
    if method.merge != "owners":
        return m, m
    if sketch.holders == 1:
        return m, sp.Integer(1)
    if sketch.holders is not None and m == s.n:
        return m, s.c
    raise NotCoveredError(
        "formulas of the spread with the merge 'owners' are for one holder a coordinate, or equally many if all "
        f"workers report, got {method}; istsim.theory may have its numbers"
    )
