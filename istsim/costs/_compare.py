"""All kinds of parallelism side by side."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable

from istsim._validation import instance_of, positive_int
from istsim.costs._cluster import Cluster, Training
from istsim.costs._data_parallel import DataParallel, FullySharded
from istsim.costs._ist import IndependentSubnetworks
from istsim.costs._local import LocalParallel
from istsim.costs._model import ModelSizes
from istsim.costs._parallelism import Cost, Parallelism
from istsim.costs._pipeline import SCHEDULES, Pipeline
from istsim.costs._sdp import SubnetworkDataParallel
from istsim.costs._tensor_parallel import TensorParallel

SHORT = {"microbatches": "m", "degree": "t", "stages": "p", "chunks": "K", "coverage": "C", "local_steps": "J"}
SHORT |= {"resample_every": "R"}


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What each kind of parallelism costs, in its best setting.

    Attributes:
        model: of which.
        cluster: on which.
        training: which step.
        costs: those that fit into memory first, the fastest first; then the others, the smallest first.
        left_out: why the others cannot be done, by their names.
    """

    model: ModelSizes
    cluster: Cluster
    training: Training
    costs: tuple[Cost, ...]
    left_out: dict[str, str]

    def fits(self, cost: Cost) -> bool:
        """Whether a device has the memory."""
        return cost.memory <= self.cluster.memory

    @property
    def fastest(self) -> Cost | None:
        """Of those that fit; None if none does."""
        return next((cost for cost in self.costs if self.fits(cost)), None)

    def slowdown(self, cost: Cost) -> float | None:
        """How many times the time of the fastest that fits; None if none does."""
        return None if self.fastest is None else cost.seconds / self.fastest.seconds


def compare(
    model: ModelSizes,
    cluster: Cluster,
    training: Training,
    *,
    coverage: float = 0.5,
    local_steps: int = 10,
    microbatches: int | None = None,
    parallelisms: Iterable[Parallelism] | None = None,
) -> Comparison:
    """Each kind of parallelism in its best setting: the fastest that fits, or else the smallest.

    Of two that are equally fast the one with fewer microbatches is better: small ones compute less efficiently, which
    is not in the formulas.

    Args:
        model: its sizes.
        cluster: the devices.
        training: the step.
        coverage: C, of SDP.
        local_steps: of IST.
        microbatches: of all; any number that divides the examples, if None.
        parallelisms: which to compare, each for itself; if None, all kinds with all degrees that divide the devices, of
            which each kind's best stays.

    Raises:
        ValueError: if there are none, if some are no kinds of parallelism, or if none can be done.

    Example:
        >>> from istsim import costs
        >>> cluster = costs.Cluster(8, memory=24 * 2**30)
        >>> found = costs.compare(costs.named("llama-1b"), cluster, costs.Training())
        >>> [cost.name for cost in found.costs if found.fits(cost)][-1]
        'FSDP'
    """
    instance_of("model", model, ModelSizes, "an istsim.costs.ModelSizes, such as istsim.costs.named('llama-1b')")
    instance_of("cluster", cluster, Cluster, "an istsim.costs.Cluster")
    instance_of("training", training, Training, "an istsim.costs.Training")
    name_of = label
    if parallelisms is None:
        parallelisms = settings(cluster.devices, training.batch_size, coverage, local_steps, microbatches)
    else:
        parallelisms, name_of = _checked(parallelisms), lambda one: f"{label(one)} {setting_of(one)}".strip()
    best: dict[str, Cost] = {}
    reasons: dict[str, str] = {}
    for one in parallelisms:
        name = name_of(one)
        try:
            cost = one.cost(model, cluster, training)
        except ValueError as error:
            reasons.setdefault(name, str(error))
            continue
        if name not in best or _order(cost, cluster) < _order(best[name], cluster):
            best[name] = cost
    if not best and not reasons:
        raise ValueError(
            "parallelisms must be at least one kind of parallelism, got none; leave it out for all of them"
        )
    if not best:
        raise ValueError("; ".join(dict.fromkeys(reasons.values())))
    costs = tuple(sorted(best.values(), key=lambda cost: _order(cost, cluster)))
    return Comparison(model, cluster, training, costs, {k: v for k, v in reasons.items() if k not in best})


def settings(
    devices: int, batch_size: int, coverage: float, local_steps: int, microbatches: int | None = None
) -> list[Parallelism]:
    """All kinds of parallelism, with all degrees and microbatches that divide devices and examples."""
    found: list[Parallelism] = []
    for m in _pieces(batch_size, microbatches):
        found += [DataParallel(m), FullySharded(m), IndependentSubnetworks(m, local_steps)]
        found += [SubnetworkDataParallel(m, masking, coverage) for masking in ("forward", "backward")]
    for degree in _divisors(devices)[1:]:
        for m in _pieces(degree * batch_size, microbatches):
            found += [TensorParallel(m, degree), LocalParallel(m, degree)]
            found += [Pipeline(m, degree, schedule) for schedule in SCHEDULES]
    return found


def label(one: Parallelism | Cost) -> str:
    """What tells kinds of parallelism apart: the name, with what is a method of its own."""
    if not isinstance(one, Parallelism | Cost):
        raise ValueError(f"one must be a kind of parallelism or its cost, such as DataParallel(), got {one!r}")
    setting = one.setting
    kind = setting.get("masking") or setting.get("schedule")
    return f"{one.name} {kind}" if kind else one.name


def setting_of(one: Parallelism | Cost) -> str:
    """In short: p=4 m=8."""
    return " ".join(f"{short}={one.setting[name]:g}" for name, short in SHORT.items() if name in one.setting)


def _checked(parallelisms: Iterable[Parallelism]) -> list[Parallelism]:
    several = list(parallelisms) if isinstance(parallelisms, Iterable) else []
    if not isinstance(parallelisms, Iterable) or not all(isinstance(one, Parallelism) for one in several):
        raise ValueError(
            f"parallelisms must be several kinds of parallelism, such as [DataParallel(), Pipeline(stages=2)], got "
            f"{parallelisms!r}"
        )
    return several


def _order(cost: Cost, cluster: Cluster) -> tuple[float, ...]:
    if cost.memory <= cluster.memory:
        return 0, cost.seconds, cost.setting.get("microbatches", 1), cost.memory
    return 1, cost.memory, cost.seconds


def _pieces(examples: int, microbatches: int | None) -> list[int]:
    return _divisors(examples) if microbatches is None else [positive_int("microbatches", microbatches)]


def _divisors(number: int) -> list[int]:
    low = [each for each in range(1, math.isqrt(number) + 1) if number % each == 0]
    return sorted({*low, *(number // each for each in low)})
