from __future__ import annotations

import dataclasses

from istsim._types import Scalar
from istsim.methods._method import SketchedMethod


@dataclasses.dataclass(frozen=True)
class IST(SketchedMethod):
    """Independent subnetwork training: model and gradient are masked, `u_i = beta P_i (L_i (alpha P_i x) - b_i)`.

    Worker i receives, computes with and reports only its own coordinates (Shulgin and Richtarik,
    arXiv 2306.16484, equation (5) of version 1; the forward masking of subnetwork data
    parallelism).

    Args:
        sketch: which coordinates each worker trains.
        forward_scale: alpha; None or "unbiased" for `1/p1`.
        gradient_scale: beta; None or "unbiased" for `1/p1`.
        merge: "mean".

    Raises:
        ValueError: for something that is not a sketch, a scale that is not positive, an unknown merge.

    Example:
        >>> import istsim
        >>> method = istsim.IST(istsim.Permutation(2, 4), forward_scale=1.0)
        >>> method.forward_scale, method.gradient_scale
        (1.0, 2.0)
    """

    data_fields = ("sketch", "forward_scale", "gradient_scale")
    masks_model = True
    masks_gradient = True
    forward_scale: Scalar | str | None = None
    gradient_scale: Scalar | str | None = None

    def __post_init__(self):
        super().__post_init__()
        self._set_scale("forward_scale")
        self._set_scale("gradient_scale")
