"""The setting of greedy local updates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from istsim import verify
from istsim.methods import LocalUpdates, Method
from istsim.theorems._instance import Instance
from istsim.theorems._premises import method_is
from istsim.theorems._theorem import Premise


def greedy() -> Premise:
    """Local updates in which every block follows its own loss."""

    def is_greedy(method: Method) -> bool:
        return isinstance(method, LocalUpdates) and method.mode == "greedy"

    def chunked(instance: Instance) -> Method:
        method = instance.method
        assert isinstance(method, LocalUpdates)
        return LocalUpdates(method.blocks, "chunked", window=1)

    return method_is("greedy LocalUpdates", is_greedy, chunked)


def draw_greedy(draw: Callable[[Any], Any]) -> Instance:
    """Any problem with more than one coordinate, cut into a first block and the rest."""
    problem = draw(verify.strategies.integer_problems())
    first = 1 + draw(verify.strategies.indices(problem.dim - 1))
    method = LocalUpdates([first, problem.dim - first])
    return draw(verify.strategies.instances(problem, method))
