from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

from istsim._validation import keep_checked, one_of, positive_int
from istsim.costs._chunks import chunks
from istsim.costs._cluster import Cluster, Training
from istsim.costs._model import Block, ModelSizes, joined
from istsim.costs._parallelism import Convergence, Cost, Parallelism, memory_of, replicas_of
from istsim.costs._traffic import Traffic, all_reduce

SCHEDULES = ("GPipe", "1F1B")


@dataclasses.dataclass(frozen=True)
class Pipeline(Parallelism):
    """Each device has a chunk of consecutive blocks; microbatches go through the chunks one after the other.

    With chunks that take equally long, devices wait for (p - 1) / (m + p - 1) of the time, by either schedule (Huang et
    al., arXiv 1811.06965; Narayanan et al., arXiv 2104.04473, section 2.2). With others, a step of GPipe takes the time
    of one microbatch on all chunks and of the m - 1 others on the slowest one; 1F1B is taken to be no different. GPipe
    keeps the activations of all microbatches, 1F1B in stage i = 0, 1, ... those of at most p - i (arXiv 2104.04473,
    section 2.2). There are `devices / stages` such pipelines, which average gradients.

    Attributes:
        stages: p.
        schedule: "GPipe" or "1F1B".

    Raises:
        ValueError: for fewer than two stages, or another schedule.

    Example:
        >>> from istsim import costs
        >>> cluster, training = costs.Cluster(4, memory=2**34), costs.Training()
        >>> chain = costs.ModelSizes("equal", (costs.Block("a", costs.Amount(5), costs.Amount(1e9), boundary=7),) * 4)
        >>> bubble = costs.Pipeline(stages=4, microbatches=8).cost(chain, cluster, training).bubble
        >>> round(bubble, 3), round(3 / 11, 3)
        (0.273, 0.273)
    """

    stages: int = 2
    schedule: Literal["GPipe", "1F1B"] = "1F1B"

    name: ClassVar[str] = "pipeline"
    convergence: ClassVar[Convergence] = Convergence(
        "exact",
        "the step of one device with the whole batch; batch norms see a microbatch",
        "arXiv 1811.06965, 2104.04473",
    )

    def __post_init__(self):
        super().__post_init__()
        keep_checked(self, positive_int, "stages")
        if self.stages == 1:
            raise ValueError("stages must be at least 2, got 1: that is data parallelism")
        one_of("schedule", self.schedule, SCHEDULES)

    def cut(self, model: ModelSizes) -> list[tuple[Block, ...]]:
        """The blocks of each stage; the first has also what comes before them, the last what comes after.

        Raises:
            ValueError: for more stages than blocks.
        """
        return chunks(model.chain, self.stages)

    def cost(self, model: ModelSizes, cluster: Cluster, training: Training) -> Cost:
        """What a step costs.

        Raises:
            ValueError: for stages that do not divide the devices, microbatches that do not divide the examples, or more
                stages than blocks.
        """
        p, m, size = self.stages, self.microbatches, training.number_bytes
        replicas = replicas_of(cluster, p, "stages")
        examples = p * training.batch_size
        together = self._at_once(examples)
        stages = [joined(chunk) for chunk in self.cut(model)]
        memories = []
        for i, stage in enumerate(stages):
            kept = m if self.schedule == "GPipe" else min(p - i, m)
            memories.append(memory_of(stage.parameters.total, kept * together * stage.activations.total, training))
        # Each stage hands its output on, and gives back the gradient of what it took in.
        handed = [examples * size * stage.boundary for stage in stages[:-1]]
        sent = [Traffic("send", forth, m, False) for forth in (*handed, 0.0)]
        sent = [
            Traffic("send", one.sent + back, one.messages + m * bool(back), False)
            for one, back in zip(sent, (0.0, *handed), strict=True)
        ]
        flops = [together * stage.flops.total for stage in stages]
        slots = sum(flops) + (m - 1) * max(flops)
        gradients = max(memory[1] for memory in memories)
        return self._cost(
            cluster,
            memory=max(memories, key=sum),
            traffic=[
                max(sent, key=lambda one: one.sent),
                all_reduce(gradients, replicas, calls=1, waited_for=False),
            ],
            flops=m * max(flops),
            bubble=1 - m * max(flops) / slots,
        )
