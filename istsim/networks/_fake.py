"""Modules whose tensors have sizes and no values: what a step needs can be learned from them without computing."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode


def fake_copy(module: nn.Module, mode: FakeTensorMode, device: torch.device) -> nn.Module:
    """A copy whose parameters and buffers are fake tensors of `mode`, on this device."""
    memo: dict[int, Any] = {}
    with mode:
        for tensor in (*module.parameters(), *module.buffers()):
            fake = torch.empty(tensor.shape, dtype=tensor.dtype, device=device)
            memo[id(tensor)] = nn.Parameter(fake, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else fake
        return copy.deepcopy(module, memo)
