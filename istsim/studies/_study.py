"""Studies: questions about networks that training runs answer."""

from __future__ import annotations

import abc
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import matplotlib.figure
    import xarray


class Study(abc.ABC):
    """Runs, what is made of them, and how it is shown.

    Attributes:
        name: of its files.
        title: a line for people.
    """

    name: ClassVar[str]
    title: ClassVar[str]

    @abc.abstractmethod
    def num_runs(self, quick: bool) -> int:
        """How often `measure` calls back."""

    @abc.abstractmethod
    def measure(self, quick: bool, folder: Path, on_run: Callable[[], object] = lambda: None) -> xarray.Dataset:
        """Run what has not been run before, each run in a folder of its own in `folder`, and put the numbers together.

        Args:
            quick: fewer and shorter runs.
            folder: of the runs. What is there is taken over.
            on_run: called after each run.
        """

    @abc.abstractmethod
    def figure(self, data: xarray.Dataset) -> matplotlib.figure.Figure:
        """From the data to a figure."""

    @abc.abstractmethod
    def caption(self, data: xarray.Dataset) -> str:
        """What the figure shows, in numbers."""
