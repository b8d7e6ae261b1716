from __future__ import annotations

import dataclasses

from istsim._types import Scalar
from istsim.methods._method import SketchedMethod


@dataclasses.dataclass(frozen=True)
class CompressedIterates(SketchedMethod):
    """The model is masked, the gradient is whole: `u_i = L_i (alpha P_i x) - b_i`.

    Gradient descent with compressed iterates (Shulgin and Richtarik, arXiv 2306.16484, equation
    (9) of version 1).

    Args:
        sketch: which coordinates of the model each worker receives.
        forward_scale: alpha; None or "unbiased" for `1/p1`, under which the mean point is x.
        merge: "mean" or "literal".
        local_steps: H, at least 1.
        participants: how many workers, drawn uniformly, report in a round; None for all.
        noise: `GaussianNoise` or `RowSampling`, fresh at every local step; None for exact gradients.

    Raises:
        ValueError: for something that is not a sketch, a scale that is not positive, an unknown merge or
            more participants than workers.

    Example:
        >>> import istsim
        >>> istsim.CompressedIterates(istsim.Permutation(2, 4)).forward_scale
        2.0
    """

    data_fields = ("sketch", "forward_scale", "noise")
    masks_model = True
    forward_scale: Scalar | str | None = None

    def __post_init__(self):
        super().__post_init__()
        self._set_scale("forward_scale")
