"""The sizes of a real model, learned from tensors without values."""

from __future__ import annotations

import copy
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from istsim.costs._model import Amount, Block, ModelSizes
from istsim.networks._architectures import CHAINS, block_names, kind_of, links, neurons
from istsim.networks._fake import fake_copy
from istsim.networks._layout import Layout, Units
from istsim.networks._part import Part
from istsim.networks._partly_trained import partly_trained
from istsim.networks._subnetwork import subnetwork
from istsim.networks._trainer import Loss, cross_entropy, outputs_of
from istsim.networks.local._chain import Chain

BEFORE, AFTER = "before", "after"


def sizes_of(model: nn.Module, inputs: Tensor, targets: Tensor, *, loss: Loss = cross_entropy) -> ModelSizes:
    """The sizes of a torch model, whose values are not looked at: it may be on the device "meta".

    Blocks are its residual or transformer blocks, or else its children that have parameters, those of an nn.ModuleList
    one by one. Of an nn.Sequential, and of others inside it, they are the layers that have parameters; in local
    parallelism norms and the last layer follow the block before. Hidden units are those that `istsim.networks.neurons`
    finds; none, where it refuses the model. How activations shrink with a share of the units is learned from a half, so
    that numbers of units should be even. Operations are those that torch counts: of dense layers, convolutions and
    attention, not of recurrent layers. A weight that is used twice counts where it is used first.

    Args:
        model: which.
        inputs: of the examples that a device computes together.
        targets: likewise.
        loss: of outputs and targets.

    Raises:
        ValueError: for a model without parts that are trained, or whose blocks do not run in their order; for no
            inputs.

    Example:
        >>> import torch
        >>> from istsim import costs, networks
        >>> model = networks.mlp([64, 32, 16, 10])
        >>> sizes = costs.sizes_of(model, torch.zeros(8, 64), torch.zeros(8, dtype=torch.long))
        >>> [(block.name, block.parameters) for block in sizes.blocks][1]
        ('3', Amount(whole=0, once=16, twice=512))
    """
    names = _block_names(model)
    if not names or not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError(
            f"{type(model).__name__} has no parts with parameters that could be trained; put a single layer into an "
            "nn.Sequential"
        )
    if not len(inputs):
        raise ValueError("inputs must be of at least one example, got none")
    model = copy.deepcopy(model).to("meta").train()
    try:
        layout = neurons(model)
    except ValueError:
        layout = None
    following = _following(model, names)
    run = _Run(model, names, inputs, targets, loss)
    ran = tuple(name for name in run.order if name in names)
    if ran != names:
        raise ValueError(
            f"the blocks of {type(model).__name__} must run one after the other, {', '.join(names)}; there ran "
            f"{', '.join(ran) or 'none'}: give its sizes by ModelSizes"
        )
    forward = _Run(_half(model, layout, subnetwork), names, inputs, targets, loss) if layout else run
    backward = _Run(_half(model, layout, partly_trained), names, inputs, targets, loss) if layout else run
    place = _Places(names, run.order)
    entries, flops, weight_flops = _Sum(), _Sum(), _Sum()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            axes = len(layout.sliced_axes(name)) if layout else 0
            entries.add(place.of(name), axes, parameter.numel())
    for name, own in run.flops.items():
        axes = len(layout.sliced_axes(f"{name}.weight")) if layout else 0
        inside = layout is not None and any(isinstance(g, Units) and g.name == name for g in layout.groups)
        flops.add(place.of(name), axes or int(inside), own / run.examples)
        if axes:
            weight_flops.add(place.of(name), axes, run.forward_flops[name] / run.examples)
    size = next(model.parameters()).element_size() * run.examples
    units: dict[str, list[int]] = defaultdict(list)
    sums: dict[str, float] = defaultdict(float)
    for group in layout.groups if layout else ():
        if isinstance(group, Units):
            for consumer in group.consumers:
                units[place.of(consumer)].append(group.count)
                sums[place.of(consumer)] += run.outputs[consumer].numel() / run.examples

    def block(name: str) -> Block:
        kept, half, partly = run.kept[name] / size, forward.kept[name] / size, backward.kept[name] / size
        handed = run.handed_on(name)
        return Block(
            name,
            entries.of(name),
            flops.of(name),
            weight_flops.of(name),
            activations=Amount(kept - 2 * (kept - half), 2 * (kept - half)),
            weight_activations=Amount(0, max(0.0, 2 * (kept - partly))),
            boundary=0 if handed is None else handed.numel() / run.examples,
            sums=sums[name],
            units=min(units[name], default=0),
            features=0 if handed is None else handed.shape[1 if handed.ndim == 4 else -1],
            follows=name in following,
            input_flops=run.input_flops.get(name, 0) / run.examples,
            input_activations=run.kept_of_input[name] / size,
        )

    result = run.result
    return ModelSizes(
        type(model).__name__,
        tuple(map(block, names)),
        block(BEFORE),
        block(AFTER),
        outputs=result.shape[-1],
        predictions=result[..., 0].numel() // run.examples,
    )


def _block_names(model: nn.Module) -> tuple[str, ...]:
    if kind_of(model) in CHAINS:
        return tuple(name for name, layer in links(model, "") if any(True for _ in layer.parameters()))
    return block_names(model) or tuple(_parts(model, ""))


def _parts(module: nn.Module, prefix: str) -> Iterator[str]:
    for name, child in module.named_children():
        if isinstance(child, nn.ModuleList):
            yield from _parts(child, f"{prefix}{name}.")
        elif any(True for _ in child.parameters()):
            yield f"{prefix}{name}"


def _following(model: nn.Module, names: tuple[str, ...]) -> set[str]:
    """The parts of a chain of layers that belong to the block before in local parallelism."""
    if kind_of(model) not in CHAINS:
        return set()
    try:
        blocks = Chain.of(model).blocks
    except ValueError:  # which local parallelism refuses
        return set()
    number = {id(layer): i for i, block in enumerate(blocks) for layer in block}
    inside = [[number[id(m)] for m in model.get_submodule(name).modules() if id(m) in number] for name in names]
    return {name for name, before, own in zip(names[1:], inside, inside[1:], strict=False) if own[0] == before[-1]}


def _half(model: nn.Module, layout: Layout, build: Callable[..., nn.Module]) -> nn.Module:
    """What a worker with half of all units runs."""
    held = np.concatenate([np.arange(group.count) < group.count / 2 for group in layout.groups])
    return build(model, Part(model, layout, held)).train()


class _Sum:
    """Amounts that are put together piece by piece, for each block."""

    def __init__(self):
        self._parts: dict[str, list[float]] = defaultdict(lambda: [0, 0, 0])

    def add(self, block: str, axes: int, number: float) -> None:
        self._parts[block][axes] += number

    def of(self, block: str) -> Amount:
        return Amount(*self._parts[block])


class _Places:
    """In which block modules and parameters are, or whether they are before or after all blocks."""

    def __init__(self, names: tuple[str, ...], order: list[str]):
        self._names, first = names, order.index(names[0])
        self._before = set(order[:first])

    def of(self, name: str) -> str:
        inside = next((each for each in self._names if f"{name}.".startswith(f"{each}.")), None)
        if inside is not None:
            return inside
        return BEFORE if name in self._before or name.rpartition(".")[0] in self._before else AFTER


class _Run:
    """A forward and a backward pass on tensors without values.

    Attributes:
        order: names of modules, as they ended.
        outputs: of each module, one without values.
        flops: of what each module computes itself, in both passes.
        forward_flops: in the forward pass.
        input_flops: in the backward pass, for what goes into blocks that are one layer.
        kept: bytes for the backward pass, by block.
        kept_of_input: bytes that blocks before had kept already.
    """

    def __init__(self, model: nn.Module, names: tuple[str, ...], inputs: Tensor, targets: Tensor, loss: Loss):
        self.examples = len(inputs)
        self.order: list[str] = []
        self.outputs: dict[str, Tensor] = {}
        self._inputs: dict[str, Tensor] = {}
        self._next = dict(itertools.pairwise(names))
        with FakeTensorMode() as mode:
            own = fake_copy(model, mode, inputs.device)
            fake = mode.from_tensor(inputs), mode.from_tensor(targets)
            with _KeptByBlock(own, names) as kept:
                self.result = outputs_of(own, fake[0])
                loss(self.result, fake[1])
            self.kept, self.kept_of_input = kept.bytes, kept.of_input
            # Attention by plain products, which torch knows how to count.
            with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
                self._count(own, counter)
                loss(outputs_of(own, fake[0]), fake[1]).backward()
            # So many times the forward pass: gradients of what comes in, and of weights.
            times = {name: self._passes(own.get_submodule(name), name) for name in self.order}
            passes = sum(times[name] * number for name, number in self.forward_flops.items())
            right = counter.get_total_flops() / passes if passes else 1.0  # where modules have more than one weight
            self.flops = {name: right * times[name] * number for name, number in self.forward_flops.items()}
            layers = [
                name for name in names if self._gets_gradients.get(name) and not any(own.get_submodule(name).children())
            ]
            self.input_flops = {name: right * self.forward_flops[name] for name in layers}

    def handed_on(self, name: str) -> Tensor | None:
        """What a block hands on is what the next one takes in: behind pooling, for instance."""
        return self._inputs[self._next[name]] if name in self._next else self.outputs.get(name)

    def _count(self, model: nn.Module, counter: FlopCounterMode) -> None:
        """Let every module say what it computes in the forward pass, without the modules inside."""
        self.forward_flops: dict[str, int] = defaultdict(int)
        self._gets_gradients: dict[str, bool] = {}
        inside = [0]  # operations of modules that have ended, within each one that has not

        def begin(name: str) -> Callable[..., None]:
            def hook(_module: nn.Module, args: Any, kwargs: Any) -> None:
                given = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
                self._gets_gradients[name] = any(value.requires_grad for value in given)
                self._inputs[name] = given[0] if given else torch.empty(0)
                inside.extend((counter.get_total_flops(), 0))

            return hook

        def end(name: str) -> Callable[..., None]:
            def hook(_module: nn.Module, _args: Any, outputs: Any) -> None:
                others, start = inside.pop(), inside.pop()
                all_of = counter.get_total_flops() - start
                inside[-1] += all_of
                self.forward_flops[name] += all_of - others
                if name not in self.order:
                    self.order.append(name)
                if isinstance(outputs, Tensor):
                    self.outputs[name] = outputs

            return hook

        for name, module in model.named_modules():
            module.register_forward_pre_hook(begin(name), with_kwargs=True)
            module.register_forward_hook(end(name))

    def _passes(self, module: nn.Module, name: str) -> int:
        """Of what a module computes itself, how often that is computed in both passes."""
        weight = module._parameters.get("weight")
        return 1 + self._gets_gradients[name] + (weight is None or weight.requires_grad)


class _KeptByBlock(torch.autograd.graph.saved_tensors_hooks):
    """Bytes that operations keep for the backward pass, each storage once, for the block that keeps it first."""

    def __init__(self, model: nn.Module, names: tuple[str, ...]):
        self.bytes: dict[str, int] = defaultdict(int)
        self.of_input: dict[str, int] = defaultdict(int)
        own = {tensor.untyped_storage()._cdata for tensor in (*model.parameters(), *model.buffers())}
        seen: dict[int, tuple[str, torch.UntypedStorage]] = {}
        self._at, self._input = BEFORE, None

        def pack(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            if storage._cdata not in own and storage._cdata not in seen:
                seen[storage._cdata] = self._at, storage
                self.bytes[self._at] += storage.nbytes()
            elif storage._cdata == self._input and seen.get(storage._cdata, (self._at,))[0] != self._at:
                self.of_input[self._at] = storage.nbytes()
            return tensor

        super().__init__(pack, lambda tensor: tensor)
        self._handles = list(self._watch(model, names))

    def _watch(self, model: nn.Module, names: tuple[str, ...]) -> Iterator[Any]:
        """What runs between two blocks belongs to the first."""
        for name in names:
            module = model.get_submodule(name)
            yield module.register_forward_pre_hook(self._entering(name))
        yield model.get_submodule(names[-1]).register_forward_hook(lambda *_: self._go(AFTER))

    def _entering(self, name: str) -> Callable[..., None]:
        return lambda _module, args: self._go(name, args)

    def _go(self, name: str, args: tuple[Any, ...] = ()) -> None:
        given = [value.untyped_storage()._cdata for value in args if isinstance(value, Tensor)]
        self._at, self._input = name, given[0] if given else None

    def __enter__(self) -> _KeptByBlock:  # type: ignore[override]
        super().__enter__()
        return self

    def __exit__(self, *args: Any) -> None:
        super().__exit__(*args)
        for handle in self._handles:
            handle.remove()
