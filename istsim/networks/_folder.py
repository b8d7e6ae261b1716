"""Training runs that live in a folder: what they write, and how they go on."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from istsim._validation import positive_int
from istsim.networks._checkpoint import Checkpoint, newest_checkpoint
from istsim.networks._engine import Engine
from istsim.networks._local_parallelism import LocalParallelism
from istsim.networks._log import Log
from istsim.networks._methods import DataParallel
from istsim.networks._training import one_process
from istsim.networks._training_run import TrainingRun
from istsim.networks.data import Data

if TYPE_CHECKING:
    from istsim.networks.distributed import Group

_CHECKPOINTS = 20  # about so many in a run
_MAY_CHANGE = ("rounds", "workers", "evaluate_every")  # of a run that goes on


def train_in_folder(
    run: TrainingRun,
    folder: Path,
    *,
    resume: bool = False,
    checkpoint_every: int | None = None,
    group: Group | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[dict[str, Any]]:
    """Train, and keep a log and the newest checkpoint in a folder.

    A run that is killed at any moment and resumed gives the same values, to the last bit, as one that was not.

    Args:
        run: what to train, and how.
        folder: made if missing.
        resume: go on with the run in the folder, if there is one, from its checkpoint. More rounds, evaluations at
            other rounds, and at the end of a round another number of workers, are allowed.
        checkpoint_every: rounds between checkpoints; a twentieth of the rounds if None.
        group: the processes, if there are several; this one plays one worker.
        stop: asked after every round, whether to leave it at that. The run is then "interrupted", and may be resumed.

    Returns:
        A row of numbers after each round: see `istsim.networks.Log`.

    Raises:
        ValueError: for a folder that has a run, if it is not to be resumed, or that has another run.

    Example:
        >>> import pathlib, tempfile
        >>> from istsim import networks
        >>> run = networks.TrainingRun(workers=2, width=8, rounds=3)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     rows = list(networks.train_in_folder(run, pathlib.Path(folder)))
        ...     model = networks.load_model(pathlib.Path(folder))
        >>> len(rows), model[1]
        (3, Linear(in_features=64, out_features=8, bias=True))
    """
    every = max(1, run.rounds // _CHECKPOINTS)
    if checkpoint_every is not None:
        every = positive_int("checkpoint_every", checkpoint_every)
    folder = Path(folder)
    log = Log(folder, run, writes=group is None or group.rank == 0)
    path = newest_checkpoint(folder) if log.found else None
    if log.found and not resume:
        raise ValueError(f"{folder} holds a run: resume it, name another folder, or remove it")
    if log.found:
        log.check_same(_MAY_CHANGE)
    data = run.load_data()
    engine = _engine(run, data, group)
    done = 0
    if path is not None:
        checkpoint = Checkpoint(path)
        engine.load(checkpoint)
        done = checkpoint.facts["round"]
        log.take_over(done)
    rows = run.rows(engine, data, done)
    log.predicted = run.predicted_memory(data)
    spent: list[float] = [log.rows[-1][name] for name in _SPENT] if log.rows else [0] * len(_SPENT)
    return _rounds(rows, log, engine, spent, done, every, group, stop)


_SPENT = ("bytes_down", "bytes_up", "flops", "seconds")


def _rounds(
    rows: Iterator[dict[str, Any]],
    log: Log,
    engine: Engine,
    spent: list[float],
    done: int,
    every: int,
    group: Group | None,
    stop: Callable[[], bool],
) -> Iterator[dict[str, Any]]:
    rounds = log.run.rounds
    log.write("running" if done < rounds else "finished")
    if done == 0:
        engine.save(log.folder, 0, {"round": 0, "run": dataclasses.asdict(log.run)})
    for row in rows:
        row |= {name: row[name] + before for name, before in zip(_SPENT, spent, strict=True)}
        log.rows.append(row)
        tested = not math.isnan(row["accuracy"])
        good = math.isfinite(row["loss"]) and (math.isfinite(row["test_loss"]) or not tested)
        ends = bool(group.gather([stop()]).any()) if group else stop()
        last = row["round"] == rounds
        if good and (last or ends or row["round"] % every == 0):
            # The log first: rounds that have no checkpoint are told again by the run that goes on.
            log.measured = engine.costs()
            log.write("running")
            engine.save(log.folder, row["round"], {"round": row["round"], "run": dataclasses.asdict(log.run)})
        if last or ends or not good:
            log.write("diverged" if not good else "finished" if last else "interrupted")
        yield row
        if ends or not good:
            return


def _engine(run: TrainingRun, data: Data, group: Group | None) -> Engine:
    model = run.empty_model(data)
    layout, method = run.layout_and_method(model)
    options: dict[str, Any] = {"make_optimizer": run.make_optimizer(), "seed": run.seed}
    if run.method in ("ddp", "fsdp", "pipeline"):
        if group is None:
            raise ValueError(
                f"method = {run.method!r} is torch's own, which takes a process for each worker: torchrun "
                f"--nproc-per-node {run.workers} -m istsim train ..."
            )
        from istsim.networks.distributed._replicas import Replicas
        from istsim.networks.distributed._torch_pipeline import TorchPipeline

        assert isinstance(method, DataParallel)
        if run.method == "pipeline":
            options |= {"num_stages": run.workers, "microbatches": run.microbatches}
            return TorchPipeline(model, layout, method, group, **options)
        return Replicas(model, layout, method, group, by=run.method, **options)
    if group is None:
        return _one_process(run, data)
    from istsim.networks.distributed import LocalPipeline, OneOfMany

    if isinstance(method, LocalParallelism):
        return LocalPipeline(model, layout, method, run.batches(data)(0, 0)[0], group, **options)

    return OneOfMany(model, layout, method, group, **options)


def _one_process(run: TrainingRun, data: Data) -> Engine:
    model = run.make_model(data)
    layout, method = run.layout_and_method(model)
    return one_process(model, layout, method, run.batches(data), make_optimizer=run.make_optimizer(), seed=run.seed)


def load_model(folder: Path) -> nn.Module:
    """The whole model from the newest checkpoint of a run in a folder.

    Raises:
        ValueError: if there is none.
    """
    path = newest_checkpoint(Path(folder))
    if path is None:
        raise ValueError(f"{folder} has no checkpoint of a run")
    checkpoint = Checkpoint(path)
    run = TrainingRun(**checkpoint.facts["run"])
    engine = _one_process(run, run.load_data())
    engine.load(checkpoint)
    return engine.model
