"""What workers would send, if each had a process of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor, nn

from istsim.networks._cells import grids_of
from istsim.networks._layout import Layout, tensors_of
from istsim.networks._methods import Method
from istsim.networks._ownership import Ownership
from istsim.networks._part import Part
from istsim.networks._trainer import OptimizerState
from istsim.networks._worker import COUNT


class Meter:
    """Counts the bytes that `OneOfMany` sends.

    Every entry has a home, one of the workers that hold it. IST: parts of the model, with buffers and optimizer state,
    come from there before a round and go there after it. SDP: likewise when all is dealt; in every step, gradients go
    home and their averages come back. With backward masking a worker also receives in every step what others have
    trained.

    Attributes:
        bytes_down: from homes to others.
        bytes_up: to homes from others.
    """

    def __init__(self, model: nn.Module, layout: Layout, method: Method):
        self.bytes_down = self.bytes_up = 0
        self._method, self._grids, self._tensors = method, grids_of(model, layout), tensors_of(model)
        self._trained = {name for name in self._grids if self._tensors[name].requires_grad}
        self._buffers = {name for name in self._grids if not isinstance(self._tensors[name], nn.Parameter)}
        self._home = {name: grid.row_homes(method.num_workers) for name, grid in self._grids.items()}
        self._ownership: Ownership | None = None
        # Of a round, as all is dealt now.
        self._trained_away = self._buffers_away = self._unheld = 0

    def dealt(self, parts: Sequence[Part], state: OptimizerState) -> None:
        """Workers have got these parts, and the optimizer's state for them."""
        if self._ownership is not None and self._method.shares_gradients and self._method.masking == "forward":
            self.bytes_up += self._buffers_away
        before, ownership = self._home, Ownership(self._grids, parts, self._home)
        had = self._ownership.held if self._ownership is not None and self._method.shares_gradients else None
        for name, grid in self._grids.items():
            coming = anew = 0
            for worker, placement in enumerate(ownership.held[name]):
                away = placement.cells[before[name][placement.cells] != worker]
                coming += len(away)
                anew += len(away) if had is None else len(np.setdiff1d(away, had[name][worker].cells))
            values = coming if name in self._buffers else anew
            if self._method.masking == "backward":
                # A worker has the whole model from its first part on.
                values = grid.count * (len(parts) - 1) if self._ownership is None else 0
            entry = values * self._tensors[name].element_size() + anew * _bytes_an_entry(state.get(name, {}))
            self.bytes_down += entry * grid.cell_size
        self._home, self._ownership = ownership.home, ownership
        away = {name: ownership.away(name) * self._tensors[name].element_size() for name in self._grids}
        self._trained_away = sum(size for name, size in away.items() if name in self._trained)
        self._buffers_away = sum(size for name, size in away.items() if name in self._buffers)
        self._unheld = 0
        if self._method.masking == "backward":
            for name in self._trained | self._buffers:
                cells = sum(len(ownership.others(name, worker)) for worker in range(len(parts)))
                self._unheld += cells * self._grids[name].cell_size * self._tensors[name].element_size()

    def merged(self, state: OptimizerState) -> None:
        """A round has ended; `state` is the optimizer's by its end."""
        self.bytes_up += self._trained_away
        if not self._method.shares_gradients:
            assert self._ownership is not None
            self.bytes_up += self._buffers_away
            self.bytes_up += sum(self._ownership.away(name) * _bytes_an_entry(own) for name, own in state.items())
            return
        self.bytes_down += self._trained_away
        if self._method.masking == "backward":
            self.bytes_up += self._buffers_away
            self.bytes_down += self._buffers_away + self._unheld


def _bytes_an_entry(state: Mapping[str, object]) -> int:
    """Of the optimizer's state that belongs to single entries."""
    return sum(value.element_size() for key, value in state.items() if isinstance(value, Tensor) and key != COUNT)
