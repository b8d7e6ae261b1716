"""Attempts to make false facts, each refused: by the kernel alone, or, where that cannot know, by the other judge."""

import contextlib

import cheats_of_names
import cheats_of_numbers
import cheats_of_rounds
import cheats_of_terms
import numpy as np
import pytest
import sympy as sp
from cheats import (
    REFUSED,
    WORD_A,
    WORD_B,
    A,
    B,
    L,
    N,
    P,
    R,
    a,
    b,
    c,
    cheats_of,
    e,
    given,
    j,
    k,
    one,
    squares,
    supposed_in,
    with_iterate,
    x,
    y,
)

import istsim
from istsim.derivations import (
    CounterexampleError,
    Kernel,
    Model,
    Origin,
    Polynomial,
    Proof,
    StepFailedError,
    at_most,
    equal,
    expect,
    inverse,
    less,
    matrix,
    trace,
    vector,
)
from istsim.derivations.terms._entries import DiagonalPart
from istsim.derivations.terms._expectation import Entry, Mean
from istsim.derivations.terms._words import Inverse, Letter, Power, Trace
from istsim.theorems._instance import Instance


@pytest.fixture
def kernel():
    return Kernel([j, k])


@pytest.mark.parametrize(
    "name", ["A B", "E_round[B]", "inv(A)", "(A)^(k)", "Diag(A)", "A'", "1", "", "2 A", "-A", "tr(A)"]
)
def test_a_name_of_a_letter_is_not_that_of_something_else(name, kernel):
    with pytest.raises(ValueError, match="a name begins"):
        matrix(name)
    with pytest.raises(ValueError, match="is not a name"):
        given(kernel, equal(Polynomial(("d", "d"), [((Letter(name),), sp.S.One)]), A))
    if name:
        with pytest.raises(ValueError, match="no meaning"):
            given(kernel, equal(sp.Symbol(name), a))


@pytest.mark.parametrize(
    "letter",
    [
        Mean("E_round[B]", symmetric=True, word=WORD_B, source="round"),
        Mean("E_round[B]", symmetric=True, diagonal=True, word=WORD_B, source="round"),
        Mean("E_round[B]", idempotent=True, word=WORD_B, source="round"),
        Mean("E_round[A]", word=WORD_B, source="round"),
        Mean("E_round[B]", sources=frozenset({"past"}), word=WORD_B, source="round"),
        Mean("E_past[B]", word=WORD_B, source="past"),
        Mean("E_round[]", word=(), source="round"),
        Inverse("inv(A)", symmetric=True, of=WORD_A[0]),
        Inverse("inv(A)", of=None),
        Inverse("inv(B)", of=WORD_B[0]),
        DiagonalPart("Diag(A)", of=WORD_A[0]),
        DiagonalPart("Diag(A)", symmetric=True, diagonal=True, idempotent=True, of=WORD_A[0]),
        Power("(A)^(k)", symmetric=True, base=A, exponent=k),
        Power("(A)^(k)", base=L, exponent=k),
        Power("(B)^(k)", base=B, exponent=k),
        type("Other", (Letter,), {})("A"),
    ],
    ids=repr,
)
def test_a_letter_made_of_others_has_the_properties_that_these_give_it(letter, kernel):
    with pytest.raises(ValueError):
        kernel.identity(equal(one(letter), one(letter)))


@pytest.mark.parametrize(
    "build",
    [
        lambda: one(WORD_A[0], ("d", "1")),
        lambda: Polynomial(("d", "d"), [((*WORD_A, next(iter(y.terms))[0]), sp.S.One)]),
        lambda: Trace(next(iter(y.terms))),
        lambda: Trace(next(iter(R.terms))),
        lambda: Entry(next(iter(y.terms))[0], "a", "b"),
        lambda: Entry(WORD_A[0], "a"),
        lambda: type("Other", (Trace,), {})(WORD_A),
    ],
)
def test_terms_built_by_hand_must_fit(build, kernel):
    with pytest.raises(ValueError):
        kernel.identity(equal(build(), build()))


@pytest.mark.parametrize("properties", [{"diagonal": True}, {"idempotent": True}, {"symmetric": True}])
def test_only_square_matrices_have_properties(properties):
    with pytest.raises(ValueError, match="only a square matrix"):
        matrix("M", shape=("d", "m"), **properties)


CHEATS = cheats_of(cheats_of_names, cheats_of_numbers, cheats_of_rounds, cheats_of_terms)


@pytest.mark.parametrize("attempt", CHEATS.values(), ids=CHEATS)
def test_the_kernel_alone_refuses(attempt, kernel, unchecked):
    with pytest.raises(REFUSED) as refusal:
        attempt(kernel)
    assert refusal.type in {*REFUSED, CounterexampleError}


# What is true, and must be made of transposes and of other rounds.


@pytest.mark.parametrize("shape", [("d", "1"), ("d", "d"), ("d", "m")], ids=str)
def test_a_transposed_iterate_becomes_the_transpose_of_what_it_becomes(kernel, shape):
    X, Y = matrix("X", shape=shape, random="past"), matrix("Y", shape=shape)
    C = A if shape[1] == "1" else matrix("C", shape=(shape[1], shape[1]))
    after = A * X if shape[1] == "1" else A * X * C
    kernel.iterate(Origin.SETTING, "a round", k, {X: (Y, after)})
    known = kernel.define("a sequence", equal(e(k), trace(expect(X.T * L * X, "past"))))
    later, start = kernel.next_round(known), kernel.at_start(known)
    assert later.relation.is_same(equal(e(k + 1), trace(expect(after.T * L * after, "past"))))
    assert start.relation.is_same(equal(e(0), trace(Y.T * L * Y)))
    if shape[1] != "1":
        wrong = equal(e(k + 1), trace(expect(C * X.T * A.T * L * A * X * C, "past")))
        assert not later.relation.is_same(wrong)


def test_a_round_averages_over_its_draws_and_over_those_before(kernel):
    with_iterate(kernel, B * x)
    known = kernel.define("a sequence", equal(e(k), squares))
    later = kernel.next_round(known)
    kernel.identity(equal(e(k + 1), trace(expect(B.T * B, "round") * expect(x * x.T, "past"))), using=[later])
    with pytest.raises(ValueError, match="the sides differ by"):
        kernel.identity(
            equal(e(k + 1), expect(x.T * expect(B.T, "round") * expect(B, "round") * x, "past")), using=[later]
        )


def test_a_definition_of_the_round_is_unfolded(kernel):
    with_iterate(kernel)
    number = kernel.define("the round as a number", equal(c, k))
    assert str(kernel.next_round(number)) == "k + 1 = k + 1"
    assert str(kernel.at_start(number)) == "0 = 0"
    with pytest.raises(ValueError, match="shown was"):
        supposed_in(
            kernel,
            at_most(k * c, 0),
            at_most(0, 0),
            lambda at: kernel.inequality(at_most((k + 1) * c, 0), using=[at, number]),
        )


def test_nested_inductions_are_complete_one_by_one(kernel):
    rule, start = given(kernel, at_most(e(k + 1), e(k)), at_most(e(0), 1))
    shown = kernel.induction(
        "so", at_most(e(k), 1), k, start, lambda at: kernel.inequality(at_most(e(k + 1), 1), using=[rule, at])
    )
    assert {ground.origin for ground in shown.hypotheses} == {Origin.SETTING}


# What a proof refuses without a model.


T, U, limit, minimizer = matrix("T"), matrix("U"), vector("x_inf"), vector("x_star")


MEANINGS = {"x_inf": limit, "T": T, "U": U, "x_star": minimizer}


BIAS = equal(limit, minimizer + inverse(T) * U * minimizer)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (MEANINGS | {"x_star": 0 * minimizer}, "must stand for what has a name"),
        (MEANINGS | {"T": T**0}, "must stand for what has a name"),
        (MEANINGS | {"U": T}, "two symbols"),
        (MEANINGS | {"x_star": limit}, "two symbols"),
        (MEANINGS | {"U": T + T**0}, "must stand for what has a name"),
        ({}, "no meaning"),
        (MEANINGS | {"other": A}, "the statement has the symbols"),
        (MEANINGS, "concludes nothing"),
    ],
)
def test_the_symbols_of_a_statement_mean_something_and_different_things(where, message):
    proof = Proof("local-updates-fixed-point")
    shown = proof.setting("so", BIAS)
    with pytest.raises(StepFailedError, match=message):
        proof.conclude(shown, where)
    assert not proof.proved


def test_nothing_is_concluded_from_what_is_assumed_or_supposed(unchecked):
    proof = Proof("local-updates-fixed-point")
    with pytest.raises(StepFailedError, match="not shown: obviously"):
        proof.conclude(proof.assume("obviously", BIAS), MEANINGS)
    proof, kept = Proof("local-updates-fixed-point"), []
    with pytest.raises(StepFailedError, match="shown was"):
        proof.induction(
            "so",
            BIAS,
            k,
            base=proof.setting("so", BIAS),
            step=lambda at: kept.append(at) or proof.identity("other", T, T),
        )
    with pytest.raises(StepFailedError, match="supposed, not shown: so"):
        proof.conclude(kept[0], MEANINGS)
    with pytest.raises(StepFailedError, match="no rule of this kernel"):
        proof.conclude(BIAS, MEANINGS)


def test_a_premise_has_the_text_of_one_of_the_theorems():
    proof = Proof("theorem-1-iterates")
    for text in ("W is invertible", "", "W = 1/2 E[Lbar B + B' Lbar] is positive semidefinite."):
        with pytest.raises(StepFailedError, match="the theorem's premises are"):
            proof.premise(text, at_most(0, L))
        with pytest.raises(StepFailedError, match="the theorem's premises are"):
            proof.iterates(text, {x: (y, A * x)}, premise=True)
        with pytest.raises(StepFailedError, match="the theorem's premises are"):
            proof.uniform_subset(text, P, 1, premise=True)


# What only the judge can refuse: the kernel takes hypotheses as they are.


class Halves(istsim.theorems.Theorem):
    """A number above 0 exceeds its half."""

    name, title, source, kind = "halves", "Halves are smaller", "here", istsim.theorems.Kind.UPPER
    statement = sp.Le(a / 2, a, evaluate=False)
    premises = ()

    def constants(self, instance):
        return {a: instance.step_size}


def model(rng):
    """A symmetric and another matrix, a mask of one of three coordinates, an iterate."""
    problem = istsim.Quadratic(np.eye(3)[None], np.ones((1, 3)))
    instance = Instance.of(problem, istsim.GradientDescent(), step_size=float(rng.uniform(0.1, 1)), rounds=2)
    root = rng.standard_normal((3, 3))
    return Model(
        instance,
        k=int(rng.integers(3)),
        dims={"d": 3},
        outcomes={"round": [1 / 3] * 3},
        letters={
            "A": rng.standard_normal((3, 3)),
            "L": root @ root.T + np.eye(3),
            "P": np.eye(3)[:, :, None] * np.eye(3),
            "y": rng.standard_normal((3, 1)),
        },
        numbers={"b": float(rng.uniform(0, 1))},
    )


@pytest.fixture
def judged():
    return Proof(Halves(), model, naturals=(j, k))


ONLY_THE_JUDGE = {
    "two hypotheses that contradict each other": lambda p: p.setting("both", less(a, b), less(b, a)),
    "a hypothesis that is false": lambda p: p.setting("so", equal(A, L)),
    "a hypothesis that is false in some models": lambda p: p.setting("so", less(a, b)),
    "a strict relation where there is equality": lambda p: p.setting("so", less(a, a + b - b + 0)),
    "a property that a letter does not have": lambda p: p.setting("so", equal(matrix("A", symmetric=True), A * 0 + 1)),
    "a mask of another size": lambda p: p.uniform_subset("two", P, 2),
    "a round that no model has": lambda p: p.setting("late", equal(k, 7)),
    "a false hypothesis that is made to be about the round": lambda p: p.setting("so", less(a * (k + 1), b * (k + 1))),
    "a number for what is defined otherwise": lambda p: p.least("least", c, at_most(0, c * a)),
    "the least number below all": lambda p: p.least_is_at_most(
        "so", b, b - 1, p.setting("so", at_most(b - 1, p.least("least", b, at_most(b, 1)).right))
    ),
    "a letter without a value": lambda p: p.setting("so", equal(N, N + 0 * A)),
    "another meaning of a symbol of the statement": lambda p: p.conclude(
        p.inequality("so", at_most(a / 2, a), using=[p.define("another", equal(a, 2)) and p.setting("a", less(0, a))])
    ),
}


@pytest.mark.parametrize("name", ONLY_THE_JUDGE)
def test_only_the_judge_refuses(name, judged):
    attempt = ONLY_THE_JUDGE[name]
    with pytest.raises(StepFailedError):
        attempt(judged)
    unjudged, concludes = Proof(Halves(), naturals=(j, k)), "of the statement" in name
    with pytest.raises(StepFailedError, match="concludes nothing") if concludes else contextlib.nullcontext():
        attempt(unjudged)


class Grows(Halves):
    """A statement about every round of a run."""

    name, statement = "grows", sp.Le(k * a, k**2 * a, evaluate=False)

    def sequences(self, instance):
        return {k: np.arange(instance.rounds + 1)}


@pytest.mark.parametrize("round_", [equal(k, 0), at_most(k, 1), less(0, k)], ids=str)
def test_only_the_judge_refuses_a_conclusion_about_some_rounds(round_):
    proof = Proof(Grows(), model)
    known = proof.setting("a positive step size, in some rounds", less(0, a), at_most(0, k * (k - 1)), round_)
    shown = proof.inequality("so", at_most(k * a, k**2 * a), using=known)
    with pytest.raises(StepFailedError, match="the theorem is about round"):
        proof.conclude(shown)
    proof = Proof(Grows(), model)
    known = proof.setting("a positive step size", less(0, a), at_most(0, k * (k - 1)))
    proof.conclude(proof.inequality("so", at_most(k * a, k**2 * a), using=known))
    assert proof.proved


def test_the_judge_agrees_with_what_is_true(judged):
    positive = judged.setting("a is positive", less(0, a))
    judged.uniform_subset("one coordinate", P, 1)
    judged.conclude(judged.inequality("its half is smaller", at_most(a / 2, a), using=[positive]))
    assert judged.proved
