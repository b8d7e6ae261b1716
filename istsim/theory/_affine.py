"""The first and second moments of a round's random affine map `x+ = x - step_size (B x - c)`."""

from __future__ import annotations

import abc
import copy
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from istsim._arrays import array_namespace
from istsim._pytree import Pytree
from istsim._types import Array
from istsim.problems._quadratic import Quadratic
from istsim.theory._forms import transposed


class Moments(NamedTuple):
    """What a round maps linearly: `E e e'` and, for what is not homogeneous in e, `E e` and 1.

    All may have leading axes.

    Attributes:
        second: `E e e'`, shape (d, d), symmetric.
        first: `E e`, shape (d,); None for a homogeneous round, whose residual g is 0.
        one: 1, or any other number that the inhomogeneous part is multiplied by.
    """

    second: Float[Array, "*many d d"]
    first: Float[Array, "*many d"] | None = None
    one: Any = 1.0

    def one_for(self, axes: int) -> Any:
        """`one`, to multiply what has so many axes besides the leading ones."""
        return array_namespace(self.one).asarray(self.one)[(..., *[None] * axes)]


# What a power of the step size is multiplied by in E e+, from E e and 1, and in E e+ e+', up to symmetrising.
MeanPart = Callable[[Float[Array, "*many d"], Any], Float[Array, "*many d"]]
Part = Callable[[Moments], Float[Array, "*many d d"]]


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

    # First moments

    @abc.abstractmethod
    def mean_operator(self, step_size: Any = None) -> Float[Array, "d d"]:
        """`E[B]`; the step size is needed where B depends on it."""

    @abc.abstractmethod
    def mean_vector(self, step_size: Any = None) -> Float[Array, " d"]:
        """`E[c]`; the step size is needed where c depends on it."""

    @abc.abstractmethod
    def mean_residual(self, step_size: Any = None) -> Float[Array, " d"]:
        """`E[g] = E[c - B centre]`: the mean update at the centre, over the step size."""

    @abc.abstractmethod
    def mean_parts(self, step_size: Any) -> tuple[MeanPart, ...]:
        """How the mean of e changes in a round: the parts that the powers of the step size, from 0 on, multiply.

        Args:
            step_size: looked at only where `is_polynomial` is false; there is one part then, for this step size.
        """

    def mean_eigenvalues(self, step_size: Any = None) -> np.ndarray:
        """The eigenvalues of `E[B]`, complex where it is not symmetric."""
        return np.linalg.eigvals(np.asarray(self.mean_operator(step_size)))

    def fixed_point(self, step_size: Any = None) -> Float[Array, " d"]:
        """Where the expected iterate tends.

        Raises:
            ValueError: if `E[B]` is singular.
        """
        operator, residual = self.mean_operator(step_size), self.mean_residual(step_size)
        xp = array_namespace(operator, residual)
        if xp is np and np.linalg.cond(operator) > 1 / np.finfo(np.float64).eps:
            raise ValueError("E[B] is singular: the expected iterate has no single fixed point")
        # From the centre, so that an unbiased method's fixed point is the minimizer to the last digit.
        return self.centre + xp.linalg.solve(operator, residual)

    # Second moments

    @abc.abstractmethod
    def check_second_moments(self) -> None:
        """Raise NotCoveredError if the methods below do not apply."""

    @property
    def depends_on_step_size(self) -> bool:
        """Whether B does."""
        return False

    @abc.abstractmethod
    def second(self, X: Float[Array, "*many d d"], step_size: Any = None) -> Float[Array, "*many d d"]:
        """`E[B X B']`; the step size is needed where B depends on it."""

    @abc.abstractmethod
    def transposed_second(self, X: Float[Array, "d d"]) -> Float[Array, "d d"]:
        """`E[B' X B]`, where B does not depend on the step size."""

    @abc.abstractmethod
    def parts(self, step_size: Any) -> tuple[Part, ...]:
        """How the second moment of e changes in a round: the parts that the powers of the step size multiply.

        Args:
            step_size: as for `mean_parts`.
        """

    @property
    def is_polynomial(self) -> bool:
        """Whether the moments after a round are polynomials in the step size, of known parts."""
        return True

    @property
    def is_deterministic(self) -> bool:
        """Whether a round's B is known not to be random."""
        return False

    def mean_recursion(self) -> Callable[[Any, Any], Any]:
        """How the mean of e changes in a round with a step size."""
        known = self.mean_parts(None) if self.is_polynomial else None

        def one_round(step_size: Any, m: Any) -> Any:
            return summed(step_size, [part(m, 1.0) for part in known or self.mean_parts(step_size)])

        return one_round

    def recursion(self) -> Callable[[Any, Moments], Moments]:
        """How the moments change in a round with a step size; second moments are exactly symmetric."""
        known = (self.mean_parts(None), self.parts(None)) if self.is_polynomial else None

        def one_round(step_size: Any, moments: Moments) -> Moments:
            mean_parts, parts = known or (self.mean_parts(step_size), self.parts(step_size))
            second, first = summed(step_size, [part(moments) for part in parts]), moments.first
            if first is not None:
                first = summed(step_size, [part(first, moments.one) for part in mean_parts])
            # Rounding otherwise feeds an antisymmetric mode, which the iteration may amplify.
            return Moments((second + transposed(second)) / 2, first, moments.one)

        return one_round


def summed(step_size: Any, parts: Sequence[Any]) -> Any:
    """The polynomial in the step size with these coefficients, from that of its power 0 on."""
    total = parts[-1]
    for part in reversed(parts[:-1]):
        total = part + step_size * total
    return total
