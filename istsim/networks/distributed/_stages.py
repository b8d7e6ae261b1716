"""A model that is spread over processes block by block: what its training has in common, whoever's it is."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from istsim.networks._checkpoint import Checkpoint, CheckpointWriter, number_said, said_number
from istsim.networks._costs import peak_memory
from istsim.networks._engine import Engine
from istsim.networks._evaluation import BATCH, Evaluation, totals
from istsim.networks._initialisation import initial_values
from istsim.networks._layout import Layout
from istsim.networks._methods import Method
from istsim.networks._trainer import Loss, OptimizerState, Trainer
from istsim.networks._whole_checkpoint import fields_of, read_whole
from istsim.networks.distributed._group import Group
from istsim.networks.distributed._links import Inbox, Outbox
from istsim.networks.local._chain import Chain, Segment
from istsim.networks.local._heads import outputs_of_blocks

ONWARD = 0  # the tag of what blocks give out


class Stages(Engine):
    """An engine whose processes have consecutive blocks each; no process ever has the whole model.

    Args:
        model: without values, on the device "meta".
        layout: of the model.
        method: how it is trained.
        group: the processes.
        own: the blocks that this process trains.
        ahead: others of which it has the values.
        loss: of outputs and targets.
        seed: of the initial values.
    """

    def __init__(
        self,
        model: nn.Module,
        layout: Layout,
        method: Method,
        group: Group,
        *,
        own: range,
        ahead: Sequence[int],
        loss: Loss,
        seed: int,
    ):
        self.model, self.layout, self.method, self.group = model, layout, method, group
        self._loss, self._seed, self._own = loss, seed, own
        chain = Chain.of(model)
        kept = [*own, *ahead]
        names = {name for block in kept for name in chain.segment([block]).tensors()}
        drawn = initial_values(model, seed)
        values = {name: value.to(group.device) for name, value in drawn if name in names}
        self._chain = chain.filled(kept, values)
        self._state: OptimizerState = {}
        self._sizes: dict[torch.Size, list[Tensor]] = {}

    @property
    def _is_first(self) -> bool:
        return self.group.rank == 0

    @property
    def _is_last(self) -> bool:
        return self.group.rank == self.group.size - 1

    def _segment(self) -> Segment:
        """The blocks of this process."""
        return self._chain.segment(self._own)

    def _given_out(self, inputs: Tensor) -> list[Tensor]:
        """What each block gives out for a batch: sizes only."""
        if inputs.shape not in self._sizes:
            self._sizes[inputs.shape] = outputs_of_blocks(Chain.of(self.model), inputs)
        return self._sizes[inputs.shape]

    def _from_before(self, batches: Sequence[Tensor]) -> Inbox:
        """What the process before will send for these batches of the model's inputs."""
        likes = (self._given_out(inputs)[self._own.start - 1] for inputs in batches)
        return Inbox(self.group, self.group.rank - 1, ONWARD, likes)

    def _onward(self) -> Outbox:
        return Outbox(self.group, self.group.rank + 1, ONWARD)

    def keep(self) -> None:
        """Nothing: a copy would be another model. Checkpoints are what is kept."""

    def restore(self) -> None:
        """Nothing, likewise."""

    def _told(self, measured: Sequence[Mapping[str, Any]], sent: float) -> dict[str, Any]:
        """What was measured by all processes, each of whose units or stages has measured so much."""
        process = {"peak_memory": peak_memory(), "bytes_sent": sent}
        told = self.group.gather_json([list(measured), process])
        return {"workers": [one for some, _ in told for one in some], "processes": [process for _, process in told]}

    def evaluate(self, inputs: Tensor, targets: Tensor, calibration: Sequence[Tensor] = ()) -> Evaluation:
        """The model's loss and accuracy, from process to process: what `istsim.networks.evaluate` gives."""
        segment = copy.deepcopy(self._segment())
        several = [batch for batch in calibration if len(batch) > 1]
        if several:
            segment.train()
            for module in segment.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.reset_running_stats()
                    module.momentum = None  # the plain mean over all batches
            self._along(segment, several)
        segment.eval()
        found = self._along(segment, inputs.split(BATCH))
        mine = [0.0, 0.0, 0.0]
        if self._is_last:
            wanted = targets.to(self.group.device).split(BATCH)
            each = [totals(nn.Identity(), out, some, self._loss) for out, some in zip(found, wanted, strict=True)]
            mine = [sum(column) for column in zip(*each, strict=True)]
        return Evaluation.of(self.group.gather(mine)[-1:].tolist())

    @torch.no_grad()
    def _along(self, segment: nn.Module, batches: Sequence[Tensor]) -> list[Tensor]:
        """Send batches through the blocks of all processes; the last has what comes out."""
        inbox = None if self._is_first else self._from_before(batches)
        outbox = None if self._is_last else self._onward()
        found = []
        for inputs in batches:
            out = segment(inputs.to(self.group.device) if inbox is None else inbox.get())
            if outbox is None:
                found.append(out)
            else:
                outbox.put(out)
        if outbox is not None:
            outbox.close()
        return found

    def _save(
        self, folder: Path, number: int, facts: Mapping[str, Any], tensors: Mapping[str, Tensor], state: OptimizerState
    ) -> None:
        """Write a checkpoint of round `number`, each process what it trains."""
        entries, numbers = fields_of(tensors, state)
        writer = CheckpointWriter(folder, number)
        if self._is_first:
            writer.begin()
        self.group.gather([0])  # of the same round, so that none writes before
        with self.group.watched():
            writer.write(entries, alone=False)
        told = self.group.gather_json([[*field, *said_number(value)] for field, value in numbers.items()])
        if self._is_first:
            all_numbers = {(name, key): number_said(*said) for some in told for name, key, *said in some}
            writer.end(facts, all_numbers)
        self.group.gather([0])  # who goes on may rely on it

    def _read(self, checkpoint: Checkpoint, tensors: Mapping[str, Tensor]) -> None:
        """Take what is needed here from a checkpoint, which may be of another number of processes."""
        self._state = read_whole(checkpoint, tensors, part=True)


def all_finite(trainers: Sequence[Trainer]) -> bool:
    """Whether all that they train is."""
    return all(bool(p.isfinite().all()) for trainer in trainers for p in trainer.parameters.values())


def good_until(losses: Sequence[float]) -> list[float]:
    """Losses up to the first that is not finite."""
    found = []
    for loss in losses:
        found.append(loss)
        if not math.isfinite(loss):
            break
    return found
