"""Every block of greedy local updates keeps its own rate.

Run: python proofs/greedy_rate.py
"""

import numpy as np
import sympy as sp
from _greedy import L, T
from _greedy import model as any_model
from _local_updates import gamma

from istsim.derivations import Proof, equal, matrix, power
from istsim.theorems import _local_updates
from istsim.theorems._greedy_rate import _slowest

k = sp.Symbol("k")
# They select the coordinates of block j, and those of all earlier blocks.
S, E = matrix("S", shape=("d", "q")), matrix("E", shape=("d", "m"))
A, H = matrix("A", shape=("q", "q"), symmetric=True), matrix("H", shape=("m", "m"))


def model(rng):
    """The slowest block or chunk, where it is not the first."""
    made = any_model(rng)
    chunk = _local_updates.chunk_of(made.instance.method)
    at = chunk[_slowest(made.instance)[0]]
    if at == 0:
        return model(rng)
    S, E = (np.eye(len(chunk))[:, selected] for selected in (chunk == at, chunk < at))
    made.letters.update({"S": S, "E": E})
    made.dims.update({"q": S.shape[1], "m": E.shape[1]})
    return made


proof = Proof("greedy-rate", model)
selected, apart = proof.setting(
    "S and E select the coordinates of block j and of earlier ones", equal(S.T * S, A**0), equal(E.T * S, 0 * E.T * S)
)
in_block, before = proof.premise(
    "greedy or chunked LocalUpdates",
    equal(S.T * T, S.T * L * S * S.T + S.T * L * E * E.T),
    equal(E.T * T, E.T * T * E * E.T),
)
earlier = proof.define("H is what the earlier blocks see", equal(H, E.T * T * E))
alone = proof.define("A is a round on block j alone", equal(A, 1 - gamma * S.T * L * S))
P = power(1 - gamma * T, k)
unmoved = proof.identity(
    "a round takes errors from the earlier blocks to the earlier blocks",
    E.T * (1 - gamma * T),
    (1 - gamma * H) * E.T,
    using=[earlier],
    adding=[proof.times(before, -gamma)],
)
moved = proof.identity(
    "and from them, and from block j, to block j",
    S.T * (1 - gamma * T),
    A * S.T - gamma * S.T * L * E * E.T,
    using=[alone, in_block],
)
nothing = proof.induction(
    "so no number of rounds takes an error in block j to earlier ones",
    equal(E.T * P * S, 0 * E.T * S),
    k,
    base=proof.identity("where there is none at the start", E.T * S, 0 * E.T * S, using=[apart]),
    step=lambda supposed: proof.identity(
        "nor after another round",
        E.T * (1 - gamma * T) * P * S,
        0 * E.T * S,
        using=[supposed],
        adding=[proof.times(unmoved, 1, P * S)],
    ),
)
found = proof.induction(
    "and what they do within block j is a power",
    equal(S.T * P * S, power(A, k)),
    k,
    base=proof.identity("as is none at the start", S.T * S, A**0, using=[selected]),
    step=lambda supposed: proof.identity(
        "and one more after another round",
        S.T * (1 - gamma * T) * P * S,
        A * power(A, k),
        using=[nothing, supposed],
        adding=[proof.times(moved, 1, P * S)],
    ),
)
proof.conclude(found, where={"P": found.left, "A": A})
