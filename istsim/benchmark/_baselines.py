"""What a researcher would write instead: rounds of IST with metrics after each, one trajectory after the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float

from istsim._optional import require
from istsim.methods import IST
from istsim.problems import Quadratic


@dataclasses.dataclass(frozen=True, eq=False)
class Arrays:
    """A problem and IST with `Permutation(n, d)`, n dividing d, as plain arrays."""

    L: Float[np.ndarray, "n d d"]
    b: Float[np.ndarray, "n d"]
    Lbar: Float[np.ndarray, "d d"]
    minimizer: Float[np.ndarray, " d"]
    alpha: float
    beta: float

    @classmethod
    def of(cls, problem: Quadratic, method: IST) -> Arrays:
        """The arrays."""
        return cls(
            L=np.asarray(problem.L),
            b=np.asarray(problem.b),
            Lbar=np.asarray(problem.mean_hessian),
            minimizer=np.asarray(problem.minimizer),
            alpha=float(np.asarray(method.forward_scale)),
            beta=float(np.asarray(method.gradient_scale)),
        )

    def metrics(self, x: Float[np.ndarray, " d"]) -> tuple[float, float, float]:
        """Objective gap, squared gradient norm, squared distance."""
        error = x - self.minimizer
        gradient = self.Lbar @ error
        return float(0.5 * error @ gradient), float(gradient @ gradient), float(error @ error)


def dense_masks(arrays: Arrays, step_size: float, rounds: int, rng: np.random.Generator) -> list[Any]:
    """NumPy: for every worker a mask, and a product with its whole matrix."""
    n, d = arrays.b.shape
    x, recorded = np.ones(d, arrays.L.dtype), []
    for _ in range(rounds):
        order, update = rng.permutation(d), np.zeros_like(x)
        for i in range(n):
            mask = np.zeros_like(x)
            mask[order[i * d // n : (i + 1) * d // n]] = 1
            update += arrays.beta * mask * (arrays.L[i] @ (arrays.alpha * mask * x) - arrays.b[i])
        x = x - step_size / n * update
        recorded.append(arrays.metrics(x))
    return recorded


def gathered(arrays: Arrays, step_size: float, rounds: int, rng: np.random.Generator) -> list[Any]:
    """NumPy: for every worker the block of its matrix that it holds."""
    n, d = arrays.b.shape
    x, recorded = np.ones(d, arrays.L.dtype), []
    for _ in range(rounds):
        held, update = rng.permutation(d).reshape(n, -1), np.zeros_like(x)
        for i, on in enumerate(held):
            block = arrays.L[i].ravel().take(on[:, None] * d + on)
            update[on] = arrays.beta * (block @ (arrays.alpha * x[on]) - arrays.b[i, on])
        x = x - step_size / n * update
        recorded.append(arrays.metrics(x))
    return recorded


def gathered_by_torch(arrays: Arrays) -> Callable[[float, int, np.random.Generator], list[Any]]:
    """The same in torch, all workers in one product.

    Raises:
        ImportError: if torch is not installed.
    """
    torch = require("torch", extra="torch")
    L, b, Lbar, minimizer = map(torch.from_numpy, map(np.array, (arrays.L, arrays.b, arrays.Lbar, arrays.minimizer)))
    n, d = b.shape
    workers = torch.arange(n)[:, None]

    def run(step_size: float, rounds: int, rng: np.random.Generator) -> list[Any]:
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        x, recorded = torch.ones(d, dtype=L.dtype), []
        for _ in range(rounds):
            on = torch.randperm(d, generator=generator).reshape(n, -1)
            blocks = L[workers[:, :, None], on[:, :, None], on[:, None, :]]
            update = torch.zeros_like(x)
            update[on] = arrays.beta * (torch.einsum("nij,nj->ni", blocks, arrays.alpha * x[on]) - b[workers, on])
            x = x - step_size / n * update
            error = x - minimizer
            gradient = Lbar @ error
            recorded.append((0.5 * error @ gradient, gradient @ gradient, error @ error))
        return recorded

    return run
