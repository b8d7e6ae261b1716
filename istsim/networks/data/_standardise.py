from __future__ import annotations

import torch
from torch import Tensor


def standardise(train: Tensor, test: Tensor) -> None:
    """Shift and scale each channel (axis 1), in place, so that over `train` it has mean 0 and variance 1.

    A channel that is constant over `train` is only shifted.
    """
    axes = (0, *range(2, train.dim()))
    std, mean = torch.std_mean(train, axes, correction=0, keepdim=True)
    std = torch.where(std > 0, std, 1)
    for inputs in (train, test):
        inputs.sub_(mean).div_(std)
