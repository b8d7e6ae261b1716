from __future__ import annotations

from typing import Any

import numpy as np

from istsim._random import known_key, normal, stream
from istsim._validation import finite_number, floating_type, positive_int
from istsim.problems._quadratic import Quadratic


def tridiagonal_quadratic(
    key: Any, n: int, d: int, *, noise_scale: float, smallest_eigenvalue: float, dtype: Any = np.float64
) -> Quadratic:
    """The tridiagonal problems of the experiments with permutation compressors, kept tridiagonal.

    With T the tridiagonal matrix of rows (-1, 2, -1) and independent `u_i = 1 + noise_scale N(0, 1)` and
    `v_i = noise_scale N(0, 1)`, worker i has `L_i = u_i T / 4 + shift I` and `b_i = u_i (v_i - 1) / 4` in the first
    coordinate, 0 in the others; the shift gives Lbar the smallest eigenvalue asked for (Szlendak, Tyurin and
    Richtarik, arXiv 2110.03300, experiments on quadratics, which start at `(sqrt(d), 0, ..., 0)`).

    Args:
        key: a JAX key or an int.
        n, d: the shape.
        noise_scale: at least 0, where all workers are alike. Far above 0.2 some u_i is likely to be negative, and
            the L_i not positive semidefinite: such draws are refused.
        smallest_eigenvalue: of Lbar, positive.
        dtype: the precision of the problem.

    Raises:
        ValueError: for an argument outside its range, or a draw with an L_i that is not positive semidefinite.

    Example:
        >>> import istsim
        >>> istsim.tridiagonal_quadratic(0, 10, 1000, noise_scale=0.1, smallest_eigenvalue=1e-3)
        Quadratic(num_workers=10, dim=1000, tridiagonal, float64)
    """
    n, d = positive_int("n", n), positive_int("d", d)
    noise_scale = finite_number("noise_scale", noise_scale)
    smallest_eigenvalue = finite_number("smallest_eigenvalue", smallest_eigenvalue)
    if noise_scale < 0:
        raise ValueError(f"noise_scale must be at least 0, got {noise_scale}")
    if smallest_eigenvalue <= 0:
        raise ValueError(f"smallest_eigenvalue must be positive, got {smallest_eigenvalue}")
    dtype = floating_type("dtype", dtype)
    u, v = noise_scale * normal(stream(known_key(key), "problem"), (2, n))
    u = u + 1
    with np.errstate(over="ignore"):  # it is refused
        least = u.mean() * np.sin(np.pi / (2 * (d + 1))) ** 2  # eigenvalue of mean(u) T / 4
        of_workers = u / 2 + smallest_eigenvalue - least, -u / 4, u * (v - 1) / 4
        diagonals, off_diagonals, first = (of_worker[:, None].astype(dtype) for of_worker in of_workers)
    return Quadratic.from_tridiagonals(
        np.broadcast_to(diagonals, (n, d)),
        np.broadcast_to(off_diagonals, (n, d - 1)),
        np.pad(first, ((0, 0), (0, d - 1))),
    )
