"""Which parts of known modules depend on each other: the one place that knows architectures."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from torch import nn

from istsim.networks._layout import ROWS, Blocks, Layout, Slice, Units


@dataclasses.dataclass(frozen=True)
class Residual:
    """How a residual block is made: `after(shortcut(x) + branch(x))`, or several branches one after the other.

    Attributes:
        branches: the attributes whose output is added to what came in.
        shortcut: the attribute through which what came in goes; "" if it stays as it is.
        after: the attribute that is applied to the sum; "" if none is.
    """

    branches: tuple[str, ...]
    shortcut: str = ""
    after: str = ""


RESIDUAL_BLOCKS = {
    "istsim.PreActivationBlock": Residual(("branch",), "shortcut"),
    "istsim.TransformerBlock": Residual(("attention", "mlp")),
    "transformers.LlamaDecoderLayer": Residual(("self_attn", "mlp")),
    "transformers.ResNetBasicLayer": Residual(("layer",), "shortcut", "activation"),
    "transformers.ResNetBottleNeckLayer": Residual(("layer",), "shortcut", "activation"),
}
_HAVE_BLOCKS = (
    "istsim.networks.ResNet and Transformer, LlamaForCausalLM and ResNetForImageClassification of transformers"
)
_ATTENTION = ("istsim.Attention", "transformers.LlamaAttention")
_GATED_MLP = ("istsim.GatedMLP", "transformers.LlamaMLP")
CHAINS = ("torch.Sequential", "transformers.ResNetConvLayer")  # they run their children one after the other

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
# These keep neurons and channels apart.
KEEPS_APART = (
    *(nn.ReLU, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.ELU, nn.Tanh, nn.Sigmoid, nn.Softplus, nn.Hardswish, nn.Mish),
    *(nn.Identity, nn.Dropout, nn.Dropout2d, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d),
)


def neurons(model: nn.Module) -> Layout:
    """The layout by neurons, convolution channels, attention heads and widths of MLPs.

    Inputs, outputs and residual streams are not partitioned. Of grouped-query attention, a head of keys and values
    and all its queries are one unit. What a residual block, attention or a gated MLP takes in is not partitioned.

    Raises:
        ValueError: with the layer's name, if one cannot be partitioned, such as one whose outputs go into a module of
            unknown kind, or if none is known.

    Example:
        >>> from istsim import networks
        >>> layout = networks.neurons(networks.mlp([64, 32, 16, 10]))
        >>> [(units.name, units.count) for units in layout.groups], layout.sizes[0]
        ([('1', 32), ('3', 16)], 81)
    """
    groups = tuple(_units(model, ""))
    if not groups:
        inside = ", ".join(sorted({_kind(module) for module in model.modules() if not list(module.children())}))
        raise ValueError(
            f"{_kind(model)} cannot be partitioned by neurons: no nn.Sequential, attention or gated MLP with hidden "
            f"units is known in it, which is made of {inside or 'nothing'}; say where its units lie by a Layout"
        )
    return Layout.of(model, groups)


def blocks(model: nn.Module, within: str = "") -> Layout:
    """The layout by whole residual or transformer blocks.

    Args:
        model: which.
        within: only blocks whose names begin so, such as "stages.2".

    Raises:
        ValueError: if there are none.

    Example:
        >>> from istsim import networks
        >>> networks.blocks(networks.ResNet(10, width=8), within="stages.2").groups[0].names
        ('stages.2.0', 'stages.2.1')
    """
    found = block_names(model)
    inside = tuple(name for name in found if f"{name}.".startswith(f"{within}." if within else ""))
    if not inside:
        raise ValueError(
            f"{_kind(model)} has no residual blocks"
            + (f" within {within!r}; it has {', '.join(found)}" if found else f" that are known; {_HAVE_BLOCKS} have")
        )
    return Layout.of(model, (Blocks(within or "blocks", inside),))


def block_names(model: nn.Module) -> tuple[str, ...]:
    """Of all residual and transformer blocks that are known."""
    return tuple(name for name, module in model.named_modules() if kind_of(module) in RESIDUAL_BLOCKS)


def residual(module: nn.Module) -> Residual:
    """How a block found by `blocks` is made."""
    return RESIDUAL_BLOCKS[kind_of(module)]


def kind_of(module: nn.Module) -> str:
    """The package and class that a module is of, as this file names them."""
    return f"{type(module).__module__.partition('.')[0]}.{type(module).__name__}"


def _kind(module: nn.Module) -> str:
    return type(module).__name__


def _units(module: nn.Module, name: str) -> Iterator[Units]:
    if kind_of(module) in _ATTENTION:
        yield _attention(module, name)
    elif kind_of(module) in _GATED_MLP:
        yield _gated_mlp(module, name)
    else:
        if kind_of(module) in CHAINS:
            yield from _chain(list(links(module, name)))
        for child_name, child in links(module, name):
            yield from _units(child, child_name)


def links(module: nn.Module, name: str) -> Iterator[tuple[str, nn.Module]]:
    """The children, and theirs where they run one after the other."""
    for child_name, child in module._modules.items():  # one that is used twice is there twice
        if child is None:
            continue
        whole = _inside(name, child_name)
        if kind_of(module) in CHAINS and kind_of(child) in CHAINS:
            yield from links(child, whole)
        else:
            yield whole, child


def _chain(links: list[tuple[str, nn.Module]]) -> Iterator[Units]:
    """The outputs of each dense or convolution layer that another one follows."""
    made_by, maker, flattened, count, slices = "", None, False, 0, []
    for name, module in links:
        if isinstance(module, nn.Linear | nn.Conv2d):
            if getattr(module, "groups", 1) != 1:
                raise ValueError(f"{name}: a convolution in groups cannot be partitioned")
            entries = module.weight.shape[1]
            if made_by:
                if not _reads_units(module, maker, flattened, entries, count):
                    raise ValueError(
                        f"{name}: its {entries} inputs are not, in their order, the {count} units of {made_by}: "
                        f"{made_by} cannot be partitioned"
                    )
                yield Units(made_by, count, (*slices, Slice(f"{name}.weight", 1, entries // count)), (name,))
            made_by, maker, flattened = name, module, False
            count, slices = module.weight.shape[0], list(_rows(module, name))
        elif isinstance(module, _NORMS):
            slices += _rows(module, name) if made_by else []
        elif isinstance(module, nn.Flatten) and (module.start_dim, module.end_dim) == (1, -1):
            flattened = True
        elif kind_of(module) in (*RESIDUAL_BLOCKS, *_ATTENTION, *_GATED_MLP):
            made_by = ""
        elif made_by and not _is_elementwise(module):
            what = f"{module}" if isinstance(module, nn.Flatten) else f"a {_kind(module)}"
            raise ValueError(
                f"{name}: {what} after {made_by} cannot be partitioned; say where units lie by a Layout of your own"
            )


def _is_elementwise(module: nn.Module) -> bool:
    return isinstance(module, KEEPS_APART) or type(module).__module__.startswith("transformers.activations")


def _reads_units(module: nn.Module, maker: nn.Module | None, flattened: bool, entries: int, count: int) -> bool:
    """Whether the units are the module's inputs, or each a stretch of them as channels are once they are flattened."""
    if type(module) is not type(maker):
        return flattened and isinstance(module, nn.Linear) and entries % count == 0
    return entries == count


def _rows(module: nn.Module, name: str, width: int = 1) -> Iterator[Slice]:
    for tensor in ROWS:
        if getattr(module, tensor, None) is not None:
            yield Slice(_inside(name, tensor), 0, width)


def _attention(module: Any, name: str) -> Units:
    count = len(module.k_proj.weight) // module.head_dim
    made = [(each, len(getattr(module, each).weight) // count) for each in ("q_proj", "k_proj", "v_proj")]
    rows = [one for each, width in made for one in _rows(getattr(module, each), _inside(name, each), width)]
    used = _inside(name, "o_proj")
    return Units(name, count, (*rows, Slice(f"{used}.weight", 1, module.o_proj.weight.shape[1] // count)), (used,))


def _gated_mlp(module: Any, name: str) -> Units:
    made = ("gate_proj", "up_proj")
    rows = [one for each in made for one in _rows(getattr(module, each), _inside(name, each))]
    used = _inside(name, "down_proj")
    return Units(name, module.down_proj.weight.shape[1], (*rows, Slice(f"{used}.weight", 1)), (used,))


def _inside(name: str, child: str) -> str:
    return f"{name}.{child}" if name else child
