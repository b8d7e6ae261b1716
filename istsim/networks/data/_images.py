"""Columns of images and labels, as `datasets` stores them, as tensors."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from istsim._optional import require

_MODES = {"1": "L", "L": "L", "LA": "L", "RGB": "RGB", "RGBA": "RGB", "P": "RGB", "CMYK": "RGB", "YCbCr": "RGB"}

# Neither those for which Pillow starts another program, as for EPS, nor those that are rare.
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")


def decoded(column: str, row: int, value: Any, mode: str | None) -> Any:
    """Pillow's image of a row, turned as it says; None for a row without one.

    Args:
        column: the row is of.
        row: its number.
        value: what is stored, as "bytes" and "path".
        mode: to convert it to, if any.

    Raises:
        ValueError: for a row that names a path or an address and holds no image, and for what is no image.
    """
    image, operations = require("PIL.Image", extra="torch"), require("PIL.ImageOps", extra="torch")
    if value is None or (value["bytes"] is None and value["path"] is None):
        return None
    if value["bytes"] is None:
        raise ValueError(
            f"column {column!r}, row {row}: expected an image, got only the name {value['path']!r}, which is neither "
            "opened nor fetched: save the data set anew by save_to_disk, which puts images in it"
        )
    try:
        found = image.open(io.BytesIO(value["bytes"]), formats=_FORMATS)
        found.load()
        turned = operations.exif_transpose(found)
        return turned.convert(mode) if mode else turned
    except Exception as error:  # Pillow may raise anything for bytes that are no image
        raise ValueError(
            f"column {column!r}, row {row}: expected an image in one of the formats {', '.join(_FORMATS)}: {error}"
        ) from None


def image_tensor(column: str, images: Iterable[Any]) -> Tensor:
    """Pillow's images as (images, channels, height, width), float32: one channel if all are grey, else three.

    Raises:
        ValueError: naming the column, for images of different sizes or not of 8 bits a channel, or a row without one.
    """
    pixels: list[np.ndarray] = []
    for row, image in enumerate(images):
        mode = getattr(image, "mode", None)
        if mode not in _MODES:
            raise ValueError(f"column {column!r}, row {row}: expected an image of mode {', '.join(_MODES)}, got {mode}")
        pixels.append(np.asarray(image.convert(_MODES[mode])))
        (height, width), (first_height, first_width) = pixels[-1].shape[:2], pixels[0].shape[:2]
        if (height, width) != (first_height, first_width):
            raise ValueError(
                f"images must have one size, got {first_width} x {first_height} in row 0 of column {column!r} and "
                f"{width} x {height} in row {row}: resize or crop them before saving"
            )
    channels = max(1 if array.ndim == 2 else 3 for array in pixels)
    stacked = np.stack([_with_channels(array, channels) for array in pixels])
    return torch.from_numpy(stacked).float().contiguous()


def _with_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    """(height, width) or (height, width, 3) as (channels, height, width); grey in colour is three times the same."""
    return np.moveaxis(pixels, -1, 0) if pixels.ndim == 3 else np.broadcast_to(pixels, (channels, *pixels.shape))
