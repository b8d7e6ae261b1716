from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from istsim._validation import positive_int
from istsim.networks.data._data import Data

VOCABULARY = 256


def text(context: int = 64) -> Data:
    """The reference manual that Python's `help` shows, some hundred thousand bytes of English, a token a byte.

    It comes with Python (`pydoc_data.topics`), so it differs a little between versions. It is cut into sequences that
    do not overlap. The last tenth is for testing.

    Args:
        context: tokens of a sequence.

    Raises:
        ValueError: if it is not an integer of at least 1, or longer than the text.

    Example:
        >>> from istsim.networks import data
        >>> texts = data.text(context=32)
        >>> texts.train_inputs.shape[1], texts.num_classes, texts.is_text
        (32, 256, True)
        >>> bool((texts.train_inputs[0, 1:] == texts.train_targets[0, :-1]).all())
        True
    """
    from pydoc_data.topics import topics

    manual = "\n".join(topics[topic] for topic in sorted(topics)).encode()
    return next_bytes("text", *without_end(manual, len(manual) // 10), context)


def without_end(text: bytes, length: int) -> tuple[bytes, bytes]:
    """The text up to its last `length` bytes, and these."""
    return text[: len(text) - length], text[len(text) - length :]


def next_bytes(name: str, train: bytes, test: bytes, context: int) -> Data:
    """Two texts as sequences of bytes, each byte with the next as its target.

    Raises:
        ValueError: if a text has no sequence of `context` bytes and one more.
    """
    context, most = positive_int("context", context), min(len(train), len(test)) - 1
    if context > most:
        raise ValueError(
            f"context must be less than the bytes of either text, {len(train)} for training and {len(test)} for "
            f"testing, got {context}"
        )
    train_inputs, train_targets = _sequences(train, context)
    test_inputs, test_targets = _sequences(test, context)
    return Data(name, train_inputs, train_targets, test_inputs, test_targets, VOCABULARY)


def _sequences(text: bytes, context: int) -> tuple[Tensor, Tensor]:
    tokens = torch.from_numpy(np.frombuffer(text, np.uint8).astype(np.int64))
    count = (len(tokens) - 1) // context
    used = count * context
    return tokens[:used].view(count, context), tokens[1 : used + 1].view(count, context)  # the same memory
