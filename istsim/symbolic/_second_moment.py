from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import sympy as sp
from jaxtyping import Float

from istsim._types import Numbers
from istsim.methods._local_updates import LocalUpdates
from istsim.methods._method import Method
from istsim.problems._quadratic import Quadratic
from istsim.symbolic import _symbols as s
from istsim.symbolic._coefficients import Coefficients, Terms, coefficients, total
from istsim.symbolic._evaluate import as_function, known_values
from istsim.symbolic._forms import (
    Forms,
    check_expressible,
    diagonal_matrix,
    diagonal_of,
    matrix_diagonal,
    matrix_matrix,
)
from istsim.symbolic._mean import mean_terms
from istsim.symbolic._probabilities import inclusion_probability
from istsim.symbolic._workers import (
    check_covered,
    check_noise_leaves_operator,
    loses_model,
    one_reports,
    scale,
    sketch_of,
    two_report,
)


class SecondMoment(NamedTuple):
    """`E[B X B'] = of_mean + (1/n) sum_i of_worker`, as formulas.

    A `HadamardProduct(I, Y)` is the diagonal of Y. Under a `Grouped` sketch, E takes the place of I, with ones where
    two coordinates belong to one group.

    Attributes:
        of_worker: in X and a worker's matrix L_i with its diagonal (or blocks of it) D_i.
        of_mean: in X, Lbar and Dbar.
    """

    of_worker: sp.MatrixExpr
    of_mean: sp.MatrixExpr

    def evaluate(self, problem: Quadratic, method: Method, X: Numbers, **others: Any) -> Float[np.ndarray, "d d"]:
        """The numbers, shape (d, d).

        Args:
            problem, method: give the values of all symbols that `values` lists.
            X: shape (d, d).
            others: values of further symbols by name, such as `gamma=0.1`.

        Raises:
            ValueError: if a symbol is left without a value.
        """
        labels = method.sketch_for(problem).labels
        same = labels[:, None] == labels
        symbols = (self.of_worker.free_symbols | self.of_mean.free_symbols) - {s.L, s.D}
        known = known_values(symbols, problem, method, X=np.asarray(X, float), **others)
        of_worker, of_mean = (as_function(expression, problem.dim) for expression in self)
        workers = [of_worker(**known, L_i=L, D_i=np.where(same, L, 0.0)) for L in np.asarray(problem.L, float)]
        return of_mean(**known) + np.mean(workers, axis=0)


def second_moment(method: Method) -> SecondMoment:
    """`E[B X B']` for one round's random operator B, as formulas.

    Entry (a, b) sums `L[a,c] X[c,e] L[e,b]` over c and e, times the probability that masked positions are held, by
    one worker or by two. That depends on which positions coincide, their pattern; Moebius inversion over the 15
    patterns turns it into as many matrix terms, of which fewer are left where only one end is masked.

    Args:
        method: its kind and its sketch's kind matter, not their numbers.

    Returns:
        Two matrix expressions, in the scales and the sketch's symbols besides; m is the number of participants.

    Raises:
        NotCoveredError: for several local steps, weights, sampled rows, sketches that are not exchangeable, the merge
            "owners" where the numbers of holders vary, and model and gradient masked in groups, where one term
            is not a product of matrices.

    Example:
        >>> import istsim
        >>> moment = istsim.symbolic.second_moment(istsim.CompressedIterates(istsim.Bernoulli(4, 8, 0.5)))
        >>> moment.of_mean
        (alpha**2*p**2)*Lbar*X*Lbar
        >>> moment.of_worker
        (-alpha**2*p*(p - 1)/n)*L_i*(HadamardProduct(I, X))*L_i
    """
    check_covered(method, local_steps=1)
    check_noise_leaves_operator(method)
    if isinstance(method, LocalUpdates):
        return SecondMoment(sp.ZeroMatrix(s.d, s.d), s.T * s.X * s.T.T)
    model, gradient, squared = method.masks_model, method.masks_gradient, scale(method) ** 2
    same, different = _same_and_different(method, [gradient, model], [model, gradient])
    own = _sum_of_products((1, same), (-1, different))
    check_expressible(same.keys() | different.keys(), method)
    # All pairs of different workers have the same coefficients, so that the sum over them is the expression
    # of sum L_i = n Lbar, less what that has on equal workers.
    of_worker, of_mean = matrix_matrix(s.L, s.D, method), matrix_matrix(s.Lbar, s.Dbar, method)
    # A sum in which all cancels is still a matrix: hence 0 X.
    worker: dict[sp.MatrixExpr, sp.Expr] = {s.X: sp.Integer(0)}
    mean: dict[sp.MatrixExpr, sp.Expr] = {s.X: sp.Integer(0)}
    _add(worker, {of_worker[pattern]: s.n * squared * value for pattern, value in own.items()})
    _add(mean, {of_mean[pattern]: s.n**2 * squared * value for pattern, value in different.items()})
    if loses_model(method):
        _add(mean, _lost(method))
    return SecondMoment(total(worker), total(mean))


def _lost(method: Method) -> Terms:
    """What `J / gamma` in B adds, `J = I - C` with C the average of the workers' masks times alpha.

    `(E[U X J] + E[J X U']) / gamma + E[J X J] / gamma^2`, U being the rest of B.
    """
    alpha, gamma, X = s.alpha, s.gamma, s.X

    def averaged(left: list[bool], right: list[bool]) -> Coefficients:
        """The coefficients of terms linear in the average of the workers' matrices."""
        same, different = _same_and_different(method, left, right)
        return _sum_of_products((s.n, same), (s.n * (s.n - 1), different))

    terms: dict[sp.MatrixExpr, sp.Expr] = {}
    _add(terms, {X: (1 - 2 * alpha * inclusion_probability(sketch_of(method), 1)) / gamma**2})
    both_kept: Forms = {(0, 1): X, (0, 0): diagonal_of(X, method)}
    for pattern, value in averaged([True], [True]).items():
        _add(terms, {both_kept[pattern]: alpha**2 / gamma**2 * value})
    operator, _ = mean_terms(method)
    for matrix in (s.Lbar, s.Dbar):
        value = operator.get(matrix, 0) / gamma
        _add(terms, {matrix * X: value, X * matrix: value})
    for pattern, value in averaged([method.masks_gradient, method.masks_model], [True]).items():
        for forms in (matrix_diagonal(method), diagonal_matrix(method)):
            _add(terms, {forms[pattern]: -scale(method) * alpha / gamma * value})
    return terms


def _same_and_different(method: Method, left: list[bool], right: list[bool]) -> tuple[Coefficients, Coefficients]:
    """The coefficients where both sides belong to one worker, and to two different ones."""
    return coefficients(left, right, one_reports(method)), coefficients(left, right, two_report(method))


def _add(terms: dict[sp.MatrixExpr, sp.Expr], more: Terms) -> None:
    for matrix, value in more.items():
        terms[matrix] = terms.get(matrix, 0) + value


def _sum_of_products(*products: tuple[sp.Expr | int, Coefficients]) -> Coefficients:
    """Of factors and coefficients, those that cancel left out."""
    found = {
        pattern: sp.factor(sum(factor * values.get(pattern, 0) for factor, values in products))
        for pattern in dict.fromkeys(pattern for _, values in products for pattern in values)
    }
    return {pattern: value for pattern, value in found.items() if value != 0}
