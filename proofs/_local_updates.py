"""A round of local updates, of any mode, and numbers for its letters."""

import numpy as np
import sympy as sp
from _models import instance, known, problem

import istsim
from istsim.derivations import Proof, matrix, vector
from istsim.theorems import _local_updates

gamma = sp.Symbol("gamma")
# What the blocks see of Lbar, each entry as often as it is seen, and how many losses each coordinate follows.
T, N = matrix("T"), matrix("N", diagonal=True)
b = vector("bbar", latex=r"\bar b")
x, x0 = vector("x"), vector("x_0")
limit = vector("x_inf", latex=r"x_\infty")
after = x - gamma * (T * x - N * b)

METHODS = [
    istsim.LocalUpdates([1, 2, 1]),
    istsim.LocalUpdates([1, 1, 1, 1], "chunked", window=2),
    istsim.LocalUpdates([1, 1, 2], "overlapping", window=2),
    istsim.LocalUpdates([1, 2, 1], "overlapping", window=2, shared="farthest"),
]


def model(rng, methods=METHODS):
    """Four coordinates in blocks."""
    run = instance(rng, problem(rng, 2, 4, least=1.0), methods[rng.integers(len(methods))], step_size=0.05)
    return known(
        run,
        k=int(rng.integers(4)),
        letters={
            "T": _local_updates.seen(run),
            "N": np.diag(_local_updates.local_updates(run).losses.astype(float)),
            "x_inf": run.fixed_point[:, None],
        },
    )


def one_round(proof: Proof) -> None:
    """What the iterates are."""
    proof.iterates("LocalUpdates", {x: (x0, after)}, premise=True)
