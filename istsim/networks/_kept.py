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


class LiveForBackward(torch.autograd.graph.saved_tensors_hooks):
    """Measures what operations inside keep at most at once for backward passes, some of which may run inside as well.

    Args:
        module: whose parameters and buffers are not counted.

    Attributes:
        most: bytes so far, each storage counted once.
    """

    def __init__(self, module: nn.Module):
        own = {_storage(tensor) for tensor in (*module.parameters(), *module.buffers())}
        self._users: dict[int, int] = {}
        self._now = self.most = 0

        def pack(tensor: Tensor) -> Tensor | _Kept:
            return tensor if _storage(tensor) in own else _Kept(tensor, self)

        super().__init__(pack, lambda packed: packed.tensor if isinstance(packed, _Kept) else packed)

    def count(self, tensor: Tensor, users: int) -> None:
        """One user of a tensor's storage more, or less."""
        at = _storage(tensor)
        before = self._users.get(at, 0)
        self._users[at] = before + users
        if before == 0 or before + users == 0:
            self._now += users * _local(tensor).untyped_storage().nbytes()
            self.most = max(self.most, self._now)


class _Kept:
    """Something that an operation keeps, until its backward pass has run and forgets it."""

    def __init__(self, tensor: Tensor, live: LiveForBackward):
        self.tensor, self._live = tensor, live
        live.count(tensor, 1)

    def __del__(self) -> None:
        self._live.count(self.tensor, -1)


def bytes_of(tensors: Iterable[Tensor]) -> int:
    """Of the storages of tensors, each counted once."""
    return sum({_storage(tensor): _local(tensor).untyped_storage().nbytes() for tensor in tensors}.values())


def _storage(tensor: Tensor) -> int:
    return _local(tensor).untyped_storage()._cdata


def _local(tensor: Tensor) -> Tensor:
    """What this process has of it, if it is sharded."""
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor  # type: ignore[operator]
