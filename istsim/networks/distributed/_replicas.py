"""Data parallelism by torch itself, which the methods here are compared with."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from istsim.networks._architectures import block_names
from istsim.networks._checkpoint import Checkpoint
from istsim.networks._costs import Costs, peak_memory
from istsim.networks._engine import LockStepEngine
from istsim.networks._evaluation import Evaluation
from istsim.networks._flops import FlopCount
from istsim.networks._initialisation import initial_values
from istsim.networks._kept import bytes_of
from istsim.networks._layout import Layout, tensors_of, with_values
from istsim.networks._methods import DataParallel
from istsim.networks._part import Part
from istsim.networks._trainer import BatchOf, Loss, MakeOptimizer, OptimizerState, cross_entropy
from istsim.networks._whole_checkpoint import read_whole, write_whole
from istsim.networks._worker import Worker
from istsim.networks.distributed._evaluation import evaluate_shares
from istsim.networks.distributed._group import Group
from istsim.networks.distributed._sent import bytes_written


class Replicas(LockStepEngine):
    """A replica a process, by DistributedDataParallel or by fully_shard (FSDP2).

    The bytes that a process sends are those that the operating system counts, where it does (Linux, and no GPUs);
    elsewhere they are not a number.

    Args:
        model: without values, on the device "meta".
        layout: of the model; all is held by all.
        method: data parallelism, for as many workers as processes.
        group: the processes.
        by: whose: "ddp" or "fsdp". The latter shards block by block, or layer by layer where there are no blocks.
        make_optimizer: gives an optimizer for parameters.
        loss: of outputs and targets.
        seed: of the initial values, and of what the model draws.

    Raises:
        ValueError: for another number of workers than processes.
    """

    def __init__(
        self,
        model: nn.Module,
        layout: Layout,
        method: DataParallel,
        group: Group,
        *,
        by: Literal["ddp", "fsdp"],
        make_optimizer: MakeOptimizer,
        loss: Loss = cross_entropy,
        seed: int = 0,
    ):
        group.check_plays(method.num_workers)
        self.model, self.layout, self.method, self.group = model, layout, method, group
        self._by, self._make_optimizer, self._loss, self._seed = by, make_optimizer, loss, seed
        self._mesh = init_device_mesh(group.device.type, (group.size,))
        self._costs, self._flops, self._sent = Costs(), FlopCount(), 0.0
        self._values: Iterable[tuple[str, Tensor]] = initial_values(model, seed)
        self._state: OptimizerState = {}
        self._worker: Worker | None = None

    def deal(self, held: np.ndarray) -> None:
        """Give this process its replica; `held` is everything."""
        part = Part(self.model, self.layout, held[self.group.rank])
        with self.group.watched():
            self._worker = Worker(self.model, part, self.method, self._make_optimizer, {}, wrap=self._wrapped)
        for name, own in self._state.items():
            parameter = self._worker.parameters[name]
            self._worker.optimizer.state[parameter] = {
                key: self._like(parameter, value) if isinstance(value, Tensor) and value.dim() else value
                for key, value in own.items()
            }
        self._values, self._state = (), {}

    def _wrapped(self, module: nn.Module) -> nn.Module:
        """The module, which comes without values, with those of this process."""
        parts = [*_parts(module), module]
        if self._by == "fsdp":
            for part in parts:
                fully_shard(part, mesh=self._mesh)
        module.to_empty(device=self.group.device)
        tensors = tensors_of(module)
        with torch.no_grad():
            for name, values in self._values:
                _local(tensors[name]).copy_(_local(self._like(tensors[name], values)))
            for name, buffer in self.model.named_buffers():
                if not buffer.is_meta:  # one that is not part of the model's state
                    module.get_buffer(name).copy_(buffer)
        if self._by == "ddp":
            return DistributedDataParallel(module, gradient_as_bucket_view=True)
        for part in parts:
            part.register_forward_pre_hook(self._look_at_gathered)
        return module

    def _look_at_gathered(self, *_: object) -> None:
        """What is there of all parameters only while it is computed with."""
        assert self._worker is not None
        whole = (p for p in self._worker.module.parameters() if not isinstance(p, DTensor))
        self._worker.gathered = max(self._worker.gathered, bytes_of(whole))

    def _like(self, tensor: Tensor, values: Tensor) -> Tensor:
        """Values as they lie in `tensor`: this process's share of them, if it is sharded."""
        if not isinstance(tensor, DTensor):
            return values.to(tensor.device)
        chunks, rank = values.chunk(self.group.size), self.group.rank
        mine = chunks[rank] if rank < len(chunks) else values[:0]
        where = {"run_check": False, "shape": tensor.shape, "stride": tensor.stride()}
        return DTensor.from_local(mine.to(self.group.device).clone(), tensor.device_mesh, tensor.placements, **where)

    def gradients(self, batch_of: BatchOf, step: int) -> list[float]:
        """Compute the gradients and let torch average them; the losses of all."""
        assert self._worker is not None
        inputs, targets = (tensor.to(self.group.device) for tensor in batch_of(self.group.rank, step))
        self._flops.add(self._worker, inputs, targets, self._loss)
        before = bytes_written(self.group.device)
        with self.group.watched():
            loss = self._costs.gradients(self._worker, inputs, targets, self._loss, (self._seed, self.group.rank, step))
        self._sent += bytes_written(self.group.device) - before
        return self.group.gather([loss])[:, 0].tolist()

    def update(self) -> None:
        """Take the step."""
        assert self._worker is not None
        self._worker.step()
        self._costs.stepped(self._worker)

    def merge(self) -> bool:
        """Nothing: values that are not finite give such a loss in the next step."""
        return True

    def keep(self) -> None:
        """Nothing: a copy would be another model. Checkpoints are what is kept."""

    def restore(self) -> None:
        """Nothing, likewise."""

    def spent(self) -> tuple[int, int, int]:
        """Nothing to workers, the bytes that all have sent, and their floating point operations."""
        sent, flops = self.group.gather([self._sent, self._flops.total]).sum(axis=0)
        return 0, sent if math.isnan(sent) else int(sent), int(flops)

    def aside(self) -> float:
        """Seconds that went into counting operations and measuring memory so far, and not into training."""
        return self._flops.seconds + self._costs.aside

    def costs(self) -> dict[str, Any]:
        """What was measured: of each worker, but for its seconds, in which torch also sends; and of each process."""
        process = {"peak_memory": peak_memory(), "bytes_sent": self._sent}
        told = self.group.gather_json([self._costs.measured() | {"step_seconds": None}, process])
        return {"workers": [worker for worker, _ in told], "processes": [process for _, process in told]}

    def evaluate(self, inputs: Tensor, targets: Tensor, calibration: Sequence[Tensor] = ()) -> Evaluation:
        """The model's loss and accuracy; each process takes its share of the data."""
        whole = copy.deepcopy(self.model, with_values(self.model, self._whole()))
        return evaluate_shares(
            self.group, whole, self.layout, self.method, inputs, targets, calibration=calibration, loss=self._loss
        )

    def _whole(self) -> dict[str, Tensor]:
        """All tensors of the model, in every process."""
        assert self._worker is not None
        with self.group.watched():
            return {name: _whole(tensor).detach() for name, tensor in tensors_of(self._worker.inner).items()}

    def save(self, folder: Path, number: int, facts: Mapping[str, Any]) -> None:
        """Write a checkpoint of round `number`: the first process does."""
        assert self._worker is not None
        tensors = self._whole()
        state = {
            name: {key: _whole(value) if isinstance(value, Tensor) else value for key, value in own.items()}
            for name, own in self._worker.state().items()
        }
        if self.group.rank == 0:
            write_whole(folder, number, facts, tensors, state)
        self.group.gather([0.0])  # who goes on may rely on it

    def load(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint, which may be of another method or number of workers."""
        tensors = {name: torch.empty_like(tensor, device="cpu") for name, tensor in tensors_of(self.model).items()}
        for _ in initial_values(self.model, self._seed):
            pass  # for the buffers that are not part of the model's state
        self._state = read_whole(checkpoint, tensors)
        self._values, self._worker = tensors.items(), None


def _parts(module: nn.Module) -> list[nn.Module]:
    """What is sharded together: blocks, or layers."""
    found = [module.get_submodule(name) for name in block_names(module)]
    return found or [child for child in module.children() if any(True for _ in child.parameters())]


def gathered_at_once(model: nn.Module) -> int:
    """Bytes of the parameters that fully_shard gathers while a part is computed: what is outside of all, and a part."""
    sizes = [sum(p.numel() * p.element_size() for p in part.parameters()) for part in _parts(model)]
    return sum(p.numel() * p.element_size() for p in model.parameters()) - sum(sizes) + max(sizes)


def _local(tensor: Tensor) -> Tensor:
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def _whole(tensor: Tensor) -> Tensor:
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
