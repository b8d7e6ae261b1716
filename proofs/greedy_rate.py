"""Every block of greedy local updates keeps its own rate.

Run: python proofs/greedy_rate.py
"""

import sympy as sp

from istsim.derivations import Proof, equal, matrix

k = sp.Symbol("k")
# Of all coordinates (n) those of block j (d) and of the blocks after it (m).
M, S, F = matrix("M", shape=("n", "n")), matrix("S", shape=("n", "d")), matrix("F", shape=("n", "m"))
A, G, H = matrix("A", symmetric=True), matrix("G", shape=("m", "d")), matrix("H", shape=("m", "m"))
V, Y, Z = matrix("V", shape=("n", "d")), matrix("Y"), matrix("Z", shape=("m", "d"))
Y_after = matrix("Y+", latex="Y^+")

proof = Proof("greedy-rate")
in_block = proof.premise(
    "greedy or chunked LocalUpdates",
    equal(M * S, S * A + F * G),
    equal(M * F, F * H),
)
selected = proof.setting(
    "S and F select the coordinates of block j and of later ones; in the premise, M is I - gamma T and A its block j",
    equal(S.T * S, A**0),
    equal(S.T * F, 0 * G.T),
)
errors = proof.invariant(
    "V, what k rounds make of errors in block j, stays in this block and later ones",
    equal(V, S * Y + F * Z),
    start={V: S, Y: A**0, Z: 0 * Z},
    after={V: M * V, Y: A * Y, Z: G * Y + H * Z},
    using=in_block,
)
step = proof.setting("Y+ is Y after another round", equal(Y_after, A * Y))
powers = proof.linear_recurrence("Y is a power", step, Y, A**0, lambda power: power, k)
found = proof.identity("in block j, V is this power", S.T * V, powers.right, using=[errors, *selected], adding=[powers])
proof.conclude(found, where={"P": S.T * V, "A": A})
