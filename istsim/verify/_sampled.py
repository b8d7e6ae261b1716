"""What a theorem asks of the exact engine, estimated from simulated runs instead."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from istsim import theory
from istsim._random import fold_in, known_key, round_key, stream
from istsim._threefry import Threefry
from istsim.methods import Method
from istsim.problems import Quadratic
from istsim.simulation import _numpy, trajectory
from istsim.theorems._instance import Instance
from istsim.theorems._theorem import ROUNDING
from istsim.theory._contraction import contraction_of

BATCHES = 64
REPETITIONS = 256 * BATCHES


@dataclasses.dataclass(frozen=True, eq=False)
class Batches:
    """Means over batches of simulated runs of an instance.

    A first round from 0 and from the unit vectors shows B and c; the run from x0 sees the same sketches.
    """

    instance: Instance
    seed: int

    @functools.cached_property
    def _iterates(self) -> Float[np.ndarray, "batch repetition iterates d"]:
        return self._simulated(self.instance.x0[None], self.instance.rounds)[:, :, 0]

    @functools.cached_property
    def _rounds(self) -> tuple[Float[np.ndarray, "batch repetition d d"], Float[np.ndarray, "batch repetition d"]]:
        """The B and c of every first round."""
        d, step_size = self.instance.problem.dim, self.instance.step_size
        after = self._simulated(np.concatenate([np.zeros((1, d)), np.eye(d)]), 1)[:, :, :, 1]
        columns = np.eye(d) - (after[:, :, 1:] - after[:, :, :1])
        return np.swapaxes(columns, 2, 3) / step_size, after[:, :, 0] / step_size

    def _simulated(
        self, starts: Float[np.ndarray, "start d"], rounds: int
    ) -> Float[np.ndarray, "batch repetition start iterates d"]:
        instance = self.instance
        found = _simulate(instance.problem, instance.method, instance.step_size, starts, self.seed, rounds)
        return found.reshape(BATCHES, -1, *found.shape[1:])

    @functools.cached_property
    def mean(self) -> Float[np.ndarray, "batch iterates d"]:
        """Of x_k."""
        return self._iterates.mean(axis=1)

    @functools.cached_property
    def second(self) -> Float[np.ndarray, "batch iterates d d"]:
        """Of `x_k x_k'`."""
        return _outer_mean(self._iterates)

    @functools.cached_property
    def error(self) -> Float[np.ndarray, "batch iterates d d"]:
        """Of `(x_k - x*) (x_k - x*)'`."""
        return _outer_mean(self._iterates - self.instance.minimizer)

    @functools.cached_property
    def B(self) -> Float[np.ndarray, "batch d d"]:
        """Of B."""
        return self._rounds[0].mean(axis=1)

    @functools.cached_property
    def c(self) -> Float[np.ndarray, "batch d"]:
        """Of c."""
        return self._rounds[1].mean(axis=1)

    @functools.cached_property
    def squared(self) -> Float[np.ndarray, "batch d d d d"]:
        """Of the products of two entries of B."""
        B = self._rounds[0]
        return np.einsum("grab,grcd->gabcd", B, B) / B.shape[1]

    @functools.cached_property
    def settled_gap(self) -> Float[np.ndarray, " batch"]:
        """Of the objective gap after so many rounds that the start is forgotten."""
        instance = self.instance
        rate = theory.mean_square_rate(instance.problem, instance.method, instance.step_size)
        rounds = math.ceil(math.log(1e-14) / math.log(max(rate, 1e-14)))
        gaps = instance.problem.objective_gap(self._simulated(instance.x0[None], rounds)[:, :, 0, -1])
        # What is left of the start, where nothing is random.
        gaps = np.where(gaps < 1e-12 * float(instance.problem.objective_gap(instance.x0)), 0.0, gaps)
        return gaps.mean(axis=1)


@dataclasses.dataclass(frozen=True, eq=False)
class SampledInstance(Instance):
    """An instance whose expectations are weighted means over batches of simulated runs."""

    batches: Batches = dataclasses.field(kw_only=True)
    batch_weights: Float[np.ndarray, " batch"] = dataclasses.field(kw_only=True)

    @classmethod
    def of_batches(cls, batches: Batches, weights: Float[np.ndarray, " batch"]) -> SampledInstance:
        """The instance of these batches."""
        fields = {field.name: getattr(batches.instance, field.name) for field in dataclasses.fields(Instance)}
        return cls(**fields, batches=batches, batch_weights=weights)

    def changed(self, **changes):
        """Another run is not simulated: its expectations are exact."""
        return self.batches.instance.changed(**changes)

    def _average(self, values: np.ndarray) -> np.ndarray:
        return np.tensordot(self.batch_weights, values, axes=1)

    @functools.cached_property
    def mean(self):
        """`E x_k`."""
        return self._average(self.batches.mean)

    @functools.cached_property
    def objective_gap(self):
        """`E f(x_k) - f(x*)`."""
        return 0.5 * np.einsum("ab,kab->k", self.Lbar, self._average(self.batches.error))

    def gradient_norm_squared(self, weighting):
        """`E[grad f(x_k)' H grad f(x_k)]`."""
        return np.einsum("ab,kab->k", self.Lbar @ weighting @ self.Lbar, self._average(self.batches.error))

    @functools.cached_property
    def second_moments(self):
        """`E x_k x_k'`."""
        return self._average(self.batches.second)

    @functools.cached_property
    def mean_operator(self):
        """`E[B]`."""
        return self._average(self.batches.B)

    @functools.cached_property
    def fixed_point(self):
        """`E[B]^-1 E[c]`."""
        return np.linalg.solve(self.mean_operator, self._average(self.batches.c))

    def second_moment(self, X):
        """`E[B X B']`."""
        return np.einsum("abcd,bd->ac", self._average(self.batches.squared), X)

    @functools.cached_property
    def contraction(self):
        """W and theta."""
        second = np.einsum("abcd,ac->bd", self._average(self.batches.squared), self.Lbar)
        return contraction_of(self.Lbar, self.mean_operator, second)

    @functools.cached_property
    def settled_gap(self):
        """The limit of `E f(x_k) - f(x*)`."""
        return float(self._average(self.batches.settled_gap))


def jackknife(
    batches: Batches, statistic: Callable[[Instance], np.ndarray]
) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    """An estimate of what the statistic is of exact expectations, and its standard error.

    Leaving out one batch at a time takes care of statistics that are not linear in the expectations, such as an
    eigenvalue: the estimate's bias is of the order of one over the squared number of repetitions.
    """
    every = np.full(BATCHES, 1 / BATCHES)
    whole = np.asarray(statistic(SampledInstance.of_batches(batches, every)))
    parts = []
    for left_out in range(BATCHES):
        weights = np.full(BATCHES, 1 / (BATCHES - 1))
        weights[left_out] = 0.0
        parts.append(BATCHES * whole - (BATCHES - 1) * statistic(SampledInstance.of_batches(batches, weights)))
    estimate, error = np.mean(parts, axis=0), np.std(parts, axis=0, ddof=1) / np.sqrt(BATCHES)
    return np.asarray(estimate), np.asarray(error)


def deviations(
    estimate: Float[np.ndarray, "..."], error: Float[np.ndarray, "..."], exact: Float[np.ndarray, "..."], size: float
) -> Float[np.ndarray, "..."]:
    """Distances in standard errors, 0 within the rounding of numbers of that size: where nothing is random."""
    off = np.abs(estimate - exact)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where(off <= ROUNDING * size, 0.0, off / error)
    return np.where(np.isnan(found), np.inf, found)


def allowed_deviation(false_alarm_rate: float, count: int) -> float:
    """How many standard errors any of so many estimates may be off: Student's t bound, summed over them."""
    from scipy import stats

    return float(stats.t.isf(false_alarm_rate / 2 / count, BATCHES - 1))


def _simulate(
    problem: Quadratic, method: Method, step_size: float, starts: Float[np.ndarray, "start d"], seed: int, rounds: int
) -> Float[np.ndarray, "repetition start iterates d"]:
    """All iterates from all starts; the runs of one repetition see the same sketches."""
    key = known_key(seed)
    if not isinstance(key, Threefry) or not _numpy.is_written(problem, method):
        return np.asarray(_simulate_by_jax(problem, method, step_size, starts, key, rounds=rounds))
    x = np.tile(starts, (REPETITIONS, 1, 1))
    iterates = np.empty((*x.shape[:2], rounds + 1, x.shape[2]))
    sketch_keys = stream(fold_in(key, np.arange(REPETITIONS)), "sketch")
    for index in range(rounds + 1):
        iterates[:, :, index] = x
        draws = method.draw(round_key(sketch_keys, 0, index), problem.num_workers)
        x = _numpy.one_round(problem, method, draws, step_size, x)
    return iterates


@functools.partial(jax.jit, static_argnames="rounds")
def _simulate_by_jax(problem, method, step_size, starts, key, *, rounds):
    def run(key, start):
        return trajectory(problem, method, step_size=step_size, rounds=rounds, key=key, x0=start)

    keys = jax.vmap(functools.partial(jax.random.fold_in, key))(jnp.arange(REPETITIONS))
    return jax.vmap(jax.vmap(run, (None, 0)), (0, None))(keys, starts)


def _outer_mean(x: Float[np.ndarray, "batch repetition iterates d"]) -> Float[np.ndarray, "batch iterates d d"]:
    return np.einsum("grka,grkb->gkab", x, x) / x.shape[1]
