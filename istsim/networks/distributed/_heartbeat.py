"""Signs of life, by which those that are left can say who is gone."""

from __future__ import annotations

import threading
import time
from typing import Any

_EVERY = 0.5  # seconds


class Heartbeat:
    """Tells the others, twice a second and from a thread of its own, that this process is alive and how far it is.

    Args:
        store: where all processes can write, for this object alone.
        rank: of this process.
        size: number of processes.
    """

    def __init__(self, store: Any, rank: int, size: int):
        self._store, self._rank, self._size = store, rank, size
        self._lock = threading.Lock()
        self._said, self._beat = 0, 0
        self._known: dict[int, tuple[int, float]] = {}  # of the others, the last beat seen, and when it was first seen
        self._silent: list[int] | None = None
        self._end = threading.Event()
        self._tell()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def say(self, number: int) -> None:
        """How far this process is."""
        self._said = number

    def heard(self) -> dict[int, int]:
        """How far the others are."""
        return {rank: said for rank, (_, said) in self._listen().items()}

    def silent_for(self, seconds: float) -> list[int]:
        """Who has not been heard for so long, of the time since this was first asked; to be asked again and again."""
        now = time.monotonic()
        for rank, (beat, _) in self._listen().items():
            if beat < 0 or self._known.get(rank, (None, 0.0))[0] != beat:
                self._known[rank] = beat, now
        return sorted(rank for rank, (beat, since) in self._known.items() if beat >= 0 and now - since > seconds)

    def silent_now(self) -> list[int]:
        """Who is not heard while one listens for some beats, and has not said that it leaves."""
        if self._silent is None:
            try:
                before = self._listen()
                time.sleep(5 * _EVERY)
                after = self._listen()
                self._silent = sorted(
                    rank for rank, (beat, _) in after.items() if 0 <= beat == before.get(rank, (-1, 0))[0]
                )
            except RuntimeError:  # the store has gone with the process that kept it
                self._silent = []
            self._leave()
        return self._silent

    def stop(self) -> None:
        """Say that this process leaves as it should."""
        self._leave()

    def _leave(self) -> None:
        self._end.set()
        self._thread.join()
        self._beat = -1
        self._tell()

    def _run(self) -> None:
        while not self._end.wait(_EVERY):
            self._beat += 1
            self._tell()

    def _tell(self) -> None:
        try:
            with self._lock:
                self._store.set(f"beat/{self._rank}", f"{self._beat} {self._said}")
        except RuntimeError:
            self._end.set()

    def _listen(self) -> dict[int, tuple[int, int]]:
        found = {}
        with self._lock:
            for rank in range(self._size):
                if rank != self._rank and self._store.check([f"beat/{rank}"]):
                    beat, said = self._store.get(f"beat/{rank}").decode().split()
                    found[rank] = int(beat), int(said)
        return found
