"""The symbols in which istsim writes its formulas. They carry no assumptions: `expr.subs("n", 4)` works."""

import sympy as sp

n, d, q, k, p, K = sp.symbols("n d q k p K")
alpha, beta, gamma = sp.symbols("alpha beta gamma")
p1, p2 = sp.symbols("p_1 p_2")

Lbar = sp.MatrixSymbol("Lbar", d, d)
Dbar = sp.MatrixSymbol("Dbar", d, d)
bbar = sp.MatrixSymbol("bbar", d, 1)
x0 = sp.MatrixSymbol("x_0", d, 1)
identity = sp.Identity(d)
