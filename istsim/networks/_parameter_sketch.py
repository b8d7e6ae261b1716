from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from torch import nn

from istsim._arrays import array_namespace
from istsim.networks._layout import Blocks, Layout, block_tensors
from istsim.sketches import Grouped, Sketch


@dataclasses.dataclass(frozen=True, init=False)
class ParameterSketch(Sketch):
    """Who holds which parameters of a network, from who holds which of its units.

    A parameter is held with all the units that it belongs to: a weight between two hidden layers has two, a parameter
    that all workers hold has none. Not exchangeable; it can be enumerated where the units' sketch can.

    Args:
        units: the sketch of the units.
        members: shape (d, most units of a parameter), the units of each parameter, filled up with -1.
    """

    data_fields = ("units",)
    units: Sketch
    members: tuple[tuple[int, ...], ...]

    def __init__(self, units: Sketch, members: Any):
        rows = tuple(map(tuple, np.asarray(members).tolist()))
        vars(self).update(n=units.n, d=len(rows), units=units, members=rows)

    @property
    def exchangeable(self):
        """No."""
        return False

    def sample(self, key):
        """One round's masks, shape (n, d)."""
        return self._of_units(self.units.sample(key))

    def outcomes(self):
        """Those of the units."""
        for mask, probability in self.units.outcomes():
            yield self._of_units(mask), probability

    def _of_units(self, mask: Any) -> Any:
        xp = array_namespace(mask)
        always = xp.ones((*mask.shape[:-1], 1), bool)
        return xp.concatenate([mask, always], axis=-1)[..., np.asarray(self.members)].all(axis=-1)

    def inclusion_probability(self, size):
        """Not known from numbers of coordinates alone."""
        raise NotImplementedError("it depends on which parameters they are")

    def joint_probability(self, left, right, shared):
        """Not known from numbers of coordinates alone."""
        raise NotImplementedError("it depends on which parameters they are")


def parameter_sketch(model: nn.Module, layout: Layout, units: Sketch) -> Sketch:
    """Who holds which of the model's trainable parameters, one after the other, from who holds which units.

    A `Grouped` sketch, for which there are formulas, where each parameter belongs to exactly one unit.

    Example:
        >>> import istsim
        >>> from istsim import networks
        >>> model = networks.mlp([3, 4, 2])
        >>> sketch = networks.parameter_sketch(model, networks.neurons(model), istsim.Permutation(2, 4))
        >>> sketch.d, [float(p) for mask, p in sketch.outcomes()][:2]
        (26, [0.16666666666666666, 0.16666666666666666])
    """
    members: dict[str, list[np.ndarray]] = {n: [] for n, p in model.named_parameters() if p.requires_grad}
    shapes = {name: p.shape for name, p in model.named_parameters()}
    first = 0
    for group in layout.groups:
        if isinstance(group, Blocks):
            for i, block in enumerate(group.names):
                for name in block_tensors(model, block):
                    if name in members:
                        members[name].append(np.full(shapes[name], first + i))
        else:
            for one in group.slices:
                if one.tensor in members:
                    unit = first + np.arange(shapes[one.tensor][one.axis]) // one.width
                    along = [-1 if axis == one.axis else 1 for axis in range(len(shapes[one.tensor]))]
                    members[one.tensor].append(np.broadcast_to(unit.reshape(along), shapes[one.tensor]))
        first += group.count
    most = max(1, *map(len, members.values()))
    rows = []
    for name, mine in members.items():
        none = np.full(shapes[name], -1)
        rows.append(np.stack([*mine, *[none] * (most - len(mine))], axis=-1).reshape(-1, most))
    table = np.concatenate(rows)
    return Grouped(units, table[:, 0]) if most == 1 and table.min() >= 0 else ParameterSketch(units, table)
