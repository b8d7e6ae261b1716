from __future__ import annotations

import itertools
from collections.abc import Sequence

from torch import nn

from istsim._validation import positive_ints


def mlp(widths: Sequence[int], *, norm: bool = False) -> nn.Sequential:
    """Dense layers with ReLU between them; inputs of any shape are flattened.

    Args:
        widths: of the input, the hidden layers and the output; at least two.
        norm: batch norm before each ReLU.

    Raises:
        ValueError: for fewer than two widths.

    Example:
        >>> from istsim import networks
        >>> networks.mlp([64, 32, 10])
        Sequential(
          (0): Flatten(start_dim=1, end_dim=-1)
          (1): Linear(in_features=64, out_features=32, bias=True)
          (2): ReLU()
          (3): Linear(in_features=32, out_features=10, bias=True)
        )
    """
    widths = positive_ints("widths", widths)
    if len(widths) < 2:
        raise ValueError(f"widths must be those of the input, hidden layers and output, got {widths}")
    layers: list[nn.Module] = [nn.Flatten()]
    for number, (before, after) in enumerate(itertools.pairwise(widths), start=2):
        layers.append(nn.Linear(before, after))
        if number < len(widths):
            layers += [nn.BatchNorm1d(after), nn.ReLU()] if norm else [nn.ReLU()]
    return nn.Sequential(*layers)
