from __future__ import annotations

import dataclasses
import math

import numpy as np
from jaxtyping import Float

from istsim.methods._method import Method
from istsim.problems._quadratic import Quadratic
from istsim.theory._diagonal_law import DiagonalLaw
from istsim.theory._errors import NotCoveredError
from istsim.theory._law_of import law_of
from istsim.theory._sketched_law import SketchedLaw


@dataclasses.dataclass(frozen=True, eq=False)
class Contraction:
    """The quantities that Theorem 1 is about, in the geometry of Lbar.

    Attributes:
        W: `1/2 E[Lbar B + B' Lbar]`, shape (d, d).
        smallest: the smallest eigenvalue of `Lbar^-1/2 W Lbar^-1/2`.
        is_semidefinite: whether that is at least 0, up to rounding.
        theta: the least number with `E[B' Lbar B] <= theta W`, infinite if there is none.
    """

    W: Float[np.ndarray, "d d"] = dataclasses.field(repr=False)
    smallest: float
    is_semidefinite: bool
    theta: float

    @property
    def rate(self) -> float:
        """The smallest eigenvalue, 0 where it is negative only by rounding."""
        return max(self.smallest, 0.0)


def contraction(problem: Quadratic, method: Method, *, route: str = "formula") -> Contraction:
    """W and theta of Theorem 1 (Shulgin and Richtarik, arXiv 2306.16484, version 1), exactly.

    For a B that is not symmetric, B' stands where the derivation needs it.

    Eigenvalues are of `A = Lbar^1/2 E[B] Lbar^-1/2`. What rounding takes from them grows with the condition number of
    Lbar: where it would decide, the formulas are computed in 80 digits, for problems of some thousands of numbers.

    Raises:
        ValueError: if the method's sketch is for another n or d.
        NotCoveredError: where B depends on the step size, where rounding decides and the problem is too large for 80
            digits, and for what the route does not cover.

    Example:
        >>> import numpy as np, istsim
        >>> problem = istsim.Quadratic(L=np.diag([4.0, 1.0])[None], b=np.zeros((1, 2)))
        >>> istsim.theory.contraction(problem, istsim.GradientDescent())  # theta is lmax(Lbar)
        Contraction(smallest=1.0, is_semidefinite=True, theta=4.0)
    """
    law = law_of(problem, method, route)
    law.check_second_moments()
    if law.depends_on_step_size:
        raise NotCoveredError("W and theta are of one B, but here B depends on the step size")
    Lbar = law.problem.mean_hessian
    B = law.mean_operator()
    try:
        # Where nothing is random, E[B' Lbar B] follows from E[B].
        return contraction_of(Lbar, B, None if law.is_deterministic else law.transposed_second(Lbar))
    except NotCoveredError:
        from istsim.theory._digits import are_few_enough, extremes

        # Whose formulas are written for any kind of number.
        if not (isinstance(law, SketchedLaw | DiagonalLaw) and are_few_enough(law)):
            raise
        return Contraction(_W(Lbar, B), *extremes(law))


# Up to this part of the largest eigenvalue, rounding may hide what an eigenvalue of W is: it then counts as 0.
_HIDDEN = 1e-8
# The most that rounding may change theta, beside it.
_CHANGED = 1e-6


def contraction_of(
    Lbar: Float[np.ndarray, "d d"], B: Float[np.ndarray, "d d"], second: Float[np.ndarray, "d d"] | None
) -> Contraction:
    """From Lbar, `E[B]` and `E[B' Lbar B]`, which is None where B is not random.

    Raises:
        NotCoveredError: where rounding decides.
    """
    values, vectors = np.linalg.eigh(Lbar)
    root, rounding = np.sqrt(values), 100 * len(B) * np.finfo(float).eps
    in_basis = _without_rounding(vectors.T @ B @ vectors, rounding)
    A = root[:, None] * in_basis / root
    eigenvalues, directions = np.linalg.eigh((A + A.T) / 2)
    largest = np.abs(eigenvalues).max()
    # An error in an entry of B is multiplied by the ratio of two roots of eigenvalues, which is 1 on the diagonal.
    is_diagonal = np.count_nonzero(in_basis) == np.count_nonzero(in_basis.diagonal())
    slack = rounding * (largest if is_diagonal else np.abs(in_basis).max() * root[-1] / root[0])
    if is_diagonal:
        slack = min(slack, rounding * np.abs(eigenvalues).min())  # each is known to its own last digits
    is_semidefinite = bool(eigenvalues[0] >= -slack)
    if np.abs(eigenvalues).min() <= slack and slack > _HIDDEN * largest:
        raise NotCoveredError(
            f"cannot be decided at this precision: the condition number of Lbar is {values[-1] / values[0]:.2g}, and "
            f"eigenvalues of W in its geometry are known to {slack / largest:.1g} of the largest only, which is more "
            "than the smallest"
        )
    theta = math.inf
    if is_semidefinite:
        if second is None:
            moment, error = A.T @ A, slack * largest
        else:
            moment = (vectors.T @ second @ vectors) / root[:, None] / root
            error = rounding * np.abs(second).max() / values[0]
        theta = _theta(eigenvalues, directions.T @ moment @ directions, slack, error)
    return Contraction(_W(Lbar, B), float(eigenvalues[0]), is_semidefinite, theta)


def _W(Lbar: Float[np.ndarray, "d d"], B: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "d d"]:
    return (Lbar @ B + B.T @ Lbar) / 2


def _without_rounding(matrix: Float[np.ndarray, "d d"], rounding: float) -> Float[np.ndarray, "d d"]:
    """The matrix, or its diagonal where the rest is no larger than rounding."""
    diagonal = np.diag(matrix.diagonal())
    return diagonal if np.abs(matrix - diagonal).max() <= rounding * np.abs(matrix).max() else matrix


def _theta(eigenvalues: Float[np.ndarray, " d"], moment: Float[np.ndarray, "d d"], slack: float, error: float) -> float:
    """The least theta with `moment <= theta diag(eigenvalues)`, eigenvalues within the slack counting as 0.

    Raises:
        NotCoveredError: where the error of the moment decides.
    """
    positive = eigenvalues > slack
    # In the kernel of W the second moment must vanish as well.
    if np.abs(moment[~positive]).max(initial=0.0) > error:
        return math.inf
    if not positive.any():
        return 0.0
    root = 1 / np.sqrt(eigenvalues[positive])
    theta = float(np.linalg.eigvalsh(root[:, None] * moment[np.ix_(positive, positive)] * root)[-1])
    if (change := error * root.max() ** 2) > _CHANGED * theta:
        raise NotCoveredError(
            f"cannot be decided at this precision: rounding in E[B' Lbar B] may change theta, found as {theta:.3g}, by "
            f"{change:.1g}"
        )
    return theta
