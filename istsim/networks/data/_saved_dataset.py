from __future__ import annotations

import dataclasses
from os import PathLike
from pathlib import Path
from typing import Any

from torch import Tensor

from istsim._optional import require
from istsim.networks.data._cifar10 import TRAIN_FILES
from istsim.networks.data._columns import class_labels, find_column, one_column, quoted, values
from istsim.networks.data._data import Data
from istsim.networks.data._images import decoded, image_tensor
from istsim.networks.data._inside import check_saved_names
from istsim.networks.data._permutation import split
from istsim.networks.data._standardise import standardise
from istsim.networks.data._text import next_bytes, without_end

IMAGE_COLUMNS = ("image", "img", "pixel_values")
TEXT_COLUMNS = ("text",)
LABEL_COLUMNS = ("label", "labels", "fine_label")


def saved_dataset(
    folder: str | PathLike[str], inputs: str | None = None, targets: str | None = None, context: int = 64
) -> Data:
    """A folder that `save_to_disk` of Hugging Face's `datasets` wrote: images with labels, or texts.

    Images are standardised by channel. Texts are joined by newlines and become sequences of bytes, as `text` does it.
    Of several splits, "train" is for training and "test", or else "validation", for testing. Without these a fifth is
    for testing, always the same: of images drawn at random, of text the last.

    The data set may be another's: names in it that lead outside the folder are refused, and so are images that are not
    in it but only named, by a path or an address. Images are PNG, JPEG, WebP, GIF, BMP, TIFF or PPM.

    Args:
        folder: what was saved, a Dataset or a DatasetDict.
        inputs: column of images or texts; by default the first of "image", "img", "pixel_values", "text" there is.
        targets: column of the images' labels; by default the first of "label", "labels", "fine_label" there is.
        context: tokens of a sequence of text.

    Raises:
        FileNotFoundError: if nothing was saved there.
        ValueError: for what is not in the folder; for columns or splits that are missing, of another kind or
            incomplete, or images of different sizes.
        ImportError: if `datasets` is missing, with the command that installs it.

    Example:
        >>> import datasets, tempfile
        >>> from istsim.networks import data
        >>> folder = f"{tempfile.mkdtemp()}/lines"
        >>> datasets.Dataset.from_dict({"text": ["All happy families are alike."] * 20}).save_to_disk(folder)
        >>> data.saved_dataset(folder, context=16)
        Data('lines', 29 training and 7 test examples of shape (16,), 256 tokens)
    """
    datasets = require("datasets", extra="torch")
    folder = Path(folder)
    check_saved_names(folder)
    try:
        saved = datasets.load_from_disk(str(folder)).with_format(None)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{folder} must hold what save_to_disk of Hugging Face's datasets wrote, or else CIFAR-10's binary files, "
            f"{TRAIN_FILES[0]} and so on, which cifar10 reads: {error}"
        ) from None
    name, (train, test) = folder.resolve().name, _splits(saved)
    column = find_column(train, "inputs", inputs, IMAGE_COLUMNS + TEXT_COLUMNS)
    kind = train.features[column]
    if isinstance(kind, datasets.Image):
        return _images(name, train, test, column, find_column(train, "targets", targets, LABEL_COLUMNS))
    if not (isinstance(kind, datasets.Value) and kind.dtype in ("string", "large_string")):
        raise ValueError(
            f"column {column!r} must hold images or text, got {kind}: if it holds images, save the data set after "
            f"cast_column({column!r}, datasets.Image())"
        )
    if targets is not None:
        raise ValueError(f"targets must be None for text, whose targets are its next tokens, got {targets!r}")
    return _texts(name, train, test, column, context)


def _splits(saved: Any) -> tuple[Any, Any]:
    """What is for training and what for testing; None if nothing is."""
    if not isinstance(saved, dict):
        return saved, None
    if "train" not in saved:
        raise ValueError(f"the saved data set must have a split 'train', got {quoted(saved)}")
    return saved["train"], saved.get("test", saved.get("validation"))


def _images(name: str, train: Any, test: Any, column: str, label_column: str) -> Data:
    if test is None:
        images, labels = _pixels(train, column), class_labels(train, label_column)
        if len(images) < 2:
            raise ValueError("expected at least 2 images, for training and for testing, got 1")
        parts = [(images[rows], labels[rows]) for rows in split(len(images))]
    else:
        parts = [(_pixels(rows, column), class_labels(rows, label_column)) for rows in (train, test)]
    (train_images, train_labels), (test_images, test_labels) = parts
    standardise(train_images, test_images)
    largest = max(int(train_labels.max()), int(test_labels.max()))
    num_classes = getattr(train.features[label_column], "num_classes", largest + 1)
    return Data(name, train_images, train_labels, test_images, test_labels, num_classes)


def _pixels(rows: Any, column: str) -> Tensor:
    only = one_column(rows, column)
    kind = only.features[column]
    # Not decoded by `datasets`, which opens any path and fetches any address that a row names.
    files = only.cast_column(column, dataclasses.replace(kind, decode=False))
    # One after the other: decoded, files are large.
    return image_tensor(column, (decoded(column, number, row[column], kind.mode) for number, row in enumerate(files)))


def _texts(name: str, train: Any, test: Any, column: str, context: int) -> Data:
    text = _joined(train, column)
    parts = without_end(text, len(text) // 5) if test is None else (text, _joined(test, column))
    return next_bytes(name, *parts, context)


def _joined(rows: Any, column: str) -> bytes:
    return "\n".join(values(rows, column)).encode()
