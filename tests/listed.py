"""Sketched methods by the definition of a round, listed outcome by outcome in plain NumPy.

Nothing of istsim goes into the lists: masks come from itertools, and a round is run worker by worker on the
coordinates of (1, x, noise), in which it is linear. Second moments are those of (1, x), not of x - x*.
"""

import dataclasses
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import istsim
from istsim import theory

TOLERANCE = 1e-12  # relative to the largest entry
# Compiling takes longer than all else. These are the same wherever they can be, so that programs are shared.
N, D, ROUNDS, STEP_SIZE = 3, 4, 2, 0.13
COVARIANCE_AT = [1, 2]


@dataclasses.dataclass(frozen=True)
class SharedBlock(istsim.Sketch):
    """All workers hold the same k coordinates; nothing but how to draw them and two probabilities is stated."""

    k: int

    def sample(self, key):
        held = jax.random.permutation(key, self.d) < self.k
        return jnp.broadcast_to(held, (self.n, self.d))

    def inclusion_probability(self, size):
        return 0.0 if size > self.k else math.perm(self.k, size) / math.perm(self.d, size)

    def joint_probability(self, left, right, shared):
        return self.inclusion_probability(left + right - shared)


# Masks (m, n, d) and probabilities (m,), from the definitions of the sketches.


def uniform(masks):
    masks = np.array(masks, dtype=float)
    return masks, np.full(len(masks), 1 / len(masks))


def dealt_out(n, d):
    """Every way to give each coordinate to one worker, with loads that differ by at most one; or, if n > d, each
    worker one coordinate, held by numbers of workers that differ by at most one."""
    cards, hands = (d, n) if n <= d else (n, d)
    masks = []
    for hand in itertools.product(range(hands), repeat=cards):
        loads = np.bincount(hand, minlength=hands)
        if loads.max() - loads.min() <= 1:
            mask = np.zeros((cards, hands))
            mask[np.arange(cards), hand] = 1
            masks.append(mask.T if n <= d else mask)
    return uniform(masks)


def subsets_of_each(n, d, k):
    subsets = [np.isin(np.arange(d), subset) for subset in itertools.combinations(range(d), k)]
    return uniform(list(itertools.product(subsets, repeat=n)))


def coins(n, d, p):
    masks = np.array(list(itertools.product([0.0, 1.0], repeat=n * d))).reshape(-1, n, d)
    held = masks.sum(axis=(1, 2))
    return masks, p**held * (1 - p) ** (n * d - held)


def covered(n, d, copies):
    masks = []
    for coordinates, workers in itertools.product(itertools.permutations(range(d)), itertools.permutations(range(n))):
        mask = np.zeros((n, d))
        for t, j in enumerate(coordinates):
            mask[[workers[(t * copies + c) % n] for c in range(copies)], j] = 1
        masks.append(mask)
    return uniform(masks)


def shared_blocks(n, d, k):
    return uniform([[np.isin(np.arange(d), block)] * n for block in itertools.combinations(range(d), k)])


def grouped(outcomes, groups):
    masks, probability = outcomes
    return masks[:, :, groups], probability


@dataclasses.dataclass(frozen=True)
class Listed:
    """A sketch, its outcomes, and what is known of who holds a coordinate: which decides on the merge "owners"."""

    sketch: istsim.Sketch
    outcomes: tuple
    holders: int | None = None
    independent: bool = False

    @property
    def shape(self):
        return self.outcomes[0].shape[1:]

    def has_owners(self, participants):
        everyone = participants in (None, self.shape[0])
        return self.independent or self.holders == 1 or (self.holders is not None and everyone)


EQUAL, UNEQUAL = [0, 1, 0, 1], [0, 1, 2, 1]
SKETCHES = {
    "identity": Listed(istsim.Identity(3, 4), uniform(np.ones((1, 3, 4))), 3, independent=True),
    "permutation": Listed(istsim.Permutation(3, 4), dealt_out(3, 4), 1),
    "rand-k": Listed(istsim.RandK(3, 4, 2), subsets_of_each(3, 4, 2), independent=True),
    "bernoulli": Listed(istsim.Bernoulli(3, 4, 0.4), coins(3, 4, 0.4), independent=True),
    "coverage": Listed(istsim.Coverage(3, 4, 2), covered(3, 4, 2), 2),
    "grouped-equal": Listed(
        istsim.Grouped(istsim.RandK(3, 2, 1), EQUAL), grouped(subsets_of_each(3, 2, 1), EQUAL), independent=True
    ),
    "grouped-unequal": Listed(istsim.Grouped(istsim.Permutation(3, 3), UNEQUAL), grouped(dealt_out(3, 3), UNEQUAL), 1),
    "own": Listed(SharedBlock(3, 4, 2), shared_blocks(3, 4, 2)),
}
# Further shapes, for which everything is compiled again: the product alone has room for them all.
MORE_SKETCHES = {
    "permutation-divisible": Listed(istsim.Permutation(2, 4), dealt_out(2, 4), 1),
    "permutation-of-three": Listed(istsim.Permutation(3, 3), dealt_out(3, 3), 1),
    "permutation-few-coordinates": Listed(istsim.Permutation(4, 3), dealt_out(4, 3)),
    "permutation-few-coordinates-divisible": Listed(istsim.Permutation(4, 2), dealt_out(4, 2), 2),
    "coverage-of-four": Listed(istsim.Coverage(4, 3, 3), covered(4, 3, 3), 3),
    "grouped-coverage": Listed(
        istsim.Grouped(istsim.Coverage(3, 3, 2), UNEQUAL), grouped(covered(3, 3, 2), UNEQUAL), 2
    ),
}


@dataclasses.dataclass(frozen=True)
class Spec:
    """A method, stated once for istsim and for the list. `estimator` says what is masked."""

    listed: Listed
    estimator: str = "both"
    merge: str = "mean"
    alpha: float = 1.0
    beta: float = 1.0
    weights: np.ndarray | None = None
    participants: int | None = None
    noise: np.ndarray | None = None  # its covariance
    local_steps: int = 1

    @property
    def masks_model(self):
        return self.estimator in ("both", "iterates")

    @property
    def masks_gradient(self):
        return self.estimator in ("both", "gradient")

    def method(self):
        options = {
            "merge": self.merge,
            "participants": self.participants,
            "local_steps": self.local_steps,
            "noise": None if self.noise is None else istsim.GaussianNoise(self.noise),
        }
        if self.masks_model:
            options["forward_scale"] = self.alpha
        if self.masks_gradient:
            options["gradient_scale"] = self.beta
        if self.weights is not None:
            options["weights"] = self.weights
        kind = {"gradient": istsim.CompressedGradient, "iterates": istsim.CompressedIterates, "both": istsim.IST}
        return kind[self.estimator](self.listed.sketch, **options)

    def covered_by_formula(self):
        return self.merge != "owners" or self.listed.has_owners(self.participants)

    def rounds(self, L, b, step_size, reporting):
        """One round under every mask, as matrices (m, d, 1 + d + noises) that act on (1, x, all the noise)."""
        masks = self.listed.outcomes[0]
        _, n, d = masks.shape
        noises = 0 if self.noise is None else n * self.local_steps * d
        unit = np.eye(1 + d + noises)
        one, x, xi = unit[0], unit[1 : 1 + d], unit[1 + d :].reshape(-1, d, 1 + d + noises)
        weights = np.ones((n, d)) if self.weights is None else self.weights
        starts, reports = [], []
        for i in reporting:
            held, weight = masks[:, i, :, None], weights[i][:, None]
            within = held if self.masks_model and self.masks_gradient else np.ones((d, 1))
            start = w = (self.alpha * weight * held if self.masks_model else np.ones((d, 1))) * x
            for t in range(self.local_steps):
                gradient = L[i] @ w - np.outer(b[i], one)
                if noises:
                    gradient = gradient + xi[i * self.local_steps + t]
                w = w - step_size * within * gradient
            output = self.beta * weight * held if self.masks_gradient else np.ones((d, 1))
            starts.append(start)
            reports.append(output * (start - w) / step_size)
        if self.merge == "mean":
            new = x - step_size * sum(reports) / len(reports)
        elif self.merge == "literal":
            new = sum(start - step_size * report for start, report in zip(starts, reports, strict=True)) / len(reports)
        else:
            held = masks[:, list(reporting), :, None]
            total = sum(held[:, k] * report for k, report in enumerate(reports))
            count = held.sum(axis=1)
            new = x - step_size * np.where(count > 0, total / np.maximum(count, 1), 0.0)
        return np.broadcast_to(new, (len(masks), d, new.shape[-1]))

    def law(self, problem, step_size):
        """A (m, d, d), h (m, d) and probabilities of `x+ = A x + h + noise`; the mean covariance of the noise."""
        n, d = self.listed.shape
        L, b = np.asarray(problem.L), np.asarray(problem.b)
        groups = list(itertools.combinations(range(n), self.participants or n))
        maps = np.concatenate([self.rounds(L, b, step_size, group) for group in groups])
        probability = np.tile(self.listed.outcomes[1], len(groups)) / len(groups)
        A, h = maps[:, :, 1 : 1 + d], maps[:, :, 0]
        noise = np.zeros((d, d))
        if self.noise is not None:
            by_source = maps[:, :, 1 + d :].reshape(len(maps), d, -1, d)
            noise = np.einsum("m,maic,ce,mbie->ab", probability, by_source, self.noise, by_source, optimize=True)
        return A, h, probability, noise

    def operators(self, problem, step_size):
        """B = (I - A)/step_size under every outcome, and the probabilities."""
        A, _, probability, _ = self.law(problem, step_size)
        return (np.eye(A.shape[-1]) - A) / step_size, probability

    def second_moment(self, problem, X, step_size):
        B, probability = self.operators(problem, step_size)
        return np.einsum("m,mac,ce,mbe->ab", probability, B, X, B, optimize=True)

    def moments(self, problem, step_sizes, x0):
        """`E x_k` (K+1, d) and `E x_k x_k'` (K+1, d, d), from the matrices of rounds acting on (1, x)."""
        z = np.concatenate([[1.0], x0])
        Z = [np.outer(z, z)]
        laws = {step_size: self.law(problem, step_size) for step_size in set(step_sizes)}
        for step_size in step_sizes:
            A, h, probability, noise = laws[step_size]
            T = np.zeros((len(A), len(z), len(z)))
            T[:, 0, 0], T[:, 1:, 0], T[:, 1:, 1:] = 1, h, A
            new = np.einsum("m,mac,ce,mbe->ab", probability, T, Z[-1], T, optimize=True)
            new[1:, 1:] += noise
            Z.append(new)
        return np.array(Z)[:, 0, 1:], np.array(Z)[:, 1:, 1:]

    def rate(self, problem, step_size):
        """Spectral radius of M -> E[A M A'], written out as a d^2 x d^2 matrix."""
        A, _, probability, _ = self.law(problem, step_size)
        d = A.shape[-1]
        matrix = np.einsum("m,mac,mbe->abce", probability, A, A, optimize=True).reshape(d * d, d * d)
        return abs(np.linalg.eigvals(matrix)).max()


def metrics(problem, means, seconds, H):
    """Expected gap, squared gradient norm in H and squared distance, from the moments of x."""
    Lbar = np.asarray(problem.L).mean(axis=0)
    x_star = np.linalg.solve(Lbar, np.asarray(problem.b).mean(axis=0))
    cross = means[:, :, None] * x_star
    centred = seconds - cross - np.swapaxes(cross, 1, 2) + np.outer(x_star, x_star)
    traces = [np.einsum("ab,kba->k", matrix, centred) for matrix in (Lbar, Lbar @ H @ Lbar, np.eye(len(H)))]
    return traces[0] / 2, *traces[1:]


def problem_of(n, d, **changes):
    options = {"condition_number": 5.0, "matrix_heterogeneity": 0.6, "vector_heterogeneity": 1.0} | changes
    return istsim.random_quadratic(7, n, d, **options)


def close(actual, expected, what="", tolerance=TOLERANCE):
    expected = np.asarray(expected)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * abs(expected).max(), err_msg=what)


def fixed(d):
    """A start, a symmetric weighting, a covariance and any matrix, for d coordinates."""
    rng = np.random.default_rng(d)
    H, C, X = rng.normal(size=(3, d, d))
    return rng.normal(size=d), H + H.T, C @ C.T, X


def weights_of(n, d):
    return np.random.default_rng([n, d]).uniform(0.5, 2.0, (n, d))


def compare_moments(problem, spec, step_size=STEP_SIZE, schedule=None, **options):
    """All that exact_moments returns, against the list."""
    x0, H, _, _ = fixed(spec.listed.shape[1])
    exact = theory.exact_moments(
        problem,
        spec.method(),
        step_size=step_size,
        rounds=ROUNDS,
        x0=x0,
        gradient_weighting=H,
        covariance_at=COVARIANCE_AT,
        **options,
    )
    means, seconds = spec.moments(problem, schedule or [step_size] * ROUNDS, x0)
    gap, gradient, distance = metrics(problem, means, seconds, H)
    close(exact.mean, means, "mean")
    close(exact.objective_gap, gap, "gap")
    close(exact.gradient_norm_squared, gradient, "gradient")
    close(exact.distance_squared, distance, "distance")
    covariance = (seconds - means[:, :, None] * means[:, None, :])[COVARIANCE_AT]
    scale = abs(seconds[COVARIANCE_AT]).max()  # of the numbers whose difference it is
    np.testing.assert_array_equal(exact.covariance_rounds, COVARIANCE_AT)
    np.testing.assert_allclose(exact.covariance, covariance, rtol=0, atol=TOLERANCE * scale, err_msg="covariance")


def refused(problem, spec, what="route='enumeration'.* or simulate"):
    _, _, _, X = fixed(spec.listed.shape[1])
    method = spec.method()
    with pytest.raises(theory.NotCoveredError, match=what):
        theory.exact_moments(problem, method, step_size=STEP_SIZE, rounds=ROUNDS)
    with pytest.raises(theory.NotCoveredError, match=what):
        theory.second_moment(problem, method, X, step_size=STEP_SIZE)
