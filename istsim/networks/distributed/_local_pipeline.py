"""The units of local updates, spread over processes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from istsim.networks._checkpoint import Checkpoint
from istsim.networks._costs import Costs
from istsim.networks._flops import FlopCount
from istsim.networks._layout import Layout
from istsim.networks._local_parallelism import LocalParallelism, consecutive
from istsim.networks._trainer import BatchOf, Loss, MakeOptimizer, cross_entropy
from istsim.networks.distributed._group import Group
from istsim.networks.distributed._links import Inbox, Outbox
from istsim.networks.distributed._stages import Stages, all_finite, good_until
from istsim.networks.local._chain import Chain
from istsim.networks.local._heads import make_heads
from istsim.networks.local._unit import UnitModule, UnitTrainer, look_through

_VALUES, _GRADIENTS = 1, 2  # tags; to the latter the unit's number is added


class LocalPipeline(Stages):
    """Units that hand activations on, and never wait for a gradient from behind.

    Every process plays some consecutive units, step after step, as fast as what it needs comes in by queues of bounded
    length. With greedy and chunked units that is what the units before hand on, and all comes out as by one process.
    With overlapping windows, a unit also needs the values of blocks that others train: those of the step before, so
    that all comes out as by one process; or if the method is asynchronous, the newest that have come.

    Args:
        model: without values, on the device "meta".
        layout: of the model.
        method: which blocks follow which loss.
        example: a batch of inputs, for the sizes of what is handed on.
        group: the processes.
        make_optimizer: gives an optimizer for parameters; every unit has one of its own.
        loss: of outputs and targets.
        seed: of the initial values, and of what the model draws.

    Raises:
        ValueError: for more processes than units, or asynchronous units of one process.
    """

    method: LocalParallelism

    def __init__(
        self,
        model: nn.Module,
        layout: Layout,
        method: LocalParallelism,
        example: Tensor,
        group: Group,
        *,
        make_optimizer: MakeOptimizer,
        loss: Loss = cross_entropy,
        seed: int = 0,
    ):
        every = method.units(len(Chain.of(model).blocks))
        if method.asynchronous and group.size == 1:
            raise ValueError("asynchronous units take several processes, and there is one")
        if group.size > len(every):
            raise ValueError(
                f"each of {group.size} processes takes at least one unit, and {method.mode} updates make {len(every)} "
                "of this model's blocks: start at most as many processes"
            )
        parts = consecutive(len(every), group.size)
        self._numbers, self._units = parts[group.rank], every
        self._process_of = {number: rank for rank, part in enumerate(parts) for number in part}
        self._trainer_of = {block: number for number, unit in enumerate(every) for block in unit.own}
        mine = [every[number] for number in self._numbers]
        own = range(mine[0].own.start, mine[-1].own.stop)
        self._ahead = sorted({block for unit in mine for block in unit.ahead} - set(own))
        super().__init__(model, layout, method, group, own=own, ahead=self._ahead, loss=loss, seed=seed)
        self._make_optimizer = make_optimizer
        self._heads = make_heads(method, mine, self._given_out(example), seed)
        for head in self._heads.values():
            head.to(group.device)
        self._costs, self._flops, self._sent = [Costs() for _ in mine], FlopCount(), 0
        self._trainers = self._made()

    def _made(self) -> list[UnitTrainer]:
        found = []
        for number in self._numbers:
            unit = self._units[number]
            ahead = look_through(self._chain.segment(unit.ahead), trained=self.method.shared == "sum")
            module = UnitModule(self._chain.segment(unit.own), ahead, self._heads.get(unit.last, nn.Identity()))
            found.append(UnitTrainer(unit, module, self._make_optimizer, self._state, number))
        return found

    def deal(self, held: np.ndarray) -> None:
        """Make the units; `held` is everything."""
        del held
        self._state |= {name: own for trainer in self._trainers for name, own in trainer.state().items()}
        self._trainers = self._made()

    def steps(self, batch_of: BatchOf, numbers: range) -> list[float]:
        """Take these steps; the losses of the last unit, the model's, up to one that is not finite."""
        links = self._links([batch_of(0, numbers[0])[0]] * len(numbers))  # all are of one size
        mine, good = [], True
        for step in numbers:
            inputs, targets = batch_of(0, step)
            x = inputs.to(self.group.device) if links.before is None else links.before.get()
            losses = self._gradients(x, targets.to(self.group.device), step, links)
            # What comes after a loss that is not finite is handed on, so that none waits, and forgotten.
            good = good and all(map(math.isfinite, losses))
            self._add_what_others_say(links)
            if good:
                for trainer, costs in zip(self._trainers, self._costs, strict=True):
                    trainer.step()
                    costs.stepped(trainer)
            mine.append(losses[-1] if good else math.nan)
            self._tell_values(links)
            self._look_ahead(links, wait=not self.method.asynchronous)
        while any(inbox.left for inbox in links.values_in.values()):
            self._look_ahead(links, wait=True)
        self._sent += links.close()
        every = self.group.gather(mine)
        bad = np.isnan(every).any(axis=0)
        return good_until(np.where(bad, np.nan, every[-1]).tolist())

    def _gradients(self, x: Tensor, targets: Tensor, step: int, links: _Links) -> list[float]:
        losses, handed = [], [x]
        for place, trainer in enumerate(self._trainers):
            inside = place + 1 < len(self._trainers)
            trainer.hand_over = handed.append if inside or links.after is None else links.after.put
            taken = handed.pop()
            self._flops.add(trainer, taken, targets, self._loss)
            seed = self._seed, self._numbers[place], step
            losses.append(self._costs[place].gradients(trainer, taken, targets, self._loss, seed))
        return losses

    def _add_what_others_say(self, links: _Links) -> None:
        told = [trainer.gradients_ahead() for trainer in self._trainers]
        for (number, rank), outbox in links.gradients_out.items():
            gradients = told[self._numbers.index(number)]
            outbox.put(_flat([gradients[name] for name in self._parameters(self._seen(number, rank))]))
        others = [
            self._cut(inbox.get(), self._seen(number, self.group.rank)) for number, inbox in links.gradients_in.items()
        ]
        for place, trainer in enumerate(self._trainers):
            trainer.add_first([*others, *told[:place]])  # in the order of units, as in one process

    def _tell_values(self, links: _Links) -> None:
        for rank, outbox in links.values_out.items():
            outbox.put(_flat(list(self._parameters(self._seen_by(rank, self.group.rank)).values())))

    def _look_ahead(self, links: _Links, *, wait: bool) -> None:
        """Take values of blocks that others train: the next ones, or the newest that have come."""
        for rank, inbox in links.values_in.items():
            found = inbox.get() if wait and inbox.left else inbox.newest()
            if found is not None:
                blocks = self._seen_by(self.group.rank, rank)
                values, own = self._cut(found, blocks), self._parameters(blocks)
                with torch.no_grad():
                    for name, p in own.items():
                        p.copy_(values[name])

    def _links(self, batches: Sequence[Tensor]) -> _Links:
        """All queues of this process for some steps."""
        rank, ranks, count = self.group.rank, range(self.group.size), len(batches)
        earlier, later = ranks[:rank], ranks[rank + 1 :]
        links = _Links(
            before=None if self._is_first else self._from_before(batches),
            after=None if self._is_last else self._onward(),
            values_in={
                other: Inbox(self.group, other, _VALUES, [_flat_like(self._parameters(blocks))] * count)
                for other in later
                if (blocks := self._seen_by(rank, other))
            },
            values_out={other: Outbox(self.group, other, _VALUES) for other in earlier if self._seen_by(other, rank)},
        )
        if self.method.shared == "sum":
            for number, process in self._process_of.items():
                if process == rank:
                    for other in later:
                        if self._seen(number, other):
                            links.gradients_out[number, other] = Outbox(self.group, other, _GRADIENTS + number)
                elif process < rank and (blocks := self._seen(number, rank)):
                    likes = [_flat_like(self._parameters(blocks))] * count
                    links.gradients_in[number] = Inbox(self.group, process, _GRADIENTS + number, likes)
        return links

    def _seen(self, number: int, rank: int) -> list[int]:
        """The blocks that a unit looks through and a process trains."""
        return [block for block in self._units[number].ahead if self._process_of[self._trainer_of[block]] == rank]

    def _seen_by(self, rank: int, other: int) -> list[int]:
        """The blocks that any unit of a process looks through, and another process trains."""
        numbers = [number for number, process in self._process_of.items() if process == rank]
        return sorted({block for number in numbers for block in self._seen(number, other)})

    def _parameters(self, blocks: Sequence[int]) -> dict[str, Tensor]:
        tensors = self._chain.segment(blocks).tensors()
        return {name: p.detach() for name, p in tensors.items() if isinstance(p, nn.Parameter) and p.requires_grad}

    def _cut(self, flat: Tensor, blocks: Sequence[int]) -> dict[str, Tensor]:
        like = self._parameters(blocks)
        pieces = flat.split([p.numel() for p in like.values()])
        return {name: piece.view(p.shape) for (name, p), piece in zip(like.items(), pieces, strict=True)}

    def merge(self) -> bool:
        """Nothing to average; whether all values are finite."""
        return bool(self.group.gather([all_finite(self._trainers)]).all())

    def spent(self) -> tuple[int, int, int]:
        """Nothing to workers, the bytes that processes have sent to each other, and floating point operations."""
        sent, flops = self.group.gather([self._sent, self._flops.total]).sum(axis=0)
        return 0, int(sent), int(flops)

    def aside(self) -> float:
        """Seconds that went into counting operations and measuring memory so far, and not into training."""
        return self._flops.seconds + sum(costs.aside for costs in self._costs)

    def costs(self) -> dict[str, Any]:
        """What was measured: of each unit, and of each process."""
        return self._told([costs.measured() for costs in self._costs], self._sent)

    def save(self, folder: Path, number: int, facts: Mapping[str, Any]) -> None:
        """Write a checkpoint of round `number`, with the heads."""
        tensors = {name: tensor for trainer in self._trainers for name, tensor in trainer.tensors().items()}
        state = {name: own for trainer in self._trainers for name, own in trainer.state().items()}
        self._save(folder, number, facts, tensors, state)

    def load(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint, which may be of another number of processes."""
        tensors = {name: tensor for trainer in self._trainers for name, tensor in trainer.tensors().items()}
        seen = self._chain.segment(self._ahead).tensors()
        self._read(checkpoint, {**seen, **tensors})
        self._trainers = self._made()


@dataclasses.dataclass
class _Links:
    """The queues of a process: by the rank of the other one, or by the unit whose gradients they have."""

    before: Inbox | None
    after: Outbox | None
    values_in: dict[int, Inbox]
    values_out: dict[int, Outbox]
    gradients_in: dict[int, Inbox] = dataclasses.field(default_factory=dict)
    gradients_out: dict[tuple[int, int], Outbox] = dataclasses.field(default_factory=dict)

    def close(self) -> int:
        """Wait until all has been sent; how many bytes that was."""
        outboxes = [*self.values_out.values(), *self.gradients_out.values(), *([self.after] if self.after else [])]
        for outbox in outboxes:
            outbox.close()
        return sum(outbox.bytes_sent for outbox in outboxes)


def _flat(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


def _flat_like(tensors: Mapping[str, Tensor]) -> Tensor:
    return _flat([tensor.to("meta") for tensor in tensors.values()])
