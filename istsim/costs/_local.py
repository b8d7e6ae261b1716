from __future__ import annotations

import dataclasses
import itertools
from typing import ClassVar

from istsim._validation import keep_checked, positive_int
from istsim.costs._chunks import even_chunks
from istsim.costs._cluster import Cluster, Training
from istsim.costs._model import Amount, Block, ModelSizes, joined
from istsim.costs._parallelism import Convergence, Cost, Parallelism, memory_of, replicas_of
from istsim.costs._traffic import Traffic, all_reduce


@dataclasses.dataclass(frozen=True)
class LocalParallel(Parallelism):
    """Each device has a chunk of consecutive blocks, which follows a loss of its own and hands only its output on.

    Laskin et al., arXiv 2012.03837; the counting is ours. Chunks are nearly equal numbers of blocks. Every one but the
    last has an auxiliary head from the features that it hands on to the model's outputs, with one dense layer: the
    default of `istsim.networks.LocalParallelism`. Since no gradient comes back, a device computes both passes of a
    microbatch at once, keeps the activations of one, and waits for none: there is no bubble once the first microbatch
    has reached the last device. While devices work on batches that follow each other, the first is K - 1 steps ahead of
    the last. Nothing that they compute with is old: each chunk takes in batch t as made by parameters after t steps, so
    that iterates are those of one device that trains all chunks. There are `devices / chunks` such chains, which
    average gradients.

    Attributes:
        chunks: K; with one block each that is greedy local training.

    Raises:
        ValueError: for fewer than two chunks.

    Example:
        >>> from istsim import costs
        >>> cluster, training = costs.Cluster(4, memory=2**34), costs.Training()
        >>> cost = costs.LocalParallel(chunks=4).cost(costs.named("resnet18"), cluster, training)
        >>> cost.bubble, cost.ahead
        (0.0, 3)
    """

    chunks: int = 2

    name: ClassVar[str] = "local parallel"
    convergence: ClassVar[Convergence] = Convergence(
        "biased",
        "tends to the fixed point of local losses, which is not the minimum of the whole model's; on quadratics "
        "the bias is known, and contraction is no slower than gradient descent's",
        "arXiv 2012.03837",
        ("local-updates-fixed-point", "greedy-eigenvalues"),
    )

    def __post_init__(self):
        super().__post_init__()
        keep_checked(self, positive_int, "chunks")
        if self.chunks == 1:
            raise ValueError("chunks must be at least 2, got 1: that is data parallelism")

    def cost(self, model: ModelSizes, cluster: Cluster, training: Training) -> Cost:
        """What a step costs, once the first microbatch has come to the last device.

        Raises:
            ValueError: for chunks that do not divide the devices, microbatches that do not divide the examples, or more
                chunks than blocks.
        """
        k, size = self.chunks, training.number_bytes
        replicas = replicas_of(cluster, k, "chunks")
        examples = k * training.batch_size
        together = self._at_once(examples)
        cut = [joined(chunk) for chunk in even_chunks(model.local_chain, k)]
        units = cut[:1] + [_alone(chunk) for chunk in cut[1:]]
        heads = [auxiliary_head(model, chunk, after) for chunk, after in itertools.pairwise(cut)]
        units = [joined((unit, head)) for unit, head in zip(units, heads, strict=False)] + units[-1:]
        memories = [memory_of(u.parameters.total, together * u.activations.total, training) for u in units]
        return self._cost(
            cluster,
            memory=max(memories, key=sum),
            traffic=[
                Traffic("send", examples * size * max(c.boundary for c in cut[:-1]), self.microbatches, False),
                all_reduce(max(memory[1] for memory in memories), replicas, calls=1, waited_for=False),
            ],
            flops=examples * max(u.flops.total for u in units),
            ahead=k - 1,
        )


def _alone(chunk: Block) -> Block:
    """A chunk that gives no gradient back, and keeps itself what it takes in."""
    return dataclasses.replace(
        chunk,
        flops=chunk.flops + Amount(-chunk.input_flops),
        activations=chunk.activations + Amount(chunk.input_activations),
    )


def auxiliary_head(model: ModelSizes, chunk: Block, after: Block) -> Block:
    """What makes an answer of the features that a chunk hands on, with the loss.

    For sequences a norm, for images a batch norm, ReLU and the mean over positions; then a linear layer. Norms and the
    linear layer keep what they take in, if the chunk has not kept it, a ReLU what it gives out, and the loss the
    logarithms of probabilities.
    """
    features, outputs, predictions = chunk.features, model.outputs, model.predictions
    if predictions > 1:
        norm, kept = features, 2 * chunk.boundary + predictions
    elif chunk.boundary > features:
        norm, kept = 2 * features, 2 * chunk.boundary + features
    else:
        norm, kept = 0, features
    return Block(
        "head",
        Amount(norm + (features + 1) * outputs),
        flops=Amount(3 * 2 * predictions * features * outputs),
        activations=Amount(kept - after.input_activations + predictions * outputs),
    )
