"""Where local updates stop.

Run: python proofs/local_updates_fixed_point.py
"""

from istsim.derivations import Proof, equal, inverse, matrix, vector

T, U, N = matrix("T"), matrix("U"), matrix("N", diagonal=True)
L, b = matrix("Lbar", symmetric=True, latex=r"\bar L"), vector("bbar", latex=r"\bar b")
limit, minimizer = vector("x_inf", latex=r"x_\infty"), vector("x_star", latex=r"x_\star")

proof = Proof("local-updates-fixed-point")
parts, fixed = proof.premise(
    "LocalUpdates",
    equal(N * L, T + U),
    equal(T * limit, N * b),
)
solution = proof.setting("x_star minimizes f", equal(L * minimizer, b))
invertible = proof.premise("T is invertible", equal(inverse(T) * T, T**0))
bias = proof.identity(
    "T times the bias is U x_star",
    T * (limit - minimizer),
    U * minimizer,
    adding=[fixed, solution.times(-N), parts.times(1, minimizer)],
)
found = proof.identity(
    "so the bias is T^-1 U x_star",
    limit,
    minimizer + inverse(T) * U * minimizer,
    using=[invertible],
    adding=[bias.times(inverse(T))],
)
proof.conclude(found, where={"x_inf": limit, "T": T, "U": U, "x_star": minimizer})
