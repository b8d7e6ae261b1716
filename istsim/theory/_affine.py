"""The first and second moments of a round's random affine map `x+ = x - step_size (B x - c)`."""

from __future__ import annotations

import abc
import copy
from collections.abc import Callable
from typing import Any

from jaxtyping import Float

from istsim._pytree import Pytree
from istsim._types import Array
from istsim.problems._quadratic import Quadratic

# (step size, E e) -> E e+, where e = x - centre.
MeanRecursion = Callable[[Any, Float[Array, " d"]], Float[Array, " d"]]
# (step size, E e e', E e) -> E e+ e+'; without E e only the part linear in E e e'.
Recursion = Callable[[Any, Float[Array, "d d"], Float[Array, " d"] | None], Float[Array, "d d"]]


class AffineLaw(Pytree, abc.ABC):
    """The law of one round's (B, c), as far as its first two moments, in float64.

    Moments are those of `e = x - centre`, with the residual `g = c - B centre` in place of c. At the
    minimizer, or at a fixed point, what vanishes there then vanishes exactly, and nothing is lost by cancellation.

    Attributes:
        problem: in float64.
        centre: shape (d,).
    """

    problem: Quadratic
    centre: Float[Array, " d"]

    def centred_at(self, centre: Float[Array, " d"]) -> AffineLaw:
        """The same law, with moments about another point."""
        law = copy.copy(self)
        vars(law)["centre"] = centre
        return law

    @abc.abstractmethod
    def mean_operator(self, step_size: Any = None) -> Float[Array, "d d"]:
        """`E[B]`; the step size is needed where B depends on it."""

    @abc.abstractmethod
    def mean_vector(self, step_size: Any = None) -> Float[Array, " d"]:
        """`E[c]`; the step size is needed where c depends on it."""

    @abc.abstractmethod
    def mean_residual(self, step_size: Any = None) -> Float[Array, " d"]:
        """`E[g] = E[c - B centre]`: the mean update at the centre, over the step size."""

    def mean_recursion(self) -> MeanRecursion:
        """How the mean of e changes in a round."""

        def one_round(step_size, m):
            return m - step_size * (self.mean_operator(step_size) @ m - self.mean_residual(step_size))

        return one_round

    @abc.abstractmethod
    def check_second_moments(self) -> None:
        """Raise NotCoveredError if the methods below do not apply."""

    @property
    def depends_on_step_size(self) -> bool:
        """Whether B does."""
        return False

    @abc.abstractmethod
    def second(self, X: Float[Array, "d d"], step_size: Any = None) -> Float[Array, "d d"]:
        """`E[B X B']`; the step size is needed where B depends on it."""

    @abc.abstractmethod
    def transposed_second(self, X: Float[Array, "d d"]) -> Float[Array, "d d"]:
        """`E[B' X B]`, where B does not depend on the step size."""

    @abc.abstractmethod
    def recursion(self) -> Recursion:
        """How the second moment of e changes in a round; its results are exactly symmetric."""
