from __future__ import annotations

import dataclasses

from istsim._types import Numbers, Scalar
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
        weights: shape (n, d), a diagonal for each worker: its sketch becomes `alpha diag(weights_i) P_i` for the model
            and likewise with beta for the gradient; None for ones.
        merge: "mean", "owners" or "literal".
        local_steps: H, at least 1.
        participants: how many workers, drawn uniformly, report in a round; None for all.
        noise: `GaussianNoise` or `RowSampling`, fresh at every local step; None for exact gradients.

    Raises:
        ValueError: for something that is not a sketch, a scale that is not positive, an unknown merge or
            more participants than workers.

    Example:
        >>> import istsim
        >>> method = istsim.IST(istsim.Permutation(2, 4), forward_scale=1.0)
        >>> method.forward_scale, method.gradient_scale
        (1.0, 2.0)
    """

    data_fields = ("sketch", "forward_scale", "gradient_scale", "weights", "noise")
    masks_model = True
    masks_gradient = True
    forward_scale: Scalar | str | None = None
    gradient_scale: Scalar | str | None = None
    weights: Numbers | None = dataclasses.field(default=None, repr=False)

    def __post_init__(self):
        super().__post_init__()
        self._set_scale("forward_scale")
        self._set_scale("gradient_scale")
        self._set_weights(self.weights)
