"""How much memory tensors take, and which of them operations keep for the backward pass."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class KeptForBackward(torch.autograd.graph.saved_tensors_hooks):
    """Counts what operations inside keep for the backward pass, each storage once, and parameters never.

    Args:
        module: whose parameters and buffers are not counted.
        known: other tensors that are not.
    """

    def __init__(self, module: nn.Module, known: Iterable[Tensor] = ()):
        self._storages: dict[int, torch.UntypedStorage] = {}
        self._module, self._counted = module, 0
        own = self._own() | {_storage(tensor) for tensor in known}

        def pack(tensor: Tensor) -> Tensor:
            storage = _local(tensor).untyped_storage()
            if storage._cdata not in own:
                self._storages[storage._cdata] = storage
            return tensor

        super().__init__(pack, lambda tensor: tensor)

    def __enter__(self) -> KeptForBackward:  # type: ignore[override]
        super().__enter__()
        return self

    def count(self) -> int:
        """The bytes so far, to be asked when the forward pass has ended: what it has given back is not counted."""
        own = self._own()  # of a sharded model, those that are gathered now too
        self._counted += sum(storage.nbytes() for at, storage in self._storages.items() if at not in own)
        self._storages = {}
        return self._counted

    def _own(self) -> set[int]:
        return {_storage(tensor) for tensor in (*self._module.parameters(), *self._module.buffers())}


def bytes_of(tensors: Iterable[Tensor]) -> int:
    """Of the storages of tensors, each counted once."""
    return sum({_storage(tensor): _local(tensor).untyped_storage().nbytes() for tensor in tensors}.values())


def _storage(tensor: Tensor) -> int:
    return _local(tensor).untyped_storage()._cdata


def _local(tensor: Tensor) -> Tensor:
    """What this process has of it, if it is sharded."""
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor  # type: ignore[operator]
