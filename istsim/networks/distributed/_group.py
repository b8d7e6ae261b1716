"""The processes of a run, and what they tell each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor


class Group:
    """The processes that were started together, each of which plays one worker.

    Attributes:
        rank: of this process, from 0.
        size: their number.
        device: where this process computes.
        bytes_sent: by this process to others, so far.
    """

    def __init__(self, device: torch.device):
        self.rank, self.size, self.device = dist.get_rank(), dist.get_world_size(), device
        self.bytes_sent = 0

    def gather(self, values: Sequence[float]) -> np.ndarray:
        """A few numbers of each process, shape (size, len(values))."""
        mine = torch.tensor(values, dtype=torch.float64, device=self.device)
        every = [torch.empty_like(mine) for _ in range(self.size)]
        self._wait(dist.all_gather(every, mine, async_op=True))
        return torch.stack(every).cpu().numpy()

    def gather_objects(self, mine: Any) -> list[Any]:
        """Something small of each process."""
        every: list[Any] = [None] * self.size
        dist.all_gather_object(every, mine)
        return every

    def exchange(self, outgoing: Sequence[Tensor], lengths: Sequence[int]) -> list[Tensor]:
        """Send a vector to each process, and receive one, of a known length, from each; none to itself."""
        sent = torch.cat([vector if peer != self.rank else vector[:0] for peer, vector in enumerate(outgoing)])
        sizes = [len(vector) if peer != self.rank else 0 for peer, vector in enumerate(outgoing)]
        expected = [length if peer != self.rank else 0 for peer, length in enumerate(lengths)]
        received = sent.new_empty(sum(expected))
        self._wait(dist.all_to_all_single(received, sent, expected, sizes, async_op=True))
        self.bytes_sent += sent.numel() * sent.element_size()
        found = list(received.split(expected))
        found[self.rank] = outgoing[self.rank]
        return found

    def _wait(self, work: Any) -> None:
        work.wait()
