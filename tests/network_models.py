"""Small models of every kind that can be partitioned, with random parameters, and by hand what their units own.

Nothing of a layout is used: what a mask leaves of a model is written here a second time.
"""

import copy
import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks are trained in torch: pip install 'istsim[torch]'")
from torch import nn  # noqa: E402

from istsim import networks  # noqa: E402

torch.set_num_threads(1)  # the models are tiny: where cores are shared, threads wait for each other


@dataclasses.dataclass(frozen=True)
class Layer:
    """Units of one layer: of each tensor they own entries along an axis, so many each; what takes their outputs in."""

    name: str
    count: int
    owned: dict[str, tuple[int, int]]
    consumers: dict[str, int]  # entries of each unit, in what the consumer takes in


@dataclasses.dataclass(frozen=True)
class Residual:
    """Blocks: of each the beginning of its tensors' names, and the modules whose outputs are added to the skip."""

    prefixes: tuple[str, ...]
    branches: tuple[tuple[str, ...], ...]

    @property
    def count(self):
        return len(self.prefixes)


@dataclasses.dataclass(frozen=True)
class Case:
    make: Callable[[], nn.Module]
    batch: Callable[[torch.Generator], tuple[torch.Tensor, torch.Tensor]]
    groups: tuple[Layer | Residual, ...]

    @property
    def by_blocks(self):
        return isinstance(self.groups[0], Residual)

    @property
    def num_units(self):
        return sum(group.count for group in self.groups)

    def model(self):
        return randomised(self.make())

    def data(self, seed=0):
        """Inputs and targets."""
        return self.batch(torch.Generator().manual_seed(seed))

    def layout(self, model):
        return networks.blocks(model) if self.by_blocks else networks.neurons(model)

    def tensor_of_the_first_unit(self, model):
        """Its name: of a parameter that comes and goes with it."""
        first = self.groups[0]
        if isinstance(first, Residual):
            return next(name for name, _ in model.named_parameters() if name.startswith(first.prefixes[0]))
        return next(iter(first.owned))

    def cut(self, mask):
        """The mask of each group."""
        return np.split(mask, np.cumsum([group.count for group in self.groups])[:-1])

    def held(self, model, mask):
        """For each tensor of the model, which of its entries are held."""
        held = {name: torch.ones(tensor.shape, dtype=torch.bool) for name, tensor in model.state_dict().items()}
        for group, kept in zip(self.groups, self.cut(mask), strict=True):
            if isinstance(group, Residual):
                gone = tuple(prefix for prefix, here in zip(group.prefixes, kept, strict=True) if not here)
                for name in held:
                    held[name] &= not name.startswith(gone)
            else:
                for name, (axis, width) in group.owned.items():
                    shape = [1] * held[name].dim()
                    shape[axis] = -1
                    held[name] &= torch.as_tensor(np.repeat(kept, width)).reshape(shape)
        return held

    def masked(self, model, mask):
        """The whole model with every parameter that is not held multiplied by zero."""
        whole, held = copy.deepcopy(model), self.held(model, mask)
        with torch.no_grad():
            for name, parameter in whole.named_parameters():
                parameter *= held[name]
        return whole

    def scale_outputs(self, model, factors):
        """Multiply what each unit gives out, in place; factors, shape (number of units,)."""
        for group, mine in zip(self.groups, self.cut(factors), strict=True):
            if isinstance(group, Residual):
                for names, factor in zip(group.branches, mine, strict=True):
                    for name in names:
                        model.get_submodule(name).register_forward_hook(_scaling_of_outputs(factor))
            else:
                for name, width in group.consumers.items():
                    consumer = model.get_submodule(name)
                    channels_first = isinstance(consumer, nn.Conv2d)
                    factor = torch.as_tensor(np.repeat(mine, width)).reshape((-1, 1, 1) if channels_first else (-1,))
                    consumer.register_forward_pre_hook(_scaling_of_inputs(factor))
        return model


class Scaled(torch.autograd.Function):
    """x in the forward direction; in the other one, gradients times a factor."""

    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * ctx.factor, None


def cut_gradients(case, model, mask):
    """What would be wrong: no gradient passes through what is not held, although all is computed. In place."""
    for group, kept in zip(case.groups, case.cut(mask.astype(float)), strict=True):
        if isinstance(group, Residual):
            for names, factor in zip(group.branches, kept, strict=True):
                for name in names:
                    model.get_submodule(name).register_forward_hook(
                        lambda _, __, output, factor=factor: _each(output, lambda x: Scaled.apply(x, factor))
                    )
        else:
            for name, width in group.consumers.items():
                consumer = model.get_submodule(name)
                shape = (-1, 1, 1) if isinstance(consumer, nn.Conv2d) else (-1,)
                factor = torch.as_tensor(np.repeat(kept, width)).reshape(shape)
                consumer.register_forward_pre_hook(
                    lambda _, inputs, factor=factor: (Scaled.apply(inputs[0], factor), *inputs[1:])
                )
    return model


def _scaling_of_inputs(factor):
    return lambda _, inputs: (inputs[0] * factor, *inputs[1:])


def _scaling_of_outputs(factor):
    return lambda _, __, output: _each(output, lambda x: x * factor)


def _each(output, change):
    """Of what a module gives out, the tensor; attention in transformers gives out its weights as well."""
    return (change(output[0]), *output[1:]) if isinstance(output, tuple) else change(output)


def randomised(model, seed=0):
    """In float64, with every parameter and every running moment drawn anew."""
    generator, model = torch.Generator().manual_seed(seed), model.double()
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            if parameter.dim() > 1:
                parameter.copy_(noise * (2 / parameter[0].numel()) ** 0.5)
            else:
                parameter.copy_(0.5 + noise)
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                buffer.copy_(torch.randn(buffer.shape, generator=generator))
            if name.endswith("running_var"):
                buffer.copy_(0.5 + torch.rand(buffer.shape, generator=generator))
    return model


def logits(outputs):
    """Those of models in transformers are one of several outputs."""
    return getattr(outputs, "logits", outputs)


def cross_entropy(outputs, targets):
    return nn.functional.cross_entropy(logits(outputs).flatten(0, -2), targets.flatten())


def gradients(model, inputs, targets):
    """By parameter, on one batch."""
    parameters = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    found = torch.autograd.grad(cross_entropy(model(inputs), targets), list(parameters.values()))
    return dict(zip(parameters, found, strict=True))


def _vectors(generator):
    return torch.randn(7, 5, generator=generator, dtype=torch.float64), torch.randint(3, (7,), generator=generator)


def _images(generator):
    images = torch.randn(4, 2, 8, 8, generator=generator, dtype=torch.float64)
    return images, torch.randint(3, (4,), generator=generator)


def _tokens(generator):
    tokens = torch.randint(11, (3, 8), generator=generator)
    return tokens[:, :-1], tokens[:, 1:]


def _convolutions():
    return nn.Sequential(
        nn.Conv2d(2, 5, 3, padding=1),
        nn.BatchNorm2d(5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(5, 4, 3, stride=2),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(4, 7),
        nn.GELU(),
        nn.Linear(7, 3),
    )


def _flattened():
    return nn.Sequential(nn.Conv2d(2, 5, 3, stride=2, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(5 * 3 * 3, 3))


def _llama(**options):
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    sizes = {"hidden_size": 12, "intermediate_size": 5, "num_attention_heads": 6, "num_key_value_heads": 3}
    fixed = {"vocab_size": 11, "num_hidden_layers": 2, "bos_token_id": 1, "eos_token_id": 2, "use_cache": False}
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**sizes, **fixed, **options))


def _residual(layer_type):
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    sizes = {"basic": [4, 5], "bottleneck": [12, 16]}[layer_type]  # a quarter of them within a bottleneck
    config = transformers.ResNetConfig(
        num_channels=2, embedding_size=4, hidden_sizes=sizes, depths=[2, 2], layer_type=layer_type, num_labels=3
    )
    return transformers.ResNetForImageClassification(config)


def _dense(name, count, after, *, norm=None, width=1):
    """Neurons or channels of `name`, with biases."""
    owned = {f"{name}.weight": (0, 1), f"{name}.bias": (0, 1), f"{after}.weight": (1, width)}
    return Layer(name, count, owned | _norm(norm), {after: width})


def _channels(name, count, after, *, norm=None, width=1):
    """Channels of a convolution without biases."""
    return Layer(name, count, {f"{name}.weight": (0, 1), f"{after}.weight": (1, width)} | _norm(norm), {after: width})


def _norm(name):
    return {f"{name}.{tensor}": (0, 1) for tensor in ("weight", "bias", "running_mean", "running_var") if name}


def _attention(name, *, biases=False):
    """Three heads of keys and values, each with two of queries; every head has two entries."""
    rows = {"q_proj": 4, "k_proj": 2, "v_proj": 2}
    owned = {f"{name}.{proj}.weight": (0, width) for proj, width in rows.items()}
    if biases:
        owned |= {f"{name}.{proj}.bias": (0, width) for proj, width in rows.items()}
    return Layer(name, 3, owned | {f"{name}.o_proj.weight": (1, 4)}, {f"{name}.o_proj": 4})


def _gated(name, *, biases=False):
    owned = {f"{name}.{proj}.weight": (0, 1) for proj in ("gate_proj", "up_proj")}
    if biases:
        owned |= {f"{name}.{proj}.bias": (0, 1) for proj in ("gate_proj", "up_proj")}
    return Layer(name, 5, owned | {f"{name}.down_proj.weight": (1, 1)}, {f"{name}.down_proj": 1})


def _ours(name, count):
    return _channels(f"{name}.branch.2", count, f"{name}.branch.5", norm=f"{name}.branch.3")


def _theirs(name, count, layers):
    return tuple(
        _channels(
            f"{name}.layer.{number}.convolution",
            count,
            f"{name}.layer.{number + 1}.convolution",
            norm=f"{name}.layer.{number}.normalization",
        )
        for number in range(layers)
    )


def _decoder(*, biases=False):
    layers = [f"model.layers.{number}" for number in range(2)]
    return tuple(
        unit
        for name in layers
        for unit in (_attention(f"{name}.self_attn", biases=biases), _gated(f"{name}.mlp", biases=biases))
    )


_STAGES = [f"resnet.encoder.stages.{stage}.layers.{layer}" for stage in range(2) for layer in range(2)]
_OUR_BLOCKS = ["stages.0.0", "stages.1.0", "stages.1.1"]
_OUR_RESIDUAL = Residual(
    tuple(f"{name}.branch." for name in _OUR_BLOCKS), tuple((f"{name}.branch",) for name in _OUR_BLOCKS)
)
_THEIR_RESIDUAL = Residual(tuple(f"{name}.layer." for name in _STAGES), tuple((f"{name}.layer",) for name in _STAGES))
_OUR_TRANSFORMER = Residual(
    tuple(f"blocks.{number}." for number in range(3)),
    tuple((f"blocks.{number}.attention", f"blocks.{number}.mlp") for number in range(3)),
)
_LLAMA = Residual(
    tuple(f"model.layers.{number}." for number in range(2)),
    tuple((f"model.layers.{number}.self_attn", f"model.layers.{number}.mlp") for number in range(2)),
)


def _our_transformer(depth):
    return networks.Transformer(11, width=12, depth=depth, heads=6, key_heads=3, hidden=5)


CASES = {
    "mlp": Case(lambda: networks.mlp([5, 7, 6, 3]), _vectors, (_dense("1", 7, "3"), _dense("3", 6, "5"))),
    "mlp-norm": Case(
        lambda: networks.mlp([5, 7, 6, 3], norm=True),
        _vectors,
        (_dense("1", 7, "4", norm="2"), _dense("4", 6, "7", norm="5")),
    ),
    "convolutions": Case(
        _convolutions, _images, (_dense("0", 5, "4", norm="1"), _dense("4", 4, "7"), _dense("7", 7, "9"))
    ),
    "flattened-channels": Case(_flattened, _images, (_channels("0", 5, "3", width=9),)),
    "resnet": Case(
        lambda: networks.ResNet(3, channels=2, width=4, depths=(1, 2)),
        _images,
        (_ours("stages.0.0", 4), _ours("stages.1.0", 8), _ours("stages.1.1", 8)),
    ),
    "transformer": Case(
        lambda: _our_transformer(2),
        _tokens,
        tuple(unit for i in range(2) for unit in (_attention(f"blocks.{i}.attention"), _gated(f"blocks.{i}.mlp"))),
    ),
    "llama": Case(_llama, _tokens, _decoder()),
    "llama-biases": Case(lambda: _llama(attention_bias=True, mlp_bias=True), _tokens, _decoder(biases=True)),
    "llama-tied": Case(lambda: _llama(tie_word_embeddings=True), _tokens, _decoder()),
    "hf-resnet-basic": Case(
        lambda: _residual("basic"),
        _images,
        tuple(unit for name, count in zip(_STAGES, [4, 4, 5, 5], strict=True) for unit in _theirs(name, count, 1)),
    ),
    "hf-resnet-bottleneck": Case(
        lambda: _residual("bottleneck"),
        _images,
        tuple(unit for name, count in zip(_STAGES, [3, 3, 4, 4], strict=True) for unit in _theirs(name, count, 2)),
    ),
    "resnet-blocks": Case(lambda: networks.ResNet(3, channels=2, width=4, depths=(1, 2)), _images, (_OUR_RESIDUAL,)),
    "transformer-blocks": Case(lambda: _our_transformer(3), _tokens, (_OUR_TRANSFORMER,)),
    "llama-blocks": Case(_llama, _tokens, (_LLAMA,)),
    "llama-tied-blocks": Case(lambda: _llama(tie_word_embeddings=True), _tokens, (_LLAMA,)),
    "hf-resnet-basic-blocks": Case(lambda: _residual("basic"), _images, (_THEIR_RESIDUAL,)),
    "hf-resnet-bottleneck-blocks": Case(lambda: _residual("bottleneck"), _images, (_THEIR_RESIDUAL,)),
}


def _by_group(case, which):
    return np.concatenate([which(np.arange(group.count)) for group in case.groups])


MASKS = {
    "everything": lambda case: _by_group(case, lambda unit: unit >= 0),
    "a-third": lambda case: _by_group(case, lambda unit: unit % 3 == 1),
    "all-but-one": lambda case: _by_group(case, lambda unit: unit != 1),
}
