"""An independent route to the exact results: list every outcome of a sketch and average, in plain NumPy.

Nothing of istsim is used: the outcomes of a sketch come from itertools, the update of a round from its
definition `u_i = beta O_i (L_i (alpha M_i x) - b_i)`, and moments are those of x itself, not of x - x*.
"""

import dataclasses
import itertools
from collections import Counter

import numpy as np


def permutation_outcomes(n, d):
    """Every permutation of the coordinates, cut into n blocks of d/n."""
    q, count = d // n, Counter()
    for order in itertools.permutations(range(d)):
        count[tuple(frozenset(order[i * q : (i + 1) * q]) for i in range(n))] += 1
    return _masks(count, n, d)


def rand_k_outcomes(n, d, k):
    """Every choice of one k-subset for each worker."""
    subsets = [frozenset(subset) for subset in itertools.combinations(range(d), k)]
    return _masks(Counter(itertools.product(subsets, repeat=n)), n, d)


def bernoulli_outcomes(n, d, p):
    """Every result of n d coins that show 1 with probability p."""
    masks = np.array(list(itertools.product([0, 1], repeat=n * d))).reshape(-1, n, d)
    held = masks.sum(axis=(1, 2))
    return masks, p**held * (1 - p) ** (n * d - held)


def identity_outcomes(n, d):
    """The one mask that is all ones."""
    return np.ones((1, n, d)), np.ones(1)


def _masks(count, n, d):
    """Masks (outcomes, n, d) and probabilities from how often each tuple of sets was met."""
    masks = np.zeros((len(count), n, d))
    for outcome, sets in enumerate(count):
        for worker, held in enumerate(sets):
            masks[outcome, worker, list(held)] = 1
    probabilities = np.array(list(count.values()), dtype=float)
    return masks, probabilities / probabilities.sum()


def round_map(L, b, mask, *, model, gradient, alpha=1.0, beta=1.0):
    """(B, c) of one round by the definition: `x+ = x - step_size (B x - c)` under the mask (n, d)."""
    n, d = b.shape
    B, c = np.zeros((d, d)), np.zeros(d)
    for L_i, b_i, held in zip(L, b, mask, strict=True):
        M = alpha * np.diag(held) if model else np.eye(d)
        O = beta * np.diag(held) if gradient else np.eye(d)  # noqa: E741
        B += O @ L_i @ M / n
        c += O @ b_i / n
    return B, c


@dataclasses.dataclass
class Law:
    """All (B, c) that a round can have, with their probabilities: shapes (m, d, d), (m, d), (m,)."""

    L: np.ndarray
    b: np.ndarray
    B: np.ndarray
    c: np.ndarray
    probability: np.ndarray

    @classmethod
    def of(cls, problem, outcomes, *, model, gradient, alpha=1.0, beta=1.0):
        """From a problem's L_i and b_i and (masks, probabilities)."""
        L, b = np.asarray(problem.L, dtype=float), np.asarray(problem.b, dtype=float)
        masks, probability = outcomes
        maps = [round_map(L, b, mask, model=model, gradient=gradient, alpha=alpha, beta=beta) for mask in masks]
        return cls(L, b, np.array([B for B, _ in maps]), np.array([c for _, c in maps]), probability)

    @property
    def mean_hessian(self):
        return self.L.mean(axis=0)

    @property
    def minimizer(self):
        return np.linalg.solve(self.mean_hessian, self.b.mean(axis=0))

    def mean_operator(self):
        """`E B`, `E c`."""
        return np.einsum("m,mab->ab", self.probability, self.B), self.probability @ self.c

    def second_moment(self, X):
        """`E[B X B']`."""
        return np.einsum("m,mac,ce,mbe->ab", self.probability, self.B, X, self.B, optimize=True)

    def metrics(self, mean, second):
        """Expected gap, squared gradient norm and squared distance where x has these moments."""
        x_star, Lbar = self.minimizer, self.mean_hessian
        centred = second - np.outer(mean, x_star) - np.outer(x_star, mean) + np.outer(x_star, x_star)
        return np.trace(Lbar @ centred) / 2, np.trace(Lbar @ Lbar @ centred), np.trace(centred)

    def trajectories(self, step_size, rounds, x0):
        """Exact mean (K+1, d), gap, squared gradient norm and squared distance (K+1,), by propagating E x and E xx'."""
        A = np.eye(len(x0)) - step_size * self.B
        mean, second = np.array(x0, dtype=float), np.outer(x0, x0)
        means, metrics = [mean], [self.metrics(mean, second)]
        for _ in range(rounds):
            cross = np.einsum("m,mab,b,mc->ac", self.probability, A, mean, self.c, optimize=True) * step_size
            second = (
                np.einsum("m,mac,ce,mbe->ab", self.probability, A, second, A, optimize=True)
                + cross
                + cross.T
                + step_size**2 * np.einsum("m,ma,mb->ab", self.probability, self.c, self.c)
            )
            mean = np.einsum("m,mab,b->a", self.probability, A, mean) + step_size * self.probability @ self.c
            means.append(mean)
            metrics.append(self.metrics(mean, second))
        return np.array(means), *np.array(metrics).T

    def paths(self, step_size, rounds, x0):
        """The same four by running every sequence of outcomes: m^rounds of them."""
        x, weight = np.array(x0, dtype=float)[None], np.ones(1)
        results = []
        for round_index in range(rounds + 1):
            if round_index:
                update = np.einsum("mab,pb->pma", self.B, x) - self.c
                x = (x[:, None] - step_size * update).reshape(-1, len(x0))
                weight = np.multiply.outer(weight, self.probability).ravel()
            error = x - self.minimizer
            gradient = error @ self.mean_hessian
            gap = np.einsum("pa,pa->p", error, gradient) / 2
            results.append((weight @ x, weight @ gap, weight @ (gradient**2).sum(1), weight @ (error**2).sum(1)))
        return tuple(np.array(column) for column in zip(*results, strict=True))
