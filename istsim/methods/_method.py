"""What a method is: which parts of a worker's gradient computation are masked, and how updates merge.

A worker i that holds the coordinates S_i, with `P_i = diag(1 on S_i)`, reports

    u_i = beta O_i (L_i (alpha M_i x) - b_i)

with `M_i = P_i` where the model is masked and `O_i = P_i` where the gradient is; elsewhere these
are identities and the scales alpha and beta are 1. The mean merge is `x+ = x - (step_size/n) sum u_i`.
"""

from __future__ import annotations

import abc
import dataclasses
from typing import Any, ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from istsim._pytree import Pytree
from istsim._validation import finite_number, is_concrete, one_of
from istsim.problems._hessians import rows_of
from istsim.problems._quadratic import Quadratic
from istsim.sketches._sketch import Sketch

# One round's sets: masks, or lists of coordinates where every worker holds the same number.
Held = Bool[Array, "n d"] | Int[Array, "n k"]

MERGES = ("mean",)


class Method(Pytree, abc.ABC):
    """Base class of all methods."""

    masks_model: ClassVar[bool] = False
    masks_gradient: ClassVar[bool] = False
    forward_scale: Any = 1.0
    gradient_scale: Any = 1.0

    @abc.abstractmethod
    def sketch_for(self, problem: Quadratic) -> Sketch:
        """The sketch this method uses on the problem.

        Raises:
            ValueError: if the method's sketch is for another n or d.
        """

    @abc.abstractmethod
    def draw(self, key: Any) -> Held:
        """The sets that one round's workers hold."""

    @abc.abstractmethod
    def update_sum(self, problem: Quadratic, held: Held, x: Float[Array, " d"]) -> Float[Array, " d"]:
        """`sum_i u_i` at x of shape (d,) for the sets drawn, shape (d,)."""

    def floats_per_round(self, problem: Quadratic) -> tuple[float, float]:
        """Expected floats sent in a round, (down to the workers, up from them), summed over workers.

        Masks cost nothing: server and workers draw them from a shared seed.
        """
        held = problem.num_workers * problem.dim * float(self.sketch_for(problem).inclusion_probability(1))
        full = float(problem.num_workers * problem.dim)
        return (held if self.masks_model else full, held if self.masks_gradient else full)


@dataclasses.dataclass(frozen=True)
class SketchedMethod(Method):
    """Base class of the methods that mask the model, the gradient or both by a sketch."""

    sketch: Sketch
    _: dataclasses.KW_ONLY
    merge: str = "mean"

    def __post_init__(self) -> None:
        if not isinstance(self.sketch, Sketch):
            raise ValueError(f"sketch must be an istsim.Sketch, such as istsim.RandK(n, d, k), got {self.sketch!r}")
        one_of("merge", self.merge, MERGES)

    def _set_scale(self, name: str) -> None:
        """Replace a scale left open by the unbiased one, 1/p1."""
        scale = getattr(self, name)
        if scale is None or (isinstance(scale, str) and scale == "unbiased"):
            scale = 1 / self.sketch.inclusion_probability(1)
        elif isinstance(scale, str):
            raise ValueError(f'{name} must be a positive number, None or "unbiased", got {scale!r}')
        scale = finite_number(name, scale)
        if is_concrete(scale) and scale <= 0:
            raise ValueError(f'{name} must be a positive number, None or "unbiased", got {scale!r}')
        object.__setattr__(self, name, scale)

    def sketch_for(self, problem):
        ours, theirs = (self.sketch.n, self.sketch.d), (problem.num_workers, problem.dim)
        if ours != theirs:
            raise ValueError(f"the sketch is for (n, d) = {ours}, but the problem has (n, d) = {theirs}")
        return self.sketch

    def draw(self, key):
        if self.sketch.size is not None:
            return self.sketch.sample_indices(key)
        return self.sketch.sample(key)

    def update_sum(self, problem, held, x):
        alpha, beta = jnp.asarray(self.forward_scale, x.dtype), jnp.asarray(self.gradient_scale, x.dtype)
        if held.dtype == bool:
            points = jnp.where(held, alpha * x, 0) if self.masks_model else jnp.broadcast_to(x, held.shape)
            gradients = problem.hessians.apply(points) - problem.b
            return jnp.where(held, beta * gradients, 0).sum(axis=0) if self.masks_gradient else gradients.sum(axis=0)
        if not self.masks_gradient:
            return (problem.hessians.apply_columns(held, alpha * x[held]) - problem.b).sum(axis=0)
        if self.masks_model:
            gradients = problem.hessians.apply_block(held, alpha * x[held])
        else:
            gradients = problem.hessians.apply_rows(held, x)
        updates = beta * (gradients - rows_of(problem.b, held))
        return jnp.zeros_like(x).at[held].add(updates, mode="promise_in_bounds")
