"""Where local updates stop.

Run: python proofs/local_updates_fixed_point.py
"""

from _local_updates import N, T, after, b, gamma, limit, model, one_round, x

from istsim.derivations import Proof, equal, inverse, matrix, vector

L, U = matrix("Lbar", symmetric=True, latex=r"\bar L"), matrix("U")
minimizer = vector("x_star", latex=r"x_\star")

proof = Proof("local-updates-fixed-point", model)
one_round(proof)
unseen = proof.define("U is what the blocks do not see of Lbar", equal(U, N * L - T))
invertible, right_inverse = proof.premise("T is invertible", equal(inverse(T) * T, T**0), equal(T * inverse(T), T**0))
limit_is = proof.define("x_inf is where T x_inf = N bbar", equal(limit, inverse(T) * N * b))
fixed = proof.identity("there it is", T * limit, N * b, using=[limit_is, right_inverse])
proof.identity(
    "and there a round moves nothing: the error is what it multiplies",
    after - limit,
    (1 - gamma * T) * (x - limit),
    adding=[proof.times(fixed, -gamma)],
)
solution = proof.setting("x_star minimizes f", equal(L * minimizer, b))
both = proof.identity("what is seen and what is not make up Lbar", N * L, T + U, using=[unseen])
bias = proof.identity(
    "so T times the bias is U x_star",
    T * (limit - minimizer),
    U * minimizer,
    adding=[fixed, proof.times(solution, -N), proof.times(both, 1, minimizer)],
)
found = proof.identity(
    "and the bias is T^-1 U x_star",
    limit,
    minimizer + inverse(T) * U * minimizer,
    using=[invertible],
    adding=[proof.times(bias, inverse(T))],
)
proof.conclude(found, where={"x_inf": limit, "T": T, "U": U, "x_star": minimizer})
