"""Where local updates stop.

Run: python proofs/local_updates_fixed_point.py
"""

from istsim.derivations import Proof, equal, inverse, matrix, vector

T, U, W = matrix("T"), matrix("U"), matrix("W", diagonal=True)
L, b = matrix("Lbar", symmetric=True, latex=r"\bar L"), vector("bbar", latex=r"\bar b")
limit, minimizer = vector("x_inf", latex=r"x_\infty"), vector("x_star", latex=r"x_\star")

proof = Proof("local-updates-fixed-point")
parts, fixed = proof.premise(
    "LocalUpdates",
    equal(L, T + U),
    equal(W * T * limit, W * b),
)
follow = proof.setting("W, how many losses each coordinate follows, has no 0", equal(inverse(W) * W, W**0))
solution = proof.setting("x_star minimizes f", equal(L * minimizer, b))
invertible = proof.premise("T is invertible", equal(inverse(T) * T, T**0))
solved = proof.identity("so T x_inf is bbar", T * limit, b, using=[follow], adding=[fixed.times(inverse(W))])
bias = proof.identity(
    "T times the bias is U x_star",
    T * (limit - minimizer),
    U * minimizer,
    using=[parts],
    adding=[solved, solution.times(-1)],
)
found = proof.identity(
    "so the bias is T^-1 U x_star",
    limit,
    minimizer + inverse(T) * U * minimizer,
    using=[invertible],
    adding=[bias.times(inverse(T))],
)
proof.conclude(found, where={"x_inf": limit, "T": T, "U": U, "x_star": minimizer})
