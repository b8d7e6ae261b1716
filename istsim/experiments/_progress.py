"""How far a run has come, and how long the rest takes."""

from __future__ import annotations

import time
from typing import Any


class Progress:
    """A bar over the seconds of a processor that all pieces of work are expected to take.

    The seconds are those of one machine, but the time left is right on others too: it supposes that the rest takes as
    many times its expected seconds as what is done. Of pieces that are under way, what they have come counts as done.

    Args:
        seconds: The expected seconds of all pieces together.
    """

    def __init__(self, seconds: float):
        from tqdm import tqdm

        self._bar = tqdm(
            total=seconds,
            smoothing=0,  # The average since the start, which knows better than the last piece.
            bar_format="{desc}{percentage:3.0f}%|{bar}| {elapsed}, {remaining} left",
        )
        self._done, self._took = 0.0, 0.0
        self._under_way: dict[str, tuple[float, float]] = {}

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: Any) -> None:
        self._bar.close()

    def begin(self, name: str, seconds: float) -> None:
        """A piece of so many expected seconds begins."""
        self._under_way[name] = time.monotonic(), seconds

    def end(self, name: str) -> None:
        """A piece that began has ended."""
        began, seconds = self._under_way.pop(name)
        self._took += time.monotonic() - began
        self.add(name, seconds)

    def add(self, name: str, seconds: float) -> None:
        """Work of so many expected seconds is done."""
        now = time.monotonic()
        self._done += seconds
        slowness = self._took / self._done if self._took else 1.0
        parts = [min(0.9 * expected, (now - began) / slowness) for began, expected in self._under_way.values()]
        self._bar.set_description(name, refresh=False)
        self._bar.n = min(self._done + sum(parts), self._bar.total)
        self._bar.refresh()
