"""A folder with one file for each run that has ended."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from istsim._files import remove_leftovers, written_whole

if TYPE_CHECKING:
    import xarray


class Store:
    """Datasets by name, each a netCDF file that appears whole or not at all.

    Several processes may use the same folder: who writes a run again writes the same bytes.

    Args:
        folder: made if missing.
    """

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder)
        self.folder = folder

    def __contains__(self, name: str) -> bool:
        return self._path(name).exists()

    def save(self, name: str, data: xarray.Dataset) -> None:
        """Write a dataset."""
        with written_whole(self._path(name)) as part:
            data.to_netcdf(part, engine="h5netcdf")

    def load(self, name: str) -> xarray.Dataset:
        """Read a dataset.

        Raises:
            ValueError: for a file that cannot be read, with what to do.
        """
        import xarray

        try:
            return xarray.load_dataset(self._path(name), engine="h5netcdf")
        except OSError as error:
            raise ValueError(f"cannot read {self._path(name)}: {error}; delete it, and it is computed again") from None

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.nc"
