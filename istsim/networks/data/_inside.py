"""What others saved names files, of which none may lie outside its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def inside(root: Path, folder: Path, name: Any, where: str) -> Path:
    """The path of what is called so in a folder.

    Args:
        root: what may not be left.
        folder: in it.
        name: of a file or folder.
        where: the name was found.

    Raises:
        ValueError: if the name, or a symbolic link of this name, leads outside the root, or is an address.
    """
    # Of "::" libraries make chains of addresses: what comes after it is fetched.
    if not isinstance(name, str) or "\0" in name or "://" in name or "::" in name:
        raise ValueError(f"{where} must name a file in {root}, got {name!r}, which is refused: nothing is fetched")
    path = folder / name
    if not path.resolve().is_relative_to(root.resolve()):
        raise ValueError(
            f"{where} names {name!r}, which leads outside {root} and is refused: copy what it leads to into that "
            "folder, if you trust it, or save the data set again"
        )
    return path


def check_saved_names(root: Path) -> None:
    """Refuse a data set in which a file that `datasets` wrote names one outside the folder, or an address.

    Raises:
        ValueError: with the file and the name.
    """
    splits = root / "dataset_dict.json"
    if inside(root, root, splits.name, str(root)).is_file():
        for name in _listed(splits, "splits"):
            _check_names(root, inside(root, root, name, str(splits)))
    _check_names(root, root)


def _check_names(root: Path, folder: Path) -> None:
    state = folder / "state.json"
    for name in (state.name, "dataset_info.json"):
        inside(root, folder, name, str(folder))
    if state.is_file():
        for file in _listed(state, "_data_files"):
            inside(root, folder, file.get("filename") if isinstance(file, dict) else file, str(state))


def _listed(path: Path, field: str) -> list[Any]:
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))[field]
        if not isinstance(listed, list):
            raise TypeError
    except (ValueError, TypeError, LookupError):
        raise ValueError(f"{path} is damaged: expected a list of {field!r}; save the data set again") from None
    return listed
