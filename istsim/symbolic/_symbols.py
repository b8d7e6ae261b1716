"""The symbols in which istsim writes its formulas. They carry no assumptions: `expr.subs("n", 4)` works."""

import sympy as sp

n, d, q, k, p, c, m, G, K = sp.symbols("n d q k p c m G K")
alpha, beta, gamma = sp.symbols("alpha beta gamma")
lambda_min, lambda_max, lambda_ = sp.symbols("lambda_min lambda_max lambda")

# Probabilities without a formula: that a worker holds so many given coordinates, that one worker holds some and
# another one others, and that some reporting worker holds a given coordinate.
inclusion = sp.symbols("p_1:5")
joint = {
    (fewer, more, shared): sp.Symbol(f"p_{fewer}_{more}_{shared}")
    for fewer, more in ((1, 1), (1, 2), (2, 2))
    for shared in range(fewer + 1)
}
reported = sp.Symbol("p_m")


def _matrix(name: str) -> sp.MatrixSymbol:
    return sp.MatrixSymbol(name, d, d)


def _vector(name: str) -> sp.MatrixSymbol:
    return sp.MatrixSymbol(name, d, 1)


Lbar, Dbar, LLbar, DLbar, DDbar = map(_matrix, ("Lbar", "Dbar", "LLbar", "DLbar", "DDbar"))
L, D, X, E, T, N = map(_matrix, ("L_i", "D_i", "X", "E", "T", "N"))
bbar, Lbbar, Dbbar, x0 = map(_vector, ("bbar", "Lbbar", "Dbbar", "x_0"))
identity = sp.Identity(d)
