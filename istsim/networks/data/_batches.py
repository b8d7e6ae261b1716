from __future__ import annotations

import operator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from istsim._validation import positive_int
from istsim.networks.data._data import Data
from istsim.networks.data._permutation import permutation

_DEAL, _EPOCH = 0, 1  # streams of the seed


class Batches:
    """The training examples of each worker, batch by batch.

    The examples are dealt in random order, so that each belongs to one worker. A worker goes through its own in an
    order drawn anew in every epoch. All workers have equally many whole batches in an epoch; the last of an order,
    at most `batch_size` examples, are passed over until the next.

    A batch is a function of worker and step, and of nothing that happened before: a run that is resumed sees the same.

    Args:
        data: whose training examples.
        num_workers: how many share them.
        batch_size: examples of a batch.
        seed: of who gets which examples, and of the orders.

    Raises:
        ValueError: for more workers than examples, a batch larger than a shard, or a negative seed.

    Attributes:
        shards: for each worker the indices of its examples, in parts whose sizes differ by at most 1.
        steps_per_epoch: batches of an epoch, the same number for every worker.

    Example:
        >>> from istsim.networks import data
        >>> batches = data.Batches(data.digits(), num_workers=4, batch_size=32, seed=0)
        >>> inputs, targets = batches(worker=3, step=100)
        >>> inputs.shape, targets.shape, batches.steps_per_epoch
        (torch.Size([32, 1, 8, 8]), torch.Size([32]), 11)
    """

    def __init__(self, data: Data, num_workers: int, batch_size: int, seed: int):
        self.data, self.seed = data, _natural("seed", seed)
        self.num_workers = positive_int("num_workers", num_workers)
        self.batch_size = positive_int("batch_size", batch_size)
        examples = len(data.train_inputs)
        if self.num_workers > examples:
            raise ValueError(f"num_workers must be at most the training examples, {examples}, got {num_workers}")
        smallest = examples // self.num_workers
        if self.batch_size > smallest:
            raise ValueError(
                f"batch_size must be at most {smallest}, the examples that each of {num_workers} workers has of "
                f"{examples}, got {batch_size}"
            )
        dealt = permutation(examples, self.seed, _DEAL)
        self.shards = [dealt[worker :: self.num_workers] for worker in range(self.num_workers)]
        self.steps_per_epoch = smallest // self.batch_size
        self._orders: dict[int, tuple[int, Tensor]] = {}  # by worker, the epoch and the order of it asked for last

    def __call__(self, worker: int, step: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets of a worker's batch in a step, both counted from 0.

        Raises:
            ValueError: if there is no such worker, or for a negative step.
        """
        if _natural("worker", worker) >= self.num_workers:
            raise ValueError(f"worker must be less than the number of workers, {self.num_workers}, got {worker}")
        epoch, batch = divmod(_natural("step", step), self.steps_per_epoch)
        examples = self._order(worker, epoch)[batch * self.batch_size : (batch + 1) * self.batch_size]
        return self.data.train_inputs.index_select(0, examples), self.data.train_targets.index_select(0, examples)

    def _order(self, worker: int, epoch: int) -> Tensor:
        known_epoch, order = self._orders.get(worker, (None, None))
        if order is None or known_epoch != epoch:
            shard = self.shards[worker]
            drawn = shard[permutation(len(shard), self.seed, _EPOCH, worker, epoch)]
            order = torch.from_numpy(drawn).to(self.data.train_inputs.device)
            self._orders[worker] = epoch, order
        return order


def _natural(name: str, value: Any) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = -1
    if isinstance(value, bool | np.bool_) or number < 0:
        raise ValueError(f"{name} must be an integer of at least 0, got {value!r}")
    return number
