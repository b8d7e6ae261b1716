from __future__ import annotations

from typing import ClassVar

import numpy as np
import sympy as sp

from istsim.theorems._instance import Instance
from istsim.theorems._local_updates import GreedyTheorem, chunk_of, local_updates
from istsim.theorems._theorem import Kind, rounds_of

q, k = sp.symbols("q k")
block_map, whole_map = sp.MatrixSymbol("A", q, q), sp.MatrixSymbol("P", q, q)


class GreedyRate(GreedyTheorem):
    """Every block of greedy local updates keeps its own rate, that of gradient descent on this block alone.

    What k rounds make of an error in block j is, in that block, what k rounds on the block alone do: what it does to
    later blocks does not come back. So the eigenvalues of `I - gamma T` are those of its diagonal blocks, and the
    slowest block j, of which this is said, sets the rate: the norm of `I - gamma L_jj`. That is least at the step size
    `2 / (smallest + largest)`, of all the blocks' eigenvalues.
    """

    name = "greedy-rate"
    title = "The slowest block sets the rate of greedy local updates"
    kind = Kind.EXACT
    source = "new here"

    notation: ClassVar = {
        whole_map: r"[(I-\gamma\,\mathbb{E}B)^k]_{jj}",
        block_map: r"(I-\gamma\bar L_{jj})",
    }

    @property
    def statement(self):
        """The block of the map of k rounds."""
        return sp.Eq(whole_map, block_map**k, evaluate=False)

    def constants(self, instance):
        """One round of gradient descent on the slowest block."""
        here = _slowest(instance)
        block = instance.Lbar[np.ix_(here, here)]
        return {block_map: np.eye(len(block)) - instance.step_size * block}

    def sequences(self, instance):
        """The block of the powers of the exact engine's map, for k = 0..K."""
        here, ks = _slowest(instance), rounds_of(instance)
        one_round = np.eye(instance.problem.dim) - instance.step_size * instance.mean_operator
        powers = [np.linalg.matrix_power(one_round, rounds) for rounds in ks]
        return {k: ks, whole_map: np.array([power[np.ix_(here, here)] for power in powers])}


def _slowest(instance: Instance) -> np.ndarray:
    """The coordinates of the block on which one round has the largest norm."""
    chunk, L = chunk_of(local_updates(instance)), instance.Lbar
    blocks = [np.flatnonzero(chunk == j) for j in range(chunk[-1] + 1)]
    return max(
        blocks, key=lambda here: np.abs(1 - instance.step_size * np.linalg.eigvalsh(L[np.ix_(here, here)])).max()
    )
