"""The setting of local updates: what the blocks see, and greedy and chunked ones in particular."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from istsim import verify
from istsim.methods import GradientDescent, LocalUpdates, Method
from istsim.methods._local_updates import MODES, SHARED
from istsim.theorems._instance import Instance
from istsim.theorems._premises import method_is
from istsim.theorems._theorem import Premise, Theorem


class GreedyTheorem(Theorem):
    """Base class of the theorems about blocks, or chunks of them, that each follow their own loss."""

    @property
    def premises(self):
        """Greedy updates, or chunked ones, which are greedy ones of larger blocks."""
        return (
            method_is(
                "greedy or chunked LocalUpdates",
                is_greedy,
                lambda instance: LocalUpdates([instance.problem.dim], "overlapping", window=1),
            ),
        )

    def draw(self, draw):
        """Any problem, cut in any chunks."""
        return draw_local_updates(draw, MODES[:2])


def is_greedy(method: Method) -> bool:
    """Whether each chunk follows its own loss."""
    return isinstance(method, LocalUpdates) and method.mode in MODES[:2]


def any_local_updates() -> Premise:
    """Of any mode."""
    return method_is("LocalUpdates", lambda method: isinstance(method, LocalUpdates), lambda _: GradientDescent())


def draw_local_updates(draw: Callable[[Any], Any], modes: Sequence[str] = MODES) -> Instance:
    """An instance with two blocks or with single coordinates."""
    problem = draw(verify.strategies.integer_problems())
    first = draw(verify.strategies.indices(problem.dim))
    blocks = [first, problem.dim - first] if first else [1] * problem.dim
    mode = modes[int(draw(verify.strategies.indices(len(modes))))]
    window = None if mode == "greedy" else 1 + draw(verify.strategies.indices(len(blocks)))
    shared = SHARED[draw(verify.strategies.indices(2))] if mode == "overlapping" else SHARED[0]
    return draw(verify.strategies.instances(problem, LocalUpdates(blocks, mode, window=window, shared=shared)))


def local_updates(instance: Instance) -> LocalUpdates:
    """The method, where that it is one is a premise."""
    assert isinstance(instance.method, LocalUpdates)
    return instance.method


def seen(instance: Instance) -> Float[np.ndarray, "d d"]:
    """T: Lbar, each entry as often as it is seen, by the masks."""
    return instance.Lbar * local_updates(instance).mask


def chunk_of(method: LocalUpdates) -> Int[np.ndarray, " d"]:
    """The chunk, from 0, that each coordinate is in, for greedy and chunked updates: each sees more than the last."""
    return np.unique(method.mask.sum(axis=1), return_inverse=True)[1]


def diagonal_blocks(instance: Instance) -> Float[np.ndarray, "d d"]:
    """D: Lbar within the chunks, 0 between them."""
    chunk = chunk_of(local_updates(instance))
    return np.where(chunk[:, None] == chunk, instance.Lbar, 0)
