"""One worker of many, in a process of its own: the engine of runs by torchrun."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from istsim.networks._cells import Grid, Placement, grids_of
from istsim.networks._checkpoint import Checkpoint, Field, number_said, said_number
from istsim.networks._costs import Costs, peak_memory
from istsim.networks._engine import LockStepEngine
from istsim.networks._evaluation import Evaluation
from istsim.networks._flops import FlopCount
from istsim.networks._initialisation import initial_values
from istsim.networks._layout import Layout, tensors_of, with_values
from istsim.networks._methods import Method
from istsim.networks._ownership import Ownership
from istsim.networks._part import Part
from istsim.networks._partly_trained import whole_tensors
from istsim.networks._trainer import BatchOf, Loss, MakeOptimizer, cross_entropy
from istsim.networks._worker import Worker, per_entry
from istsim.networks.distributed._at_rest import AtRest, positions
from istsim.networks.distributed._by_layer import fetch_layer_by_layer
from istsim.networks.distributed._evaluation import evaluate_shares
from istsim.networks.distributed._exchange import Places, Transfer, exchange
from istsim.networks.distributed._group import Group
from istsim.networks.distributed._ways import Way, Ways


class OneOfMany(LockStepEngine):
    """The worker of this process; no process ever has the whole model, but for backward masking, which runs it.

    Every cell of every tensor has a home, one of the workers that hold it (see `Ownership`). At the end of a round
    values, buffers and the optimizer's state go there and are averaged; before the next one they go from there to who
    holds them then. Cells that no one holds wait at home. Gradients that the method shares go home, and their averages
    back to the holders.

    Args:
        model: without values, on the device "meta".
        layout: which parts of it only some workers hold.
        method: how workers are masked, and what is averaged; for as many workers as processes.
        group: the processes.
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
        method: Method,
        group: Group,
        *,
        make_optimizer: MakeOptimizer,
        loss: Loss = cross_entropy,
        seed: int = 0,
    ):
        group.check_plays(method.num_workers)
        self.model, self.layout, self.method, self.group = model, layout, method, group
        self._make_optimizer, self._loss, self._seed = make_optimizer, loss, seed
        self._tensors = tensors_of(model)
        self._trained = {name for name, p in model.named_parameters() if p.requires_grad}
        self.grids = grids_of(model, layout)
        self._flops, self._up, self._down = FlopCount(), 0, 0
        self._costs = Costs()
        self._worker: Worker | None = None
        self._ownership: Ownership | None = None
        self._has: dict[str, list[Placement]] = {}  # with backward masking, whole tensors as workers have them
        self._ways: Ways | None = None  # of what is held
        self._whole_ways: Ways | None = None  # of tensors as workers have them
        self._unheld: dict[Field, Tensor] = {}  # what is at home here and not in the worker
        self.rest = AtRest(group, self.grids)
        for name, values in initial_values(model, seed):
            self.rest.put(name, values)

    # Dealing and collecting

    def deal(self, held: np.ndarray) -> None:
        """Build this process's worker, from what comes from the homes of all that it holds and has not."""
        self.bring_home()
        parts, rank = [Part(self.model, self.layout, mask) for mask in held], self.group.rank
        part, whole = parts[rank], self.method.masking == "backward"
        before = self._had()
        self._ownership = Ownership(self.grids, parts, self.rest.home)
        self._has = {name: _all_of(grid, name, parts) for name, grid in self.grids.items()} if whole else {}
        self._ways = Ways(self.group, self.grids, self._ownership, self._ownership.held)
        self._whole_ways = Ways(self.group, self.grids, self._ownership, self._has) if whole else self._ways
        values: dict[str, Tensor] = {}
        state: dict[str, dict[str, Any]] = {}
        transfers, unheld = [], {}
        for (name, key), kept in self.rest.kept.items():
            grid = self.grids[name]
            places, (had, old) = self._placements(name, key), before.get((name, key), (None, None))
            mine = places[rank]
            piece = kept.new_empty(mine.shape).view(self._tensors[name].shape and mine.shape)
            if had is not None and old is not None:
                staying = np.intersect1d(mine.cells, had[rank].cells, assume_unique=True)
                grid.cells(piece)[mine.at(staying)] = grid.cells(old)[had[rank].at(staying)]
            transfers.append(self._dealt(name, kept, places, had, piece))
            here = self.rest.cells(name)
            waiting = (self._ownership.home[name][here] == rank) & ~np.isin(here, mine.cells)
            if waiting.any():
                unheld[name, key] = kept[torch.from_numpy(waiting)]
            if key is None and (whole or name in part.names):
                values[name] = piece
            elif key is not None and name in part.names:
                state.setdefault(name, {})[key] = piece
        self._down += exchange(self.group, transfers)
        for (name, key), number in self.rest.numbers.items():
            number = number.clone() if isinstance(number, Tensor) else number
            if key is None and (whole or name in part.names):
                values[name] = number
            elif key is not None and name in part.names:
                state.setdefault(name, {})[key] = number
        self._unheld, self.rest.kept, self.rest.home = unheld, {}, self._ownership.home
        self._worker = Worker(self.model, part, self.method, self._make_optimizer, state, values)

    def _had(self) -> dict[Field, tuple[Sequence[Placement], Tensor | None]]:
        """What workers have up to date before all is dealt anew: all their placements, and this one's tensor."""
        if self._worker is None or not self.method.shares_gradients:
            return {}
        values, state = self._values(), self._worker.state()
        found: dict[Field, tuple[Sequence[Placement], Tensor | None]] = {}
        for name, key in self.rest.kept:
            if key is not None:
                found[name, key] = self._placements(name, key), state.get(name, {}).get(key)
            elif self.method.masking == "backward" or isinstance(self._tensors[name], nn.Parameter):
                found[name, key] = self._placements(name, key), values.get(name)
        return found

    def _placements(self, name: str, key: str | None) -> Sequence[Placement]:
        """Of all workers, what they have of a tensor, or of the optimizer's state for it."""
        assert self._ownership is not None
        return self._has[name] if key is None and self._has else self._ownership.held[name]

    def _dealt(
        self,
        name: str,
        kept: Tensor,
        places: Sequence[Placement],
        had: Sequence[Placement] | None,
        piece: Tensor,
    ) -> Transfer:
        here, home, rank = self.rest.cells(name), self.rest.home[name], self.group.rank
        grid, every, device = self.grids[name], range(self.group.size), self.group.device
        wanted = [new.cells for new in places]
        if had is not None:
            pairs = zip(wanted, had, strict=True)
            wanted = [np.setdiff1d(cells, old.cells, assume_unique=True) for cells, old in pairs]
        coming = wanted[rank]
        return Transfer(
            grid,
            kept,
            Places((positions(here, cells[home[cells] == rank]) for cells in wanted), device),
            grid.cells(piece),
            Places((places[rank].at(coming[home[coming] == peer]) for peer in every), device),
        )

    def bring_home(self) -> None:
        """Let all that workers have computed go home, averaged over holders; the worker stays as it is."""
        if self._worker is None or self._ownership is None:
            return
        worker, ways, rank = self._worker, self._ways, self.group.rank
        assert ways is not None
        values, state = self._values(), worker.state()
        numbers: dict[Field, Any] = {(name, None): v for name, v in values.items() if name not in self.grids}
        dtypes: dict[Field, Any] = {(name, None): self._tensors[name].dtype for name in self.grids}
        for name, own in state.items():
            for key, value in own.items():
                if per_entry(key, value, worker.parameters[name]):
                    dtypes[name, key] = value.dtype
                else:
                    numbers[name, key] = value
        having = self._agree(numbers, dtypes)
        transfers: list[Transfer] = []
        totals: dict[Field, tuple[Way, Tensor]] = {}

        def collect(field: Field, own: Tensor | None, peers: Sequence[int] | None) -> None:
            way = ways.home(field[0], peers)
            totals[field] = way, way.total(dtypes[field])
            transfers.append(way.up(own, dtypes[field], totals[field][1]))

        for name in self.grids:
            field: Field = name, None
            own = values.get(name)
            if self._averages(name) and self.method.masking != "backward":
                collect(field, own, None)
            else:
                self.rest.kept[field] = self._own(field, own, dtypes[field], self._placements(name, None)[rank])
        for field, peers in having.items():
            name, key = field
            if key is None:
                continue
            own = state.get(name, {}).get(key)
            if self.method.shares_gradients:
                self.rest.kept[field] = self._own(field, own, dtypes[field], self._ownership.held[name][rank])
            else:
                collect(field, own, peers)
        self._up += exchange(self.group, transfers)
        for field, (way, total) in totals.items():
            before = self._own(field, None, dtypes[field], None)
            self.rest.kept[field] = torch.where(way.holders > 0, way.average(total, before.dtype), before)

    def _agree(self, numbers: dict[Field, Any], dtypes: dict[Field, torch.dtype]) -> dict[Field, list[int]]:
        """Take the largest of all workers' numbers, learn the types of what others have, and who has what."""
        told = [[*field, *_said(value)] for field, value in (numbers | dtypes).items()]
        having: dict[Field, list[int]] = {}
        for peer, said in enumerate(self.group.gather_json(told)):
            for name, key, number, kind in said:
                dtype = None if kind is None else getattr(torch, kind)
                if number is None and dtype is not None:
                    dtypes[name, key] = dtype
                    having.setdefault((name, key), []).append(peer)
                elif number is not None:
                    value = number_said(number, kind)
                    known = self.rest.numbers.get((name, key))
                    self.rest.numbers[name, key] = value if known is None else max(known, value)
        return having

    @contextlib.contextmanager
    def at_rest(self) -> Iterator[None]:
        """With the whole model at home, for whoever looks at it; what is sent for that does not count."""
        up = self._up
        self.bring_home()
        self._up = up
        yield
        if self._worker is not None:
            self.rest.kept = {}  # it goes on, and this grows old

    def _averages(self, name: str) -> bool:
        """Whether holders may have different values of a tensor at the end of a round."""
        if isinstance(self._tensors[name], nn.Parameter):
            return name in self._trained and not self.method.shares_gradients
        return True

    def _own(self, field: Field, mine: Tensor | None, dtype: torch.dtype, has: Placement | None) -> Tensor:
        """What is at home here, as this process has it; zeros where no one ever had any."""
        name = field[0]
        here = self.rest.cells(name)
        shape = (len(here), *self.grids[name].cell_shape)
        found = torch.zeros(shape, dtype=dtype, device=self.group.device)
        if field in self._unheld:
            assert self._ownership is not None
            placement = self._placements(*field)[self.group.rank]
            found[torch.from_numpy(~np.isin(here, placement.cells))] = self._unheld[field]
        if mine is not None and has is not None:
            cells = here[np.isin(here, has.cells)]
            found[positions(here, cells)] = self.grids[name].cells(mine)[has.at(cells)]
        return found

    # A step and its end

    def gradients(self, batch_of: BatchOf, step: int) -> list[float]:
        """Compute this worker's gradients, and give the losses of all."""
        assert self._worker is not None
        inputs, targets = (tensor.to(self.group.device) for tensor in batch_of(self.group.rank, step))
        self._flops.add(self._worker, inputs, targets, self._loss)
        loss = self._costs.gradients(self._worker, inputs, targets, self._loss, (self._seed, self.group.rank, step))
        return self.group.gather([loss])[:, 0].tolist()

    def update(self) -> None:
        """Let the worker take the step."""
        assert self._worker is not None
        if self.method.shares_gradients:
            parameters = self._worker.parameters
            gradients = {name: p.grad for name, p in parameters.items()}
            unused = {name for name, gradient in gradients.items() if gradient is None}  # likewise at all its holders
            self._average(self._ways, gradients, [name for name in self.grids if name in self._trained - unused])
        self._worker.step()
        self._costs.stepped(self._worker)

    def _average(self, ways: Ways | None, tensors: Mapping[str, Tensor | None], names: Sequence[str]) -> None:
        """Give all holders the averages over them."""
        assert ways is not None
        up, down = ways.average({name: (tensors.get(name), self._tensors[name].dtype) for name in names})
        self._up, self._down = self._up + up, self._down + down

    def merge(self) -> bool:
        """End a round: what is averaged goes home; whether all of it is finite."""
        if not self.method.shares_gradients:
            self.bring_home()
            self._worker, self._unheld = None, {}
            finite = all(bool(kept.isfinite().all()) for kept in self.rest.kept.values())
            return bool(self.group.gather([finite]).all())
        if self.method.masking == "backward":
            self._refresh()
        return True  # values that are not finite give such a loss in the next step

    def _refresh(self) -> None:
        """With backward masking: take over what others have trained, and the averages of buffers."""
        assert self._whole_ways is not None
        values = self._values()
        buffers = [name for name in self.grids if self._averages(name)]
        changed = {name: values[name] for name in self.grids if name in self._trained or self._averages(name)}
        with torch.no_grad():
            self._average(self._whole_ways, values, buffers)
            self._down += self._whole_ways.give_others(changed)

    def keep(self) -> None:
        """Nothing: a copy would be another model. Checkpoints are what is kept."""

    def restore(self) -> None:
        """Nothing, likewise."""

    def spent(self) -> tuple[int, int, int]:
        """Bytes that came from homes, bytes that went there, and floating point operations, of all workers so far."""
        down, up, flops = self.group.gather([self._down, self._up, self._flops.total]).sum(axis=0)
        return int(down), int(up), int(flops)

    def aside(self) -> float:
        """Seconds that went into counting operations and measuring memory so far, and not into training."""
        return self._flops.seconds + self._costs.aside

    def costs(self) -> dict[str, Any]:
        """What was measured: of each worker, and of each process."""
        process = {"peak_memory": peak_memory(), "bytes_sent": self.group.bytes_sent}
        told = self.group.gather_json([self._costs.measured(), process])
        return {"workers": [worker for worker, _ in told], "processes": [process for _, process in told]}

    # The model seen from outside

    def evaluate(self, inputs: Tensor, targets: Tensor, calibration: Sequence[Tensor] = ()) -> Evaluation:
        """The whole model's loss and accuracy, as `istsim.networks.evaluate`.

        Each process has one layer at a time, and takes its share of the data. All go through the layers together.
        """
        with self.at_rest(), torch.no_grad():
            buffers = {name: self.whole(name) for name, t in self._tensors.items() if not isinstance(t, nn.Parameter)}
            model = copy.deepcopy(self.model, with_values(self.model, buffers))
            fetch_layer_by_layer(model, self.model, self.whole)
            return evaluate_shares(
                self.group, model, self.layout, self.method, inputs, targets, calibration=calibration, loss=self._loss
            )

    def save(self, folder: Path, number: int, facts: Mapping[str, Any]) -> None:
        """Write a checkpoint of round `number`, each process a shard of every tensor."""
        with self.at_rest():
            self.rest.save(folder, number, facts)

    def load(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint, which may be of another number of workers."""
        self.rest.load(checkpoint)
        self._worker, self._ownership, self._unheld = None, None, {}

    def whole(self, name: str) -> Tensor:
        """All of a tensor, in every process; for when all is `at_rest`."""
        return self.rest.whole(name).view(self._tensors[name].shape)

    def _values(self) -> dict[str, Tensor]:
        """The worker's tensors, by name: of what it has of each."""
        assert self._worker is not None
        module = self._worker.module
        return whole_tensors(module) if self.method.masking == "backward" else _detached(tensors_of(module))


def _said(value: Any) -> tuple[Any, str | None]:
    """A number and its type; of what belongs to single entries, only the type."""
    return (None, str(value).removeprefix("torch.")) if isinstance(value, torch.dtype) else said_number(value)


def _all_of(grid: Grid, name: str, parts: Sequence[Part]) -> list[Placement]:
    """A whole tensor as each worker has it with backward masking: what it holds first along every axis."""
    return [Placement(grid, [part.order_along(name, axis) for axis in grid.axes]) for part in parts]


def _detached(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach() for name, tensor in tensors.items()}
