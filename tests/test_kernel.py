"""Attempts to make false facts, each refused: by the kernel alone, or, where that cannot know, by the other judge."""

import contextlib
import copy
import dataclasses
import pickle

import numpy as np
import pytest
import sympy as sp

import istsim
from istsim.derivations import (
    CounterexampleError,
    Fact,
    Kernel,
    Model,
    Origin,
    Polynomial,
    Proof,
    Relation,
    StepFailedError,
    at_most,
    diagonal_of,
    entry,
    equal,
    expect,
    inverse,
    less,
    matrix,
    power,
    trace,
    vector,
)
from istsim.derivations.kernel._fact import SEAL, Derivation
from istsim.derivations.terms._entries import DiagonalPart
from istsim.derivations.terms._expectation import Entry, Mean
from istsim.derivations.terms._words import Inverse, Letter, Power, Trace
from istsim.theorems._instance import Instance

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
CHEATS = {}


def cheat(attempt):
    """Something that must be refused; it gets a kernel, and what it supposes there as a function."""
    CHEATS[attempt.__name__.replace("_", " ")] = attempt
    return attempt


@pytest.fixture
def kernel():
    return Kernel([j, k])


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


# Facts that no rule has made.


@cheat
def a_relation_for_a_fact(kernel):
    kernel.identity(equal(A, L), using=[equal(A, L)])


@cheat
def a_fact_by_hand(kernel):
    Fact(object(), equal(A, L), frozenset(), Derivation("identity"))


@cheat
def a_fact_by_hand_with_the_seal(kernel):
    kernel.identity(equal(A, L), using=[Fact(SEAL, equal(A, L), frozenset(), Derivation("identity"))])


@cheat
def a_fact_without_its_constructor(kernel):
    fact = object.__new__(Fact)
    object.__setattr__(fact, "relation", equal(A, L))
    object.__setattr__(fact, "hypotheses", frozenset())
    kernel.identity(equal(A, L), using=[fact])


@cheat
def a_fact_copied(kernel):
    copy.copy(kernel.identity(equal(A, A)))


@cheat
def a_fact_copied_deeply(kernel):
    copy.deepcopy(kernel.identity(equal(A, A)))


@cheat
def a_fact_pickled(kernel):
    pickle.dumps(kernel.identity(equal(A, A)))


@cheat
def a_fact_with_another_relation(kernel):
    dataclasses.replace(kernel.identity(equal(A, A)), relation=equal(A, L))


@cheat
def a_fact_changed(kernel):
    kernel.identity(equal(A, A)).relation = equal(A, L)


@cheat
def a_fact_changed_by_force(kernel):
    fact = kernel.identity(equal(A, A))
    object.__setattr__(fact, "relation", equal(A, L))
    kernel.identity(equal(A, L), using=[fact])


@cheat
def a_fact_whose_hypotheses_were_taken_away(kernel):
    fact = given(kernel, equal(A, L))
    object.__setattr__(fact, "hypotheses", frozenset())
    kernel.identity(equal(A, L), using=[fact])


@cheat
def a_fact_whose_terms_are_changed(kernel):
    fact = kernel.identity(equal(A, A))
    fact.right.terms[next(iter(A.terms))] = sp.Integer(2)


@cheat
def a_fact_whose_sides_are_changed(kernel):
    kernel.identity(equal(A, A)).right.terms = L.terms


@cheat
def a_fact_of_another_kernel(kernel):
    kernel.identity(equal(A, L), using=[given(Kernel(), equal(A, L))])


@cheat
def a_copied_kernel(kernel):
    copy.copy(kernel)


@cheat
def a_subclass_of_facts(kernel):
    type("Other", (Fact,), {})


@cheat
def a_subclass_of_relations(kernel):
    liar = type("Liar", (Relation,), {"difference": property(lambda self: self.left * 0)})
    kernel.loewner(liar(A.T * A, "<=", 0 * A), [])


@cheat
def a_subclass_of_polynomials(kernel):
    liar = type("Liar", (Polynomial,), {"T": property(lambda self: -1 * Polynomial.T.fget(self))})
    kernel.square(liar(("d", "d"), A.terms.items()))


@cheat
def a_hypothesis_of_an_origin_with_rules_of_its_own(kernel):
    kernel.assume(Origin.DEFINED, "so", equal(A, L))


@cheat
def a_hypothesis_of_an_unknown_origin(kernel):
    kernel.assume("defined", "so", equal(A, L))


@cheat
def iterates_by_definition(kernel):
    kernel.iterate(Origin.DEFINED, "so", k, {x: (y, A * x)})


# Definitions.


@cheat
def a_definition_of_a_used_letter(kernel):
    given(kernel, at_most(0, L))
    kernel.define("again", equal(L, A + A.T))


@cheat
def a_definition_of_a_used_symbol(kernel):
    given(kernel, less(0, a))
    kernel.define("again", equal(a, -1))


@cheat
def a_definition_of_a_defined_symbol(kernel):
    kernel.define("once", equal(a, 1))
    kernel.define("again", equal(a, 2))


@cheat
def a_definition_of_a_used_dimension(kernel):
    given(kernel, equal(A, L))
    kernel.define("the dimension", equal(d, 7))


@cheat
def a_definition_of_a_later_dimension(kernel):
    kernel.define("a number", equal(d, 7))
    given(kernel, equal(A, L))


@cheat
def a_definition_of_a_used_sequence(kernel):
    given(kernel, less(0, e(0)))
    kernel.define("again", equal(e(k), -1))


@cheat
def a_definition_of_a_sequence_as_a_symbol(kernel):
    given(kernel, less(0, e(0)))
    kernel.define("again", equal(sp.Symbol("e"), 1))


@cheat
def a_definition_of_one_value_of_a_sequence(kernel):
    kernel.define("a value", equal(e(0), 1))


@cheat
def a_definition_of_the_next_value_of_a_sequence(kernel):
    kernel.define("a value", equal(e(k + 1), 1))


@cheat
def a_definition_of_a_natural_number(kernel):
    kernel.define("the round", equal(k, 7))


@cheat
def a_definition_by_itself(kernel):
    kernel.define("itself", equal(a, a + 1))


@cheat
def a_definition_of_a_sequence_by_itself(kernel):
    kernel.define("itself", equal(e(k), e(k + 1) + 1))


@cheat
def a_definition_that_promises_a_diagonal(kernel):
    kernel.define("diagonal", equal(matrix("M", diagonal=True), A))


@cheat
def a_definition_that_promises_symmetry(kernel):
    kernel.define("symmetric", equal(matrix("M", symmetric=True), A))


@cheat
def a_definition_that_promises_idempotence(kernel):
    kernel.define("idempotent", equal(matrix("M", idempotent=True), A))


@cheat
def a_definition_that_forgets_randomness(kernel):
    kernel.define("a mean?", equal(N, B))


@cheat
def a_definition_of_a_number_that_is_random(kernel):
    kernel.define("a number", equal(a, form))


@cheat
def a_definition_of_a_random_letter_with_other_properties(kernel):
    given(kernel, equal(B, A))
    kernel.define("another B", equal(matrix("B"), A))


@cheat
def a_definition_of_an_inequality(kernel):
    kernel.define("at most", at_most(a, b))


@cheat
def a_definition_of_a_product(kernel):
    kernel.define("a product", equal(2 * N, A))


@cheat
def a_definition_of_a_trace(kernel):
    kernel.define("a trace", equal(trace(N), 1))


@cheat
def a_definition_of_a_symbol_with_assumptions(kernel):
    kernel.define("positive", equal(sp.Symbol("p", positive=True), -1))


@cheat
def a_definition_by_an_entry(kernel):
    kernel.define("one entry", equal(c, entry(A, "a", "a")))


@cheat
def a_definition_by_the_mean_of_an_entry(kernel):
    kernel.define("one entry", equal(c, expect(entry(P, "a", "a"), "round")))


@cheat
def a_definition_by_a_number_with_an_index(kernel):
    kernel.define("one of them", equal(c, D[i]))


@cheat
def a_definition_by_a_natural_number(kernel):
    kernel.define("k, as a constant", equal(c, k))


@cheat
def a_definition_by_a_value_of_a_sequence(kernel):
    kernel.define("e(k), as a constant", equal(c, e(k)))


@cheat
def a_definition_by_a_power(kernel):
    kernel.define("a power, as a constant", equal(N, power(A, k)))


@cheat
def a_definition_by_an_iterate_in_another_variable(kernel):
    with_iterate(kernel).define("constant in the round", equal(e(j), squares))


@cheat
def a_sequence_that_hides_what_it_depends_on(kernel):
    kernel.define("in an argument", equal(c, e(trace(A))))


@cheat
def a_sum_with_a_value_of_its_own_at_0(kernel):
    kernel.define_sum("a sum", lambda at: S(at) if at != 0 else sp.S.One, lambda at: at, k)


@cheat
def a_sum_of_what_is_random(kernel):
    kernel.define_sum("a sum", S, lambda at: form, k)


@cheat
def a_sum_of_what_depends_on_another_number(kernel):
    kernel.define_sum("a sum", S, lambda at: j, k)


@cheat
def a_sum_of_itself(kernel):
    kernel.define_sum("a sum", S, lambda at: S(at) + 1, k)


@cheat
def an_index_that_an_average_in_a_sum_hides(kernel):
    kernel.define("a sum", equal(c, sp.Sum(expect(1 / (entry(P, "a", "a") + D[i]), "round"), (i, 0, 3))))


# Signs.


@cheat
def equality_from_a_certificate(kernel):
    kernel.loewner(equal(L, A), [(1, given(kernel, at_most(L, A)))])


@cheat
def strictness_from_a_certificate(kernel):
    kernel.loewner(less(trace(L), trace(A)), [(1, given(kernel, at_most(L, A)))])


@cheat
def strictness_from_z3(kernel):
    kernel.inequality(less(a, b), using=[given(kernel, at_most(a, b))])


@cheat
def a_strict_relation_between_matrices(kernel):
    less(L, A)


@cheat
def a_certificate_with_a_negative_coefficient(kernel):
    kernel.loewner(at_most(-A, -L), [(-1, given(kernel, at_most(L, A)))])


@cheat
def a_certificate_with_a_coefficient_of_unknown_sign(kernel):
    kernel.loewner(at_most(a * L, a * A), [(a, given(kernel, at_most(L, A)))])


@cheat
def a_certificate_with_a_random_coefficient(kernel):
    kernel.loewner(at_most(0 * L, form**2 * L), [(form**2, given(kernel, at_most(0, L)))])


@cheat
def a_certificate_that_is_an_equality(kernel):
    kernel.loewner(at_most(A, L), [(1, given(kernel, equal(A, L)))])


@cheat
def a_certificate_that_does_not_add_up(kernel):
    kernel.loewner(at_most(2 * L, 3 * A), [(2, given(kernel, at_most(L, A)))])


@cheat
def an_inequality_multiplied(kernel):
    kernel.times(given(kernel, at_most(L, A)), -1)


@cheat
def a_congruence_of_an_equality(kernel):
    kernel.congruence(given(kernel, equal(L, A)), v)


@cheat
def a_square_of_a_number(kernel):
    kernel.square(a)


@cheat
def an_inequality_in_an_identity(kernel):
    kernel.identity(equal(a, b), adding=[given(kernel, at_most(a, b))])


@cheat
def an_inequality_that_rewrites(kernel):
    kernel.identity(equal(A, L), using=[given(kernel, at_most(A, L))])


@cheat
def traces_of_compared_matrices_by_z3(kernel):
    kernel.inequality(at_most(trace(A), trace(L)), using=[given(kernel, at_most(A, L))])


# The least number.


@cheat
def the_least_number_by_another_witness(kernel):
    kernel.define_least("least", c, at_most(L, c * A))
    kernel.at_least_the_least(c, 2 * b, given(kernel, at_most(L, b * A)))


@cheat
def the_least_number_by_a_witness_turned_round(kernel):
    kernel.define_least("least", c, at_most(L, c * A))
    kernel.at_least_the_least(c, b, given(kernel, at_most(b * A, L)))


@cheat
def the_least_number_by_itself_less_one(kernel):
    fact = kernel.define_least("least", c, at_most(L, c * A))
    kernel.at_least_the_least(c, c - 1, fact)


@cheat
def the_least_number_that_is_only_a_number(kernel):
    witness = given(kernel, at_most(L, c * A), at_most(L, b * A))[1]
    kernel.at_least_the_least(c, b, witness)


@cheat
def the_least_number_of_a_used_symbol(kernel):
    given(kernel, less(0, c))
    kernel.define_least("least", c, at_most(L, c * A))


@cheat
def the_least_number_with_an_equality(kernel):
    kernel.define_least("least", c, equal(L, c * A))


@cheat
def the_least_number_by_a_random_one(kernel):
    kernel.define_least("least", c, at_most(form, c))
    kernel.at_least_the_least(c, form, kernel.inequality(at_most(form, form)))


@cheat
def the_least_number_by_an_entry(kernel):
    found = entry(A, "a", "a")
    kernel.define_least("least", c, at_most(found, c))
    kernel.at_least_the_least(c, found, kernel.inequality(at_most(found, found)))


@cheat
def the_least_number_by_one_with_an_index(kernel):
    kernel.define_least("least", c, at_most(D[i], c))
    kernel.at_least_the_least(c, D[i], kernel.inequality(at_most(D[i], D[i])))


@cheat
def the_least_number_of_a_round(kernel):
    with_iterate(kernel).define_least("least", c, at_most(squares, c))


@cheat
def the_least_number_of_a_sequence(kernel):
    kernel.define_least("least", c, at_most(e(k), c))


@cheat
def the_least_number_within_a_power(kernel):
    kernel.define_least("least", c, at_most(power(c * A, sp.Integer(2)) * A, c * L))


@cheat
def the_least_number_is_a_natural_one(kernel):
    kernel.define_least("least", k, at_most(L, k * A))


# Division by what may be 0.


@cheat
def a_division_by_what_may_be_0(kernel):
    kernel.times(given(kernel, equal(a * b, a * c)), 1 / a)


@cheat
def a_division_by_what_is_0(kernel):
    kernel.times(given(kernel, equal(a, 0)), 1 / a)


@cheat
def a_multiplication_by_a_power_of_what_is_0(kernel):
    kernel.times(given(kernel, equal(a * b, 0)), 1, a**-1)


@cheat
def a_denominator_that_is_rewritten_to_0(kernel):
    kernel.identity(equal(1 / gamma, 1 / gamma), using=[given(kernel, equal(gamma, 0))])


@cheat
def a_denominator_that_is_0_by_its_roots(kernel):
    zero = (1 + sp.sqrt(2)) ** 2 - 3 - 2 * sp.sqrt(2)
    kernel.times(kernel.identity(equal(zero, 0)), 1 / zero)


@cheat
def a_denominator_that_is_left_to_be_0(kernel):
    kernel.times(kernel.identity(equal(c, c)), sp.Pow(0, -1, evaluate=False))


@cheat
def a_denominator_within_a_mean(kernel):
    chance = expect(1 / entry(P, "a", "a"), "round")
    kernel.identity(equal(chance, chance))


@cheat
def a_denominator_within_a_power_of_a_matrix(kernel):
    kernel.power_commutes(A * (1 / a), k)


@cheat
def a_denominator_that_only_a_local_hypothesis_allows(kernel):
    given(kernel, less(0, k))
    claim = equal(c / (k + 1), c / (k + 1))
    kernel.induction(
        "so", claim, k, kernel.identity(equal(c, c)), lambda at: kernel.identity(equal(c / (k + 2), c / (k + 2)))
    )


@cheat
def a_coefficient_of_a_certificate_over_0(kernel):
    kernel.loewner(at_most(0, L), [(1 / a**2, given(kernel, at_most(0, a**2 * L)))])


@cheat
def z3_on_a_quotient_by_0(kernel):
    kernel.inequality(equal(a / b * b, a / b * b + 0 / b + a / b - a / b))
    kernel.inequality(at_most(0, 1 / a**2))


# Roots and powers.


@cheat
def a_root_of_a_negative_number(kernel):
    kernel.identity(equal(sp.sqrt(-1) ** 2, -1))
    kernel.inequality(at_most(0, sp.sqrt(-2) ** 4))
    kernel.identity(equal(sp.sqrt(-1), sp.sqrt(-1)))


@cheat
def a_root_of_what_may_be_negative(kernel):
    kernel.identity(equal(sp.sqrt(a) * sp.sqrt(a) * sp.sqrt(b), a * sp.sqrt(b)))


@cheat
def a_root_of_a_square_is_its_base(kernel):
    kernel.identity(equal(sp.sqrt(a**2), a))


@cheat
def a_square_that_is_negative_among_complex_numbers(kernel):
    kernel.inequality(less(a**2, 0), using=[given(kernel, equal(a**4, 1))])


@cheat
def a_root_is_not_negative_by_z3(kernel):
    given(kernel, at_most(0, a))
    kernel.inequality(less(0, sp.sqrt(a)))


@cheat
def a_symbol_with_assumptions(kernel):
    given(kernel, equal(sp.Symbol("p", positive=True), a))


@cheat
def a_real_symbol(kernel):
    given(kernel, equal(sp.Symbol("p", real=True), a))


@cheat
def a_positive_sequence(kernel):
    known = given(kernel, equal(s, sp.Function("g", positive=True)(k)))
    kernel.identity(equal(sp.Abs(s), s), using=[known])


@cheat
def a_positive_number_with_an_index(kernel):
    known = given(kernel, equal(s, sp.IndexedBase("D", positive=True)[i]))
    kernel.identity(equal(sp.Abs(s), s), using=[known])


@cheat
def a_symbol_that_matches_everything(kernel):
    given(kernel, equal(sp.Wild("w"), a))


@cheat
def a_dummy_with_the_name_of_a_symbol(kernel):
    given(kernel, equal(sp.Dummy("a"), a))


@cheat
def a_power_of_minus_1_is_1(kernel):
    kernel.inequality(equal((-1) ** k, 1))


@cheat
def a_power_of_minus_1_vanishes(kernel):
    closed = kernel.define("a sequence", equal(e(k), (-1) ** k))
    kernel.limit("its limit", c, closed, k)


@cheat
def a_power_of_0_vanishes_at_0(kernel):
    kernel.identity(equal(sp.Integer(0) ** k, 0))


@cheat
def a_negative_power_of_0(kernel):
    kernel.identity(equal(sp.Integer(0) ** (k - 1) * 0, sp.Integer(0) ** k))
    kernel.identity(equal(a ** (k - 1) * a, a**k), using=[given(kernel, equal(a, 0))])
    kernel.times(kernel.identity(equal(a, a)), a ** (k - 1))


@cheat
def an_exponent_that_is_no_natural_number(kernel):
    kernel.identity(equal(a**b, a**b))


@cheat
def an_exponent_that_is_half_a_natural_number(kernel):
    kernel.identity(equal(a ** (k / 2), a ** (k / 2)))


@cheat
def an_argument_that_is_no_natural_number(kernel):
    given(kernel, equal(e(a), 1))


@cheat
def an_argument_that_is_half_a_natural_number(kernel):
    given(kernel, equal(e(k / 2), 1))


@cheat
def an_argument_before_the_first_round(kernel):
    given(kernel, equal(e(k - 1), 1))


@cheat
def a_number_that_is_rounded(kernel):
    given(kernel, equal(a, sp.Float(0.1)))


@cheat
def a_number_that_is_infinite(kernel):
    given(kernel, less(a, sp.oo))


@cheat
def a_power_of_a_nonsquare_matrix(kernel):
    kernel.power_commutes(R, k)


@cheat
def a_power_that_forgets_randomness(kernel):
    kernel.power_commutes(B, k)


@cheat
def a_power_that_forgets_the_randomness_of_a_coefficient(kernel):
    kernel.define("a number", equal(e(k), trace(power(form * A, k))))


@cheat
def a_power_that_invents_symmetry(kernel):
    kernel.identity(equal(power(A, k), power(A, k).T))


@cheat
def a_power_that_invents_a_diagonal(kernel):
    kernel.identity(equal(power(L, k) * diagonal_of(L), diagonal_of(L) * power(L, k)))


@cheat
def a_power_with_a_real_exponent(kernel):
    kernel.power_commutes(A, a)


@cheat
def a_root_of_a_matrix(kernel):
    root = power(L, sp.Rational(1, 2))
    kernel.square(root)


@cheat
def a_negative_power_of_a_matrix(kernel):
    kernel.identity(equal(A**-1, A**0))


@cheat
def powers_of_two_matrices_that_are_printed_alike(kernel):
    alike = sp.IndexedBase("E_round")[sp.Symbol("B", integer=True)]
    kernel.identity(equal(power(alike * A, k), power(expect(B, "round") * A, k)))


# Limits.


def sequence(kernel, closed, *more):
    return kernel.define("a sequence", equal(f(k), closed)), given(kernel, less(-1, r), less(r, 1), *more)


@cheat
def a_limit_without_a_ratio(kernel):
    closed, _ = sequence(kernel, r**k)
    kernel.limit("limit", c, closed, k)


@cheat
def a_limit_with_a_ratio_that_moves(kernel):
    given(kernel, less(-1, e(k)), less(e(k), 1))
    closed, inside = sequence(kernel, e(k) ** k)
    kernel.limit("limit", c, closed, k, using=inside)


@cheat
def a_limit_with_a_ratio_that_is_a_power_of_a_matrix(kernel):
    closed, inside = sequence(kernel, trace(power(A, k)) ** k)
    small = given(kernel, less(-1, trace(power(A, k))), less(trace(power(A, k)), 1))
    kernel.limit("limit", c, closed, k, using=[*inside, *small])


@cheat
def a_limit_with_a_coefficient_that_moves(kernel):
    closed, inside = sequence(kernel, r**k * e(k))
    kernel.limit("limit", c, closed, k, using=inside)


@cheat
def a_limit_with_another_power_in_a_coefficient(kernel):
    closed, inside = sequence(kernel, r**k * k**k)
    kernel.limit("limit", c, closed, k, using=inside)


@cheat
def a_limit_of_a_quotient_of_powers(kernel):
    inside = given(kernel, less(0, r), less(r, 1), less(0, s), less(s, 1))
    closed = kernel.define("a sequence", equal(f(k), r**k / s**k))
    kernel.limit("limit", c, closed, k, using=inside)


@cheat
def a_limit_of_what_grows(kernel):
    closed, inside = sequence(kernel, r**k + k)
    kernel.limit("limit", c, closed, k, using=inside)


@cheat
def a_limit_of_the_power_of_a_matrix(kernel):
    closed = kernel.define("a sequence", equal(e(k), trace(power(A, k))))
    kernel.limit("limit", c, closed, k)


@cheat
def a_limit_of_what_depends_on_another_number(kernel):
    known = given(kernel, equal(f(k), e(j)))
    kernel.limit("limit", c, known, k)


@cheat
def a_limit_of_iterates(kernel):
    closed = with_iterate(kernel).define("a sequence", equal(e(k), squares))
    kernel.limit("limit", c, closed, k)


@cheat
def a_limit_from_a_local_closed_form(kernel):
    known = given(kernel, less(k, 1), equal(f(k), f(k)))
    closed = kernel.identity(equal(f(k), f(k)), using=[], adding=[])
    kernel.limit("limit", c, kernel.inequality(equal(f(k), f(k)), using=known), k)
    kernel.limit("limit", c, closed, k)


@cheat
def a_limit_with_a_ratio_from_a_local_hypothesis(kernel):
    closed = kernel.define("a sequence", equal(f(k), r**k))
    local = given(kernel, equal(r, k / 2), less(k, 2), less(-1, k))
    kernel.limit("limit", c, closed, k, using=local)


@cheat
def a_limit_under_a_used_name(kernel):
    closed, inside = sequence(kernel, r**k)
    kernel.limit("limit", r, closed, k, using=inside)


@cheat
def a_limit_that_is_an_idempotent_letter(kernel):
    closed = kernel.define("a sequence", equal(e(k), 2))
    kernel.limit("limit", matrix("Q", idempotent=True), closed, k)


@cheat
def a_limit_of_an_inequality(kernel):
    kernel.limit("limit", c, given(kernel, at_most(e(k), 1)), k)


@cheat
def a_limit_of_one_value(kernel):
    kernel.limit("limit", c, given(kernel, equal(e(0), 1)), k)


# Induction.


@cheat
def an_induction_pinned_at_0(kernel):
    zero = given(kernel, equal(k, 0))
    rule = given(kernel, equal(e(k + 1), k * e(k)))
    supposed_in(
        kernel,
        at_most(k * e(k), 0),
        at_most(0, 0),
        lambda at: kernel.inequality(at_most((k + 1) * e(k + 1), 0), using=[zero, rule]),
    )


@cheat
def an_induction_after_round_0(kernel):
    some = given(kernel, less(0, k))
    base = kernel.inequality(at_most(0, 0))
    kernel.induction(
        "so", at_most(k, k**2), k, base, lambda at: kernel.inequality(at_most(k + 1, (k + 1) ** 2), using=[some])
    )


@cheat
def an_induction_whose_base_is_pinned(kernel):
    pinned, rule = given(kernel, equal(e(k), k * e(k)), equal(e(k + 1), e(k)))
    base = kernel.inequality(equal(e(0), e(0)), using=[pinned])
    kernel.induction(
        "so", equal(e(k), e(0)), k, base, lambda at: kernel.identity(equal(e(k + 1), e(0)), using=[rule, at])
    )


@cheat
def an_induction_from_a_sequence_that_vanishes_at_some_rounds(kernel):
    some = given(kernel, equal(k * e(k), 0))
    base = kernel.inequality(at_most(0, 0))
    kernel.induction(
        "so", at_most(k * e(k), 0), k, base, lambda at: kernel.inequality(at_most((k + 1) * e(k + 1), 0), using=[some])
    )


@cheat
def an_induction_over_a_disguised_constant(kernel):
    constant = kernel.define("k, as a constant", equal(c, k))
    supposed_in(
        kernel,
        at_most(k * c, 0),
        at_most(0, 0),
        lambda at: kernel.inequality(at_most((k + 1) * c, 0), using=[at, constant]),
    )


@cheat
def an_induction_from_another_base(kernel):
    rule = given(kernel, at_most(e(k + 1), e(k)))
    kernel.induction(
        "so",
        at_most(e(k), 1),
        k,
        given(kernel, at_most(e(0), 2)),
        lambda at: kernel.inequality(at_most(e(k + 1), 1), using=[rule, at]),
    )


@cheat
def an_induction_whose_step_shows_another_claim(kernel):
    kernel.induction("so", at_most(e(k), 1), k, given(kernel, at_most(e(0), 1)), lambda at: at)


@cheat
def an_induction_whose_step_shows_another_sign(kernel):
    rule, base = given(kernel, at_most(e(k + 1), e(k)), equal(e(0), 1))
    kernel.induction(
        "so", equal(e(k), 1), k, base, lambda at: kernel.inequality(at_most(e(k + 1), 1), using=[rule, at])
    )


@cheat
def an_induction_whose_step_returns_a_relation(kernel):
    kernel.induction("so", at_most(e(k), 1), k, given(kernel, at_most(e(0), 1)), lambda at: at_most(e(k + 1), 1))


def leaked(kernel):
    """The fact that is supposed in an induction that fails."""
    kept = []
    with pytest.raises(ValueError, match="shown was"):
        kernel.induction("so", at_most(e(k), 1), k, given(kernel, at_most(e(0), 1)), lambda at: kept.append(at) or at)
    return kept[0]


@cheat
def a_supposed_fact_at_the_next_round(kernel):
    with_iterate(kernel).next_round(leaked(kernel))


@cheat
def a_supposed_fact_in_another_induction(kernel):
    at = leaked(kernel)
    kernel.induction(
        "so",
        at_most(0 * e(k), 1 - e(k) * 0),
        k,
        kernel.inequality(at_most(0, 1), using=[at]),
        lambda _: kernel.inequality(at_most(0, 1)),
    )


@cheat
def a_supposed_fact_that_allows_a_division(kernel):
    kept = []
    with pytest.raises(ValueError, match="shown was"):
        kernel.induction("so", less(0, e(k)), k, given(kernel, less(0, e(0))), lambda at: kept.append(at) or at)
    kernel.identity(equal(1 / e(k), 1 / e(k)))


@cheat
def a_supposed_fact_for_a_limit(kernel):
    kernel.limit("limit", c, given(kernel, equal(f(k), 1)), k, using=[leaked(kernel)])


@cheat
def an_induction_over_what_is_no_natural_number(kernel):
    kernel.induction("so", at_most(a, 1), a, kernel.inequality(at_most(0, 1)), lambda at: at)


@cheat
def an_induction_over_another_number_that_iterates_hide(kernel):
    with_iterate(kernel)
    claim = equal(j * squares, j * squares)
    kernel.induction("so", claim, j, kernel.identity(equal(0 * a, 0)), lambda at: kernel.identity(equal(a, a)))


# Rounds.


@cheat
def iterates_twice(kernel):
    with_iterate(with_iterate(kernel))


@cheat
def an_iterate_that_has_been_used(kernel):
    given(kernel, equal(x, y))
    with_iterate(kernel)


@cheat
def an_iterate_with_properties(kernel):
    X = matrix("X", symmetric=True)
    kernel.iterate(Origin.SETTING, "a round", k, {X: (A, A * X)})


@cheat
def an_iterate_that_starts_at_random(kernel):
    kernel.iterate(Origin.SETTING, "a round", k, {x: (B * y, A * x)})


@cheat
def an_iterate_that_starts_elsewhere_in_every_round(kernel):
    kernel.iterate(Origin.SETTING, "a round", k, {x: (k * y, A * x)})


@cheat
def an_iterate_that_starts_at_a_sequence(kernel):
    kernel.iterate(Origin.SETTING, "a round", k, {x: (e(k) * y, A * x)})


@cheat
def an_iterate_that_starts_at_another_iterate(kernel):
    one, two = vector("one"), vector("two")
    kernel.iterate(Origin.SETTING, "a round", k, {two: (y, A * two), one: (two, A * one)})


@cheat
def an_iterate_of_another_shape(kernel):
    kernel.iterate(Origin.SETTING, "a round", k, {x: (A, A * x)})


@cheat
def an_iterate_without_randomness_that_becomes_random(kernel):
    z = vector("z")
    kernel.iterate(Origin.SETTING, "a round", k, {z: (y, B * z)})


@cheat
def an_iterate_that_depends_on_another_source(kernel):
    kernel.iterate(Origin.SETTING, "a round", k, {x: (y, matrix("W", random="worker") * x)})


@cheat
def an_iterate_of_a_failed_attempt(kernel):
    z, u = vector("z", random="past"), vector("u", random="past")
    with pytest.raises(ValueError, match="more random"):
        kernel.iterate(Origin.SETTING, "a round", k, {x: (y, A * x), z: (B * y, z)})
    kernel.iterate(Origin.SETTING, "a round", k, {u: (y, u)})
    kernel.at_start(kernel.identity(equal(x, x)))


@cheat
def the_next_round_without_iterates(kernel):
    kernel.next_round(kernel.identity(equal(A, A)))


@cheat
def the_next_round_of_a_relation(kernel):
    with_iterate(kernel).next_round(equal(e(k), 1))


@cheat
def the_next_round_of_a_local_hypothesis(kernel):
    with_iterate(kernel).next_round(given(kernel, less(0, k)))


@cheat
def the_next_round_of_what_rests_on_a_local_hypothesis(kernel):
    local = given(with_iterate(kernel), equal(e(k), k), equal(k, 0))
    kernel.next_round(kernel.inequality(equal(e(k), 0), using=local))


@cheat
def the_start_of_what_rests_on_a_local_hypothesis(kernel):
    kernel.at_start(given(with_iterate(kernel), less(0, k * e(k))))


@cheat
def the_next_round_of_what_is_defined_only_locally(kernel):
    given(with_iterate(kernel), less(0, k))
    kernel.next_round(kernel.identity(equal(a / k, a / k)))


@cheat
def the_next_round_of_this_rounds_draw(kernel):
    with_iterate(kernel).next_round(given(kernel, equal(B * y, y)))


@cheat
def the_next_round_of_an_average_over_this_round(kernel):
    mean = expect(B * x * x.T * B.T, "round")
    with_iterate(kernel, B * x).next_round(kernel.identity(equal(mean, mean)))


@cheat
def the_next_round_of_an_entry_of_an_iterate(kernel):
    held = entry(x, "a")
    with_iterate(kernel).next_round(kernel.identity(equal(held, held)))


@cheat
def the_next_round_of_what_is_random_with_an_unknown_past(kernel):
    z = vector("z", random="past")
    with_iterate(kernel).next_round(given(kernel, equal(z, y)))


@cheat
def the_next_round_of_a_number_defined_by_an_unknown_past(kernel):
    z = expect(vector("z", random="past"), "past")
    moving = given(with_iterate(kernel), equal(y.T * z, e(k)))
    constant = kernel.define("as a constant", equal(c, y.T * z))
    kernel.next_round(kernel.identity(equal(c, e(k)), using=[constant, moving]))


@cheat
def the_next_round_of_a_power_of_an_iterate(kernel):
    X = matrix("X")
    kernel.iterate(Origin.SETTING, "a round", k, {X: (A, A * X)})
    kernel.next_round(kernel.power_commutes(X, j))


@cheat
def the_next_round_of_a_power_with_a_moving_coefficient(kernel):
    with_iterate(kernel).next_round(kernel.power_commutes(e(k) * A, k))


@cheat
def the_next_round_of_another_power(kernel):
    with_iterate(kernel).next_round(kernel.identity(equal(power(A, 2 * k), power(A, 2 * k))))


@cheat
def the_next_round_of_the_inverse_of_an_iterate(kernel):
    X = matrix("X")
    kernel.iterate(Origin.SETTING, "a round", k, {X: (A, A * X)})
    kernel.next_round(given(kernel, equal(inverse(X) * y, y)))


# Probabilities.


def masked(kernel, size=2):
    given(kernel, less(2, d))
    kernel.uniform_subset("so many", P, size)
    return kernel


@cheat
def a_probability_of_a_mask_of_unknown_size(kernel):
    given(kernel, less(2, d))
    kernel.chance(P, "a")


@cheat
def a_probability_of_another_mask(kernel):
    masked(kernel).chance(matrix("Q", diagonal=True, idempotent=True, random="round"), "a")


@cheat
def a_probability_of_a_coordinate_twice(kernel):
    masked(kernel).chance(P, "a", "a")


@cheat
def a_probability_of_no_coordinate(kernel):
    masked(kernel).chance(P)


@cheat
def a_probability_of_more_coordinates_than_there_may_be(kernel):
    kernel.uniform_subset("so many", P, 2)
    given(kernel, less(0, d))
    kernel.chance(P, "a", "b")


@cheat
def a_probability_of_a_product(kernel):
    masked(kernel).chance(P * A, "a")


@cheat
def a_mask_with_two_sizes(kernel):
    masked(masked(kernel, 2), 1)


@cheat
def a_mask_that_is_no_mask(kernel):
    kernel.uniform_subset("so many", matrix("M", diagonal=True, random="round"), 2)


@cheat
def a_mask_that_is_not_random(kernel):
    kernel.uniform_subset("so many", matrix("M", diagonal=True, idempotent=True), 2)


@cheat
def a_mask_of_half_a_coordinate(kernel):
    masked(kernel, sp.Rational(1, 2))


@cheat
def a_mask_of_a_negative_number_of_coordinates(kernel):
    masked(kernel, -1)


@cheat
def a_mask_whose_size_moves(kernel):
    masked(kernel, k)


@cheat
def a_mask_whose_size_is_random(kernel):
    masked(kernel, form)


# Names.


@cheat
def a_letter_with_other_properties(kernel):
    given(kernel, equal(matrix("A"), matrix("A", symmetric=True)))


@cheat
def a_letter_with_other_randomness(kernel):
    given(kernel, equal(matrix("B"), expect(B, "round")))


@cheat
def a_letter_of_another_shape(kernel):
    given(kernel, equal(vector("A") * y.T, A))


@cheat
def a_letter_and_a_scalar_of_one_name(kernel):
    given(kernel, equal(A, sp.Symbol("A") * L))


@cheat
def a_letter_and_a_sequence_of_one_name(kernel):
    given(kernel, equal(A, sp.Function("A")(k) * L))


@cheat
def a_scalar_and_a_sequence_of_one_name(kernel):
    given(kernel, equal(sp.Symbol("e"), e(k)))


@cheat
def a_letter_and_a_dimension_of_one_name(kernel):
    given(kernel, equal(matrix("d"), A))


@cheat
def a_dimension_that_is_a_natural_number_of_rounds(kernel):
    given(kernel, equal(matrix("K", shape=("k", "k")), 0))


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


def one(letter, shape=("d", "d")):
    return Polynomial(shape, [((letter,), sp.S.One)])


(WORD_A,), (WORD_B,) = A.terms, B.terms


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


# Entries.


@cheat
def entries_of_a_nonsquare_matrix(kernel):
    kernel.entries(equal(R, R))


@cheat
def entries_on_the_diagonal_only(kernel):
    kernel.entries(equal(diagonal_of(L), L))


@cheat
def entries_off_the_diagonal_only(kernel):
    kernel.entries(equal(L - diagonal_of(L), L))


@cheat
def entries_that_are_sums(kernel):
    kernel.entries(equal(A * L, L * A))


@cheat
def entries_of_a_matrix_that_is_taken_for_symmetric(kernel):
    kernel.entries(equal(A, A.T))


@cheat
def entries_that_are_taken_to_be_alike(kernel):
    alike = kernel.define("one entry", equal(c, entry(A, "a", "a")))
    kernel.entries(equal(diagonal_of(A), c * A**0), using=[alike])


# What may be added up.


@cheat
def an_index_of_a_relation_between_matrices_added_up(kernel):
    kernel.total(given(kernel, equal(D[i] * A, L)), i, k)


@cheat
def a_strict_relation_added_up_over_none(kernel):
    kernel.total(given(kernel, less(0, D[i])), i, k)


@cheat
def a_sum_over_what_is_no_natural_number(kernel):
    kernel.total(given(kernel, at_most(0, D[i])), i, a)


@cheat
def a_sum_over_a_scalar(kernel):
    kernel.total(given(kernel, at_most(0, a)), a, k)


@cheat
def a_sum_over_an_index_that_an_average_hides(kernel):
    hidden = expect(1 / (1 + entry(P, "a", "a") + D[i]), "round")
    given(kernel, less(0, 1 + entry(P, "a", "a") + D[i]))
    kernel.total(kernel.identity(equal(hidden, hidden)), i, k)


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
    "the least number below all": lambda p: p.at_most_least(
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
