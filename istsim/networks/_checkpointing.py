"""Activation checkpointing: blocks compute what is inside them once more in the backward pass."""

from __future__ import annotations

import functools

from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.checkpoint import checkpoint

from istsim.networks._architectures import blocks
from istsim.networks._fake import fake_copy
from istsim.networks._kept import KeptForBackward
from istsim.networks._layout import Blocks


def compute_blocks_twice(model: nn.Module) -> None:
    """Let every block of `model` keep nothing but its inputs for the backward pass.

    Raises:
        ValueError: for a model that has no blocks.
    """
    for group in blocks(model).groups:
        assert isinstance(group, Blocks)
        for block in map(model.get_submodule, group.names):
            block.__class__ = _computed_twice(type(block))


def most_of_a_block(model: nn.Module, inputs: Tensor) -> int:
    """The bytes that a block has at most, beside its inputs, while it is computed again.

    0 for a model whose blocks are computed once.
    """
    found = [0]

    def measure(block: nn.Module, args: tuple, kwargs: dict) -> None:
        with KeptForBackward(block, known=(arg for arg in args if isinstance(arg, Tensor))) as kept:
            type(block).__mro__[1].forward(block, *args, **kwargs)
        found.append(kept.count())

    if any(map(_is_computed_twice, model.modules())):
        with FakeTensorMode() as mode:
            copied = fake_copy(model, mode, inputs.device)
            for block in filter(_is_computed_twice, copied.modules()):
                block.register_forward_pre_hook(measure, with_kwargs=True)
            copied(mode.from_tensor(inputs))
    return max(found)


def _is_computed_twice(module: nn.Module) -> bool:
    return hasattr(module, "is_computed_twice")


@functools.cache
def _computed_twice(kind: type[nn.Module]) -> type[nn.Module]:
    # A class, not a method of the instance: that would stay bound to the original when a model is copied.
    def forward(self: nn.Module, *args, **kwargs):
        return checkpoint(functools.partial(kind.forward, self), *args, use_reentrant=False, **kwargs)

    return type(kind.__name__, (kind,), {"forward": forward, "__module__": kind.__module__, "is_computed_twice": True})
