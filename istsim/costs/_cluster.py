"""The machine, and what a step of training is."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

from istsim._validation import keep_checked, one_of, plain_number, positive_int

ALGORITHMS = ("ring", "gloo")
OPTIMIZERS = ("sgd", "momentum", "adam", "mixed-adam")


@dataclasses.dataclass(frozen=True)
class Cluster:
    """Equal devices, each of which can send to any other.

    Attributes:
        devices: how many.
        memory: bytes of each.
        bandwidth: bytes a second that each can send.
        latency: seconds until a message begins to arrive.
        flops: floating point operations a second that each really reaches.
        algorithm: of collectives: "ring"; or "gloo", which has rings too, but whose reduce-scatter, as torch 2.13 calls
            it, is a whole all-reduce.
        overlap: what nothing waits for is sent while devices compute; else they do one after the other.

    Raises:
        ValueError: for numbers that are not positive, or another algorithm.

    Example:
        >>> from istsim.costs import Cluster
        >>> Cluster(8, memory=24 * 2**30).memory
        25769803776
    """

    devices: int
    memory: float
    bandwidth: float = 12.5e9
    latency: float = 10e-6
    flops: float = 50e12
    algorithm: Literal["ring", "gloo"] = "ring"
    overlap: bool = False

    def __post_init__(self):
        keep_checked(self, positive_int, "devices")
        keep_checked(self, _positive, "memory", "bandwidth", "flops")
        keep_checked(self, plain_number, "latency")
        if self.latency < 0:
            raise ValueError(f"latency must be a number of seconds of at least 0, got {self.latency!r}")
        one_of("algorithm", self.algorithm, ALGORITHMS)


@dataclasses.dataclass(frozen=True)
class Training:
    """What a step of training is. All devices together take `devices * batch_size` examples, however they share them.

    Attributes:
        batch_size: examples of a step for each device there is.
        optimizer: "sgd" keeps nothing, "momentum" a number for each parameter, "adam" two; "mixed-adam" keeps 12 bytes
            for each, its value and both moments in float32, beside a parameter of fewer bytes (Rajbhandari et al.,
            arXiv 1910.02054, section 3.1), so that it takes a `number_bytes` below 4.
        number_bytes: of parameters, gradients, activations and, but for "mixed-adam", the optimizer's state.

    Raises:
        ValueError: for numbers below 1, another optimizer, or "mixed-adam" with parameters in float32.

    Example:
        >>> from istsim.costs import Training
        >>> Training(optimizer="adam").state_bytes, Training(optimizer="mixed-adam", number_bytes=2).state_bytes
        (8, 12)
    """

    batch_size: int = 8
    optimizer: Literal["sgd", "momentum", "adam", "mixed-adam"] = "adam"
    number_bytes: int = 4

    def __post_init__(self):
        keep_checked(self, positive_int, "batch_size", "number_bytes")
        one_of("optimizer", self.optimizer, OPTIMIZERS)
        if self.optimizer == "mixed-adam" and self.number_bytes >= 4:
            raise ValueError(
                "mixed-adam keeps values in float32 beside parameters of fewer bytes: number_bytes must be below 4, "
                f"got {self.number_bytes}; give 2, or the optimizer 'adam'"
            )

    @property
    def state_bytes(self) -> int:
        """Of the optimizer's state for a parameter."""
        numbers = {"sgd": 0, "momentum": 1, "adam": 2}
        return 12 if self.optimizer == "mixed-adam" else numbers[self.optimizer] * self.number_bytes


def _positive(name: str, value: Any) -> Any:
    if isinstance(value, bool) or plain_number(name, value) <= 0:
        raise ValueError(f"{name} must be a positive number, got {value!r}")
    return plain_number(name, value)
