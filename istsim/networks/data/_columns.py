"""Finding and reading the columns of a data set of Hugging Face's `datasets`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from istsim._optional import require


def find_column(rows: Any, argument: str, given: str | None, usual: tuple[str, ...]) -> str:
    """The column that is given, or else the first of the usual ones there is.

    Raises:
        ValueError: if there is none, with those there are.
    """
    for name in usual if given is None else (given,):
        if name in rows.column_names:
            return name
    there = quoted(rows.column_names)
    if given is not None:
        raise ValueError(f"{argument} must be a column of the data set, {there}, got {given!r}")
    expected = " or ".join(map(repr, usual))
    raise ValueError(
        f"expected a column called {expected}, got {there}: say which one it is by {argument}=, or rename the column"
    )


def one_column(rows: Any, column: str) -> Any:
    """The data set without all other columns.

    Raises:
        ValueError: if it has no such column.
    """
    if column not in rows.column_names:
        there = quoted(rows.column_names)
        raise ValueError(f"expected column {column!r} for testing as for training, got {there}")
    return rows.select_columns([column])


def values(rows: Any, column: str) -> list[Any]:
    """All values of a column.

    Raises:
        ValueError: for a row without one.
    """
    found = one_column(rows, column)[:][column]
    if None in found:
        raise ValueError(f"column {column!r} must have a value in every row, got none in row {found.index(None)}")
    return found


def class_labels(rows: Any, column: str) -> Tensor:
    """A column of class labels or integers.

    Raises:
        ValueError: if it is of another kind, or for a row without a value.
    """
    datasets, kind = require("datasets", extra="torch"), rows.features[column]
    is_integer = isinstance(kind, datasets.Value) and "int" in kind.dtype
    if not is_integer and not isinstance(kind, datasets.ClassLabel):
        raise ValueError(
            f"column {column!r} must hold class labels or integers, got {kind}: save the data set after "
            f"class_encode_column({column!r})"
        )
    return torch.tensor(values(rows, column), dtype=torch.int64)


def quoted(names: Iterable[str]) -> str:
    """Names as they are shown in messages."""
    return ", ".join(map(repr, names))
