"""Models of a width, for some data."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from istsim._optional import require
from istsim.networks.data import Data
from istsim.networks.models import ResNet, Transformer, mlp


def _mlp(data: Data, width: int) -> nn.Module:
    return mlp([data.train_inputs[0].numel(), width, width, data.num_classes])


def _resnet18(data: Data, width: int) -> nn.Module:
    return ResNet(data.num_classes, data.train_inputs.shape[1], width)


def _llama(data: Data, width: int) -> nn.Module:
    return Transformer(data.num_classes, width=width, depth=4, heads=max(1, width // 16))


def _hf_llama(data: Data, width: int) -> nn.Module:
    transformers = require("transformers", extra="torch")
    sizes = {
        "vocab_size": data.num_classes,
        "hidden_size": width,
        "intermediate_size": 8 * width // 3,
        "num_hidden_layers": 4,
        "num_attention_heads": max(1, width // 16),
        "max_position_embeddings": data.train_inputs.shape[1],
    }
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**sizes, use_cache=False))


def _hf_resnet(data: Data, width: int) -> nn.Module:
    transformers = require("transformers", extra="torch")
    config = transformers.ResNetConfig(
        num_channels=data.train_inputs.shape[1],
        embedding_size=width,
        hidden_sizes=[width, 2 * width, 4 * width, 8 * width],
        depths=[2, 2, 2, 2],
        layer_type="basic",
        num_labels=data.num_classes,
    )
    return transformers.ResNetForImageClassification(config)


MODELS: dict[str, Callable[[Data, int], nn.Module]] = {
    "mlp": _mlp,
    "resnet18": _resnet18,
    "llama": _llama,
    "hf-llama": _hf_llama,
    "hf-resnet": _hf_resnet,
}
