"""Greedy local updates contract at least as fast as gradient descent, each at its best step size.

Run: python proofs/greedy_eigenvalues.py
"""

import numpy as np
import sympy as sp
from _greedy import L, T
from _greedy import model as any_model

from istsim.derivations import Proof, at_most, equal, less, matrix, vector
from istsim.theorems import _local_updates

rate, radius, smallest, largest = sp.symbols("rate rho lambda_min lambda_max")
eta, real, imaginary = sp.symbols("eta a b")
# They select the coordinates of a block or chunk, and those of all later ones.
S, F = matrix("S", shape=("d", "q")), matrix("F", shape=("d", "m"))
A = matrix("A", shape=("q", "q"), symmetric=True)
# An eigenvector, real and imaginary part, in this block and in later ones.
u_here, u_later = vector("u_1", dim="q"), vector("u_2", dim="m")
w_here, w_later = vector("w_1", dim="q"), vector("w_2", dim="m")
u, w = S * u_here + F * u_later, S * w_here + F * w_later


def model(rng):
    """The eigenvalue of T at which I - eta T has its spectral radius, if it is not one of the last chunk."""
    made = any_model(rng)
    L, T = made.letters["Lbar"], made.letters["T"]
    chunk = _local_updates.chunk_of(made.instance.method)
    smallest, *_, largest = np.linalg.eigvalsh(L)
    eta = 2 / (smallest + largest)
    found = []
    for at in range(chunk[-1] + 1):
        here = chunk == at
        values, vectors = np.linalg.eigh(L[np.ix_(here, here)])
        found += [(abs(1 - eta * value), at, value, vectors[:, [i]]) for i, value in enumerate(values)]
    radius, at, value, first = max(found, key=lambda each: each[0])
    if at == chunk[-1]:
        return model(rng)
    S, F = (np.eye(len(chunk))[:, selected] for selected in (chunk == at, chunk > at))
    later = np.linalg.solve(value * np.eye(F.shape[1]) - F.T @ T @ F, F.T @ T @ S @ first)
    # An eigenvector times a complex number is another one.
    turn = rng.uniform(0, 2 * np.pi)
    for name, part in (("u", np.cos(turn)), ("w", np.sin(turn))):
        made.letters.update({f"{name}_1": part * first, f"{name}_2": part * later})
    made.letters.update({"S": S, "F": F})
    made.numbers.update({"a": value, "b": 0.0, "rho": radius})
    made.dims.update({"q": S.shape[1], "m": F.shape[1]})
    return made


proof = Proof("greedy-eigenvalues", model)
selected, apart = proof.setting(
    "S selects the coordinates of a block or chunk, F those of all later ones",
    equal(S.T * S, A**0),
    equal(S.T * F, 0 * S.T * F),
)
sees_itself, sees_nothing_later = proof.premise(
    "greedy or chunked LocalUpdates",
    equal(S.T * T * S, S.T * L * S),
    equal(S.T * T * F, 0 * S.T * F),
)
*parts, unit = proof.setting(
    "a + i b is an eigenvalue of T, with the eigenvector u + i w; the block is the first in which that is not 0, and "
    "has length 1",
    equal(T * S * u_here + T * F * u_later, real * u - imaginary * w),
    equal(T * S * w_here + T * F * w_later, imaginary * u + real * w),
    equal(u_here.T * u_here + w_here.T * w_here, 1),
)
block = proof.define("A is what the block sees of itself", equal(A, S.T * L * S))
rules = [selected, apart, sees_itself, sees_nothing_later, block]
of_real, of_imaginary = (
    proof.identity(
        f"in the block, the {name} part of the equation is one of A alone",
        A * v,
        right,
        using=rules,
        adding=[proof.times(part, S.T)],
    )
    for name, v, right, part in (
        ("real", u_here, real * u_here - imaginary * w_here, parts[0]),
        ("imaginary", w_here, imaginary * u_here + real * w_here, parts[1]),
    )
)
no_turn = proof.identity(
    "A is symmetric, so that both parts give the same product",
    imaginary * (u_here.T * u_here + w_here.T * w_here),
    0,
    adding=[proof.times(of_imaginary, -u_here.T), proof.times(of_real, w_here.T)],
)
is_real = proof.inequality("and the eigenvalue is real", equal(imaginary, 0), using=[no_turn, unit])
rayleigh = proof.identity(
    "it is a value of the quadratic form of A",
    real * (u_here.T * u_here + w_here.T * w_here),
    u_here.T * A * u_here + w_here.T * A * w_here,
    adding=[proof.times(of_real, -u_here.T), proof.times(of_imaginary, -w_here.T)],
)
extremes = proof.cite(
    "a symmetric matrix lies between its extreme eigenvalues times the identity",
    at_most(smallest * L**0, L),
    at_most(L, largest * L**0),
)
above, below = (
    proof.inequality(
        f"so it is {side}",
        relation,
        using=[
            proof.congruence(extreme, S * u_here),
            proof.congruence(extreme, S * w_here),
            block,
            selected,
            rayleigh,
            unit,
        ],
    )
    for side, relation, extreme in zip(
        ("no smaller than the smallest of Lbar", "no larger than its largest"),
        (at_most(smallest, real), at_most(real, largest)),
        extremes,
        strict=True,
    )
)
definite = proof.setting("Lbar is positive definite", less(0, smallest))
total = proof.inequality("so both extremes are positive", less(0, smallest + largest), using=[definite, above, below])
best = proof.define("eta is the best step size of gradient descent", equal(eta, 2 / (smallest + largest)))
attained, not_negative, is_least = proof.setting(
    "rho is the spectral radius of I - eta T, attained at some a + i b; rate is the least at any step size",
    equal(radius**2, (1 - eta * real) ** 2 + (eta * imaginary) ** 2),
    at_most(0, radius),
    at_most(rate, radius),
)
worst = (largest - smallest) / (largest + smallest)
slow, fast = (
    proof.inequality(text, relation, using=[best, above, below, total])
    for text, relation in (
        ("the eigenvalue of I - eta T is not above gradient descent's", at_most(1 - eta * real, worst)),
        ("nor below its negative", at_most(-worst, 1 - eta * real)),
    )
)
on_line = proof.inequality(
    "as the eigenvalue is real, its absolute value is rho",
    equal(radius, sp.Abs(1 - eta * real)),
    using=[attained, not_negative, is_real],
)
bound = proof.inequality(
    "so rho, and with it rate, is no larger than gradient descent's",
    at_most(rate, worst),
    using=[is_least, on_line, slow, fast],
)
proof.conclude(bound)
