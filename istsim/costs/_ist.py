from __future__ import annotations

import dataclasses
from typing import ClassVar

from istsim._validation import keep_checked, positive_int
from istsim.costs._cluster import Cluster, Training
from istsim.costs._model import ModelSizes
from istsim.costs._parallelism import Convergence, Cost, Parallelism, memory_of, too_few
from istsim.costs._traffic import Traffic


@dataclasses.dataclass(frozen=True)
class IndependentSubnetworks(Parallelism):
    """Each device trains 1/n of every layer's hidden units alone for some steps; then all are dealt anew.

    Yuan et al., arXiv 1910.02120; the bytes are those of `istsim.networks`, and the counting ours. A weight with units
    along both axes is on a device with probability 1/n^2. After a round, what all hold is averaged at the device where
    it is at home, and goes from there to all: (n - 1)/n of it each way and device. What one device has held stays
    there and goes to who is dealt it: another one in n - 1 of n cases. The optimizer's state travels with it.

    Attributes:
        local_steps: of a round.

    Raises:
        ValueError: for fewer than one.

    Example:
        >>> from istsim import costs
        >>> cluster, training = costs.Cluster(8, memory=2**34), costs.Training()
        >>> one, ten = (costs.IndependentSubnetworks(local_steps=steps) for steps in (1, 10))
        >>> model = costs.named("llama-1b")
        >>> one.cost(model, cluster, training).sent / ten.cost(model, cluster, training).sent
        10.0
    """

    local_steps: int = 10

    name: ClassVar[str] = "IST"
    convergence: ClassVar[Convergence] = Convergence(
        "biased",
        "tends to the fixed point of masked models; away from interpolation the bias stays, however small the step "
        "and however many units there are",
        "arXiv 1910.02120, 2306.16484",
        ("expected-iterate", "perm-q-mean", "theorem-1-iterates"),
    )

    def __post_init__(self):
        super().__post_init__()
        keep_checked(self, positive_int, "local_steps")

    def cost(self, model: ModelSizes, cluster: Cluster, training: Training) -> Cost:
        """What a step costs, the sending of a round shared among its steps.

        Raises:
            ValueError: for a single device, a model with fewer units in a layer than there are devices, or microbatches
                that do not divide the examples.
        """
        n, batch, whole = cluster.devices, training.batch_size, model.whole
        if n == 1:
            raise ValueError("IST takes at least 2 devices, got 1, which has all units: that is data parallelism")
        if whole.units < n:
            raise ValueError(too_few(model, n))
        held = whole.parameters.at(1 / n)
        memory = memory_of(held, self._at_once(batch) * whole.activations.at(1 / n), training)
        traveling = (training.number_bytes + training.state_bytes) * (n - 1) / n
        sent = traveling * (whole.parameters.whole + held) / self.local_steps
        return self._cost(
            cluster,
            memory=memory,
            traffic=[Traffic("all-to-all", sent, 2 * (n - 1) / self.local_steps, True)],
            flops=batch * whole.flops.at(1 / n),
        )
