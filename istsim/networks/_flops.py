"""Floating point operations."""

from __future__ import annotations

import time
from collections.abc import Hashable

from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from istsim.networks._fake import fake_copy
from istsim.networks._trainer import Loss, Trainer, outputs_of


class FlopCount:
    """Adds up what steps cost.

    Attributes:
        total: so far.
        seconds: that the counting took.
    """

    def __init__(self):
        self.total, self.seconds = 0, 0.0
        self._known: dict[Hashable, int] = {}

    def add(self, worker: Trainer, inputs: Tensor, targets: Tensor, loss: Loss) -> None:
        """A step of a worker."""
        key = inputs.shape, worker.size
        if key not in self._known:
            begin = time.perf_counter()
            self._known[key] = flops_of_step(worker.plain, inputs, targets, loss)
            self.seconds += time.perf_counter() - begin
        self.total += self._known[key]


def flops_of_step(module: nn.Module, inputs: Tensor, targets: Tensor, loss: Loss) -> int:
    """Floating point operations of a forward and backward pass, as torch counts them.

    They are counted on tensors without values: torch may take other paths while it counts, with other last digits.

    Example:
        >>> import torch
        >>> from istsim import networks
        >>> layer = torch.nn.Linear(3, 2)
        >>> flops_of_step(layer, torch.zeros(5, 3), torch.zeros(5, dtype=torch.long), networks.cross_entropy)
        120
    """
    # Attention by plain products, which torch knows how to count.
    with FakeTensorMode() as mode, sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        outputs = outputs_of(fake_copy(module, mode, inputs.device), mode.from_tensor(inputs))
        loss(outputs, mode.from_tensor(targets)).backward()
    return counter.get_total_flops()
