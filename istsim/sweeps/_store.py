"""A folder with one file for each run that has ended."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from istsim._files import make_folder, netcdf_bytes, read_netcdf, remove_leftovers, written_whole

# At the end of a file, where HDF5 does not look: changed bits are found there that it reads as other numbers, or never
# ends to read.
_DIGEST_BYTES = 32
# What a table of runs repeats of each.
_TOLD = ("istsim", "jax", "numpy", "commit")

if TYPE_CHECKING:
    import xarray


class Store:
    """Datasets by name, each a netCDF file that appears whole or not at all.

    Several processes may use the same folder: who writes a run again writes the same bytes.

    Args:
        folder: made if missing.
    """

    def __init__(self, folder: Path):
        make_folder(folder)
        remove_leftovers(folder)
        self.folder = folder

    def __contains__(self, name: str) -> bool:
        return self._path(name).exists()

    def save(self, name: str, data: xarray.Dataset) -> None:
        """Write a dataset, also where the folder was removed meanwhile.

        Raises:
            OSError: if it cannot be written, with the path, the reason and what to do.
        """
        content = netcdf_bytes(data)
        make_folder(self.folder)
        with written_whole(self._path(name)) as part, part.open("wb") as file:
            file.write(content)
            file.write(_digest(content))

    def load(self, name: str, config: str, shapes: Mapping[str, tuple[int, ...]]) -> xarray.Dataset:
        """Read a dataset.

        Args:
            name: of the run.
            config: what it must say of itself: the file may be another run's, copied or renamed.
            shapes: of the variables that it must have.

        Raises:
            ValueError: for a file that cannot be read, or holds anything else, with what to do.
        """
        path = self._path(name)
        try:
            return _checked(path, {"config": config, "config_hash": name}, shapes)
        except Exception as error:  # libraries may raise anything for a file that is not what they take it for
            raise ValueError(f"cannot read {path}: {error}; delete it, and it is computed again") from None

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.nc"


def _checked(path: Path, said: Mapping[str, str], shapes: Mapping[str, tuple[int, ...]]) -> xarray.Dataset:
    if not _is_whole(path.read_bytes()):
        raise ValueError("it is damaged, or not istsim's")
    data = read_netcdf(path)
    if any(data.attrs.get(name) != value for name, value in said.items()):
        raise ValueError("it is not the run that its name says")
    if any(name not in data or data[name].shape != shape for name, shape in shapes.items()):
        raise ValueError("some of its numbers are missing")
    if missing := [name for name in _TOLD if name not in data.attrs]:
        raise ValueError(f"it does not say its {missing[0]}")
    return data


def _digest(content: bytes | memoryview) -> bytes:
    return hashlib.sha256(content).digest()


def _is_whole(content: bytes) -> bool:
    return _digest(content[:-_DIGEST_BYTES]) == content[-_DIGEST_BYTES:]
