from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

from istsim.costs._cluster import Cluster, Training
from istsim.costs._model import ModelSizes
from istsim.costs._parallelism import Convergence, Cost, Parallelism, memory_of
from istsim.costs._traffic import Traffic, all_gather, all_reduce, reduce_scatter

BUCKET = 25 * 2**20  # bytes of gradients that torch's DistributedDataParallel sends together
SAME_STEP = "the step of one device with the whole batch"


@dataclasses.dataclass(frozen=True)
class DataParallel(Parallelism):
    """Every device has the whole model and its own examples; gradients are averaged by an all-reduce.

    Li et al., arXiv 2006.15704. Gradients lie in the buckets in which they are sent (`gradient_as_bucket_view`);
    without that they are there twice.

    Example:
        >>> from istsim import costs
        >>> cluster = costs.Cluster(4, memory=2**34)
        >>> cost = costs.DataParallel().cost(costs.named("resnet18"), cluster, costs.Training())
        >>> cost.sent / cost.parameters
        1.5
    """

    name: ClassVar[str] = "data parallel"
    convergence: ClassVar[Convergence] = Convergence("exact", SAME_STEP, "arXiv 2006.15704")

    def cost(self, model: ModelSizes, cluster: Cluster, training: Training) -> Cost:
        """What a step costs."""
        whole, batch = model.whole, training.batch_size
        memory = memory_of(model.parameters, self._at_once(batch) * whole.activations.total, training)
        gradients = memory[1]
        calls = math.ceil(gradients / BUCKET)
        return self._cost(
            cluster,
            memory=memory,
            traffic=[all_reduce(gradients, cluster.devices, calls=calls, waited_for=False)],
            flops=batch * model.flops,
        )


@dataclasses.dataclass(frozen=True)
class FullySharded(Parallelism):
    """Data parallelism in which each device has a share of parameters, gradients and the optimizer's state.

    Blocks are gathered before their forward pass and again before their backward pass, what is in no block once, and
    gradients are reduced to their shares: ZeRO's third stage (Rajbhandari et al., arXiv 1910.02054, section 7), as
    torch's fully_shard does it (Zhao et al., arXiv 2304.11277). Every microbatch does all that anew. One block is
    gathered at a time; to gather the next one ahead takes its memory too.

    Example:
        >>> from istsim import costs
        >>> cluster = costs.Cluster(4, memory=2**34)
        >>> cost = costs.FullySharded().cost(costs.named("llama-1b"), cluster, costs.Training())
        >>> {one.collective: round(one.sent / 2**30, 2) for one in cost.traffic}
        {'all-gather': 7.12, 'reduce-scatter': 3.74}
    """

    name: ClassVar[str] = "FSDP"
    convergence: ClassVar[Convergence] = Convergence("exact", SAME_STEP, "arXiv 1910.02054, 2304.11277")

    def cost(self, model: ModelSizes, cluster: Cluster, training: Training) -> Cost:
        """What a step costs."""
        size, n, batch, m = training.number_bytes, cluster.devices, training.batch_size, self.microbatches
        blocks = [block.parameters.total for block in model.blocks]
        outside = model.outside.parameters.total
        share = memory_of(model.parameters / n, self._at_once(batch) * model.whole.activations.total, training)
        gathered = size * (outside + max(blocks)) if n > 1 else 0
        calls = m * len(blocks)
        once = m * bool(outside)
        traffic: list[Traffic] = [
            all_gather(size * m * (2 * sum(blocks) + outside), n, calls=2 * calls + once, waited_for=False),
            reduce_scatter(size * m * model.parameters, n, calls=calls + once, waited_for=False, cluster=cluster),
        ]
        return self._cost(cluster, memory=(share[0] + gathered, *share[1:]), traffic=traffic, flops=batch * model.flops)
