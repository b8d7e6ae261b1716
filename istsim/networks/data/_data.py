from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from istsim._validation import positive_int


@dataclasses.dataclass(frozen=True, eq=False)
class Data:
    """Examples to classify, or texts whose next tokens are to be predicted, split into training and test.

    Args:
        name: what to call it.
        train_inputs: shape (examples, ...), the shape of one example being the same for training and test.
        train_targets: int64, 0 to num_classes - 1; shape (examples,), or for text that of the inputs: the next tokens.
        test_inputs: as `train_inputs`.
        test_targets: as `train_targets`.
        num_classes: for text, the size of the vocabulary.

    Raises:
        ValueError: for shapes that do not fit together, no examples, or targets that are no classes.

    Example:
        >>> import torch
        >>> from istsim.networks import data
        >>> images, labels = torch.zeros(6, 3, 8, 8), torch.tensor([0, 1, 0, 1, 0, 1])
        >>> data.Data("black", images[:4], labels[:4], images[4:], labels[4:], num_classes=2)
        Data('black', 4 training and 2 test examples of shape (3, 8, 8), 2 classes)
    """

    name: str
    train_inputs: Tensor
    train_targets: Tensor
    test_inputs: Tensor
    test_targets: Tensor
    num_classes: int

    def __post_init__(self) -> None:
        positive_int("num_classes", self.num_classes)
        self._check("train", self.train_inputs, self.train_targets)
        self._check("test", self.test_inputs, self.test_targets)
        for kind in ("inputs", "targets"):
            train, test = (tuple(getattr(self, f"{split}_{kind}").shape[1:]) for split in ("train", "test"))
            if train != test:
                raise ValueError(f"{kind} must have one shape for training and test, got {train} and {test} an example")

    def _check(self, split: str, inputs: Tensor, targets: Tensor) -> None:
        if inputs.dim() < 2 or not inputs.numel():
            shape = tuple(inputs.shape)
            raise ValueError(f"{split}_inputs must have shape (examples, ...) and not be empty, got shape {shape}")
        if targets.shape not in (inputs.shape[:1], inputs.shape):
            raise ValueError(
                f"{split}_targets must have shape ({len(inputs)},), one class an example, or {tuple(inputs.shape)}, "
                f"the next tokens, got shape {tuple(targets.shape)}"
            )
        _check_classes(f"{split}_targets", targets, self.num_classes)
        if targets.shape == inputs.shape:
            _check_classes(f"{split}_inputs", inputs, self.num_classes)

    @property
    def is_text(self) -> bool:
        """Whether the targets are the next tokens of the inputs."""
        return self.train_targets.dim() == self.train_inputs.dim()

    def __repr__(self) -> str:
        train, test, shape = len(self.train_inputs), len(self.test_inputs), tuple(self.train_inputs.shape[1:])
        classes = "tokens" if self.is_text else "classes"
        examples = f"{train} training and {test} test examples of shape {shape}"
        return f"Data({self.name!r}, {examples}, {self.num_classes} {classes})"


def _check_classes(name: str, values: Tensor, num_classes: int) -> None:
    expected = f"{name} must be integers from 0 to num_classes - 1 = {num_classes - 1}"
    if values.dtype != torch.int64:
        raise ValueError(f"{expected} of dtype torch.int64, got {values.dtype}; convert them by .long()")
    least, most = int(values.min()), int(values.max())
    if least < 0 or most >= num_classes:
        raise ValueError(f"{expected}, got {least if least < 0 else most}")
