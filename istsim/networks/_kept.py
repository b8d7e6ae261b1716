"""How much memory tensors take, and which of them operations keep for the backward pass."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class KeptForBackward(torch.autograd.graph.saved_tensors_hooks):
    """Counts what operations inside keep for the backward pass, each storage once, and parameters never.

    Args:
        module: whose parameters and buffers are not counted.

    Attributes:
        bytes: so far.
    """

    def __init__(self, module: nn.Module):
        self._sizes: dict[int, int] = {}
        own = {_storage(tensor) for tensor in (*module.parameters(), *module.buffers())}

        def pack(tensor: Tensor) -> Tensor:
            if _storage(tensor) not in own:
                self._sizes[_storage(tensor)] = tensor.untyped_storage().nbytes()
            return tensor

        super().__init__(pack, lambda tensor: tensor)

    def __enter__(self) -> KeptForBackward:  # type: ignore[override]
        super().__enter__()
        return self

    @property
    def bytes(self) -> int:
        """So far."""
        return sum(self._sizes.values())


def bytes_of(tensors: Iterable[Tensor]) -> int:
    """Of the storages of tensors, each counted once."""
    return sum({_storage(tensor): tensor.untyped_storage().nbytes() for tensor in tensors}.values())


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata
