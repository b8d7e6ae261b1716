"""A run to be simulated, cut into chunks; an engine gives the chunks one after the other."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float, Int

from istsim._types import Array
from istsim.methods._method import Method
from istsim.problems._quadratic import Quadratic
from istsim.simulation._step_sizes import StepSizes

# Recorded iterates are kept until their metrics are computed in one matrix product; this bounds them.
_CHUNK_BYTES = 4 * 2**20
_CHUNK_RECORDS = 512
# Between chunks there is progress, an interrupt is seen, and a run without finite values ends.
_CHUNK_ROUNDS = 4096

Item = TypeVar("Item")


class Stretch(NamedTuple):
    """The rounds of one chunk.

    Attributes:
        first: the first round.
        end: the one it must not pass.
        stride: the rounds between its records.
        kept: how many records are kept: as many as fit before the end, or none.
    """

    first: int
    end: int
    stride: int
    kept: int


class Chunk(NamedTuple):
    """What an engine gives for a stretch of rounds, or for the start; arrays that may still be being computed.

    Attributes:
        rounds: how many; none for the start.
        kept: how many of the records count, the first ones.
        metrics: by name.
        x: the iterates after it, where it is the last chunk.
    """

    rounds: int
    kept: int
    metrics: dict[str, Float[Array, "record repetition step_size"]]
    x: Float[Any, "repetition step_size d"] | None


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
    """All that decides the numbers of a run."""

    problem: Quadratic
    method: Method
    steps: StepSizes
    key: Array
    repetitions: int
    x0: Float[np.ndarray, " d"]
    rounds: int
    record_every: int

    @property
    def trajectories(self) -> tuple[int, int]:
        """How many there are: (repetitions, step sizes)."""
        return self.repetitions, len(self.steps.sizes)

    @functools.cached_property
    def recorded_rounds(self) -> Int[np.ndarray, " round"]:
        """0, r, 2r, ... and always the last."""
        return np.append(np.arange(0, self.rounds, self.record_every), self.rounds)

    @functools.cached_property
    def records_of_chunk(self) -> int:
        """How many records a chunk has, the last one too: a power of two, so that few lengths are compiled."""
        record = self.repetitions * len(self.steps.sizes) * self.x0.nbytes
        most = max(1, min(_CHUNK_RECORDS, _CHUNK_BYTES // record, _CHUNK_ROUNDS // self.record_every))
        return min(1 << (most.bit_length() - 1), 1 << (len(self.recorded_rounds) - 2).bit_length())

    def stretches(self) -> Iterator[Stretch]:
        """The rounds in order, a chunk at a time."""
        if self.record_every <= _CHUNK_ROUNDS:
            for first in range(0, len(self.recorded_rounds) - 1, self.records_of_chunk):
                kept = min(self.records_of_chunk, len(self.recorded_rounds) - 1 - first)
                yield Stretch(first * self.record_every, self.rounds, self.record_every, kept)
        else:
            # One record takes several chunks, of which only the last is kept.
            for begin, end in itertools.pairwise(self.recorded_rounds.tolist()):
                for first in range(begin, end, _CHUNK_ROUNDS):
                    yield Stretch(first, end, _CHUNK_ROUNDS, int(first + _CHUNK_ROUNDS >= end))

    def rounds_of(self, stretch: Stretch) -> int:
        """How many rounds a stretch has."""
        return min(self.records_of_chunk * stretch.stride, stretch.end - stretch.first)


def one_behind(items: Iterator[Item]) -> Iterator[Item]:
    """Each item once the next has been asked for, so that JAX computes the next while this one is looked at."""
    previous = next(items)
    for item in items:
        yield previous
        previous = item
    yield previous
