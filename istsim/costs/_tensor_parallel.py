from __future__ import annotations

import dataclasses
from typing import ClassVar

from istsim._validation import keep_checked, positive_int
from istsim.costs._cluster import Cluster, Training
from istsim.costs._model import ModelSizes
from istsim.costs._parallelism import Convergence, Cost, Parallelism, memory_of, replicas_of, too_few
from istsim.costs._traffic import all_reduce


@dataclasses.dataclass(frozen=True)
class TensorParallel(Parallelism):
    """Each device has a share of every layer's hidden units, and all compute the same examples.

    What the units' consumers give out is added up by an all-reduce in the forward pass, and so is the gradient of what
    their makers take in, in the backward pass: four all-reduces for a transformer block (Shoeybi et al.,
    arXiv 1909.08053, section 3). What is in no unit (embeddings, norms, the last layer) is on every device. There are
    `devices / degree` such groups, each with its own examples; they average gradients.

    Attributes:
        degree: devices that share a layer.

    Raises:
        ValueError: for a degree below 2.

    Example:
        >>> from istsim import costs
        >>> cluster = costs.Cluster(4, memory=2**34)
        >>> cost = costs.TensorParallel(degree=4).cost(costs.named("llama-1b"), cluster, costs.Training())
        >>> cost.traffic[0].messages / 6  # of a ring of 4
        96.0
    """

    degree: int = 2

    name: ClassVar[str] = "tensor parallel"
    convergence: ClassVar[Convergence] = Convergence(
        "exact", "the step of one device with the whole batch", "arXiv 1909.08053"
    )

    def __post_init__(self):
        super().__post_init__()
        keep_checked(self, positive_int, "degree")
        if self.degree == 1:
            raise ValueError("degree must be at least 2, got 1: that is data parallelism")

    def cost(self, model: ModelSizes, cluster: Cluster, training: Training) -> Cost:
        """What a step costs.

        Raises:
            ValueError: for a degree that does not divide the devices, microbatches that do not divide the examples, or
                a model that has not so many units, or weights between two layers of units.
        """
        share, whole = 1 / self.degree, model.whole
        replicas = replicas_of(cluster, self.degree, "degree")
        if whole.units < self.degree:
            raise ValueError(too_few(model, self.degree))
        if whole.parameters.twice:
            raise ValueError(
                f"{model.name} has weights between two layers of hidden units: how to split these is known here for "
                "models in which a layer without units lies between, such as transformers"
            )
        examples, m = self.degree * training.batch_size, self.microbatches
        entries = whole.parameters.at(share)
        memory = memory_of(entries, self._at_once(examples) * whole.activations.at(share), training)
        # As many numbers in the backward pass as in the forward pass, in as many calls.
        sums = 2 * examples * whole.sums * training.number_bytes
        calls = 2 * m * sum(block.sums / block.boundary for block in model.blocks)
        return self._cost(
            cluster,
            memory=memory,
            traffic=[
                all_reduce(sums, self.degree, calls=calls, waited_for=True),
                all_reduce(memory[1], replicas, calls=1, waited_for=False),
            ],
            flops=examples * whole.flops.at(share),
        )
