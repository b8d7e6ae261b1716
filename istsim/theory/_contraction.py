from __future__ import annotations

import dataclasses
import math

import numpy as np
from jaxtyping import Float

from istsim.methods._method import Method
from istsim.problems._quadratic import Quadratic
from istsim.theory._errors import NotCoveredError
from istsim.theory._law_of import law_of


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

    Raises:
        ValueError: if the method's sketch is for another n or d.
        NotCoveredError: where B depends on the step size, and for what the route does not cover.

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
    return contraction_of(Lbar, law.mean_operator(), law.transposed_second(Lbar))


def contraction_of(
    Lbar: Float[np.ndarray, "d d"], B: Float[np.ndarray, "d d"], second: Float[np.ndarray, "d d"]
) -> Contraction:
    """From Lbar, `E[B]` and `E[B' Lbar B]`."""
    W = (Lbar @ B + B.T @ Lbar) / 2
    values, vectors = np.linalg.eigh(Lbar)
    unit = (vectors / np.sqrt(values)) @ vectors.T  # Lbar^-1/2
    eigenvalues, directions = np.linalg.eigh(unit @ W @ unit)
    rounding = 100 * len(B) * np.finfo(float).eps
    slack = rounding * np.abs(eigenvalues).max()
    is_semidefinite = bool(eigenvalues[0] >= -slack)
    in_basis = directions.T @ unit @ second @ unit @ directions
    theta = _theta(eigenvalues, in_basis, slack, rounding) if is_semidefinite else math.inf
    return Contraction(W, float(eigenvalues[0]), is_semidefinite, theta)


def _theta(
    eigenvalues: Float[np.ndarray, " d"], second: Float[np.ndarray, "d d"], slack: float, rounding: float
) -> float:
    """The least theta with `second <= theta diag(eigenvalues)`, eigenvalues within the slack counting as 0."""
    positive = eigenvalues > slack
    # In the kernel of W the second moment must vanish as well.
    if np.abs(second[~positive]).max(initial=0.0) > rounding * np.abs(second).max():
        return math.inf
    root = 1 / np.sqrt(eigenvalues[positive])
    scaled = root[:, None] * second[np.ix_(positive, positive)] * root
    return float(np.linalg.eigvalsh(scaled)[-1])
