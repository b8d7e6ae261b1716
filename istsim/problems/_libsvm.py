from __future__ import annotations

from os import PathLike

import numpy as np

from istsim._validation import file_path


def load_libsvm(path: str | PathLike[str]) -> tuple[np.ndarray, np.ndarray]:
    r"""Features (m, d) and targets (m,) of a file in LIBSVM's format, as dense arrays.

    A line is `target index:value index:value ...` with increasing indices from 1; what follows a # is a
    comment. d is the largest index.

    Args:
        path: of the file.

    Raises:
        ValueError: for a malformed line, with its number, or a file without samples.

    Example:
        >>> import pathlib, tempfile, istsim
        >>> path = pathlib.Path(tempfile.mkdtemp(), "data.txt")
        >>> _ = path.write_text("+1 1:0.5 3:2  # first\n-1 2:1\n")
        >>> features, targets = istsim.load_libsvm(path)
        >>> features.tolist(), targets.tolist()
        ([[0.5, 0.0, 2.0], [0.0, 1.0, 0.0]], [1.0, -1.0])
    """
    targets: list[float] = []
    rows: list[dict[int, float]] = []
    with open(file_path("path", path), encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            words = line.partition("#")[0].split()
            if not words:
                continue
            try:
                target, row = _parse(words)
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: {error}") from None
            targets.append(target)
            rows.append(row)
    if not rows or not any(rows):
        raise ValueError(f"{path} must hold at least one sample with a feature, got none")
    features = np.zeros((len(rows), max(max(row, default=0) for row in rows)))
    for sample, row in zip(features, rows, strict=True):
        sample[[index - 1 for index in row]] = list(row.values())
    return features, np.array(targets)


def _parse(words: list[str]) -> tuple[float, dict[int, float]]:
    row: dict[int, float] = {}
    last = 0
    for word in words[1:]:
        index_text, colon, value_text = word.partition(":")
        if not colon or not index_text.isdecimal():
            raise ValueError(f"expected index:value, got {word!r}")
        index = int(index_text)
        if index <= last:
            raise ValueError(f"expected increasing indices from 1, got {index} after {last}")
        row[index], last = _number(value_text), index
    return _number(words[0]), row


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"expected a number, got {text!r}") from None
    if not np.isfinite(number):
        raise ValueError(f"expected a finite number, got {text!r}")
    return number
