"""What a model costs: as a chain of blocks, by their sizes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from istsim._validation import instance_of, keep_checked, natural_number, plain_number, positive_int

_AMOUNTS = ("parameters", "flops", "weight_flops", "activations", "weight_activations")


@dataclasses.dataclass(frozen=True)
class Amount:
    """So much of something, some of it by hidden units: neurons, channels or heads.

    Attributes:
        whole: what is there whichever units are.
        once: what is proportional to the share of the units, such as a weight with units along one axis.
        twice: what is proportional to its square, such as a weight with units along both.

    Example:
        >>> from istsim.costs import Amount
        >>> Amount(10, 100, 1000).at(0.5)
        310.0
    """

    whole: float = 0
    once: float = 0
    twice: float = 0

    def __post_init__(self):
        keep_checked(self, plain_number, "whole", "once", "twice")

    def at(self, share: float) -> float:
        """How much it is with this share of the units."""
        return self.whole + share * self.once + share**2 * self.twice

    @property
    def total(self) -> float:
        """With all units."""
        return self.whole + self.once + self.twice

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.whole + other.whole, self.once + other.once, self.twice + other.twice)


@dataclasses.dataclass(frozen=True)
class Block:
    """A part of a model that runs between two others, and what it costs for one example.

    Activations are counted in numbers, each as large as a parameter.

    Attributes:
        name: of the block.
        parameters: that are trained.
        flops: floating point operations of the forward and backward pass.
        weight_flops: of these, the ones for gradients of weights with hidden units.
        activations: what the forward pass keeps for the backward pass.
        weight_activations: of these, what is kept for nothing but gradients of weights with hidden units.
        boundary: activations handed to the next block.
        sums: numbers that are added up over all hidden units: what the units' consumers give out.
        units: of the layer that has fewest; 0 where none can be split.
        features: numbers that are handed on for each prediction.
        follows: the loss of the block before, where each block has its own: such as a norm, or the last layer.

        input_flops: of the operations, those for the gradient of what the block takes in that are not needed where none
            is handed back.
        input_activations: kept by this block and by the one before, and counted there: what one hands to the other.

    Raises:
        ValueError: for sums of a block that hands nothing on.
    """

    name: str = ""
    parameters: Amount = Amount()
    flops: Amount = Amount()
    weight_flops: Amount = Amount()
    activations: Amount = Amount()
    weight_activations: Amount = Amount()
    boundary: float = 0
    sums: float = 0
    units: int = 0
    features: int = 0
    follows: bool = False
    input_flops: float = 0
    input_activations: float = 0

    def __post_init__(self):
        for name in _AMOUNTS:
            instance_of(name, getattr(self, name), Amount, "an istsim.costs.Amount")
        keep_checked(self, plain_number, "boundary", "sums", "input_flops", "input_activations")
        keep_checked(self, natural_number, "units", "features")
        if self.sums and not self.boundary:
            raise ValueError(
                f"{self.name or 'the block'} hands nothing on, but sums are {self.sums}: give its boundary"
            )


def joined(blocks: Iterable[Block]) -> Block:
    """Blocks that run one after the other, as one."""
    each = list(blocks)
    sums: dict[str, Any] = {name: sum((getattr(block, name) for block in each), Amount()) for name in _AMOUNTS}
    last = [block for block in each if block.boundary][-1:]  # what follows the last block hands nothing on
    return Block(
        name=" ".join(block.name for block in each if block.name),
        boundary=last[0].boundary if last else 0,
        sums=sum(block.sums for block in each),
        units=min((block.units for block in each if block.units), default=0),
        features=last[0].features if last else 0,
        input_flops=each[0].input_flops,
        input_activations=each[0].input_activations,
        **sums,
    )


@dataclasses.dataclass(frozen=True)
class ModelSizes:
    """A model as a chain of blocks, with what comes before and after them.

    Attributes:
        name: what it is called.
        blocks: at least one.
        before: such as an embedding or a first convolution.
        after: such as a norm, the last layer and the loss.
        outputs: of a prediction: classes or tokens.
        predictions: of an example: 1, or as many as a text has tokens.

    Raises:
        ValueError: for a model without blocks, parameters or operations.

    Example:
        >>> from istsim.costs import Amount, Block, ModelSizes
        >>> ModelSizes("mine", (Block("a", Amount(10), Amount(60)), Block("b", Amount(20), Amount(120)))).parameters
        30
    """

    name: str
    blocks: tuple[Block, ...]
    before: Block = Block()
    after: Block = Block()
    outputs: int = 0
    predictions: int = 1

    def __post_init__(self):
        if not isinstance(self.blocks, tuple | list):
            raise ValueError(f"blocks must be a tuple of istsim.costs.Block, got {self.blocks!r}")
        object.__setattr__(self, "blocks", tuple(self.blocks))
        for name, block in (
            ("before", self.before),
            ("after", self.after),
            *(("blocks", each) for each in self.blocks),
        ):
            instance_of(name, block, Block, "an istsim.costs.Block")
        keep_checked(self, natural_number, "outputs")
        keep_checked(self, positive_int, "predictions")
        if not self.blocks or self.whole.parameters.total <= 0:
            raise ValueError(f"{self.name} must have blocks with parameters, got {len(self.blocks)} blocks")
        if self.flops <= 0:
            raise ValueError(f"{self.name} must have blocks with operations, got none: give their flops")

    @property
    def whole(self) -> Block:
        """All of it as one block."""
        return joined((self.before, *self.blocks, self.after))

    @property
    def outside(self) -> Block:
        """What is in no block."""
        return joined((self.before, self.after))

    @property
    def chain(self) -> tuple[Block, ...]:
        """The blocks, the first with what comes before it and the last with what comes after."""
        chain = list(self.blocks)
        chain[0] = joined((self.before, chain[0]))
        follows = len(chain) > 1 and chain[-1].follows
        chain[-1] = dataclasses.replace(joined((chain[-1], self.after)), follows=follows)
        return tuple(chain)

    @property
    def local_chain(self) -> tuple[Block, ...]:
        """The chain in which each block can have a loss of its own."""
        parts: list[list[Block]] = []
        for block in self.chain:
            if block.follows and parts:
                parts[-1].append(block)
            else:
                parts.append([block])
        return tuple(map(joined, parts))

    @property
    def parameters(self) -> int:
        """How many."""
        return round(self.whole.parameters.total)

    @property
    def flops(self) -> float:
        """Floating point operations of a forward and backward pass of one example."""
        return self.whole.flops.total
