"""What attempts to make false facts have in common: letters to be made of, and the list of the attempts."""

import sympy as sp

from istsim.derivations import (
    Origin,
    Polynomial,
    expect,
    matrix,
    vector,
)

a, b, c, d, j, k, r, s, gamma = sp.symbols("a b c d j k r s gamma")
e, f, S = (sp.Function(name) for name in "efS")
i = sp.Symbol("i", integer=True)
D = sp.IndexedBase("D")
A, L, N, B = matrix("A"), matrix("L", symmetric=True), matrix("N"), matrix("B", random="round")
P = matrix("P", diagonal=True, idempotent=True, random="round")
R = matrix("R", shape=("d", "m"))
v, y, x = vector("v"), vector("y"), vector("x", random="past")
form, squares = y.T * B * y, expect(x.T * x, "past")
REFUSED = (ValueError, TypeError, AttributeError)


def cheat(attempt):
    """Something that must be refused; it gets a kernel."""
    attempt.is_a_cheat = True
    return attempt


def cheats_of(*modules):
    """The attempts of modules, by what they try."""
    functions = [value for module in modules for value in vars(module).values()]
    return {one.__name__.replace("_", " "): one for one in functions if getattr(one, "is_a_cheat", False)}


def given(kernel, *relations):
    """The relations, as hypotheses."""
    facts = [kernel.assume(Origin.SETTING, "given", relation) for relation in relations]
    return facts[0] if len(facts) == 1 else facts


def with_iterate(kernel, after=None):
    """The iterate x, which starts at y."""
    kernel.iterate(Origin.SETTING, "a round", k, {x: (y, A * x if after is None else after)})
    return kernel


def supposed_in(kernel, claim, base, then):
    """An induction over k from a base that z3 shows."""
    return kernel.induction("so", claim, k, kernel.inequality(base), then)


def one(letter, shape=("d", "d")):
    """The polynomial that is a letter, made by hand."""
    return Polynomial(shape, [((letter,), sp.S.One)])


(WORD_A,), (WORD_B,) = A.terms, B.terms
