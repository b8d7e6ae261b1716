from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from istsim._arrays import array_namespace
from istsim._random import known_key, normal, orthogonal, split, stream
from istsim._types import Array
from istsim._validation import finite_number, positive_int
from istsim.problems._quadratic import Quadratic


def random_quadratic(
    key: Any,
    n: int,
    d: int,
    *,
    condition_number: float,
    matrix_heterogeneity: float,
    vector_heterogeneity: float,
    interpolation: bool = False,
) -> Quadratic:
    """A random `Quadratic` with n workers and d coordinates, of stated difficulty.

    Lbar has eigenvalues geometrically spaced from `1/condition_number` to 1 in random directions,
    whatever the heterogeneity. The minimizer has standard normal coordinates, or is 0 under
    interpolation.

    Args:
        key: a JAX key or an int.
        condition_number: of Lbar, at least 1 (and 1 if d is 1).
        matrix_heterogeneity: from 0, where all L_i equal Lbar, to 1, where they are
            `Lbar^1/2 G_i Lbar^1/2` with independent random matrices G_i, scaled to average to I.
        vector_heterogeneity: standard deviation over workers of each coordinate of b_i, about
            bbar; at least 0.
        interpolation: all b_i = 0, so that 0 minimizes every f_i. Needs vector_heterogeneity = 0.

    Raises:
        ValueError: for an argument outside the stated range.

    Example:
        >>> import istsim
        >>> istsim.random_quadratic(0, 3, 4, condition_number=10.0,
        ...                         matrix_heterogeneity=0.5, vector_heterogeneity=1.0)
        Quadratic(num_workers=3, dim=4, dense, float64)
    """
    n, d = positive_int("n", n), positive_int("d", d)
    condition_number = finite_number("condition_number", condition_number)
    matrix_heterogeneity = finite_number("matrix_heterogeneity", matrix_heterogeneity)
    vector_heterogeneity = finite_number("vector_heterogeneity", vector_heterogeneity)
    if condition_number < 1 or (d == 1 and condition_number != 1):
        raise ValueError(f"condition_number must be at least 1, and 1 if d is 1, got {condition_number}")
    if not 0 <= matrix_heterogeneity <= 1:
        raise ValueError(f"matrix_heterogeneity must lie between 0 and 1, got {matrix_heterogeneity}")

    directions_key, matrices_key, minimizer_key, vectors_key = split(stream(known_key(key), "problem"), 4)
    directions = orthogonal(directions_key, d)
    xp = array_namespace(directions)
    eigenvalues = np.geomspace(1.0, 1.0 / condition_number, d)
    root = (directions * np.sqrt(eigenvalues)) @ directions.T

    gaussians = normal(matrices_key, (n, d, d))
    grams = gaussians @ gaussians.transpose(0, 2, 1)
    # Congruence by the inverse square root of the average makes the G_i average to I exactly.
    values, vectors = xp.linalg.eigh(grams.mean(axis=0))
    whitening = (vectors / xp.sqrt(values)) @ vectors.T
    mixed = (1 - matrix_heterogeneity) * np.eye(d) + matrix_heterogeneity * (whitening @ grams @ whitening)
    L = root @ mixed @ root
    L = (L + L.transpose(0, 2, 1)) / 2

    vectors = random_vectors(
        (minimizer_key, vectors_key), L.mean(axis=0), n, heterogeneity=vector_heterogeneity, interpolation=interpolation
    )
    return Quadratic(L, vectors)


def random_vectors(
    keys: tuple[Any, Any], mean_hessian: Float[Array, "d d"], n: int, *, heterogeneity: float, interpolation: bool
) -> Float[Array, "n d"]:
    """The b_i of a random problem with a standard normal minimizer; all 0 under interpolation."""
    if heterogeneity < 0:
        raise ValueError(f"vector_heterogeneity must be at least 0, got {heterogeneity}")
    if interpolation and heterogeneity > 0:
        raise ValueError("interpolation sets all b_i = 0 and so needs vector_heterogeneity = 0")
    d = len(mean_hessian)
    if interpolation:
        return np.zeros((n, d))
    minimizer_key, deviations_key = keys
    minimizer = normal(minimizer_key, (d,))
    deviations = normal(deviations_key, (n, d))
    deviations = deviations - deviations.mean(axis=0)
    # Centring n independent deviations takes 1/n of their variance.
    scale = heterogeneity * np.sqrt(n / max(n - 1, 1))
    return (mean_hessian @ minimizer)[None] + scale * deviations
