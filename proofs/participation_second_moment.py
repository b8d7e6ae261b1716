"""The second moment where only some of the workers report.

Run: python proofs/participation_second_moment.py
"""

import itertools

import numpy as np
import sympy as sp
from _models import instance, known, masks, problem

import istsim
from istsim.derivations import Proof, entry, equal, expect, less, matrix

n, m = sp.symbols("n m")
# All B_i, one below the other, have w = n d rows: a block for each worker. The sum of the blocks is J' S.
S, J = matrix("S", shape=("w", "d"), random="round"), matrix("J", shape=("w", "d"))
# The masks of the block of a uniform worker i, and of those of the m workers that report, as r says.
Q = matrix("Q_i", shape=("w", "w"), diagonal=True, idempotent=True, random="worker")
R = matrix("R", shape=("w", "w"), diagonal=True, idempotent=True, random="selection")
r = matrix("r", shape=("n", "n"), diagonal=True, idempotent=True, random="selection")
L, K = matrix("Lbar", symmetric=True, latex=r"\bar L"), matrix("K", shape=("w", "w"), symmetric=True)
some, single, every = (matrix(name) for name in ("T_m", "T_1", "T_n"))


def model(rng):
    """Two or three workers, of which one or more report, that hold one of two coordinates or both."""
    workers = int(rng.integers(2, 4))
    reports = int(rng.integers(1, workers + 1))
    scales = {"forward_scale": float(rng.uniform(0.5, 3)), "gradient_scale": float(rng.uniform(0.5, 3))}
    method = istsim.IST(istsim.RandK(workers, 2, 1), participants=reports, **scales)
    made = problem(rng, workers, 2)
    chances, P = masks(method.sketch)
    each = method.gradient_scale * method.forward_scale * P @ np.asarray(made.L) @ P
    subsets = itertools.combinations(range(workers), reports)
    chosen = np.array([[float(i in subset) for i in range(workers)] for subset in subsets])
    selected, blocks = (held[:, :, None] * np.eye(workers) for held in (chosen, np.eye(workers)))
    return known(
        instance(rng, made, method, step_size=0.1),
        dims={"w": 2 * workers},
        outcomes={"round": chances, "selection": np.full(len(chosen), 1 / len(chosen))},
        letters={
            "S": each.reshape(len(each), 2 * workers, 2),
            "J": np.tile(np.eye(2), (workers, 1)),
            "Q_i": np.kron(blocks, np.eye(2)),
            "R": np.kron(selected, np.eye(2)),
            "r": selected,
        },
    )


def second_moment(B):
    """That of an average of B_i."""
    return expect(B * L * B.T, "round", "selection", "worker")


proof = Proof("participation-second-moment", model)
proof.premise("a method with a sketch for n > 1, merge mean, one local step", less(1, n), less(0, m))
proof.uniform_subset("the workers that report are a uniform subset", r, m)
one = proof.chance("so one worker is among them", r, "i")
two = proof.chance("or two given ones", r, "i", "j")
owned, held, together = proof.setting(
    "every row belongs to one worker: it is held where that one reports, together with another row where both report, "
    "which is where that one does if they are of the same block",
    equal(expect(entry(Q, "a", "a"), "worker"), 1 / n),
    equal(expect(entry(R, "a", "a"), "selection"), one.left),
    equal(
        expect(entry(R, "a", "a") * entry(R, "b", "b"), "selection"),
        two.left + n * expect(entry(Q, "a", "a") * entry(Q, "b", "b"), "worker") * (one.left - two.left),
    ),
)

some_is = proof.define("T_m is E[B Lbar B'] where m workers report", equal(some, second_moment(J.T * R * S / m)))
single_is = proof.define("T_1 is that where one of them does", equal(single, second_moment(J.T * Q * S)))
every_is = proof.define("T_n is that where all do", equal(every, second_moment(J.T * S / n)))
K_is = proof.define("K holds all E[B_i Lbar B_j']", equal(K, expect(S * L * S.T, "round")))
blocks = expect(Q * K * Q, "worker")
pairs = proof.entries(
    "the pairs of reports: some are of different workers, some of the same",
    expect(R * K * R, "selection"),
    two.right * K + (one.right - two.right) * n * blocks,
    using=[owned, held, together, one, two],
)
selected = proof.identity(
    "T_m adds up K over the pairs of reports",
    some,
    J.T * expect(R * K * R, "selection") * J / m**2,
    using=[some_is, K_is],
)
alone = proof.identity(
    "T_1 adds it up over the pairs of the same worker", single, J.T * blocks * J, using=[single_is, K_is]
)
all_of_them = proof.identity("T_n over all pairs", every, J.T * K * J / n**2, using=[every_is, K_is])
found = proof.identity(
    "so T_m lies between the others",
    some,
    every + (n - m) / (m * (n - 1)) * (single - every),
    using=[alone, all_of_them],
    adding=[selected, proof.times(pairs, J.T / m**2, J)],
)
proof.conclude(found, where={"T_m": some, "T_1": single, "T_n": every})
