from __future__ import annotations

import copy
import dataclasses
import functools
import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from istsim._arrays import array_namespace, as_known
from istsim._types import Array
from istsim._validation import is_concrete
from istsim.methods._method import Draws, Method, SketchedMethod
from istsim.methods._noise import GaussianNoise, RowSampling
from istsim.problems._dense import DenseHessians
from istsim.problems._quadratic import Quadratic
from istsim.simulation._rounds import advance
from istsim.theory._affine import AffineLaw
from istsim.theory._errors import NotCoveredError

MAX_OUTCOMES = 200_000
# Numbers that stand for what workers hold, in the rounds of many outcomes and points at once.
_NUMBERS_AT_ONCE = 2**20


@dataclasses.dataclass(frozen=True, eq=False)
class EnumeratedLaw(AffineLaw):
    """All that can happen in a round, listed: masks, who reports and from which rows, with the map and probability.

    The maps are read off the simulation's own round, so that whatever can be simulated can be listed. Of the library's
    methods all outcomes run through it at once, in NumPy; a user's own is JAX, and compiled.

    Attributes:
        matrices, vectors: the L_i and b_i, once, or for every choice of sampled rows.
        rows: for each outcome, which of these.
    """

    data_fields = (
        "problem",
        "method",
        "centre",
        "matrices",
        "vectors",
        "masks",
        "reporting",
        "rows",
        "probability",
    )
    problem: Quadratic
    method: Method
    centre: Float[Array, " d"]
    matrices: Float[Array, "choice n d d"]
    vectors: Float[Array, "choice n d"]
    masks: Bool[Array, "outcome n d"]
    reporting: Bool[Array, "outcome n"]
    rows: Int[Array, " outcome"]
    probability: Float[Array, " outcome"]

    @classmethod
    def of_outcomes(cls, problem: Quadratic, method: Method) -> EnumeratedLaw:
        """List the outcomes.

        Raises:
            NotCoveredError: for a sketch that does not list its outcomes, for too many of them, or for rows sampled at
                several local steps.
        """
        sketch, n = method.sketch_for(problem), problem.num_workers
        try:
            outcomes = list(sketch.outcomes())
        except (NotImplementedError, ValueError) as error:
            raise NotCoveredError(str(error)) from None
        reporting = itertools.combinations(range(n), method.num_reports(n))
        groups = np.array([np.isin(np.arange(n), group) for group in reporting], bool)
        matrices, vectors = _choices_of_rows(problem, method)
        count = len(outcomes) * len(groups) * len(matrices)
        if count > MAX_OUTCOMES:
            raise NotCoveredError(
                f"{len(outcomes)} masks, {len(groups)} ways to report and {len(matrices)} choices of rows make {count} "
                f"outcomes, more than the {MAX_OUTCOMES} that are listed; use a smaller n or d, or simulate"
            )
        mask, group, rows = (index.ravel() for index in np.indices((len(outcomes), len(groups), len(matrices))))
        probability = np.array([p for _, p in outcomes])[mask] / (len(groups) * len(matrices))
        return cls(
            problem,
            method,
            problem.minimizer,
            matrices,
            vectors,
            np.array([found for found, _ in outcomes])[mask],
            groups[group],
            rows,
            probability,
        )

    def mean_operator(self, step_size=None):
        """From the mean of the maps."""
        size = self._checked(step_size)
        A, _, _ = self._maps(size)
        return (np.eye(self.problem.dim) - self._mean(A)) / size

    def mean_vector(self, step_size=None):
        """From the mean of the maps."""
        size = self._checked(step_size)
        return self.mean_residual(size) + self.mean_operator(size) @ self.centre

    def mean_residual(self, step_size=None):
        """From the mean of the maps."""
        size = self._checked(step_size)
        _, h, _ = self._maps(size)
        return self._mean(h) / size

    @property
    def is_polynomial(self):
        """The maps are listed for one step size."""
        return False

    def mean_parts(self, step_size):
        """The mean of the maps."""
        A, h, _ = self._maps(step_size)
        mean_map, mean_shift = self._mean(A), self._mean(h)
        return (lambda m, one: m @ mean_map.T + one * mean_shift,)

    def check_second_moments(self):
        """Whatever can be listed has them."""

    @property
    def depends_on_step_size(self):
        """For the merge "literal" and for several local steps."""
        return self.method.merge == "literal" or self.method.local_steps > 1

    def second(self, X, step_size=None):
        """The mean over the outcomes' B."""
        size = self._checked(step_size)
        B = (np.eye(self.problem.dim) - self._maps(size)[0]) / size
        return self._mean_of_products(B, X)

    def transposed_second(self, X):
        """The mean over the outcomes' B."""
        B = np.eye(self.problem.dim) - self._maps(1.0)[0]
        return self._mean_of_products(B.transpose(0, 2, 1), X)

    def parts(self, step_size):
        """The mean over the outcomes' maps."""
        A, h, noise = self._maps(step_size)
        xp, d, weighted = array_namespace(A), self.problem.dim, self.probability[:, None] * h
        of_entries = None
        if len(A) > d**2:
            # Fewer operations: M -> E[A M A'] as one matrix on the entries of M.
            rows = A.reshape(len(A), d * d)
            products = ((self.probability[:, None] * rows).T @ rows).reshape(d, d, d, d)  # E[A_ab A_ce]
            of_entries = products.transpose(1, 3, 0, 2).reshape(d * d, d * d)
        shifted = xp.einsum("oab,oc->bac", A, weighted)  # E[A_ab h_c]
        added = weighted.T @ h + noise

        def part(moments):
            M, m, _ = moments
            if of_entries is None:
                second = self._mean_of_products(A, M)
            else:
                second = (M.reshape(*M.shape[:-2], d * d) @ of_entries).reshape(M.shape)
            if m is None:
                return second
            return second + 2 * xp.tensordot(m, shifted, axes=1) + moments.one_for(2) * added

        return (part,)

    def _mean_of_products(self, B: Float[Array, "outcome d d"], X: Float[Array, "*many d d"]) -> Any:
        """`E[B X B']`."""
        return array_namespace(B, X).einsum("o,oab,...bc,odc->...ad", self.probability, B, X, B, optimize=True)

    def _mean(self, values: Float[Array, "outcome ..."]) -> Float[Array, "..."]:
        return array_namespace(values).tensordot(self.probability, values, axes=1)

    def _checked(self, step_size: Any) -> Any:
        if step_size is None and self.depends_on_step_size:
            raise NotCoveredError("B depends on the step size here: pass step_size")
        return 1.0 if step_size is None else step_size

    def _maps(
        self, step_size: Any
    ) -> tuple[Float[Array, "outcome d d"], Float[Array, "outcome d"], Float[Array, "d d"]]:
        """Each outcome's `e+ = A e + h`, and the covariance that noise adds on average."""
        return _known_maps(self, float(step_size)) if is_concrete(self, step_size) else _maps_by_jax(self, step_size)


def _choices_of_rows(
    problem: Quadratic, method: Method
) -> tuple[Float[Array, "choice n d d"], Float[Array, "choice n d"]]:
    """The L_i and b_i of every choice of batches under RowSampling, all equally likely; else the problem's own."""
    noise, samples = method.noise, problem.samples
    if not isinstance(noise, RowSampling) or samples is None:
        return problem.L[None], problem.b[None]
    if method.local_steps > 1:
        raise NotCoveredError("outcomes list one batch of rows for each worker, not one for each local step: simulate")
    batches = [list(itertools.combinations(range(int(count)), noise.batch_size)) for count in samples.counts]
    if (count := math.prod(map(len, batches))) > MAX_OUTCOMES:
        raise NotCoveredError(f"there are {count} choices of rows, more than the {MAX_OUTCOMES} that are listed")
    chosen = np.array(list(itertools.product(*batches)))  # (choice, n, batch)
    workers = np.arange(problem.num_workers)[:, None]
    features, targets = samples.features[workers, chosen], samples.targets[workers, chosen]
    xp = array_namespace(features)
    transposed = xp.swapaxes(features, -1, -2)
    L = transposed @ features / noise.batch_size + xp.diag(samples.ridge)
    return L, (transposed @ targets[..., None])[..., 0] / noise.batch_size


@functools.lru_cache(maxsize=1)  # the mean and the second moments of many rounds ask for the same ones
def _known_maps(law: EnumeratedLaw, step_size: float) -> Any:
    problem, method = law.problem, law.method
    if type(method).__module__.partition(".")[0] != "istsim":
        return as_known(_maps_by_jax(law, step_size))
    # As many outcomes at a time as do not take much memory.
    numbers = problem.num_workers * problem.dim
    points = numbers if isinstance(method.noise, GaussianNoise) else problem.dim
    at_once = max(1, _NUMBERS_AT_ONCE // (numbers * points))
    parts = [
        _maps_of_some(law, slice(first, first + at_once), step_size)
        for first in range(0, len(law.probability), at_once)
    ]
    A, h, noise = zip(*parts, strict=True)
    return np.concatenate(A), np.concatenate(h), sum(noise)


def _exact(method: Method) -> Any:
    """The method without noise."""
    return dataclasses.replace(method, noise=None) if isinstance(method, SketchedMethod) else method


def _maps_of_some(law: EnumeratedLaw, some: slice, step_size: Any) -> Any:
    """The maps of some outcomes, all of whose points go through the round at once."""
    problem, centre, method = law.problem, law.centre, _exact(law.method)
    d = problem.dim
    # The points of a round stand along a second axis.
    masks, reporting = law.masks[some, None], law.reporting[some, None]
    draws, rows = Draws(masks, reporting, np.arange(problem.num_workers), None), law.rows[some, None]
    sampled = len(law.matrices) > 1
    hessians = DenseHessians(law.matrices[rows]) if sampled else problem.hessians

    def after(b: Any, x: Any, method: Any) -> Any:
        changed = copy.copy(problem)
        vars(changed).update(hessians=hessians, b=b)
        if not sampled:
            vars(changed).update(mean_vector=b.mean(axis=-2))
        found = advance(changed, method, draws, step_size, x)
        return np.broadcast_to(found, (len(masks), *found.shape[1:]))

    # Without the b_i a round is linear: nothing cancels.
    A = np.swapaxes(after(np.zeros_like(problem.b), np.eye(d)[None], method), 1, 2)
    h = after(law.vectors[rows] if sampled else problem.b, centre[None, None], method)[:, 0] - centre
    noise = law.method.noise
    if not isinstance(noise, GaussianNoise):
        return A, h, np.zeros((d, d))
    # Noise at a local step enters like a change of b there. A change at all of h steps less one at all of
    # the last h - 1 is one at a single step, h from the end.
    shifts = np.eye(problem.b.size).reshape(-1, *problem.b.shape)
    covariance, shorter = np.zeros((d, d)), np.zeros((1, len(shifts), d))
    for steps in range(1, method.local_steps + 1):
        longer = after(shifts, np.zeros_like(shorter), dataclasses.replace(method, local_steps=steps))
        response = (longer - shorter).reshape(len(masks), *problem.b.shape, d)
        weighted = law.probability[some, None, None, None] * response
        covariance += np.einsum("onca,ce,oneb->ab", weighted, noise.matrix, response, optimize=True)
        shorter = longer
    return A, h, covariance


@jax.jit
def _maps_by_jax(law: EnumeratedLaw, step_size: Any) -> Any:
    """The same by JAX: for the round of a user's method, and where something is traced."""
    problem, centre, exact = law.problem, law.centre, _exact(law.method)
    noise: Any = law.method.noise

    def one_round(outcome, x, method, shift=0.0):
        mask, reporting, rows = outcome
        draws = Draws(mask, reporting, jnp.arange(problem.num_workers), None)
        changed = copy.copy(problem)
        vars(changed).update(hessians=DenseHessians(law.matrices[rows]), b=law.vectors[rows] + shift)
        return advance(changed, method, draws, step_size, x)

    def of_outcome(*outcome):
        A = jax.jacfwd(lambda x: one_round(outcome, x, exact))(centre)
        return A, one_round(outcome, centre, exact) - centre

    def noise_of_outcome(*outcome):
        # As in `_maps_of_some`.
        def response(steps):
            shorter = dataclasses.replace(exact, local_steps=steps)
            return jax.jacfwd(lambda shift: one_round(outcome, centre, shorter, shift))(jnp.zeros_like(problem.b))

        covariance, shorter = jnp.zeros((problem.dim,) * 2), 0.0
        for steps in range(1, exact.local_steps + 1):
            longer = response(steps)
            covariance += jnp.einsum("anc,cd,bnd->ab", longer - shorter, noise.matrix, longer - shorter)
            shorter = longer
        return covariance

    outcomes = law.masks, law.reporting, law.rows
    A, h = jax.vmap(of_outcome)(*outcomes)
    if not isinstance(noise, GaussianNoise):
        return A, h, jnp.zeros_like(A[0])
    return A, h, law._mean(jax.vmap(noise_of_outcome)(*outcomes))
