"""What a method is: which parts of a worker's computation are masked, and how the workers' reports merge.

A worker i that holds the coordinates S_i, with `P_i = diag(1 on S_i)`, starts from `w_0 = alpha P_i x`
where the model is masked, else from x, takes H local steps `w <- w - step_size M_i grad f_i(w)` with
`M_i = P_i` where both model and gradient are masked, else I, and reports
`u_i = beta O_i (w_0 - w_H) / step_size` with `O_i = P_i` where the gradient is masked, else I. For H = 1
that is `u_i = beta O_i (L_i w_0 - b_i)`. The reports of the m workers that take part merge as

    mean:     x+ = x - (step_size/m) sum u_i
    owners:   x+ = x - step_size times the average, for each coordinate, of u_i over its holders
    literal:  x+ = (1/m) sum (w_0 of worker i - step_size u_i)
"""

from __future__ import annotations

import abc
import dataclasses
import math
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import random
from jaxtyping import Bool, Float, Int

from istsim._arrays import array_namespace
from istsim._pytree import Pytree
from istsim._random import inverse, leading_axes, random_order, stream
from istsim._types import Array, Numbers
from istsim._validation import finite_array, finite_number, instance_of, is_concrete, one_of, positive_int
from istsim.methods._noise import Noise
from istsim.problems._dense import DenseHessians
from istsim.problems._hessians import rows_of
from istsim.problems._quadratic import Quadratic
from istsim.sketches._drawn import check_form
from istsim.sketches._identity import Identity
from istsim.sketches._sketch import Sketch

MERGES = ("mean", "owners", "literal")


class Draws(NamedTuple):
    """What is random in one round, the workers along the leading axis of each array but the key.

    Attributes:
        held: masks, or lists of coordinates where every worker holds the same number.
        reporting: whether each worker's report counts; None if all do.
        workers: the number of each worker.
        noise_key: from which each worker's gradient noise is drawn by its number.
    """

    held: Bool[Array, "*rounds n d"] | Int[Array, "*rounds n k"]
    reporting: Bool[Array, "*rounds n"] | None
    workers: Int[Array, " n"]
    noise_key: Any


class Method(Pytree, abc.ABC):
    """Base class of all methods."""

    masks_model: ClassVar[bool] = False
    masks_gradient: ClassVar[bool] = False
    forward_scale: Any = 1.0
    gradient_scale: Any = 1.0
    weights: Any = None
    merge: str = "mean"
    local_steps: int = 1
    participants: int | None = None
    noise: Noise | None = None

    def sketch_for(self, problem: Quadratic) -> Sketch:
        """The sketch this method uses on the problem: the identity, where it has none of its own.

        Raises:
            ValueError: if the method does not fit the problem, such as by a sketch for another n or d.
        """
        return Identity(problem.num_workers, problem.dim)

    def gathers_in_numpy(self, problem: Quadratic) -> bool:
        """Whether rounds in NumPy gather the coordinates that are held: where blocks of dense matrices are needed."""
        return self.masks_model and self.masks_gradient and isinstance(problem.hessians, DenseHessians)

    def num_reports(self, num_workers: int) -> int:
        """m, how many of n workers take part in a round."""
        return num_workers if self.participants is None else self.participants

    def draw(self, key: Any, num_workers: int) -> Draws:
        """What is random in the round of that key: here nothing."""
        return Draws(np.zeros((num_workers, 0), np.int32), None, np.arange(num_workers), key)

    def worker_sums(
        self, problem: Quadratic, draws: Draws, step_size: Any, x: Float[Array, "*_ d"]
    ) -> dict[str, Float[Array, "*_ d"]]:
        """What the merge needs to know of the workers, summed over those at hand.

        They may be a part of all: the sums of the parts are added up before `combine`.
        """
        return {}

    @abc.abstractmethod
    def combine(
        self, problem: Quadratic, sums: dict[str, Float[Array, "*_ d"]], step_size: Any, x: Float[Array, "*_ d"]
    ) -> Float[Array, "*_ d"]:
        """The next iterate, from the sums over all workers."""

    def floats_per_round(self, problem: Quadratic) -> tuple[float, float]:
        """Expected floats sent in a round, (down to the workers, up from them), summed over those that take part.

        Masks cost nothing: server and workers draw them, and who takes part, from a shared seed.
        """
        instance_of("problem", problem, Quadratic, "an istsim.Quadratic")
        full = float(self.num_reports(problem.num_workers) * problem.dim)
        held = full * float(self.sketch_for(problem).inclusion_probability(1))
        return (held if self.masks_model else full, held if self.masks_gradient else full)


@dataclasses.dataclass(frozen=True)
class SketchedMethod(Method):
    """Base class of the methods that mask the model, the gradient or both by a sketch."""

    sketch: Sketch
    _: dataclasses.KW_ONLY
    merge: str = "mean"
    local_steps: int = 1
    participants: int | None = None
    noise: Noise | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.sketch, Sketch):
            raise ValueError(f"sketch must be an istsim.Sketch, such as istsim.RandK(n, d, k), got {self.sketch!r}")
        one_of("merge", self.merge, MERGES)
        if self.merge == "owners" and not self.masks_gradient:
            raise ValueError(
                f"merge must be 'mean' or 'literal' for {type(self).__name__}, got 'owners': where gradients are "
                "whole, no coordinate has owners"
            )
        object.__setattr__(self, "local_steps", positive_int("local_steps", self.local_steps))
        if self.participants is not None:
            object.__setattr__(self, "participants", positive_int("participants", self.participants))
            if self.participants > self.sketch.n:
                raise ValueError(f"participants must be at most n = {self.sketch.n}, got {self.participants}")
        if self.noise is not None and not isinstance(self.noise, Noise):
            raise ValueError(
                f"noise must be None, istsim.GaussianNoise(covariance) or istsim.RowSampling(batch_size), "
                f"got {self.noise!r}"
            )

    def _set_scale(self, name: str) -> None:
        """Replace a scale left open: by 1 for the merge "owners", else by the unbiased one, 1/p1."""
        scale = getattr(self, name)
        if scale is None and self.merge == "owners":
            scale = 1.0
        elif scale is None or (isinstance(scale, str) and scale == "unbiased"):
            scale = 1 / self.sketch.inclusion_probability(1)
        elif isinstance(scale, str):
            raise ValueError(f'{name} must be a positive number, None or "unbiased", got {scale!r}')
        scale = finite_number(name, scale)
        if is_concrete(scale) and scale <= 0:
            raise ValueError(f'{name} must be a positive number, None or "unbiased", got {scale!r}')
        object.__setattr__(self, name, scale)

    def _set_weights(self, weights: Numbers | None) -> None:
        """Check diagonal weights, which are for one local step and the merges that do not count holders."""
        if weights is None:
            return
        array = finite_array("weights", weights, "(n, d)", 2)
        if array.shape != (self.sketch.n, self.sketch.d):
            raise ValueError(
                f"weights must have shape (n, d) = {(self.sketch.n, self.sketch.d)}, got shape {array.shape}"
            )
        if self.merge == "owners" or self.local_steps > 1:
            raise ValueError(
                "weights need merge='mean' or 'literal' and local_steps=1, "
                f"got merge={self.merge!r} and local_steps={self.local_steps}"
            )
        object.__setattr__(self, "weights", array)

    def sketch_for(self, problem):
        ours, theirs = (self.sketch.n, self.sketch.d), (problem.num_workers, problem.dim)
        if ours != theirs:
            raise ValueError(f"the sketch is for (n, d) = {ours}, but the problem has (n, d) = {theirs}")
        if self.noise is not None:
            self.noise.check_fits(problem)
        return self.sketch

    def draw(self, key, num_workers):
        held = self.sketch.sample(key) if self.sketch.size is None else self.sketch.sample_indices(key)
        check_form(self.sketch, held, leading_axes(key))
        reporting = None
        if self.participants is not None:
            reporting = inverse(random_order(stream(key, "participants"), (num_workers,))) < self.participants
        return Draws(held, reporting, np.arange(num_workers), stream(key, "noise"))

    def worker_sums(self, problem, draws, step_size, x):
        needs_held_only = self.local_steps == 1 or (self.masks_model and self.masks_gradient)
        if array_namespace(draws.held, x, step_size) is np:
            needs_held_only = self.gathers_in_numpy(problem)
        if draws.held.dtype != bool and self.noise is None and needs_held_only:
            starts, updates, on = *self._on_coordinates(problem, draws, step_size, x), draws.held
            holders = np.ones(on.shape, x.dtype)
        else:
            mask = _as_mask(draws.held, problem.dim)
            starts, updates, on = *self._on_masks(problem, draws, mask, step_size, x), None
            holders = mask.astype(x.dtype)
        sums = {"updates": _total(updates, draws.reporting, on if self.masks_gradient else None, x)}
        if self.merge == "literal" and self.masks_model:
            sums["starts"] = _total(starts, draws.reporting, on, x)
        if self.merge == "owners":
            sums["holders"] = _total(holders, draws.reporting, on, x)
        return sums

    def combine(self, problem, sums, step_size, x):
        if self.merge == "owners":
            holders = sums["holders"]
            return x - step_size * sums["updates"] / array_namespace(holders).maximum(holders, 1)
        reports = self.num_reports(self.sketch.n)
        starts = sums["starts"] / reports if "starts" in sums else x
        return starts - step_size / reports * sums["updates"]

    def _on_coordinates(
        self, problem: Quadratic, draws: Draws, step_size: Any, x: Float[Array, "*_ d"]
    ) -> tuple[Float[Array, "*_ n k"], Float[Array, "*_ n _"]]:
        """Starts and updates, gathering only what is held: the workers hold equally many coordinates."""
        held, hessians = draws.held, problem.hessians
        alpha, beta = self._scales(draws, x, on=held)
        starts = alpha * (x[held] if x.ndim == 1 else np.take_along_axis(x[..., None, :], held, axis=-1))
        if not self.masks_gradient:
            return starts, beta * (hessians.apply_columns(held, starts) - problem.b)
        b = rows_of(problem.b, held)
        if not self.masks_model:
            return starts, beta * (hessians.apply_rows(held, x) - b)
        return starts, beta * self._local_sum(
            lambda points, _: hessians.apply_block(held, points) - b, starts, step_size
        )

    def _on_masks(
        self,
        problem: Quadratic,
        draws: Draws,
        mask: Bool[Array, "*rounds n d"],
        step_size: Any,
        x: Float[Array, "*points d"],
    ) -> tuple[Float[Array, "*_ n d"], Float[Array, "*_ n d"]]:
        """Starts and updates with all coordinates, those not held being zero; of many points and masks at once."""
        xp = array_namespace(x, mask, step_size, problem.b)
        alpha, beta = self._scales(draws, x, on=None)
        points = x[..., None, :]
        shape = np.broadcast_shapes(mask.shape, (*points.shape[:-2], *problem.b.shape[-2:]))
        starts = xp.where(mask, alpha * points, 0) if self.masks_model else xp.broadcast_to(points, shape)

        def gradients(points: Float[Array, "*_ n d"], local_step: Any) -> Float[Array, "*_ n d"]:
            if self.noise is None:
                found = problem.hessians.apply(points) - problem.b
            else:
                key = random.fold_in(draws.noise_key, local_step)
                keys = jax.vmap(lambda worker: random.fold_in(key, worker))(draws.workers)
                found = self.noise.gradients(problem, points, keys)
            return xp.where(mask, found, 0) if self.masks_model and self.masks_gradient else found

        updates = beta * self._local_sum(gradients, starts, step_size)
        return starts, xp.where(mask, updates, 0) if self.masks_gradient else updates

    def _local_sum(self, gradients: Any, starts: Float[Array, "*_ n k"], step_size: Any) -> Any:
        """The sum of the gradients at the local steps' points: `(w_0 - w_H) / step_size`, without dividing."""

        def local_step(index: Any, total: Any) -> Any:
            # A step size of its own for each point stands along the workers' axis.
            return total + gradients(starts - array_namespace(step_size).asarray(step_size)[..., None] * total, index)

        if self.local_steps == 1:
            return gradients(starts, 0)
        if array_namespace(starts, step_size) is jnp:
            return jax.lax.fori_loop(0, self.local_steps, local_step, jnp.zeros_like(starts))
        total = np.zeros_like(starts)
        for index in range(self.local_steps):
            total = local_step(index, total)
        return total

    def _scales(self, draws: Draws, x: Float[Array, "*points d"], on: Int[Array, "*_ n k"] | None) -> tuple[Any, Any]:
        """alpha and beta in the arithmetic of x, times the weights of the workers and coordinates at hand."""
        asarray = array_namespace(x, self.forward_scale, self.gradient_scale).asarray
        alpha, beta = asarray(self.forward_scale, x.dtype), asarray(self.gradient_scale, x.dtype)
        if self.weights is None:
            return alpha, beta
        weights = self.weights[draws.workers].astype(x.dtype)
        weights = weights if on is None else rows_of(weights, on)
        return alpha * weights, beta * weights


def _as_mask(held: Bool[Array, "*rounds n d"] | Int[Array, "*rounds n k"], dim: int) -> Bool[Array, "*rounds n d"]:
    if held.dtype == bool:
        return held
    if isinstance(held, np.ndarray):
        mask = np.zeros((*held.shape[:-1], dim), bool)
        np.put_along_axis(mask, held, True, axis=-1)
        return mask
    return jnp.zeros((len(held), dim), bool).at[jnp.arange(len(held))[:, None], held].set(True)


def _total(
    values: Float[Array, "*_ n _"],
    reporting: Bool[Array, "*_ n"] | None,
    on: Int[Array, "*_ n k"] | None,
    x: Float[Array, "*_ d"],
) -> Float[Array, "*_ d"]:
    """The sum over the reporting workers of whole vectors, or of values `on` lists of coordinates."""
    if reporting is not None:
        values = array_namespace(values, reporting).where(reporting[..., None], values, 0)
    if on is None:
        return values.sum(axis=-2)
    if array_namespace(values, on) is np:
        return _scattered(values, on, x.shape[-1]).astype(x.dtype)
    return jnp.zeros_like(x).at[on].add(values, mode="promise_in_bounds")


def _scattered(values: Float[np.ndarray, "*_ n k"], on: Int[np.ndarray, "*_ n k"], d: int) -> Any:
    """The sums, shape (..., d), of the values at each coordinate."""
    shape = np.broadcast_shapes(values.shape, on.shape)
    places = np.broadcast_to(on, shape).reshape(-1, math.prod(shape[-2:]))
    places = places + d * np.arange(len(places))[:, None]
    values = np.broadcast_to(values, shape)
    return np.bincount(places.ravel(), values.ravel(), minlength=d * len(places)).reshape(*shape[:-2], d)
