"""Models whose sizes are known by formulas."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from istsim._validation import one_of, positive_int, positive_ints
from istsim.costs._model import Amount, Block, ModelSizes


def llama(
    *, vocabulary: int, width: int, depth: int, heads: int, hidden: int, length: int, key_heads: int | None = None
) -> ModelSizes:
    """A language model built like LLaMA (Touvron et al., arXiv 2302.13971): `istsim.networks.Transformer`.

    Embedding and last layer are not tied. Attention keeps queries, keys, values and what it gives out, and no matrix of
    length by length (Dao et al., arXiv 2205.14135). Its operations are counted without the half that a causal mask
    could save, as torch counts them.

    Args:
        vocabulary: number of tokens.
        width: of the residual stream.
        depth: number of blocks.
        heads: of the queries.
        hidden: width of the gated MLPs.
        length: tokens of an example.
        key_heads: heads of keys and values; as many as `heads` if None.

    Raises:
        ValueError: for numbers below 1, or heads that do not divide.

    Example:
        >>> from istsim import costs
        >>> costs.llama(vocabulary=256, width=32, depth=2, heads=4, hidden=85, length=64).parameters
        41056
    """
    sizes = {"vocabulary": vocabulary, "width": width, "depth": depth, "heads": heads, "hidden": hidden}
    sizes |= {"length": length, "key_heads": heads if key_heads is None else key_heads}
    vocabulary, width, depth, heads, hidden, length, key_heads = (
        positive_int(name, value) for name, value in sizes.items()
    )
    if width % heads or heads % key_heads:
        raise ValueError(
            f"heads must divide width and key_heads must divide heads, got width {width}, heads {heads}, key_heads "
            f"{key_heads}"
        )
    keys = width * key_heads // heads  # numbers of all keys of a token
    weights = width * (2 * width + 2 * keys + 3 * hidden)
    products = 2 * length * weights  # a multiplication and an addition for each weight and token
    attention = 4 * length**2 * width  # queries with keys, and with values
    stream = length * width
    kept = length * (2 * width + 2 * keys + width + 4 * hidden)  # q, out; k, v; what o_proj takes in; of the MLP
    block = Block(
        parameters=Amount(2 * width, weights),
        flops=Amount(0, 3 * (products + attention)),
        weight_flops=Amount(0, products),
        # Of both norms what comes in and goes out, and the root of the mean square; of attention its logsumexp.
        activations=Amount(4 * stream + 2 * length, kept + length * heads),
        weight_activations=Amount(0, length * (width + hidden)),
        boundary=stream,
        sums=2 * stream,
        units=min(key_heads, hidden),
        features=width,
    )
    named = tuple(dataclasses.replace(block, name=f"blocks.{number}") for number in range(depth))
    # What tokens are is not counted; the loss keeps logarithms of probabilities.
    before = Block("embedding", Amount(vocabulary * width))
    after = Block(
        "head",
        Amount(width + vocabulary * width),
        flops=Amount(3 * 2 * stream * vocabulary),
        activations=Amount(2 * stream + length + length * vocabulary),
    )
    return ModelSizes("llama", named, before, after, vocabulary, length)


def resnet(
    *, classes: int = 10, channels: int = 3, pixels: int = 32, width: int = 64, depths: Sequence[int] = (2, 2, 2, 2)
) -> ModelSizes:
    """A residual network for small images (He et al., arXiv 1603.05027): `istsim.networks.ResNet`.

    Args:
        classes: outputs.
        channels: of the images.
        pixels: of a side of the images.
        width: channels of the first stage; they double from stage to stage, where the image halves.
        depths: blocks of each stage.

    Raises:
        ValueError: for numbers below 1.

    Example:
        >>> from istsim import costs
        >>> costs.resnet().parameters
        11172170
    """
    sizes = {"classes": classes, "channels": channels, "pixels": pixels, "width": width}
    classes, channels, pixels, width = (positive_int(name, value) for name, value in sizes.items())
    depths = positive_ints("depths", depths)
    before, side, blocks = width, pixels, []
    for stage, depth in enumerate(depths):
        after = width * 2**stage
        for number in range(depth):
            halves = number == 0 and stage > 0
            blocks.append(_residual(f"stages.{stage}.{number}", before, after, side, halves))
            before, side = after, -(-side // 2) if halves else side
    stem = 9 * channels * width
    first = Block(
        "stem",
        Amount(stem),
        flops=Amount(2 * 2 * stem * pixels**2),  # no gradient of the images
        activations=Amount(channels * pixels**2),
    )
    last = Block(
        "head",
        Amount(2 * before + (before + 1) * classes),
        flops=Amount(3 * 2 * before * classes),
        activations=Amount(2 * before * side**2 + before + classes),
    )
    return ModelSizes("resnet", tuple(blocks), first, last, classes)


def _residual(name: str, before: int, after: int, side: int, halves: bool) -> Block:
    """A block of two convolutions, whose channels in between are its hidden units."""
    made = -(-side // 2) if halves else side
    shortcut = before * after if before != after or halves else 0
    weights = 9 * before * after + 9 * after * after
    return Block(
        name,
        Amount(2 * before + shortcut, weights + 2 * after),
        flops=Amount(3 * 2 * shortcut * made**2, 3 * 2 * weights * made**2),
        weight_flops=Amount(0, 2 * weights * made**2),
        # Batch norms keep what comes in, ReLUs what goes out.
        activations=Amount(2 * before * side**2, 2 * after * made**2),
        boundary=after * made**2,
        sums=after * made**2,
        units=after,
        features=after,
    )


# Widths, depths and heads of the LLaMAs: Lialin et al., arXiv 2307.05695, and Zhao et al., arXiv 2403.03507, whose code
# has the width of the MLPs too; 7B: Touvron et al., arXiv 2302.13971.
_LLAMAS = {
    "llama-134m": {"width": 768, "hidden": 2048, "depth": 12, "heads": 12},
    "llama-350m": {"width": 1024, "hidden": 2736, "depth": 24, "heads": 16},
    "llama-1b": {"width": 2048, "hidden": 5461, "depth": 24, "heads": 32},
    "llama-7b": {"width": 4096, "hidden": 11008, "depth": 32, "heads": 32},
}
_RESNETS: dict[str, Callable[[], ModelSizes]] = {
    "resnet18": resnet,
    "resnet18-wide": lambda: resnet(width=128),
}
NAMES = (*_LLAMAS, *_RESNETS)


def named(name: str, length: int | None = None) -> ModelSizes:
    """A model by its name: "llama-134m", "llama-350m", "llama-1b", "llama-7b", "resnet18" or "resnet18-wide".

    LLaMAs have 32 000 tokens (sizes: arXiv 2307.05695, 2403.03507, 2302.13971), residual networks take images of 32 by
    32 pixels (arXiv 1603.05027).

    Args:
        name: which.
        length: tokens of an example, for texts; 1024 if None.

    Raises:
        ValueError: for another name, or a length of images.

    Example:
        >>> from istsim import costs
        >>> [costs.named(name).parameters for name in ("llama-134m", "llama-1b")]
        [134105856, 1339082752]
    """
    one_of("model", name, NAMES)
    if name in _RESNETS and length is not None:
        raise ValueError(f"{name} takes images, which have no length, got length {length}: leave it out")
    length = 1024 if length is None else length
    model = _RESNETS[name]() if name in _RESNETS else llama(vocabulary=32_000, length=length, **_LLAMAS[name])
    return dataclasses.replace(model, name=name)
