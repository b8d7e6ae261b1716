"""Pipeline parallelism by torch itself, which local updates are compared with."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributed.pipelining import PipelineStage, Schedule1F1B

from istsim.networks._checkpoint import Checkpoint
from istsim.networks._engine import LockStepEngine
from istsim.networks._flops import FlopCount
from istsim.networks._kept import LiveForBackward, bytes_of
from istsim.networks._layout import Layout
from istsim.networks._memory import KINDS, Memory, memory_of
from istsim.networks._methods import DataParallel
from istsim.networks._trainer import BatchOf, Loss, MakeOptimizer, Trainer, cross_entropy, drawing
from istsim.networks.distributed._group import Group
from istsim.networks.distributed._sent import bytes_written
from istsim.networks.distributed._stages import Stages, all_finite
from istsim.networks.local._chain import Chain


class TorchPipeline(Stages, LockStepEngine):
    """Consecutive blocks a process, by torch's PipelineStage, and microbatches one forward, one backward (1F1B).

    The bytes that a process sends are those that the operating system counts, where it does (Linux, and no GPUs);
    elsewhere they are not a number.

    Args:
        model: without values, on the device "meta".
        layout: of the model.
        method: data parallelism of one worker.
        group: the processes, as many as stages.
        num_stages: how many.
        microbatches: equal parts that a batch is cut into; a divisor of its size.
        make_optimizer: gives an optimizer for parameters; every stage has one of its own.
        loss: of outputs and targets, a mean.
        seed: of the initial values, and of what the model draws.

    Raises:
        ValueError: for another number of stages than processes, or more than blocks.
    """

    def __init__(
        self,
        model: nn.Module,
        layout: Layout,
        method: DataParallel,
        group: Group,
        *,
        num_stages: int,
        microbatches: int,
        make_optimizer: MakeOptimizer,
        loss: Loss = cross_entropy,
        seed: int = 0,
    ):
        group.check_plays(num_stages)
        count = len(Chain.of(model).blocks)
        if num_stages > count:
            raise ValueError(f"the model's {count} blocks cannot be {num_stages} stages: start fewer workers")
        mine = np.array_split(np.arange(count), num_stages)[group.rank]
        super().__init__(model, layout, method, group, own=range(mine[0], mine[-1] + 1), ahead=(), loss=loss, seed=seed)
        self._make_optimizer, self._microbatches = make_optimizer, microbatches
        self._flops, self._sent, self._steps = FlopCount(), 0.0, 0
        self._memory: Memory | None = None
        self._measured = 0, 0
        self._trainer: Trainer | None = None
        self._schedule: Schedule1F1B | None = None

    def deal(self, held: np.ndarray) -> None:
        """Make the stage; `held` is everything."""
        del held
        segment = self._segment().train()
        trained = {name: p for name, p in segment.tensors().items() if isinstance(p, nn.Parameter) and p.requires_grad}
        if self._trainer is not None:
            self._state = self._trainer.state()
        self._trainer = Trainer(segment, trained, self._make_optimizer, self._state, plain=self.model)
        stage = PipelineStage(segment, self.group.rank, self.group.size, self.group.device)
        self._schedule = Schedule1F1B(stage, self._microbatches, loss_fn=self._loss)

    def gradients(self, batch_of: BatchOf, step: int) -> list[float]:
        """Let microbatches go forward and back through all stages; the mean of their losses."""
        assert self._trainer is not None
        assert self._schedule is not None
        inputs, targets = (tensor.to(self.group.device) for tensor in batch_of(0, step))
        if self._is_first:
            self._flops.add(self._trainer, inputs, targets, self._loss)
        self._trainer.module.zero_grad(set_to_none=True)
        losses: list[Tensor] = []
        given = (inputs,) if self._is_first else ()
        asked: dict[str, Any] = {"target": targets, "losses": losses} if self._is_last else {}
        before, kept = bytes_written(self.group.device), LiveForBackward(self._trainer.module)
        with contextlib.ExitStack() as stack:
            if self._steps == 1:  # in the first one torch also finds out the sizes of what stages give out
                stack.enter_context(kept)
            stack.enter_context(drawing(self._seed, self.group.rank, step))
            stack.enter_context(self.group.watched())
            self._schedule.step(*given, **asked)
        self._sent += bytes_written(self.group.device) - before
        if self._steps == 1:
            gradients = bytes_of(p.grad for p in self._trainer.parameters.values() if p.grad is not None)
            self._measured = gradients, kept.most
        return self.group.gather([float(torch.stack(losses).detach().mean()) if losses else 0.0])[-1].tolist()

    def update(self) -> None:
        """Take the step."""
        assert self._trainer is not None
        self._trainer.step()
        if self._steps == 1:
            self._memory = memory_of(self._trainer, *self._measured)
        self._steps += 1

    def merge(self) -> bool:
        """Nothing to average; whether all values are finite."""
        assert self._trainer is not None
        return bool(self.group.gather([all_finite([self._trainer])]).all())

    def spent(self) -> tuple[int, int, int]:
        """Nothing to workers, the bytes that all processes have sent, and their floating point operations."""
        sent, flops = self.group.gather([self._sent, self._flops.total]).sum(axis=0)
        return 0, sent if math.isnan(sent) else int(sent), int(flops)

    def aside(self) -> float:
        """Seconds that went into counting operations so far, and not into training."""
        return self._flops.seconds

    def costs(self) -> dict[str, Any]:
        """What was measured: of each stage, but for its seconds, in which torch also waits; and of each process."""
        memory = dataclasses.asdict(self._memory) if self._memory else dict.fromkeys(KINDS)
        return self._told([memory | {"step_seconds": None}], self._sent)

    def save(self, folder: Path, number: int, facts: Mapping[str, Any]) -> None:
        """Write a checkpoint of round `number`."""
        assert self._trainer is not None
        self._save(folder, number, facts, self._segment().tensors(), self._trainer.state())

    def load(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint, which may be of another number of stages, or by one process."""
        self._read(checkpoint, self._segment().tensors())
        self._trainer = None
