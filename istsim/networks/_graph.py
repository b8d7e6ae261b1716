"""Who shares what with whom: the graph of workers and units."""

from __future__ import annotations

import numpy as np

from istsim._validation import finite_array


def spectral_gap(mask: np.ndarray) -> float:
    """How well what one worker learns reaches the others, from 0 to 1: 0 if the workers are not connected.

    A worker that holds nothing is connected to none. One worker alone has the gap 1.

    One minus the second largest eigenvalue of the random walk that goes from a worker to one of its units, and from
    there to one of the unit's holders, all with equal probability.

    Args:
        mask: shape (n, units), who holds what.

    Example:
        >>> import numpy as np
        >>> from istsim import networks
        >>> networks.spectral_gap(np.eye(2, dtype=bool)), networks.spectral_gap(np.ones((2, 3), bool))
        (0.0, 1.0)
    """
    mask = finite_array("mask", mask, "(n, units)", 2)
    if not len(mask) or (mask < 0).any():
        raise ValueError(
            "mask must say for one worker or more which units it holds, got a negative number or no worker"
        )
    if len(mask) == 1:
        return 1.0
    if not mask.any(axis=1).all():
        return 0.0
    scaled = mask / np.sqrt(mask.sum(axis=1, keepdims=True) * np.maximum(mask.sum(axis=0), 1))
    values = np.linalg.svd(scaled, compute_uv=False)
    second = values[1] if len(values) > 1 else 0.0
    return float(np.clip(1 - second**2, 0, 1)) if second**2 < 1 - 1e-12 else 0.0
