"""Studies: questions about networks that training runs answer."""

from __future__ import annotations

import abc
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from istsim._cores import cores
from istsim._validation import one_of

if TYPE_CHECKING:
    import matplotlib.figure
    import xarray


class Study(abc.ABC):
    """Runs, what is made of them, and how it is shown.

    Attributes:
        name: of its files.
        title: a line for people.
        seconds: of a processor, about, that all full runs take, for the time left.

    Example:
        >>> from istsim import studies
        >>> for study in studies.STUDIES:
        ...     print(study.name, study.num_runs(quick=False))
        ist 90
        sdp 80
        measured-memory 20
        forward-masking-bias 9
        measured-local-updates 12
        local-updates 35
        steps-to-result 35
    """

    name: ClassVar[str]
    title: ClassVar[str]
    seconds: ClassVar[float]

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

    def attributes(self) -> dict[str, Any]:
        """Of its data: what it is, and where it was run."""
        versions = {f"{name}_version": metadata.version(name) for name in ("istsim", "torch")}
        return {"experiment": self.name, "title": self.title, "cores": len(cores()), **versions}


def stored(name: str) -> xarray.Dataset:
    """The data of a study, run in full on two cores, that come with the package.

    Args:
        name: of the study.

    Raises:
        ValueError: if there is no study of this name.

    Example:
        >>> from istsim import studies
        >>> data = studies.stored("ist")
        >>> dict(data.sizes), int(data.attrs["cores"])
        ({'algorithm': 3, 'workers': 3, 'seed': 3}, 2)
    """
    import xarray

    found = {path.stem: path for path in (Path(__file__).parent / "stored").glob("*.nc")}
    one_of("name", name, tuple(sorted(found)))
    return xarray.load_dataset(found[name], engine="h5netcdf")
