"""What a run has written down so far."""

from __future__ import annotations

import csv
import dataclasses
import importlib.util
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from istsim._files import make_folder, written_whole
from istsim.networks._training_run import TrainingRun

_OTHERS = ("log.csv", "curves.svg", "curves.png")
COLUMNS = {
    "round": "number of the round",
    "steps": "steps that each worker has taken",
    "loss": "training loss, mean over workers and local steps",
    "bytes_down": "bytes sent to workers, all together",
    "bytes_up": "bytes sent by workers, all together",
    "flops": "floating point operations of all workers",
    "seconds": "of training, without evaluation, checkpoints, counting operations and measuring memory",
    "spectral_gap": "of the graph of workers and units: 0 if it is not connected, 1 if all workers hold the same",
    "test_loss": "loss on test data; not a number where it was not computed",
    "accuracy": "fraction of test data that is right; likewise",
}


def read_log(path: Path) -> dict[str, Any]:
    """What a run has written to its log.json.

    Raises:
        ValueError: for a file that holds anything else.
    """
    try:
        found = json.loads(path.read_text())
        rows = [*found["rounds"], found["run"], found["predicted"], found["measured"]]
        if not all(isinstance(row, dict) for row in rows) or not isinstance(found["status"], str):
            raise TypeError
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, TypeError, LookupError):
        raise ValueError(f"{path} is damaged, or not the log of a run: name another folder, or move it away") from None
    return found


class Log:
    """The rows of a run in a folder, as log.csv and log.json: whole at any moment.

    Args:
        folder: made when first written to.
        run: what it is.
        writes: whether this process writes; of several processes one does.

    Raises:
        ValueError: for a log.json that is no log, or other files that a run would write and none has written.

    Attributes:
        rows: so far.
        found: what is in the folder's log.json, if there is one.
        predicted: bytes of memory of a worker by kind, by theory, and those under data parallelism.
        measured: likewise, of each worker, and what each process had at most.
    """

    def __init__(self, folder: Path, run: TrainingRun, *, writes: bool = True):
        self.folder, self.run, self._writes = folder, run, writes
        self.rows: list[dict[str, Any]] = []
        self.predicted: dict[str, Any] = {}
        self.measured: dict[str, Any] = {}
        path = folder / "log.json"
        self.found = read_log(path) if path.exists() else None
        if self.found is None and (others := [name for name in _OTHERS if (folder / name).exists()]):
            raise ValueError(f"{folder} holds {others[0]} and no log.json, so it is of no run: name another folder")

    def check_same(self, but: Sequence[str]) -> None:
        """Refuse to go on with another run than the one in the folder.

        Raises:
            ValueError: with the first option that differs.
        """
        before = (self.found or {}).get("run", {})
        for name, value in dataclasses.asdict(self.run).items():
            if name not in but and before.get(name) != value:
                raise ValueError(
                    f"{self.folder} holds a run with {name} = {before.get(name)!r}, which cannot go on with {value!r}"
                )

    def take_over(self, rounds: int) -> None:
        """Take the first rows of the log in the folder."""
        rows = (self.found or {}).get("rounds", [])[:rounds]
        self.predicted = (self.found or {}).get("predicted", {})
        self.measured = (self.found or {}).get("measured", {})
        self.rows = [{name: math.nan if value is None else value for name, value in row.items()} for row in rows]

    def write(self, status: str) -> None:
        """Write all rows so far."""
        if not self._writes:
            return
        make_folder(self.folder)
        rows = [{name: None if value != value else value for name, value in row.items()} for row in self.rows]
        content = {
            "run": dataclasses.asdict(self.run),
            "status": status,
            "predicted": self.predicted,
            "measured": self.measured,
            "columns": COLUMNS,
            "rounds": rows,
        }
        # First, because by it a folder is known to be a run's.
        with written_whole(self.folder / "log.json") as path:
            path.write_text(json.dumps(content, indent=1))
        with written_whole(self.folder / "log.csv") as path, path.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)

    def _title(self) -> str:
        run = self.run
        dropout = "Dropout" if run.level == "neuron" else "Stochastic Depth"
        method = {
            "ist": "IST",
            "sdp": f"SDP, {run.masking} masking, C = {run.coverage:g}",
            "dense": "data parallelism",
            "local-sgd": "local SGD",
            "dropout": f"{dropout} that keeps {run.coverage:g}",
            "ddp": "DistributedDataParallel",
            "fsdp": "fully_shard",
            "pipeline": "1F1B pipeline",
            "local": f"local updates, {run.mode}",
        }
        workers = "" if run.method == "local" else f", {run.workers} workers"
        return f"{method[run.method]}{workers}, {run.model}, {Path(run.data).name}"

    def draw(self) -> list[Path]:
        """Draw the curves, if matplotlib is there, and give the paths of all files."""
        paths = [self.folder / name for name in ("log.csv", "log.json")]
        if importlib.util.find_spec("matplotlib") is not None:
            from istsim.figures import save, training_curves
            from istsim.figures._style import plain

            figure = training_curves({self.run.method: self.rows}, title=plain(self._title()))
            for suffix in ("svg", "png"):
                paths.append(self.folder / f"curves.{suffix}")
                save(figure, paths[-1])
        return paths


def memory_table(log: Log) -> list[str]:
    """Lines of a table: what a worker has in memory, measured and predicted, and under data parallelism, in MB."""
    workers = [one for one in log.measured.get("workers", []) if one["parameters"] is not None]
    if not workers:
        return []
    kinds = list(log.predicted["this"])
    rows = {
        "measured, largest of all workers": {kind: max(one[kind] for one in workers) for kind in kinds},
        "predicted": log.predicted["this"],
        "data parallelism, predicted": log.predicted["data_parallelism"],
    }
    width = max(map(len, rows))
    lines = [" ".join([f"{'MB of a worker':<{width}}", *(f"{kind:>11}" for kind in kinds)])]
    for name, row in rows.items():
        lines.append(" ".join([f"{name:<{width}}", *(f"{row[kind] / 1e6:>11.3f}" for kind in kinds)]))
    return lines
