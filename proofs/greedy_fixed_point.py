"""Where greedy local updates stop.

Run: python proofs/greedy_fixed_point.py
"""

from istsim.derivations import Proof, equal, inverse, matrix, vector

T, U = matrix("T"), matrix("U")
L, b = matrix("Lbar", symmetric=True, latex=r"\bar L"), vector("bbar", latex=r"\bar b")
limit, minimizer = vector("x_inf", latex=r"x_\infty"), vector("x_star", latex=r"x_\star")

proof = Proof("greedy-fixed-point")
parts, fixed = proof.premise(
    "greedy LocalUpdates",
    equal(L, T + U),
    equal(T * limit, b),
)
solution = proof.setting("x_star minimizes f", equal(L * minimizer, b))
invertible = proof.cite(
    "a block triangular matrix is invertible if its diagonal blocks are; those of T are positive definite, as Lbar is",
    equal(inverse(T) * T, T**0),
)
bias = proof.identity(
    "T times the bias is U x_star",
    T * (limit - minimizer),
    U * minimizer,
    using=[parts],
    adding=[fixed, solution.times(-1)],
)
found = proof.identity(
    "so the bias is", limit - minimizer, inverse(T) * U * minimizer, using=[invertible], adding=[bias.times(inverse(T))]
)
proof.conclude(found, where={"bias": found.left, "T": T, "U": U, "x_star": minimizer})
