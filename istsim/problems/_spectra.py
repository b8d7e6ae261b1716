from __future__ import annotations

from typing import Any

from istsim._arrays import array_namespace
from istsim._random import known_key, orthogonal, split, stream
from istsim._types import Numbers
from istsim._validation import finite_array, finite_number
from istsim.problems._quadratic import Quadratic
from istsim.problems._random_quadratic import random_vectors


def quadratic_with_spectra(
    key: Any,
    eigenvalues: Numbers,
    *,
    shared_directions: bool = False,
    vector_heterogeneity: float = 0.0,
    interpolation: bool = False,
) -> Quadratic:
    """A random `Quadratic` whose L_i have given eigenvalues, in random directions.

    Args:
        key: a JAX key or an int.
        eigenvalues: shape (n, d), those of each worker; at least 0.
        shared_directions: all L_i have the same eigenvectors, and so commute; else each has its own.
        vector_heterogeneity: standard deviation over workers of each coordinate of b_i, about
            bbar; at least 0.
        interpolation: all b_i = 0. Needs vector_heterogeneity = 0.

    Raises:
        ValueError: for a negative eigenvalue, or eigenvalues that leave Lbar singular.

    Example:
        >>> import numpy as np, istsim
        >>> problem = istsim.quadratic_with_spectra(0, [[1.0, 2.0, 4.0], [0.1, 0.5, 9.0]])
        >>> [np.linalg.eigvalsh(L).round(9).tolist() for L in problem.L]
        [[1.0, 2.0, 4.0], [0.1, 0.5, 9.0]]
    """
    spectra = finite_array("eigenvalues", eigenvalues, "(n, d)", 2)
    if 0 in spectra.shape or (spectra < 0).any():
        raise ValueError(f"eigenvalues must have shape (n, d) with n, d >= 1 and be at least 0, got {spectra}")
    heterogeneity = finite_number("vector_heterogeneity", vector_heterogeneity)
    n, d = spectra.shape
    directions_key, *vector_keys = split(stream(known_key(key), "problem"), 3)
    directions = orthogonal(directions_key, d, () if shared_directions else (n,))
    L = (directions * spectra[:, None, :]) @ array_namespace(directions).swapaxes(directions, -1, -2)
    vectors = random_vectors(
        (vector_keys[0], vector_keys[1]), L.mean(axis=0), n, heterogeneity=heterogeneity, interpolation=interpolation
    )
    return Quadratic(L / 2 + L.transpose(0, 2, 1) / 2, vectors)
