"""Real data that come with scikit-learn, so that nothing is downloaded."""

from __future__ import annotations

from typing import Any

import numpy as np
from jax import random

from istsim._optional import require
from istsim._random import as_key, stream
from istsim._validation import finite_array, one_of, positive_int
from istsim.problems._quadratic import Quadratic

DATASETS = ("diabetes", "breast_cancer", "digits")
SPLITS = ("even", "random", "label")


def load_dataset(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Features (m, d) and targets (m,) of a data set, standardised.

    Constant columns are dropped; the remaining ones and the target get mean 0 and variance 1.

    Args:
        name: "diabetes" (442 patients, d = 10, disease progression), "breast_cancer" (569 tumours,
            d = 30, benign or malignant) or "digits" (1797 images, d = 61, the digit shown).

    Raises:
        ValueError: for an unknown name.
        ImportError: if scikit-learn is missing, with the command that installs it.

    Example:
        >>> import istsim
        >>> features, targets = istsim.load_dataset("digits")
        >>> features.shape, targets.shape
        ((1797, 61), (1797,))
    """
    datasets = require("sklearn.datasets", extra="data")
    features, targets = getattr(datasets, f"load_{one_of('name', name, DATASETS)}")(return_X_y=True)
    features = features[:, features.std(axis=0) > 0].astype(np.float64)
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    return features, (targets - targets.mean()) / targets.std()


def split_over_workers(targets: np.ndarray, n: int, split: str, key: Any = 0) -> list[np.ndarray]:
    """The sample indices of each of n workers, in parts whose sizes differ by at most 1.

    Args:
        targets: shape (m,), used by the split by label.
        split: "even" deals the samples in turn; "random" deals them in random order; "label"
            sorts them by target and cuts, so that workers see different labels.
        key: for the random split.

    Raises:
        ValueError: for an unknown split or more workers than samples.

    Example:
        >>> import numpy as np, istsim
        >>> [part.tolist() for part in istsim.split_over_workers(np.array([1, 0, 1, 0]), 2, "label")]
        [[1, 3], [0, 2]]
    """
    targets, key = finite_array("targets", targets, "(m,)", 1), as_key(key)
    n, m = positive_int("n", n), len(targets)
    if n > m:
        raise ValueError(f"n must be at most the number of samples, {m}, got {n}")
    if one_of("split", split, SPLITS) == "even":
        return [np.arange(worker, m, n) for worker in range(n)]
    if split == "random":
        order = np.asarray(random.permutation(stream(key, "data"), m))
    else:
        order = np.argsort(targets, kind="stable")
    return np.array_split(order, n)


def real_quadratic(name: str, n: int, *, split: str = "even", ridge: float = 0.0, key: Any = 0) -> Quadratic:
    """Ridge regression on a real data set, its samples split over n workers.

    Args:
        name: a data set of `load_dataset`.
        n: number of workers.
        split: how samples go to workers, see `split_over_workers`.
        ridge: added to the diagonal of every L_i.
        key: for the random split.

    Example:
        >>> import istsim
        >>> istsim.real_quadratic("diabetes", 5, split="label", ridge=0.1)
        Quadratic(num_workers=5, dim=10, dense, float64)
    """
    features, targets = load_dataset(name)
    parts = split_over_workers(targets, n, split, key)
    return Quadratic.from_least_squares([features[part] for part in parts], [targets[part] for part in parts], ridge)
