"""What a run has written down so far."""

from __future__ import annotations

import csv
import dataclasses
import importlib.util
import json
import math
from pathlib import Path
from typing import Any

import torch
from torch import nn

from istsim._files import written_whole
from istsim.networks._training_run import TrainingRun

COLUMNS = {
    "round": "number of the round",
    "steps": "steps that each worker has taken",
    "loss": "training loss, mean over workers and local steps",
    "bytes_down": "bytes sent to workers, all together",
    "bytes_up": "bytes sent by workers, all together",
    "flops": "floating point operations of all workers",
    "spectral_gap": "of the graph of workers and units: 0 if it is not connected, 1 if all workers hold the same",
    "test_loss": "loss on test data; not a number where it was not computed",
    "accuracy": "fraction of test data that is right; likewise",
}


class Log:
    """The rows of a run in a folder, as log.csv and log.json, and its model: whole at any moment.

    Args:
        folder: made if missing.
        run: what it is.

    Raises:
        ValueError: if the folder has a log: it would be lost.
    """

    def __init__(self, folder: Path, run: TrainingRun):
        self.folder, self.run = folder, run
        self.rows: list[dict[str, Any]] = []
        if (folder / "log.json").exists():
            raise ValueError(f"{folder} holds a run: name another folder, or remove it")
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, model: nn.Module, status: str) -> None:
        """Write all rows so far, and the model as it is."""
        rows = [{name: None if value != value else value for name, value in row.items()} for row in self.rows]
        content = {"run": dataclasses.asdict(self.run), "status": status, "columns": COLUMNS, "rounds": rows}
        if not self.rows or math.isfinite(self.rows[-1]["test_loss"]):  # else the one before is the last good one
            with written_whole(self.folder / "model.pt") as path:
                torch.save(model.state_dict(), path)
        with written_whole(self.folder / "log.csv") as path, path.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
        with written_whole(self.folder / "log.json") as path:
            path.write_text(json.dumps(content, indent=1))

    def draw(self) -> list[Path]:
        """Draw the curves, if matplotlib is there, and give the paths of all files."""
        paths = [self.folder / name for name in ("log.csv", "log.json", "model.pt")]
        if importlib.util.find_spec("matplotlib") is not None:
            from istsim.figures import save, training_curves

            figure = training_curves({self.run.method: self.rows})
            for suffix in ("svg", "png"):
                paths.append(self.folder / f"curves.{suffix}")
                save(figure, paths[-1])
        return paths
