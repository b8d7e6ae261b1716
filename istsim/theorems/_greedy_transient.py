from __future__ import annotations

from typing import ClassVar

import numpy as np
import sympy as sp

from istsim import verify
from istsim.methods import LocalUpdates, Method
from istsim.problems import Quadratic
from istsim.theorems._instance import Instance
from istsim.theorems._local_updates import chunk_of, is_greedy, local_updates
from istsim.theorems._premises import BEYOND, gamma, method_is
from istsim.theorems._theorem import Kind, Premise, Theorem, rounds_of

k, rho, coupling = sp.symbols("k rho ell")
later, first_start, later_start = sp.symbols("later first_start later_start")


class GreedyTransient(Theorem):
    """How far a later block can be thrown back before it settles.

    The earlier block converges as if it were alone, by a factor of at most rho a round; the later one by the same
    factor, but it follows the error of the earlier. So its own error may first grow, about
    `1 / ln(1/rho)` rounds long, and by more the slower the blocks and the stronger their coupling ell. Equality where
    both blocks are one coordinate, with one curvature, negative coupling, steps of at most its inverse, and a start
    beyond the fixed point in both.
    """

    name = "greedy-transient"
    title = "The transient of greedy local updates"
    kind = Kind.UPPER
    source = "new here"

    about_lengths = True
    notation: ClassVar = {
        later: r"\|e_{k,2}\|",
        first_start: r"\|e_{0,1}\|",
        later_start: r"\|e_{0,2}\|",
        rho: r"\max_j\|I-\gamma\bar L_{jj}\|",
        coupling: r"\|\bar L_{21}\|",
    }

    @property
    def statement(self):
        """The error of the later block at round k."""
        return sp.Le(later, rho**k * (later_start + k * gamma * coupling / rho * first_start), evaluate=False)

    @property
    def premises(self):
        """Two blocks or chunks, not both at their fixed points after one round."""
        return (
            method_is(
                "greedy or chunked LocalUpdates, two blocks or chunks",
                _has_two,
                lambda instance: LocalUpdates([instance.problem.dim]),
            ),
            Premise("rho is positive", _at_once, sp.Gt(rho, 0), _isotropic, _nearly_isotropic),
        )

    def draw(self, draw):
        """Any problem with more than one coordinate, cut into a first block and the rest."""
        problem = draw(verify.strategies.integer_problems())
        first = 1 + draw(verify.strategies.indices(problem.dim - 1))
        return draw(verify.strategies.instances(problem, LocalUpdates([first, problem.dim - first])))

    def constants(self, instance):
        """Norms of blocks of Lbar, and of the error at the start."""
        is_later = chunk_of(local_updates(instance)) == 1
        error = instance.x0 - instance.fixed_point
        return {
            gamma: instance.step_size,
            rho: _slowest(instance),
            coupling: float(np.linalg.norm(instance.Lbar[np.ix_(is_later, ~is_later)], 2)),
            first_start: float(np.linalg.norm(error[~is_later])),
            later_start: float(np.linalg.norm(error[is_later])),
        }

    def sequences(self, instance):
        """The run, for k = 0..K."""
        is_later = chunk_of(local_updates(instance)) == 1
        errors = (instance.mean - instance.fixed_point)[:, is_later]
        return {k: rounds_of(instance), later: np.linalg.norm(errors, axis=1)}


def _has_two(method: Method) -> bool:
    return isinstance(method, LocalUpdates) and is_greedy(method) and int(chunk_of(method)[-1]) == 1


def _slowest(instance: Instance) -> float:
    chunk, L = chunk_of(local_updates(instance)), instance.Lbar
    blocks = [np.linalg.eigvalsh(L[np.ix_(chunk == j, chunk == j)]) for j in (0, 1)]
    return float(np.abs(1 - instance.step_size * np.concatenate(blocks)).max())


def _at_once(instance: Instance) -> str:
    return "" if _slowest(instance) > 0 else "both blocks are where they stop after one round"


def _isotropic(instance: Instance) -> Instance:
    """All curvatures 2, and the step size their inverse."""
    d = instance.problem.dim
    return instance.changed(problem=Quadratic(2 * np.eye(d)[None], np.zeros((1, d))), step_size=0.5)


def _nearly_isotropic(instance: Instance) -> Instance:
    return _isotropic(instance).changed(step_size=0.5 * (1 - BEYOND))
