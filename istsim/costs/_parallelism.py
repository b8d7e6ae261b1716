"""What all kinds of parallelism have in common, and what each of them says."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from istsim._validation import keep_checked, positive_int
from istsim.costs._cluster import Cluster, Training
from istsim.costs._model import ModelSizes
from istsim.costs._traffic import Traffic


@dataclasses.dataclass(frozen=True)
class Convergence:
    """What is known of what a kind of parallelism computes, against one device with the whole batch.

    Attributes:
        kind: "exact", the same step up to rounding; "unbiased", a step that is the same on average; "biased", one that
            leads elsewhere.
        known: what is known, in words.
        source: papers.
        theorems: of `istsim.theorems`, by name: what is proved of it on quadratics.
    """

    kind: Literal["exact", "unbiased", "biased"]
    known: str
    source: str
    theorems: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a step costs a device: the one that has most of it, or sends most.

    Attributes:
        name: of the kind of parallelism.
        setting: degrees and other choices.
        parameters: bytes, also those that are there only while they are computed with.
        gradients: bytes.
        optimizer: bytes of its state.
        activations: bytes that forward passes keep for backward passes.
        traffic: what is sent; for IST and SDP on average over devices.
        flops: floating point operations.
        bubble: the fraction of the computing time in which devices wait for each other.
        ahead: steps by which devices may be apart at any one time. What they compute does not depend on it.
        compute_seconds: of a step, with the bubble.
        seconds: of a step.
        convergence: what it does to that.
    """

    name: str
    setting: dict[str, Any]
    parameters: float
    gradients: float
    optimizer: float
    activations: float
    traffic: tuple[Traffic, ...]
    flops: float
    bubble: float
    ahead: int
    compute_seconds: float
    seconds: float
    convergence: Convergence

    @property
    def memory(self) -> float:
        """Bytes of all kinds, though not all are at their fullest at once."""
        return self.parameters + self.gradients + self.optimizer + self.activations

    @property
    def sent(self) -> float:
        """Bytes that the device sends."""
        return sum(one.sent for one in self.traffic)


@dataclasses.dataclass(frozen=True)
class Parallelism(abc.ABC):
    """A way to share a step among devices.

    Attributes:
        microbatches: parts of a device's examples that are computed one after the other, before the optimizer steps.
        name: what it is called.
        convergence: what is known of that.
    """

    microbatches: int = 1

    name: ClassVar[str]
    convergence: ClassVar[Convergence]

    def __post_init__(self):
        keep_checked(self, positive_int, "microbatches")

    @abc.abstractmethod
    def cost(self, model: ModelSizes, cluster: Cluster, training: Training) -> Cost:
        """What a step costs.

        Raises:
            ValueError: where it cannot be done so.
        """

    @property
    def setting(self) -> dict[str, Any]:
        """Its choices, without those that are nothing special."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if getattr(self, field.name) not in (1, None)
        }

    def _at_once(self, examples: int) -> int:
        """Of a device's examples, how many are computed together.

        Raises:
            ValueError: if they cannot be cut so.
        """
        if examples % self.microbatches:
            raise ValueError(f"microbatches must divide the {examples} examples of a device, got {self.microbatches}")
        return examples // self.microbatches

    def _cost(
        self,
        cluster: Cluster,
        *,
        memory: tuple[float, float, float, float],
        traffic: Sequence[Traffic],
        flops: float,
        bubble: float = 0.0,
        ahead: int = 0,
    ) -> Cost:
        """Put together, with the time that it takes."""
        traffic = tuple(one for one in traffic if one.sent > 0)
        computing = flops / cluster.flops / (1 - bubble)
        aside = sum(one.seconds(cluster) for one in traffic if cluster.overlap and not one.waited_for)
        between = sum(one.seconds(cluster) for one in traffic if one.waited_for or not cluster.overlap)
        return Cost(
            self.name,
            self.setting,
            *memory,
            traffic=traffic,
            flops=flops,
            bubble=bubble,
            ahead=ahead,
            compute_seconds=computing,
            seconds=max(computing, aside) + between,
            convergence=self.convergence,
        )


def replicas_of(cluster: Cluster, degree: int, name: str) -> int:
    """How many times a model that is split over `degree` devices is there.

    Raises:
        ValueError: if the devices cannot be shared so.
    """
    if cluster.devices % degree:
        raise ValueError(f"{name} must divide the {cluster.devices} devices, got {degree}")
    return cluster.devices // degree


def too_few(model: ModelSizes, devices: int) -> str:
    """What to say of a model whose hidden units so many devices cannot share."""
    if not model.whole.units:
        return f"{model.name} has no hidden units that are known, which {devices} devices could share"
    return (
        f"each of {devices} devices takes at least one hidden unit of every layer, and {model.name} has a layer with "
        f"{model.whole.units}"
    )


def memory_of(entries: float, activations: float, training: Training) -> tuple[float, float, float, float]:
    """Bytes by kind of a device that holds and trains so many parameters."""
    size = training.number_bytes
    return size * entries, size * entries, training.state_bytes * entries, size * activations
