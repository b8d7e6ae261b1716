"""Bounded queues between two processes: one computes on while tensors travel, but not far ahead."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor

from istsim.networks.distributed._group import Group, WorkerLostError

_ROOM = 2  # tensors that wait at each end


class Inbox:
    """Tensors that another process sends, in their order.

    Args:
        group: the processes.
        source: the rank of the one that sends.
        tag: what tells this queue from others between the two.
        likes: tensors, without values, of the sizes of those that will come.

    Attributes:
        left: how many have not been taken.
    """

    def __init__(self, group: Group, source: int, tag: int, likes: Iterable[Tensor]):
        self._group, self._source, self._tag = group, source, tag
        self._queue: queue.Queue[Tensor | RuntimeError] = queue.Queue(_ROOM)
        likes = list(likes)
        self.left = len(likes)
        threading.Thread(target=self._run, args=(likes,), daemon=True).start()

    def _run(self, likes: list[Tensor]) -> None:
        for like in likes:
            try:
                # By way of the host's memory: gloo tells queues apart, nccl does not.
                tensor = torch.empty(like.shape, dtype=like.dtype)
                dist.recv(tensor, self._source, tag=self._tag)
            except RuntimeError as error:
                self._queue.put(error)
                return
            self._queue.put(tensor)

    def get(self) -> Tensor:
        """The next one, once it has come.

        Raises:
            WorkerLostError: if whoever sends has ended.
        """
        return self._opened(self._group.patiently(lambda seconds: self._queue.get(timeout=seconds), self._source))

    def newest(self) -> Tensor | None:
        """The last of those that have come and were not taken; None if there is none."""
        found = None
        while not self._queue.empty():
            found = self._opened(self._queue.get())
        return found

    def _opened(self, found: Tensor | RuntimeError) -> Tensor:
        if isinstance(found, RuntimeError):
            raise WorkerLostError(self._group.silent()) from found
        self.left -= 1
        return found.to(self._group.device)


class Outbox:
    """Sends tensors to another process, in their order.

    Args:
        group: the processes.
        to: the rank of the one that receives.
        tag: what tells this queue from others between the two.

    Attributes:
        bytes_sent: so far.
    """

    def __init__(self, group: Group, to: int, tag: int):
        self._group, self._to, self._tag = group, to, tag
        self._queue: queue.Queue[Tensor | None] = queue.Queue(_ROOM)
        self._error: RuntimeError | None = None
        self.bytes_sent = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while (tensor := self._queue.get()) is not None:
            try:
                if self._error is None:
                    dist.send(tensor, self._to, tag=self._tag)
            except RuntimeError as error:
                self._error = error

    def put(self, tensor: Tensor) -> None:
        """Send it, once there is room.

        Raises:
            WorkerLostError: if whoever receives has ended.
        """
        tensor = tensor.cpu().contiguous()
        self._group.patiently(lambda seconds: self._queue.put(tensor, timeout=seconds), self._to)
        self.bytes_sent += tensor.numel() * tensor.element_size()
        self._check()

    def close(self) -> None:
        """Wait until all has been sent."""
        self._group.patiently(lambda seconds: self._queue.put(None, timeout=seconds), self._to)
        self._group.patiently(self._join, self._to)
        self._check()

    def _join(self, seconds: float) -> None:
        self._thread.join(seconds)
        if self._thread.is_alive():
            raise queue.Full

    def _check(self) -> None:
        if self._error is not None:
            raise WorkerLostError(self._group.silent()) from self._error
