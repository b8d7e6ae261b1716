"""What is sent, if all goes through a server."""

from __future__ import annotations

import torch
from torch import Tensor

from istsim.networks._methods import IST, SDP
from istsim.networks._worker import Worker


class Meter:
    """Counts bytes, as if all went through a server that sends no one what it has.

    IST: parts of the model, with buffers and optimizer state, go down before a round and come up after it. SDP: parts
    go down when they are dealt; in every step the gradients that a worker shares with others go up, and their averages
    down. With backward masking a worker also receives in every step what the others have trained.

    Attributes:
        bytes_down: to the workers.
        bytes_up: from them.
    """

    def __init__(self, method: IST | SDP):
        self.bytes_down = self.bytes_up = 0
        self._method = method
        self._shared = 0  # bytes of the gradients that workers share, of all together

    def sent_parts(self, workers: list[Worker]) -> None:
        """Every worker has got its part."""
        self.bytes_down += sum(_bytes_of_part(worker) for worker in workers)
        if self._method.shares_gradients:
            self._shared = _shared_bytes(workers)

    def sent_results(self, workers: list[Worker], tensors: dict[str, Tensor]) -> None:
        """A round has ended, and its results have been averaged."""
        if not self._method.shares_gradients:
            self.bytes_up += sum(_bytes_of_part(worker) for worker in workers)
            return
        self.bytes_up += self._shared
        self.bytes_down += self._shared
        if self._method.masking == "backward":
            trained = sum(_size(whole) for whole in tensors.values() if whole.requires_grad)
            self.bytes_down += sum(trained - sum(map(_size, worker.parameters.values())) for worker in workers)


def _bytes_of_part(worker: Worker) -> int:
    state = (value for values in worker.state().values() for value in values.values() if isinstance(value, Tensor))
    return sum(map(_size, worker.tensors().values())) + sum(map(_size, state))


def _shared_bytes(workers: list[Worker]) -> int:
    total = 0
    for name in dict.fromkeys(name for worker in workers for name in worker.parameters):
        holding = [worker for worker in workers if name in worker.parameters]
        holders = torch.zeros(holding[0].part.shapes[name], dtype=torch.int32)
        for worker in holding:
            worker.part.add(name, holders, torch.ones(worker.parameters[name].shape, dtype=torch.int32))
        entries = int(holders[holders > 1].sum())
        total += entries * holding[0].parameters[name].element_size()
    return total


def _size(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
