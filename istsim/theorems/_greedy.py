"""The setting of greedy local updates."""

from __future__ import annotations

from istsim import verify
from istsim.methods import LocalUpdates, Method
from istsim.theorems._instance import Instance
from istsim.theorems._premises import method_is
from istsim.theorems._theorem import Theorem


class GreedyTheorem(Theorem):
    """Base class of the theorems about local updates in which every block follows its own loss."""

    @property
    def premises(self):
        """Greedy updates."""
        return (method_is("greedy LocalUpdates", _is_greedy, _chunked),)

    def draw(self, draw):
        """Any problem with more than one coordinate, cut into a first block and the rest."""
        problem = draw(verify.strategies.integer_problems())
        first = 1 + draw(verify.strategies.indices(problem.dim - 1))
        method = LocalUpdates([first, problem.dim - first])
        return draw(verify.strategies.instances(problem, method))


def _is_greedy(method: Method) -> bool:
    return isinstance(method, LocalUpdates) and method.mode == "greedy"


def _chunked(instance: Instance) -> Method:
    assert isinstance(instance.method, LocalUpdates)
    return LocalUpdates(instance.method.blocks, "chunked", window=1)
