"""What collectives send."""

from __future__ import annotations

import dataclasses

from istsim.costs._cluster import Cluster


@dataclasses.dataclass(frozen=True)
class Traffic:
    """What a device sends in a step by one kind of collective.

    Attributes:
        collective: which: "all-reduce", "all-gather", "reduce-scatter", "send" or "all-to-all".
        sent: bytes.
        messages: that follow each other.
        waited_for: whether computing waits for it even where sending and computing overlap.

    Example:
        >>> from istsim.costs import Cluster, Traffic
        >>> Traffic("send", 1e9, 10, False).seconds(Cluster(2, 1e9, bandwidth=1e9, latency=0.01))
        1.1
    """

    collective: str
    sent: float
    messages: float
    waited_for: bool

    def seconds(self, cluster: Cluster) -> float:
        """A latency for each message, and the bytes by the bandwidth: Hockney's model (Parallel Comput. 20, 1994)."""
        return self.messages * cluster.latency + self.sent / cluster.bandwidth


def all_reduce(size: float, over: int, *, calls: float, waited_for: bool) -> Traffic:
    """Sums of `size` bytes that all of `over` devices get, in a ring.

    A ring passes 1/n of them on 2 (n - 1) times, which is the least that can be sent (Patarasuk and Yuan, J. Parallel
    Distrib. Comput. 69, 2009).

    Args:
        size: bytes.
        over: devices.
        calls: in how many parts, one after the other.
        waited_for: whether computing waits for it.
    """
    turns = 2 * (over - 1)
    return Traffic("all-reduce", turns / over * size, turns * calls, waited_for)


def all_gather(size: float, over: int, *, calls: float, waited_for: bool) -> Traffic:
    """`size` bytes, of which each device has a share, for all: a ring passes 1/n of them on n - 1 times."""
    return Traffic("all-gather", (over - 1) / over * size, (over - 1) * calls, waited_for)


def reduce_scatter(size: float, over: int, *, calls: float, waited_for: bool, cluster: Cluster) -> Traffic:
    """Sums of `size` bytes, of which each device gets a share: likewise, and by gloo an all-reduce."""
    turns = (over - 1) * (2 if cluster.algorithm == "gloo" else 1)
    return Traffic("reduce-scatter", turns / over * size, turns * calls, waited_for)
