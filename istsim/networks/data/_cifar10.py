from __future__ import annotations

from os import PathLike
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from istsim.networks.data._data import Data
from istsim.networks.data._inside import inside
from istsim.networks.data._standardise import standardise

TRAIN_FILES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST_FILE = "test_batch.bin"
FOLDER = "cifar-10-batches-bin"
RECORD = 1 + 3 * 32 * 32  # bytes: the label, then the red, green and blue pixels
NUM_CLASSES = 10


def cifar10(folder: str | PathLike[str]) -> Data:
    """CIFAR-10 from the files of its binary version, images of 3 x 32 x 32 standardised by channel.

    Nothing is downloaded: the binary version is to be had at https://www.cs.toronto.edu/~kriz/cifar.html.

    Args:
        folder: with data_batch_1.bin to data_batch_5.bin and test_batch.bin, or with the folder
            cifar-10-batches-bin that holds them.

    Raises:
        FileNotFoundError: naming the files that are missing.
        ValueError: for a symbolic link that leads outside the folder, a file that does not consist of whole records, or
            a label above 9.

    Example:
        >>> import pathlib, tempfile
        >>> from istsim.networks import data
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> for name in [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]:
        ...     _ = (folder / name).write_bytes(bytes([7]) + bytes(3072))  # a frog, in the dark
        >>> data.cifar10(folder)
        Data('cifar10', 5 training and 1 test examples of shape (3, 32, 32), 10 classes)
    """
    folder = _with_files(root := Path(folder))
    for name in (*TRAIN_FILES, TEST_FILE):
        inside(root, folder, name, str(folder))
    train, train_labels = _read([folder / name for name in TRAIN_FILES])
    test, test_labels = _read([folder / TEST_FILE])
    standardise(train, test)
    return Data("cifar10", train, train_labels, test, test_labels, NUM_CLASSES)


def holds_cifar10(folder: Path) -> bool:
    """Whether any of the files is where `cifar10` looks for them."""
    return any((place / name).is_file() for place in (folder, folder / FOLDER) for name in (*TRAIN_FILES, TEST_FILE))


def _with_files(folder: Path) -> Path:
    folder = folder / FOLDER if (folder / FOLDER).is_dir() else folder
    missing = [name for name in (*TRAIN_FILES, TEST_FILE) if not (folder / name).is_file()]
    if missing:
        raise FileNotFoundError(
            f"{folder} must hold {', '.join(missing)}: unpack there the CIFAR-10 binary version of "
            "https://www.cs.toronto.edu/~kriz/cifar.html"
        )
    return folder


def _read(files: list[Path]) -> tuple[Tensor, Tensor]:
    records = torch.from_numpy(np.concatenate([_records(file) for file in files]))
    return records[:, 1:].reshape(-1, 3, 32, 32).float(), records[:, 0].long()


def _records(file: Path) -> np.ndarray:
    content = np.fromfile(file, np.uint8)
    if not content.size or content.size % RECORD:
        raise ValueError(
            f"{file} must hold records of {RECORD} bytes, got {content.size} bytes: it is truncated or not of the "
            "binary version"
        )
    records = content.reshape(-1, RECORD)
    wrong = np.flatnonzero(records[:, 0] >= NUM_CLASSES)
    if wrong.size:
        label, number = records[wrong[0], 0], wrong[0]
        raise ValueError(f"{file}, record {number}: expected a label from 0 to {NUM_CLASSES - 1}, got {label}")
    return records
