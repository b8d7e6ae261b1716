"""What units of local updates need in memory, from sizes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from istsim.networks._fake import fake_copy
from istsim.networks._kept import KeptForBackward, bytes_of
from istsim.networks._local_parallelism import LocalParallelism, consecutive
from istsim.networks._memory import Memory, state_tensors
from istsim.networks._trainer import Loss, MakeOptimizer
from istsim.networks.local._chain import Chain
from istsim.networks.local._heads import outputs_of_blocks
from istsim.networks.local._sizes import modules_of_units


def predicted_memory_of_units(
    model: nn.Module,
    method: LocalParallelism,
    *,
    make_optimizer: MakeOptimizer,
    inputs: Tensor,
    targets: Tensor,
    loss: Loss,
) -> list[Memory]:
    """What each unit needs that has a process of its own.

    Parameters are those of all blocks that it sees, and of its head; it has the optimizer's state of its own blocks and
    head, and gradients of these, and of the blocks ahead where they take the sum of all. Activations are those of one
    batch, from the unit's first block to its loss.

    Args:
        model: with or without values.
        method: which blocks follow which loss.
        make_optimizer: gives an optimizer for parameters.
        inputs: of the model's step.
        targets: likewise.
        loss: of outputs and targets.
    """
    kept_an_entry, found = state_tensors(make_optimizer), []
    for module, taken in modules_of_units(model, method, inputs):
        trained = bytes_of(p for part in (module.own, module.head) for p in part.parameters() if p.requires_grad)
        found.append(
            Memory(
                parameters=bytes_of([*module.parameters(), *module.buffers()]),
                gradients=trained + bytes_of(p for p in module.ahead.parameters() if p.requires_grad),
                optimizer=trained * kept_an_entry,
                activations=_kept(module, taken, lambda answer: loss(answer, targets)),
            )
        )
    return found


def predicted_memory_of_stages(
    model: nn.Module,
    num_stages: int,
    microbatches: int,
    *,
    make_optimizer: MakeOptimizer,
    inputs: Tensor,
    targets: Tensor,
    loss: Loss,
) -> list[Memory]:
    """What each stage of a pipeline needs, with microbatches one forward, one backward (1F1B).

    Before its first backward pass the last stage has one microbatch, the one before two, and so on (Narayanan et al.,
    arXiv 2006.09503).

    Args:
        model: with or without values.
        num_stages: of nearly equally many blocks.
        microbatches: that a batch is cut into.
        make_optimizer: gives an optimizer for parameters.
        inputs: of the model's step.
        targets: likewise.
        loss: of outputs and targets.
    """
    chain, found = Chain.of(model), []
    inputs, targets = inputs[: len(inputs) // microbatches], targets[: len(targets) // microbatches]
    outputs, kept_an_entry = outputs_of_blocks(chain, inputs), state_tensors(make_optimizer)
    for stage, blocks in enumerate(consecutive(len(chain.blocks), num_stages)):
        module = chain.segment(blocks).train()
        taken = outputs[blocks.start - 1] if blocks.start else inputs
        is_last = stage == num_stages - 1
        each = _kept(module, taken, (lambda answer: loss(answer, targets)) if is_last else (lambda answer: answer))
        trained = bytes_of(p for p in module.parameters() if p.requires_grad)
        found.append(
            Memory(
                parameters=bytes_of([*module.parameters(), *module.buffers()]),
                gradients=trained,
                optimizer=trained * kept_an_entry,
                activations=each * min(microbatches, num_stages - stage),
            )
        )
    return found


def _kept(module: nn.Module, taken: Tensor, end: Callable[[Tensor], Tensor]) -> int:
    """Bytes that the forward pass of a batch keeps."""
    device = torch.device("cpu") if taken.is_meta else taken.device
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        fake = fake_copy(module, mode, device)
        x = torch.empty(taken.shape, dtype=taken.dtype, device=device)
        with KeptForBackward(fake) as kept:
            end(fake(x))
    return kept.count()
