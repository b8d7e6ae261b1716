from __future__ import annotations

import copy
import dataclasses
import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from istsim._types import Array
from istsim.methods._method import Draws, Method, SketchedMethod
from istsim.methods._noise import GaussianNoise, RowSampling
from istsim.problems._dense import DenseHessians
from istsim.problems._quadratic import Quadratic
from istsim.simulation._rounds import advance
from istsim.theory._affine import AffineLaw
from istsim.theory._errors import NotCoveredError

MAX_OUTCOMES = 200_000


@dataclasses.dataclass(frozen=True, eq=False)
class EnumeratedLaw(AffineLaw):
    """All that can happen in a round, listed: masks, who reports and from which rows, with the map and probability.

    The maps are read off the simulation's own round, so that whatever can be simulated can be listed.

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
            jnp.asarray(np.array([found for found, _ in outcomes])[mask]),
            jnp.asarray(groups[group]),
            jnp.asarray(rows),
            jnp.asarray(probability, jnp.float64),
        )

    def mean_operator(self, step_size=None):
        """From the mean of the maps."""
        size = self._checked(step_size)
        A, _, _ = self._maps(size)
        return (jnp.eye(self.problem.dim) - self._mean(A)) / size

    def mean_vector(self, step_size=None):
        """From the mean of the maps."""
        size = self._checked(step_size)
        return self.mean_residual(size) + self.mean_operator(size) @ self.centre

    def mean_residual(self, step_size=None):
        """From the mean of the maps."""
        size = self._checked(step_size)
        _, h, _ = self._maps(size)
        return self._mean(h) / size

    def mean_recursion(self):
        """The mean of the maps."""

        def one_round(step_size, m):
            A, h, _ = self._maps(step_size)
            return self._mean(A) @ m + self._mean(h)

        return one_round

    def check_second_moments(self):
        """Whatever can be listed has them."""

    @property
    def depends_on_step_size(self):
        """For the merge "literal" and for several local steps."""
        return self.method.merge == "literal" or self.method.local_steps > 1

    def second(self, X, step_size=None):
        """The mean over the outcomes' B."""
        size = self._checked(step_size)
        B = (jnp.eye(self.problem.dim) - self._maps(size)[0]) / size
        return self._mean(B @ X @ B.transpose(0, 2, 1))

    def transposed_second(self, X):
        """The mean over the outcomes' B."""
        B = jnp.eye(self.problem.dim) - self._maps(1.0)[0]
        return self._mean(B.transpose(0, 2, 1) @ X @ B)

    def recursion(self):
        """The mean over the outcomes' maps."""

        def one_round(step_size, M, m=None):
            A, h, noise = self._maps(step_size)
            new = self._mean(A @ M @ A.transpose(0, 2, 1))
            if m is not None:
                new = new + noise + jnp.einsum("o,oa,ob->ab", self.probability, 2 * A @ m + h, h)
            return (new + new.T) / 2

        return one_round

    def _mean(self, values: Float[Array, "outcome ..."]) -> Float[Array, "..."]:
        return jnp.tensordot(self.probability, values, axes=1)

    def _checked(self, step_size: Any) -> Any:
        if step_size is None and self.depends_on_step_size:
            raise NotCoveredError("B depends on the step size here: pass step_size")
        return 1.0 if step_size is None else step_size

    def _maps(
        self, step_size: Any
    ) -> tuple[Float[Array, "outcome d d"], Float[Array, "outcome d"], Float[Array, "d d"]]:
        """Each outcome's `e+ = A e + h`, and the covariance that noise adds on average."""
        return _maps(self, step_size)


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
    chosen = jnp.asarray(list(itertools.product(*batches)))  # (choice, n, batch)
    workers = jnp.arange(problem.num_workers)[:, None]
    features, targets = samples.features[workers, chosen], samples.targets[workers, chosen]
    L = jnp.einsum("...bi,...bj->...ij", features, features) / noise.batch_size + jnp.diag(samples.ridge)
    return L, jnp.einsum("...bi,...b->...i", features, targets) / noise.batch_size


@jax.jit
def _maps(law: EnumeratedLaw, step_size: Any):
    problem, method, centre = law.problem, law.method, law.centre
    noise: Any = method.noise
    exact: Any = dataclasses.replace(method, noise=None) if isinstance(method, SketchedMethod) else method

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
        # Noise at a local step enters like a change of b there. A change at all of h steps less one at all of
        # the last h - 1 is one at a single step, h from the end.
        def response(steps):
            shorter = dataclasses.replace(exact, local_steps=steps)
            return jax.jacfwd(lambda shift: one_round(outcome, centre, shorter, shift))(jnp.zeros_like(problem.b))

        covariance, shorter = jnp.zeros((problem.dim,) * 2), 0.0
        for steps in range(1, exact.local_steps + 1):
            longer = response(steps)
            covariance += jnp.einsum("anc,cd,bnd->ab", longer - shorter, noise.covariance, longer - shorter)
            shorter = longer
        return covariance

    outcomes = law.masks, law.reporting, law.rows
    A, h = jax.vmap(of_outcome)(*outcomes)
    if not isinstance(noise, GaussianNoise):
        return A, h, jnp.zeros_like(A[0])
    return A, h, law._mean(jax.vmap(noise_of_outcome)(*outcomes))
