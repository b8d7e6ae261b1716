from __future__ import annotations

import dataclasses

from istsim._types import Scalar
from istsim.methods._method import SketchedMethod


@dataclasses.dataclass(frozen=True)
class CompressedGradient(SketchedMethod):
    """The gradient is masked, the model is whole: `u_i = beta P_i (L_i x - b_i)`.

    Compressed-gradient methods, and the backward masking of subnetwork data parallelism.

    Args:
        sketch: which coordinates each worker reports.
        gradient_scale: beta; None or "unbiased" for `1/p1`, under which the mean update is the gradient.
        merge: "mean", "owners" or "literal".
        local_steps: H, at least 1.
        participants: how many workers, drawn uniformly, report in a round; None for all.
        noise: `GaussianNoise` or `RowSampling`, fresh at every local step; None for exact gradients.

    Raises:
        ValueError: for something that is not a sketch, a scale that is not positive, an unknown merge or
            more participants than workers.

    Example:
        >>> import istsim
        >>> istsim.CompressedGradient(istsim.RandK(2, 4, 1)).gradient_scale
        4.0
    """

    data_fields = ("sketch", "gradient_scale", "noise")
    masks_gradient = True
    gradient_scale: Scalar | str | None = None

    def __post_init__(self):
        super().__post_init__()
        self._set_scale("gradient_scale")
