from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from istsim._validation import ndim_of, refuse_masked
from istsim.sketches._sketch import Sketch


@dataclasses.dataclass(frozen=True, init=False)
class Grouped(Sketch):
    """Groups of coordinates, such as layers or heads, that are held together.

    Probabilities count groups: `inclusion_probability(2)` is that of two coordinates of two
    different groups.

    Args:
        sketch: a sketch of G coordinates, each of which now stands for a group.
        groups: shape (d,), integer labels from 0 to G-1: the group of every coordinate.

    Raises:
        ValueError: if the labels are not integers from 0 to G-1.

    Example:
        >>> import jax, istsim
        >>> sketch = istsim.Grouped(istsim.Permutation(2, 2), [0, 0, 0, 1])
        >>> sketch.d, sorted(sketch.sample(jax.random.key(0)).sum(axis=1).tolist())
        (4, [1, 3])
    """

    data_fields = ("sketch",)
    sketch: Sketch
    groups: tuple[int, ...]

    def __init__(self, sketch: Sketch, groups: Sequence[int] | Any):
        if not isinstance(sketch, Sketch):
            raise ValueError(f"sketch must be an istsim.Sketch, such as istsim.RandK(n, d, k), got {sketch!r}")
        refuse_masked("groups", groups)
        labels = np.asarray(groups if ndim_of(groups) == 1 else 0)  # else refused, such as rows of different lengths
        if labels.ndim != 1 or labels.size == 0 or not np.issubdtype(labels.dtype, np.integer):
            raise ValueError(f"groups must be integer labels of shape (d,), got {groups!r}")
        if labels.min() < 0 or labels.max() >= sketch.d:
            raise ValueError(
                f"groups must be labels from 0 to G-1 = {sketch.d - 1}, as the sketch has {sketch.d} coordinates, "
                f"got labels from {labels.min()} to {labels.max()}"
            )
        vars(self).update(n=sketch.n, d=labels.size, sketch=sketch, groups=tuple(labels.tolist()))

    @property
    def labels(self):
        """The groups, relabelled where the sketch itself is grouped."""
        return self.sketch.labels[np.asarray(self.groups)]

    def sample(self, key):
        """One round's masks, shape (n, d)."""
        return self.sketch.sample(key)[..., np.asarray(self.groups)]

    def inclusion_probability(self, size):
        """That of the sketch, for `size` different groups."""
        return self.sketch.inclusion_probability(size)

    def joint_probability(self, left, right, shared):
        """That of the sketch, counting groups."""
        return self.sketch.joint_probability(left, right, shared)

    @property
    def exchangeable(self):
        """Whether that of the sketch is."""
        return self.sketch.exchangeable

    @property
    def independent_workers(self):
        """Whether those of the sketch are."""
        return self.sketch.independent_workers

    @property
    def holders(self):
        """That of the sketch."""
        return self.sketch.holders

    def reported_probability(self, participants):
        """That of the sketch."""
        return self.sketch.reported_probability(participants)

    def outcomes(self):
        """Those of the sketch."""
        for mask, probability in self.sketch.outcomes():
            yield mask[:, np.asarray(self.groups)], probability
