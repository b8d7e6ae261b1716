"""The processes of a run, and what they tell each other."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import time
import warnings
from collections.abc import Callable, Iterator, Sequence, Set
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from istsim.networks.distributed._heartbeat import Heartbeat

_T = TypeVar("_T")
_LATE = 10.0  # seconds after which whoever is waited for is named
_SILENT = 40.0  # seconds without a heartbeat after which a worker is given up
_FOREVER = timedelta(days=365)  # how long workers wait for each other is decided here, not by torch


class WorkerLostError(RuntimeError):
    """Other workers have ended, or cannot be reached."""


def is_started_by_torchrun() -> bool:
    """Whether this process is one of several that are to work together."""
    return all(name in os.environ for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"))


def _number_in(variable: str) -> int:
    value = os.environ[variable]
    if not value.isdecimal():
        raise ValueError(f"the environment variable {variable} must be a number, as torchrun sets it, got {value!r}")
    return int(value)


class Group:
    """The processes that were started together, each of which plays one worker.

    Args:
        patience: seconds within which all must have come.

    Raises:
        WorkerLostError: if they have not.

    Attributes:
        rank: of this process, from 0.
        size: their number.
        device: where this process computes: a GPU of its own where there is one.
        bytes_sent: by this process to others, so far.
    """

    def __init__(self, patience: float = 50.0):
        self.rank, self.size = _number_in("RANK"), _number_in("WORLD_SIZE")
        self.device = _device()
        self.bytes_sent = 0
        store = self._meet(patience)
        backend = "gloo" if self.device.type == "cpu" else "cpu:gloo,cuda:nccl"
        dist.init_process_group(
            backend, store=PrefixStore("group", store), rank=self.rank, world_size=self.size, timeout=_FOREVER
        )
        self._calls = 0
        self._heart = Heartbeat(store.clone(), self.rank, self.size)
        self._late: set[int] = set()

    def _meet(self, patience: float) -> Any:
        """The store that all share, once all have come."""
        try:
            store: Any = next(rendezvous("env://", timeout=timedelta(seconds=patience)))[0]
            store.set(f"here/{self.rank}", "")
            end = time.monotonic() + patience
            while missing := [rank for rank in range(self.size) if not store.check([f"here/{rank}"])]:
                if time.monotonic() > end:
                    raise WorkerLostError(f"{_workers(missing, self.size)} did not come within {patience:g} seconds")
                time.sleep(0.05)
        except dist.DistError as error:
            where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
            raise WorkerLostError(
                f"the workers did not meet at {where} within {patience:g} seconds: {str(error).splitlines()[0]}"
            ) from None
        return store

    def check_plays(self, num_workers: int) -> None:
        """Refuse another number of workers than processes.

        Raises:
            ValueError: with both.
        """
        if num_workers != self.size:
            raise ValueError(
                f"the method has {num_workers} workers, but there are {self.size} processes: it takes one for each "
                "worker"
            )

    def leave(self) -> None:
        """End the work together."""
        self._heart.stop()
        dist.destroy_process_group()

    def gather(self, values: Sequence[float]) -> np.ndarray:
        """A few numbers of each process, shape (size, len(values))."""
        return self._told(torch.tensor(values, dtype=torch.float64)).numpy()

    def gather_json(self, mine: Any) -> list[Any]:
        """Something small of each process, that JSON can say."""
        said = torch.frombuffer(bytearray(json.dumps(mine).encode()), dtype=torch.uint8)
        lengths = self.gather([len(said)])[:, 0].astype(int).tolist()
        padded = torch.zeros(max(lengths), dtype=torch.uint8)
        padded[: len(said)] = said
        every = self._told(padded)
        return [json.loads(bytes(one[:length].tolist())) for one, length in zip(every, lengths, strict=True)]

    def _told(self, mine: Tensor) -> Tensor:
        """A short vector of each process, all of one length, shape (size, length)."""
        # By `all_gather` what is short takes longer: it passes from neighbour to neighbour.
        sent = mine.repeat(self.size, 1)
        every = torch.empty_like(sent)
        self._wait(lambda: dist.all_to_all_single(every, sent, async_op=True))
        return every

    def exchange(self, sent: Tensor, sizes: Sequence[int], lengths: Sequence[int]) -> Tensor:
        """Send a piece of a vector to each process, itself too, and receive one from each, all in their order.

        Args:
            sent: the pieces, one after the other.
            sizes: of the pieces.
            lengths: of those that come.
        """
        received = sent.new_empty(sum(lengths))
        self._wait(lambda: dist.all_to_all_single(received, sent, list(lengths), list(sizes), async_op=True))
        self.bytes_sent += (len(sent) - sizes[self.rank]) * sent.element_size()
        return received

    def _wait(self, start: Any) -> None:
        """Do something together, and find out who is missing if it does not come to its end."""
        self._calls += 1
        self._heart.say(self._calls)
        began = time.monotonic()
        try:
            work = start()
            while True:
                try:
                    work.wait(timedelta(seconds=1))
                    break
                except RuntimeError as error:
                    if "timed out" not in str(error):
                        raise
                self._look(time.monotonic() - began)
        except RuntimeError as error:
            if isinstance(error, WorkerLostError):
                raise
            raise WorkerLostError(self.silent()) from error

    def patiently(self, attempt: Callable[[float], _T], rank: int) -> _T:
        """Try until a queue has something, or room, for which this process waits for another one.

        Args:
            attempt: called with seconds, within which it gives what is asked for, or raises queue.Empty or queue.Full.
            rank: of whoever is waited for.

        Raises:
            WorkerLostError: if a worker has not been heard for too long.
        """
        began = time.monotonic()
        while True:
            try:
                return attempt(1.0)
            except (queue.Empty, queue.Full):
                self._look(time.monotonic() - began, {rank})

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Let torch do something by all processes together, and say who is missing if it fails for that.

        Raises:
            WorkerLostError: if another worker has ended.
            RuntimeError: for anything else that goes wrong.
        """
        try:
            yield
        except (RuntimeError, CheckpointException) as error:
            if self._heart.silent_now():
                raise WorkerLostError(self.silent()) from error
            raise RuntimeError(str(error)) from error

    def _look(self, seconds: float, waited_for: Set[int] | None = None) -> None:
        if silent := self._heart.silent_for(_SILENT):
            raise WorkerLostError(f"{_workers(silent, self.size)} gave no sign of life for {_SILENT:g} seconds")
        if seconds > _LATE:
            if waited_for is None:
                waited_for = {rank for rank, said in self._heart.heard().items() if said < self._calls}
            if late := waited_for - self._late:
                self._late |= late
                warnings.warn(
                    f"{_workers(sorted(late), self.size)} kept worker {self.rank} waiting for {seconds:.0f} seconds",
                    stacklevel=2,
                )

    def silent(self) -> str:
        """Who has ended without a word, once one of them must have."""
        silent = self._heart.silent_now()
        return f"{_workers(silent, self.size)} ended" if silent else "another worker ended"

    def speaks_for_all(self) -> bool:
        """Whether this is the first of those that are left."""
        return self.rank == min(set(range(self.size)) - set(self._heart.silent_now()), default=0)


def _device() -> torch.device:
    if not torch.cuda.is_available():
        return torch.device("cpu")
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)) % torch.cuda.device_count())
    torch.cuda.set_device(device)
    return device


def _workers(ranks: Sequence[int], of: int) -> str:
    which = f"worker {ranks[0]}" if len(ranks) == 1 else f"workers {', '.join(map(str, ranks))}"
    return f"{which} of {of}"
