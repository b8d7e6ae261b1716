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
        copied = copy.deepcopy(module, memo)
    for inner in copied.modules():
        # Without a cache, language models of transformers look at positions for several texts in one, and where these
        # have no values make a mask that is not needed.
        config: Any = getattr(inner, "config", None)
        if hasattr(config, "use_cache"):
            config.use_cache = True
    return copied
