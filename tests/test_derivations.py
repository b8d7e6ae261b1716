"""The checker checked: normal forms against numbers, and every kind of false step refused."""

import sys

import numpy as np
import pytest
import sympy as sp
from hypothesis import assume, given, settings
from hypothesis import strategies as st

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
    diagonal_of,
    entry,
    equal,
    expect,
    holds_for_all,
    inverse,
    less,
    matrix,
    power,
    reduce,
    run,
    trace,
    vector,
)
from istsim.derivations._judge import _World
from istsim.theorems._instance import Instance

a, b, c, k, gamma = sp.symbols("a b c k gamma")
e, f = sp.Function("e"), sp.Function("f")

# Arrays with axes (round, past, d, d) or (round, past, d, 1); what does not depend on a source has length 1 there.
SIZE, ROUND, PAST = 3, 2, 2
DRAWS = np.random.default_rng(0)
A, L, B, x = matrix("A"), matrix("L", symmetric=True), matrix("B", random="round"), vector("x", random="past")
D, P, y = matrix("D", diagonal=True), matrix("P", diagonal=True, idempotent=True, random="round"), vector("y")
_square = DRAWS.normal(size=(SIZE, SIZE))
ARRAYS = {
    "A": DRAWS.normal(size=(1, 1, SIZE, SIZE)),
    "L": (_square + _square.T)[None, None],
    "B": DRAWS.normal(size=(ROUND, 1, SIZE, SIZE)),
    "D": np.diag(DRAWS.normal(size=SIZE))[None, None],
    "P": np.stack([np.diag([1.0, 0.0, 1.0]), np.diag([0.0, 1.0, 1.0])])[:, None],
    "x": DRAWS.normal(size=(1, PAST, SIZE, 1)),
    "y": DRAWS.normal(size=(1, 1, SIZE, 1)),
}
LETTERS = {"A": A, "L": L, "B": B, "D": D, "P": P, "x": x, "y": y}
NAMED = {
    name: array.reshape(
        [length for length, source in zip(array.shape, ("round", "past"), strict=False) if length > 1]
        + list(array.shape[2:])
    )
    for name, array in ARRAYS.items()
}


@st.composite
def expressions(draw, depth=3):
    """A square matrix twice: as a polynomial, and computed with arrays."""
    kind = draw(
        st.sampled_from(["letter", "outer"] if depth == 0 else ["sum", "product", "transpose", "mean", "letter"])
    )
    if kind == "letter":
        name = draw(st.sampled_from("ALBDP"))
        return LETTERS[name], ARRAYS[name]
    if kind == "outer":
        one, two = draw(st.sampled_from("xy")), draw(st.sampled_from("xy"))
        return LETTERS[one] * LETTERS[two].T, ARRAYS[one] @ ARRAYS[two].swapaxes(-1, -2)
    symbols, numbers = draw(expressions(depth - 1))
    if kind == "transpose":
        return symbols.T, numbers.swapaxes(-1, -2)
    if kind == "mean":
        axis = draw(st.sampled_from([0, 1]))
        assume(_linear(symbols))
        return expect(symbols, ("round", "past")[axis]), numbers.mean(axis=axis, keepdims=True)
    others, more = draw(expressions(depth - 1))
    if kind == "product":
        return symbols * others, numbers @ more
    factor = draw(st.integers(-3, 3))
    return symbols + factor * others, numbers + factor * more


def _linear(polynomial):
    """Whether no coefficient is random, which the normal form of an expectation has no room for."""
    return not any(
        getattr(symbol, "sources", ()) for value in polynomial.terms.values() for symbol in value.free_symbols
    )


class NoTheorem(istsim.theorems.Theorem):
    """Nothing but what the model gives."""

    name, title, source, kind = "none", "None", "here", istsim.theorems.Kind.UPPER
    statement, premises = sp.Le(a, a, evaluate=False), ()

    def constants(self, instance):
        return {}

    def sequences(self, instance):
        return {}


# After one round, there are as many pasts as draws of a round.
RUN = Instance.of(istsim.Quadratic(np.eye(1)[None], np.ones((1, 1))), istsim.GradientDescent(), step_size=1, rounds=1)
WORLD = _World(Model(RUN, k=1, dims={"d": SIZE}, outcomes={"round": [1 / ROUND] * ROUND}, letters=NAMED), NoTheorem())


def values(value):
    """What a polynomial or scalar is at every outcome."""
    here = WORLD.at()
    array = here.polynomial(value) if isinstance(value, Polynomial) else here.scalar(sp.sympify(value))
    full = np.broadcast_to(array, (PAST, ROUND, *array.shape[2:]))
    return [full[j, i] for i in range(ROUND) for j in range(PAST)]


def spread(array):
    full = np.broadcast_to(array, (ROUND, PAST, *array.shape[2:]))
    return [full[i, j] for i in range(ROUND) for j in range(PAST)]


@settings(max_examples=100)
@given(expressions())
def test_a_normal_form_has_the_value_of_what_it_was_made_from(expression):
    symbols, numbers = expression
    np.testing.assert_allclose(values(symbols), spread(numbers), rtol=1e-9, atol=1e-9)


@settings(max_examples=100)
@given(expressions())
def test_a_trace_and_its_mean_have_the_value_of_what_they_were_made_from(expression):
    symbols, numbers = expression
    traces = np.trace(numbers, axis1=-2, axis2=-1)[..., None, None]
    np.testing.assert_allclose(values(trace(symbols)), [t.item() for t in spread(traces)], rtol=1e-9, atol=1e-9)
    assume(_linear(symbols))
    mean = expect(trace(symbols), "round", "past")
    np.testing.assert_allclose(values(mean), traces.mean(), rtol=1e-9, atol=1e-9)


@settings(max_examples=100)
@given(expressions(), expressions(), st.sampled_from(["commute", "symmetric", "separate", "turn", "transpose"]))
def test_two_normal_forms_are_equal_exactly_where_the_values_are(first, second, law):
    (X, x_numbers), (Y, y_numbers) = first, second
    assume(_linear(X) and _linear(Y) and _linear(X * Y))
    difference = {
        "commute": lambda: X * Y - Y * X,
        "symmetric": lambda: X - X.T,
        "separate": lambda: expect(X * Y, "round") - expect(X, "round") * expect(Y, "round"),
        "turn": lambda: trace(X * Y * X.T) - trace(Y * X.T * X),
        "transpose": lambda: trace(X * Y) - trace(X.T * Y),
    }[law]()
    zero = difference.is_zero if isinstance(difference, Polynomial) else difference == 0
    size = np.abs(x_numbers).max() * np.abs(y_numbers).max() * (1 + np.abs(x_numbers).max())
    assert zero == np.allclose(values(difference), 0, atol=1e-9 * size)


TRUE = {
    "traces turn": (trace(A * L * B), trace(B * A * L)),
    "traces transpose": (trace(A * L), trace(L * A.T)),
    "numbers equal their transposes": (y.T * A * x, x.T * A.T * y),
    "numbers move": (x * (y.T * A * y), (y.T * A * y) * x),
    "diagonals commute": (D * P * D, P * D * D),
    "masks are idempotent": (A * P * P, A * P),
    "constants leave expectations": (expect(A * B * L, "round"), A * expect(B, "round") * L),
    "independent factors separate": (
        expect(x.T * B.T * L * B * x, "round", "past"),
        trace(expect(B.T * L * B, "round") * expect(x * x.T, "past")),
    ),
    "the order of expectations does not matter": (
        expect(B * x * x.T * B.T, "round", "past"),
        expect(B * x * x.T * B.T, "past", "round"),
    ),
    "products transpose backwards": ((A * B).T, B.T * A.T),
}
FALSE = {
    "products commute": (A * L, L * A),
    "traces permute": (trace(A * L * B), trace(A * B * L)),
    "every matrix is symmetric": (A.T, A),
    "forms are symmetric": (y.T * A * x, x.T * A * y),
    "every matrix is idempotent": (D * D, D),
    "diagonals commute with all": (D * A, A * D),
    "expectations of products are products": (
        expect(B * L * B.T, "round"),
        expect(B, "round") * L * expect(B.T, "round"),
    ),
    "the mean of a square is the square of the mean": (
        expect(x.T * x, "past"),
        expect(x, "past").T * expect(x, "past"),
    ),
    "random matrices are their means": (B, expect(B, "round")),
    "products transpose forwards": ((A * B).T, A.T * B.T),
}


@pytest.mark.parametrize("name", TRUE)
def test_a_true_identity_has_one_normal_form(name):
    left, right = TRUE[name]
    assert left - right == 0 if not isinstance(left, Polynomial) else (left - right).is_zero
    np.testing.assert_allclose(values(left), values(right), rtol=1e-9)


@pytest.mark.parametrize("name", FALSE)
def test_a_false_identity_has_two_normal_forms(name):
    left, right = FALSE[name]
    assert left - right != 0 if not isinstance(left, Polynomial) else not (left - right).is_zero
    assert not np.allclose(values(left), values(right))
    with pytest.raises(StepFailedError, match="the sides differ by"):
        Proof("scale-equivalence").identity(name, left, right)


def test_an_entry_is_that_of_the_matrix():
    polynomial = P * L * P + D * A.T - diagonal_of(A)
    numbers = values(polynomial)[0]
    place = {"a": 0, "b": 1}
    for at in (("a", "a"), ("a", "b"), ("b", "a")):
        symbolic = entry(polynomial, *at)
        known = {
            symbol: NAMED[symbol.letter.name][(0,) * len(symbol.sources)][tuple(place[index] for index in symbol.at)]
            for symbol in symbolic.free_symbols
        }
        assert float(symbolic.subs(known)) == pytest.approx(numbers[tuple(place[index] for index in at)])


def test_rewriting_reaches_into_traces_and_expectations():
    rules = [equal(B, L), equal(inverse(L) * L, L**0)]
    assert reduce(trace(expect(B.T * A, "round") * inverse(L)), rules) == trace(A)


@settings(max_examples=100)
@given(expressions())
def test_a_trace_taken_anew_has_the_same_value(expression):
    first = trace(expression[0])
    np.testing.assert_allclose(values(reduce(first, [])), values(first), rtol=1e-9, atol=1e-9)


def test_a_mean_moves_round_a_trace():
    X = expect(x * x.T, "past")
    left, right = trace(expect(B * X * B.T, "round") * L), trace(X * expect(B.T * L * B, "round"))
    assert left != right
    assert reduce(left - right, []) == 0
    np.testing.assert_allclose(values(left), values(right), rtol=1e-9)
    # Both means are over rounds: this is another number.
    other = trace(expect(B, "round") * X * expect(B.T, "round") * L)
    assert reduce(other - right, []) != 0
    assert not np.allclose(values(other), values(right))


def test_rewriting_that_never_ends_is_refused():
    with pytest.raises(ValueError, match="go on for ever"):
        reduce(A, [equal(A, A * A)])


@pytest.mark.parametrize("rule", [equal(A + L, D), equal(2 * a * A, D), at_most(A, D), equal(a + b, c)], ids=str)
def test_a_rule_needs_one_product_on_its_left(rule):
    with pytest.raises(ValueError, match=r"left side|only equalities"):
        reduce(A, [rule])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: A * y.T, "equal inner dimensions"),
        (lambda: A + y, "equal shapes"),
        (lambda: y + 1, "only 0 can be added"),
        (lambda: trace(y), "only a square matrix"),
        (lambda: expect((x.T * x) * (B * x), "past"), "both depend on"),
        (lambda: entry(A * L, "a", "b"), "inner coordinates"),
        (lambda: holds_for_all(at_most(A, L)), "between numbers"),
        (lambda: diagonal_of(2 * A), "only a single letter"),
        (lambda: diagonal_of(A + L), "only a single letter"),
        (lambda: diagonal_of(A**0), "only a single letter"),
        (lambda: A**-1, "no meaning here"),
        (lambda: power(B, k), "not random"),
    ],
)
def test_what_has_no_meaning_is_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize(
    ("claim", "given"),
    [
        (at_most(2 * a * b, a**2 + b**2), []),
        (less(a / (a + b), 1), [less(0, a), less(0, b)]),
        (at_most(abs(a + b), abs(a) + abs(b)), []),
        (at_most(a ** (k + 1), a * b), [at_most(a**k, b), at_most(0, a)]),
        (equal(a, b), [at_most(a, b), at_most(b, a)]),
    ],
    ids=str,
)
def test_an_inequality_is_proved_for_all_values(claim, given):
    holds_for_all(claim, given)


@pytest.mark.parametrize(
    ("claim", "given"),
    [
        (less(2 * a * b, a**2 + b**2), []),
        (less(a / (a + b), 1), [less(0, a)]),
        (at_most(a ** (k + 1), a * b), [at_most(a**k, b)]),
        (at_most(e(k), e(k + 1)), []),
    ],
    ids=str,
)
def test_an_inequality_that_fails_somewhere_is_refused_with_where(claim, given):
    with pytest.raises(CounterexampleError, match="fails at"):
        holds_for_all(claim, given)


def test_an_inequality_that_z3_cannot_decide_is_refused(monkeypatch):
    monkeypatch.setattr("istsim.derivations.kernel._reals.RESOURCES", 1)
    with pytest.raises(CounterexampleError, match="undecided"):
        holds_for_all(at_most(2 * a**3 * b, a**6 + b**2))


def test_without_z3_its_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "z3", None)
    with pytest.raises(ImportError, match=r"istsim\[certify\]"):
        holds_for_all(less(0, 1 + a**2))


def test_a_counterexample_is_one():
    with pytest.raises(CounterexampleError, match="a = ") as failure:
        holds_for_all(at_most(a**2, a), [less(0, a)])
    found = sp.Rational(str(failure.value).rpartition("a = ")[2])
    assert found > 0
    assert found**2 > found


@pytest.fixture
def proof():
    return Proof("theorem-1-iterates")


PSD = "W = 1/2 E[Lbar B + B' Lbar] is positive semidefinite"


def test_a_step_may_use_only_what_was_established(proof, unchecked):
    with pytest.raises(StepFailedError, match="no rule of this kernel has made"):
        proof.identity("by hand", A, L, using=[equal(A, L)])
    with pytest.raises(StepFailedError, match="no rule of this kernel has made"):
        proof.inequality("by hand", less(0, a), using=[less(0, a)])
    with pytest.raises(StepFailedError, match="no rule of this kernel has made"):
        proof.loewner("by hand", at_most(0, L), [(1, at_most(0, L))])
    with pytest.raises(StepFailedError, match="no rule of this kernel has made"):
        proof.conclude(at_most(a, b))
    with pytest.raises(StepFailedError, match="no rule of this kernel has made"):
        Proof("theorem-1-iterates").inequality("of another proof", less(0, a), using=[proof.setting("a", less(0, a))])


def test_a_premise_must_be_one_of_the_theorems(proof):
    proof.premise(PSD, at_most(0, L))
    with pytest.raises(StepFailedError, match="the theorem's premises are"):
        proof.premise("W is invertible", at_most(0, L))


@pytest.mark.parametrize(
    "relation",
    [
        equal(L, A),  # used before
        equal(D, A),  # promises a diagonal
        equal(matrix("N", symmetric=True), A),  # promises symmetry
        equal(matrix("N"), B),  # promises what is not random
        equal(matrix("N"), matrix("N") + A),  # by itself
        equal(matrix("N") * A, A),  # not a name alone
        equal(2 * matrix("N"), A),
        equal(a, a + 1),
        equal(a + b, 1),
        at_most(matrix("N"), A),
    ],
    ids=str,
)
def test_a_definition_adds_a_name_and_nothing_else(proof, relation):
    proof.setting("L is positive semidefinite", at_most(0, L))
    with pytest.raises(StepFailedError, match=r"definition|properties|meaning|random|one letter"):
        proof.define("not a definition", relation)
    proof.define("another name is new", equal(matrix("Other"), A * L))


def test_what_is_assumed_proves_nothing():
    proof = Proof("local-updates-fixed-point")
    T, U, limit, minimizer = matrix("T"), matrix("U"), vector("x_inf"), vector("x_star")
    claim = equal(limit, minimizer + inverse(T) * U * minimizer)
    assumed = proof.assume("obviously", claim)
    where = {"x_inf": limit, "T": T, "U": U, "x_star": minimizer}
    with pytest.raises(StepFailedError, match="not shown: obviously"):
        proof.conclude(assumed, where)
    assert not proof.proved
    assert "ASSUMED" in proof.to_markdown()
    granted = Proof("local-updates-fixed-point")
    with pytest.raises(StepFailedError, match="without models"):
        granted.conclude(granted.setting("the same, not assumed", claim), where)


@pytest.mark.parametrize(
    ("relation", "where", "message"),
    [
        (at_most(A, A), {}, "derived was"),
        (
            equal(vector("error"), inverse(A) * L * y),
            {"x_inf": vector("error"), "T": A, "U": L, "x_star": x},
            "the theorem says",
        ),
        (equal(vector("error"), inverse(A) * L * y), {"x_inf": vector("error"), "T": A, "U": L}, "no meaning"),
        (equal(vector("error"), inverse(A) * L * y), {"tea": A}, "has the symbols"),
    ],
)
def test_a_conclusion_must_be_the_theorem(relation, where, message):
    proof = Proof("local-updates-fixed-point")
    shown = proof.setting("something", relation)
    with pytest.raises(StepFailedError, match=message):
        proof.conclude(shown, where)


def test_a_loewner_certificate_must_add_up_with_coefficients_that_are_not_negative(proof):
    smaller = proof.setting("A is at most L", at_most(A, L))
    positive = proof.setting("a is positive", less(0, a))
    proof.loewner("twice", at_most(2 * A, 2 * L), [(2, smaller)])
    proof.loewner("with a", at_most(a * A, a * L + A.T * A), [(a, smaller), (1, proof.square(A))], using=[positive])
    with pytest.raises(StepFailedError, match="the certificate misses"):
        proof.loewner("twice", at_most(2 * A, 3 * L), [(2, smaller)])
    with pytest.raises(StepFailedError, match="fails at"):
        proof.loewner("backwards", at_most(-A, -L), [(-1, smaller)])
    with pytest.raises(StepFailedError, match="fails at"):
        proof.loewner("without the sign of a", at_most(a * A, a * L), [(a, smaller)])


def test_a_recurrence_is_solved_and_what_rsolve_says_is_checked(proof, monkeypatch):
    proof.setting("a factor below 1", less(a, 1))
    step = proof.setting("a recurrence", equal(e(k + 1), a * e(k) + b))
    found = proof.recurrence("its solution", step, e, k)
    numbers = {a: sp.Rational(1, 3), b: 2, e(0): 5}
    value = sp.Integer(5)
    for rounds in range(4):
        assert found.right.subs(numbers).subs(k, rounds) == value
        value = value / 3 + 2
    for wrong, message in (
        (lambda start: a**k * start, "the sides differ by"),
        (lambda start: a**k * (start + 1) + b * (1 - a**k) / (1 - a), "shown was"),
        (lambda start: None, "no closed form"),
    ):
        monkeypatch.setattr(sp, "rsolve", lambda equation, term, initial, wrong=wrong: wrong(initial[e(0)]))
        with pytest.raises(StepFailedError, match=message):
            proof.recurrence("its solution", step, e, k)


def test_a_bound_is_iterated_only_if_it_increases(proof):
    step = proof.setting("a contraction", at_most(e(k + 1), a * e(k)))
    positive = proof.setting("with a factor", at_most(0, a))
    assert str(proof.recurrence("iterated", step, e, k, using=[positive])) == "e(k) <= a**k*e(0)"
    with pytest.raises(StepFailedError, match="fails at"):
        proof.recurrence("iterated without its sign", step, e, k)


def test_a_vector_recurrence_is_checked_at_the_start_and_from_round_to_round(proof):
    mean, start, limit = expect(x, "past"), vector("x_0"), vector("limit")
    proof.iterates("x is an iterate", {x: (start, A * x + limit - A * limit)})

    def solve(closed, start=start):
        return proof.induction(
            "its solution",
            equal(mean, closed(power(A, k))),
            k,
            base=proof.identity("at the start", start, start),
            step=lambda supposed: proof.identity(
                "from round to round",
                expect(A * x + limit - A * limit, "past"),
                closed(A * power(A, k)),
                using=[supposed],
            ),
        )

    solve(lambda power: power * start + (1 - power) * limit)
    with pytest.raises(StepFailedError, match="shown was"):
        solve(lambda power: power * start + (1 - power) * limit, 2 * start)
    with pytest.raises(StepFailedError, match="the sides differ by"):
        solve(lambda power: power * limit - limit + start)
    with pytest.raises(ValueError, match="not random"):
        power(B, k)


def test_an_induction_needs_both_its_parts(proof):
    step = proof.setting("f grows by e", equal(f(k + 1), f(k) + e(k)))
    start = proof.setting("from 0", equal(f(0), 0))
    small = proof.setting("e is at most 1", at_most(e(k), 1))
    proof.induction("f is at most k", at_most(f(k), k), k, using=[step, start, small])
    with pytest.raises(StepFailedError, match=r"f\(0\) <= -1 fails"):
        proof.induction("without its start", at_most(f(k), k - 1), k, using=[step, start, small])
    with pytest.raises(StepFailedError, match=r"f\(k \+ 1\) <= k/2"):
        proof.induction("without its step", at_most(f(k), k / 2), k, using=[step, start, small])
    some = proof.setting("not the first round", less(1, k))
    with pytest.raises(StepFailedError, match="does not hold in every round"):
        proof.induction("not from every round", at_most(f(k), k), k, using=[step, start, small, some])


@pytest.mark.parametrize(("start", "after"), [(2, A), (3, A), (2, L)], ids=str)
def test_an_invariant_needs_both_its_parts(proof, start, after):
    z = vector("z", random="past")
    proof.iterates("both move alike", {x: (y, A * x), z: (start * y, after * z)})

    def invariant():
        return proof.induction(
            "z stays twice x",
            equal(z, 2 * x),
            k,
            base=proof.identity("at the start", start * y, 2 * y),
            step=lambda supposed: proof.identity("then, too", after * z, 2 * A * x, using=[supposed]),
        )

    if (start, after) == (2, A):
        invariant()
    else:
        with pytest.raises(StepFailedError, match="the sides differ by"):
            invariant()


def test_a_limit_needs_ratios_below_1(proof):
    closed = proof.define("a closed form", equal(e(k), a**k * gamma + (a**2) ** k + b))
    inside = proof.setting("|a| < 1", less(-1, a), less(a, 1))
    assert str(proof.limit("its limit", c, closed, k, using=inside)) == "c = b"
    with pytest.raises(StepFailedError, match="has a meaning already"):
        proof.limit("again", c, closed, k, using=inside)
    other = sp.Symbol("other")
    with pytest.raises(StepFailedError, match="fails at"):
        proof.limit("without the ratio", other, closed, k)
    growing = proof.define("another", equal(f(k), a**k + k))
    with pytest.raises(StepFailedError, match="not clear"):
        proof.limit("of what grows", other, growing, k, using=inside)


def test_a_least_number_is_at_most_another_that_does(proof):
    proof.least("a is the least number with L <= a D", a, at_most(L, a * D))
    witness = proof.setting("b is one", at_most(L, b * D))
    assert str(proof.least_is_at_most("so", a, b, witness)) == "a <= b"
    with pytest.raises(StepFailedError, match="is not"):
        proof.least_is_at_most("so", a, 2 * b, witness)


@pytest.mark.parametrize(("size", "held"), [(4, 1), (4, 2), (5, 3)])
def test_a_probability_is_the_share_of_the_draws_of_a_sketch(size, held):
    kernel, dim = Kernel(), sp.Symbol("d")
    kernel.assume(Origin.SETTING, "more than one coordinate", less(1, dim))
    kernel.uniform_subset("so many coordinates", P, held)
    draws, chances = zip(*istsim.RandK(1, size, held).outcomes(), strict=True)
    for names in (["a"], ["a", "b"]):
        together = sum(
            chance * np.asarray(draw)[0, : len(names)].all() for draw, chance in zip(draws, chances, strict=True)
        )
        fact = kernel.chance(P, *names)
        assert fact.left == expect(sp.Mul(*(entry(P, at, at) for at in names)), "round")
        assert float(fact.right.subs(dim, size)) == pytest.approx(float(together))


def test_entries_are_compared_on_and_off_the_diagonal(proof):
    with pytest.raises(StepFailedError, match=r"\('a', 'b'\)"):
        proof.entries("only on the diagonal", diagonal_of(L), L)
    with pytest.raises(StepFailedError, match=r"\('a', 'a'\)"):
        proof.entries("only off it", L - diagonal_of(L), L)
    proof.entries("on both", L, diagonal_of(L) + (L - diagonal_of(L)))


def test_an_identity_may_add_equalities(proof):
    fact = proof.setting("A L = D", equal(A * L, D))
    proof.identity("multiplied", 3 * A * L * A, 3 * D * A, adding=[proof.times(fact, 3, A)])
    with pytest.raises(StepFailedError, match="the sides differ by"):
        proof.identity("multiplied", 3 * A * L * A, 3 * D * A, adding=[proof.times(fact, 2, A)])


def test_a_page_shows_every_step_and_how_it_was_checked(proof):
    positive = proof.setting("a is positive", less(0, a))
    proof.inequality("so is twice a", less(0, 2 * a), using=[positive])
    page = proof.to_markdown()
    assert proof.theorem.latex() in page
    assert "**1.** a is positive (*setting*)\n\n$$\n0 < a\n$$" in page
    assert "**2.** so is twice a (*shown* by the kernel: z3, for all values)" in page


def test_a_script_without_a_conclusion_proves_nothing(tmp_path):
    script = tmp_path / "idle.py"
    script.write_text("from istsim.derivations import Proof\nproof = Proof('theorem-2')\n")
    with pytest.raises(ValueError, match="reaches its conclusion"):
        run(script)
