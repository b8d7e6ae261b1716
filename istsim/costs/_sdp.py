from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar, Literal

from istsim._validation import finite_number, keep_checked, one_of, positive_int
from istsim.costs._cluster import Cluster, Training
from istsim.costs._model import Amount, ModelSizes
from istsim.costs._parallelism import Convergence, Cost, Parallelism, memory_of, too_few
from istsim.costs._traffic import Traffic

_FORWARD = Convergence(
    "biased",
    "gradients at masked models: tends to another fixed point, the nearer the more workers' parts overlap",
    "arXiv 2507.09029, 2306.16484",
    ("expected-iterate", "overlap-reduces-bias"),
)
_WHOLE = Convergence("exact", "every device holds all: the step of one device with the whole batch", "arXiv 2507.09029")
_BACKWARD = Convergence(
    "unbiased",
    "each gradient is exact, and a mean over the C n holders in place of n workers: 1/C times the variance",
    "arXiv 2507.09029",
    ("gradient-masking-unbiased",),
)


@dataclasses.dataclass(frozen=True)
class SubnetworkDataParallel(Parallelism):
    """Data parallelism in which each hidden unit is on C n of n devices, whose gradients for it are averaged.

    From arXiv 2507.09029; the bytes are those of `istsim.networks`, and the counting is ours. An average over
    h holders takes 2 (h - 1) times its bytes, of all devices together. With forward masking a device has and computes
    what it holds. With backward masking it has and runs the whole model, and only the gradients of what it holds: it
    saves these, their operations, the optimizer's state, and activations that are kept for nothing else; others send
    it what they have trained.

    Attributes:
        masking: "forward" or "backward".
        coverage: C.
        resample_every: steps after which all is dealt anew; None for never.

    Raises:
        ValueError: for a coverage that is no fraction, or another masking.

    Example:
        >>> from istsim import costs
        >>> cluster, training = costs.Cluster(8, memory=2**34), costs.Training()
        >>> halves = costs.SubnetworkDataParallel(masking="forward", coverage=0.5)
        >>> model = costs.named("llama-1b")
        >>> round(halves.cost(model, cluster, training).flops / (8 * model.flops), 2)
        0.52
    """

    masking: Literal["forward", "backward"] = "forward"
    coverage: float = 0.5
    resample_every: int | None = None

    name: ClassVar[str] = "SDP"

    def __post_init__(self):
        super().__post_init__()
        one_of("masking", self.masking, ("forward", "backward"))
        keep_checked(self, finite_number, "coverage")
        if not 0 < self.coverage <= 1:
            raise ValueError(f"coverage must be a fraction above 0, at most 1, got {self.coverage!r}")
        if self.resample_every is not None:
            keep_checked(self, positive_int, "resample_every")

    @property
    def convergence(self) -> Convergence:  # type: ignore[override]
        """What is known of it. Forward masking is biased, backward masking is not; a coverage of 1 masks nothing."""
        if self.coverage == 1:
            return _WHOLE
        return _FORWARD if self.masking == "forward" else _BACKWARD

    def cost(self, model: ModelSizes, cluster: Cluster, training: Training) -> Cost:
        """What a step costs.

        Raises:
            ValueError: for a coverage that n devices cannot have, a model without hidden units, or microbatches that do
                not divide the examples.
        """
        n, batch, whole = cluster.devices, training.batch_size, model.whole
        holders = self._holders(n)
        if whole.units * holders < n:
            raise ValueError(too_few(model, math.ceil(n / holders)))
        c = holders / n
        together, size = self._at_once(batch), training.number_bytes
        forward = self.masking == "forward"
        held, everything = whole.parameters.at(c), whole.parameters.total
        kept, flops = whole.activations.at(c), whole.flops.at(c)
        if not forward:
            kept = whole.activations.total - _left_out(whole.weight_activations, c)
            flops = whole.flops.total - _left_out(whole.weight_flops, c)
        memory = memory_of(held, together * kept, training)
        if not forward:
            memory = (size * everything, *memory[1:])
        told = 0.0 if forward else size * untold(whole.parameters, n, holders)
        if self.resample_every:
            moving = newly_held(whole.parameters, n, holders)
            told += moving * (training.state_bytes + (size if forward else 0)) / self.resample_every
        return self._cost(
            cluster,
            memory=memory,
            traffic=[
                Traffic("all-to-all", size * averaged(whole.parameters, n, holders), 2 * (n - 1), False),
                Traffic("all-to-all", told, n - 1, True),  # for the next step
            ],
            flops=batch * flops,
        )

    def _holders(self, devices: int) -> int:
        """How many devices hold a unit.

        Raises:
            ValueError: if it is no whole number, or 1 for ever.
        """
        holders = round(self.coverage * devices)
        least = min(2, devices) if self.resample_every is None else 1
        if holders < least or abs(self.coverage * devices - holders) > 1e-3:  # thirds are written with a few digits
            choices = ", ".join(f"{copies / devices:g}" for copies in range(least, devices + 1))
            raise ValueError(
                f"a coverage of {self.coverage} cannot be had on {devices} devices; they can have {choices}"
            )
        return holders

    @property
    def setting(self) -> dict[str, Any]:
        """Its choices, also a coverage of 1."""
        return super().setting | {"coverage": self.coverage}


def _left_out(amount: Amount, share: float) -> float:
    return amount.total - amount.at(share)


def averaged(entries: Amount, devices: int, holders: int) -> float:
    """Numbers that a device sends on average when each entry's holders average it: 2 (h - 1) for an entry, of all.

    An entry between two layers of units is on those that hold both: with independent draws h is hypergeometric.

    Example:
        >>> from istsim.costs import Amount
        >>> from istsim.costs._sdp import averaged
        >>> averaged(Amount(100), 4, 2), averaged(Amount(0, 100), 4, 2)
        (150.0, 50.0)
    """
    both = holders**2 / devices - (1 - _held_by_none(devices, holders))
    return 2 * ((devices - 1) * entries.whole + (holders - 1) * entries.once + both * entries.twice) / devices


def untold(entries: Amount, devices: int, holders: int) -> float:
    """Numbers that a device sends on average so that all learn what some have trained: n - h for an entry, of all."""
    none = _held_by_none(devices, holders)
    rest = devices * (1 - none) - holders**2 / devices
    return ((devices - holders) * entries.once + rest * entries.twice) / devices


def newly_held(entries: Amount, devices: int, holders: int) -> float:
    """Numbers that come to a device on average when all is dealt anew, since it did not hold them before.

    Entries that no device held come from where they are at home, which is the same device in one of n cases.
    """
    c = holders / devices
    not_here = 1 - c**2 - _held_by_none(devices, holders) / devices
    return c * (1 - c) * entries.once + c**2 * not_here * entries.twice


def _held_by_none(devices: int, holders: int) -> float:
    """The probability that no device holds two units of different layers."""
    return math.comb(devices - holders, holders) / math.comb(devices, holders)
