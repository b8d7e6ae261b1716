"""Text of a caller's or a file's is never run as Python: sympy's `sympify` would run it."""

import pytest
import sympy as sp

import istsim
from istsim.derivations import (
    Kernel,
    Relation,
    StepFailedError,
    at_most,
    equal,
    expect,
    holds_for_all,
    less,
    matrix,
    power,
    vector,
)
from istsim.derivations._statement import translate
from istsim.sweeps._expressions import evaluate

A, x, k = matrix("A"), sp.Symbol("x"), sp.Symbol("k")
e = sp.Function("e")
P = matrix("P", diagonal=True, idempotent=True, random="round")
kernel = Kernel([k])
same = kernel.identity(equal(A, A))

GIVEN = {
    "times": lambda text: A * text,
    "times from the left": lambda text: text * A,
    "divided": lambda text: A / text,
    "plus": lambda text: A + text,
    "minus": lambda text: text - A,
    "equal": lambda text: equal(x, text),
    "at_most": lambda text: at_most(text, x),
    "less": lambda text: less(x, text),
    "a relation": lambda text: Relation(x, "=", text),
    "the expectation": lambda text: expect(text, "round"),
    "holds_for_all": lambda text: holds_for_all(Relation(sp.S.Zero, "<=", text), []),
    "a certificate": lambda text: Kernel().loewner(at_most(A * 0, A * 0), [(text, kernel.square(A))]),
    "its coefficient": lambda text: kernel.loewner(at_most(A * 0, A * 0), [(text, kernel.square(A))]),
    "a translation": lambda text: translate(2 * x, {x: text}),
    "a factor": lambda text: kernel.times(same, text),
    "an induction": lambda text: kernel.induction("so", at_most(x, x + 1), text, same, lambda supposed: supposed),
    "a limit": lambda text: kernel.limit("so", x, same, text),
    "a power of a matrix": lambda text: power(A, text),
    "a natural number": lambda text: Kernel([text]),
    "a size": lambda text: Kernel().uniform_subset("so", P, text),
    "a sum": lambda text: Kernel([k]).define_sum("so", e, lambda at: text, k),
    "a definition": lambda text: kernel.define("so", Relation(x, "=", text)),
    "a problem of a sweep": lambda text: evaluate(text, {"RandK": istsim.RandK}),
    "an argument in a sweep": lambda text: evaluate(f"RandK(n={text}, d=3, k=2)", {"RandK": istsim.RandK}),
    "a grid": lambda text: istsim.sweep(
        istsim.Grid(problems=[text], step_sizes=[0.1]), store="never made", progress=False
    ),
}


@pytest.fixture
def trap(tmp_path):
    """Text that leaves a file behind where it is run, and whether it has been."""
    path = tmp_path / "run"
    return f"__import__('pathlib').Path({str(path)!r}).touch()", path.exists


@pytest.mark.parametrize("give", GIVEN.values(), ids=GIVEN)
def test_text_in_the_place_of_numbers_is_refused_and_not_run(give, trap, unchecked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text, was_run = trap
    with pytest.raises((ValueError, StepFailedError)):
        give(text)
    assert not was_run()


def test_the_trap_works(trap):
    text, was_run = trap
    sp.sympify(text)
    assert was_run()


def test_numbers_and_expressions_are_scalars():
    v = vector("v")
    assert (v * 2 - v - v).is_zero
    assert (v * 0.5 * x / x - v / 2).is_zero
    with pytest.raises(ValueError, match=r"a scalar must be a number or a sympy expression, got 'x'; sympy\.Symbol"):
        v * "x"
