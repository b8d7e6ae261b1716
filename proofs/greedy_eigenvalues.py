"""Greedy local updates contract at least as fast as gradient descent, each at its best step size.

Run: python proofs/greedy_eigenvalues.py
"""

import sympy as sp

from istsim.derivations import Proof, at_most, equal, less, matrix, vector

rate, radius, smallest, largest, t = sp.symbols("rate rho lambda_min lambda_max t")
L = matrix("Lbar", symmetric=True, latex=r"\bar L")
S, v = matrix("S_j", shape=("d", "q")), vector("v", dim="q")

proof = Proof("greedy-eigenvalues")
extremes = proof.cite(
    "a symmetric matrix lies between its extreme eigenvalues times the identity",
    at_most(smallest * L**0, L),
    at_most(L, largest * L**0),
)
definite = proof.setting("Lbar is positive definite", less(0, smallest))
selected = proof.setting("S_j selects the coordinates of block j", equal(S.T * S, (S.T * S) ** 0))
proof.premise("greedy or chunked LocalUpdates")
eigenvector, unit = proof.cite(
    "the eigenvalues of a block triangular matrix are those of its diagonal blocks; here t, of block j",
    equal(S.T * L * S * v, t * v),
    equal(v.T * v, 1),
)
above, below = (
    proof.inequality(
        f"so t is {side}",
        relation,
        using=[extreme.congruence(S * v), selected, eigenvector, unit],
    )
    for side, relation, extreme in zip(
        ("no smaller", "no larger"), (at_most(smallest, t), at_most(t, largest)), extremes, strict=True
    )
)
step_size = 2 / (smallest + largest)
at_step, is_least = proof.setting(
    "rho is the spectral radius of I - gamma T at the best step size of Lbar, attained at some t; rate is the least",
    equal(radius, abs(1 - step_size * t)),
    at_most(rate, radius),
)
bound = proof.inequality(
    "so rho, and with it rate, is no larger than gradient descent's",
    at_most(rate, (largest - smallest) / (largest + smallest)),
    using=[at_step, is_least, above, below, definite],
)
proof.conclude(bound)
