"""Attempts to make false facts by hand, and by definitions."""

import copy
import dataclasses
import pickle

import sympy as sp
from cheats import (
    A,
    B,
    D,
    L,
    N,
    P,
    S,
    a,
    b,
    c,
    cheat,
    d,
    e,
    form,
    given,
    i,
    j,
    k,
    squares,
    with_iterate,
    x,
    y,
)

from istsim.derivations import (
    Fact,
    Kernel,
    Origin,
    Polynomial,
    Relation,
    at_most,
    entry,
    equal,
    expect,
    less,
    matrix,
    power,
    trace,
)
from istsim.derivations.kernel._fact import SEAL, Derivation

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
