"""Parts of a study that are no training runs, each in a file of its own with what it was asked for."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from istsim._files import make_folder, read_netcdf, write_netcdf
from istsim.studies._runs import one_a_core

if TYPE_CHECKING:
    import xarray


@dataclasses.dataclass(frozen=True)
class Part:
    """Something to compute in a process of its own.

    Attributes:
        function: of a module, so that another process finds it.
        arguments: its keyword arguments, whose text tells them apart.
    """

    function: Callable[..., xarray.Dataset]
    arguments: dict[str, Any]

    @property
    def asked(self) -> str:
        """In words for people and for the next run."""
        return f"{self.function.__name__} of {self.arguments}"


def parts_of(
    parts: Mapping[str, Part], folder: Path, *, on_run: Callable[[], object] = lambda: None
) -> dict[str, xarray.Dataset]:
    """Compute what has not been computed before, one part a core with torch on one thread, and give all.

    Args:
        parts: by the names of their files.
        folder: of these.
        on_run: called after each.

    Raises:
        ValueError: if a file there holds what another question was answered by.
    """
    make_folder(folder)
    files = {name: folder / f"{name}.nc" for name in parts}
    missing = [name for name in parts if not files[name].exists()]
    for _ in range(len(parts) - len(missing)):
        on_run()
    one_a_core([(_store, parts[name], files[name]) for name in missing], on_run)
    return {name: _same(files[name], part) for name, part in parts.items()}


def _store(part: Part, path: Path) -> None:
    data = part.function(**part.arguments)
    data.attrs["asked"] = part.asked
    write_netcdf(path, data)


def _same(path: Path, part: Part) -> xarray.Dataset:
    try:
        data = read_netcdf(path)
    except Exception as error:  # libraries may raise anything for a file that is not what they take it for
        raise ValueError(f"cannot read {path}: {error}; delete it, and it is computed again") from None
    asked = data.attrs.pop("asked", "something else")
    if asked != part.asked:
        raise ValueError(f"{path} holds {asked}, wanted is {part.asked}: remove it, or write to another folder")
    return data
