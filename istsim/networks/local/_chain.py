"""Models as blocks that run one after the other."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from istsim.networks._architectures import CHAINS, kind_of, links
from istsim.networks._layout import tensors_of

_NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.RMSNorm, nn.GroupNorm)
_KNOWN = (
    "an nn.Sequential, istsim.networks.ResNet and Transformer, LlamaForCausalLM and ResNetForImageClassification of "
    "transformers"
)


@dataclasses.dataclass(frozen=True)
class Chain:
    """A model as blocks that run one after the other; the first has what comes before all, the last the model's head.

    Attributes:
        blocks: the layers of each.
        names: of the model's tensors, by their ids.

    Example:
        >>> from istsim import networks
        >>> chain = Chain.of(networks.mlp([64, 32, 16, 10]))
        >>> [[type(layer).__name__ for layer in block] for block in chain.blocks]
        [['Flatten', 'Linear', 'ReLU'], ['Linear', 'ReLU', 'Linear']]
    """

    blocks: tuple[tuple[nn.Module, ...], ...]
    names: dict[int, str]

    @classmethod
    def of(cls, model: nn.Module) -> Chain:
        """The blocks of a model, with or without values.

        Raises:
            ValueError: for a model whose order is not known, or a tensor that two blocks share.
        """
        cut = _CUTS.get(kind_of(model))
        if cut is None:
            raise ValueError(
                f"a {type(model).__name__} is not known to be blocks that run one after the other; known are {_KNOWN}"
            )
        names = {id(tensor): name for name, tensor in tensors_of(model).items()}
        blocks, seen = tuple(map(tuple, cut(model))), set()
        for block in blocks:
            mine = {id(tensor) for layer in block for tensor in tensors_of(layer).values()}
            for tensor in mine & seen:
                raise ValueError(f"{names[tensor]} is used by two blocks: it cannot follow two losses; untie it")
            seen |= mine
        return cls(blocks, names)

    def filled(self, blocks: Sequence[int], values: Mapping[str, Tensor]) -> Chain:
        """The chain of a model without values, of which these blocks have some, by the names of their tensors."""
        memo: dict[int, Any] = {}
        for block in blocks:
            for layer in self.blocks[block]:
                for tensor in tensors_of(layer).values():
                    value = values[self.names[id(tensor)]]
                    parameter = isinstance(tensor, nn.Parameter)
                    memo[id(tensor)] = nn.Parameter(value, tensor.requires_grad) if parameter else value
        names = dict(self.names)
        names |= {id(memo[at]): name for at, name in self.names.items() if at in memo}
        copied = {block: copy.deepcopy(self.blocks[block], memo) for block in blocks}
        return Chain(tuple(copied.get(block, layers) for block, layers in enumerate(self.blocks)), names)

    def segment(self, blocks: Sequence[int]) -> Segment:
        """Some consecutive blocks as one module, which has the model's tensors."""
        return Segment([layer for block in blocks for layer in self.blocks[block]], self.names)


class Segment(nn.Module):
    """Layers of a model that run one after the other.

    Args:
        layers: these.
        names: of the model's tensors, by their ids.
    """

    def __init__(self, layers: Sequence[nn.Module], names: dict[int, str]):
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self._names = {own: names[id(tensor)] for own, tensor in tensors_of(self).items()}

    def forward(self, x: Tensor) -> Tensor:
        """What goes out of the last layer."""
        for layer in self.layers:
            x = layer(x)
        return x

    def tensors(self) -> dict[str, Tensor]:
        """Parameters and lasting buffers, by their names in the model."""
        return {self._names[own]: tensor for own, tensor in tensors_of(self).items()}


class _Pooled(nn.Module):
    """The end of `istsim.networks.ResNet` before its head."""

    def __init__(self, norm: nn.Module):
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.norm(x)).mean(dim=(2, 3))


class _DecoderLayer(nn.Module):
    """A layer of LlamaForCausalLM, with what that computes once for all of them: angles and the causal mask."""

    def __init__(self, layer: nn.Module, rotary: nn.Module, config: Any):
        super().__init__()
        self.layer, self.rotary, self._config = layer, rotary, config

    def forward(self, x: Tensor) -> Tensor:
        from transformers.masking_utils import create_causal_mask

        positions = torch.arange(x.shape[1], device=x.device)[None]
        # Without positions no search for several texts in one, whose answer would need values.
        mask = create_causal_mask(config=self._config, inputs_embeds=x, attention_mask=None, past_key_values=None)
        angles = self.rotary(x, position_ids=positions)
        return self.layer(
            x, attention_mask=mask, position_embeddings=angles, position_ids=positions, past_key_values=None
        )


def _sequential(model: nn.Module) -> list[list[nn.Module]]:
    """A block begins where weights are, but for norms; a dense layer at the end belongs to the block before."""
    blocks: list[list[nn.Module]] = [[]]
    for _, layer in links(model, ""):
        if _weighs(layer) and any(map(_weighs, blocks[-1])):
            blocks.append([])
        blocks[-1].append(layer)
    if not any(map(_weighs, blocks[0])):
        raise ValueError("the model has no layer with weights")
    if len(blocks) > 1 and isinstance(blocks[-1][0], nn.Linear):
        head = blocks.pop()
        blocks[-1] += head
    return blocks


def _weighs(layer: nn.Module) -> bool:
    return any(True for _ in layer.parameters()) and not isinstance(layer, _NORMS)


def _with_ends(
    first: Sequence[nn.Module], blocks: Iterator[nn.Module], last: Sequence[nn.Module]
) -> list[list[nn.Module]]:
    found = [[block] for block in blocks]
    found[0][:0] = first
    found[-1] += last
    return found


def _resnet(model: Any) -> list[list[nn.Module]]:
    blocks = (block for stage in model.stages for block in stage)
    return _with_ends([model.stem], blocks, [_Pooled(model.norm), model.head])


def _transformer(model: Any) -> list[list[nn.Module]]:
    return _with_ends([model.embedding], iter(model.blocks), [model.norm, model.head])


def _llama(model: Any) -> list[list[nn.Module]]:
    inner = model.model
    layers = (_DecoderLayer(layer, inner.rotary_emb, model.config) for layer in inner.layers)
    return _with_ends([inner.embed_tokens], layers, [inner.norm, model.lm_head])


def _hf_resnet(model: Any) -> list[list[nn.Module]]:
    inner = model.resnet
    layers = (layer for stage in inner.encoder.stages for layer in stage.layers)
    return _with_ends([inner.embedder], layers, [inner.pooler, model.classifier])


_CUTS: dict[str, Callable[[Any], list[list[nn.Module]]]] = {
    **dict.fromkeys(CHAINS, _sequential),
    "istsim.ResNet": _resnet,
    "istsim.Transformer": _transformer,
    "transformers.LlamaForCausalLM": _llama,
    "transformers.ResNetForImageClassification": _hf_resnet,
}
