"""Attempts to make false facts about numbers: signs, least numbers, quotients, roots and powers."""

import sympy as sp
from cheats import (
    A,
    B,
    D,
    L,
    P,
    R,
    a,
    b,
    c,
    cheat,
    e,
    form,
    gamma,
    given,
    i,
    k,
    s,
    squares,
    v,
    with_iterate,
)

from istsim.derivations import (
    at_most,
    diagonal_of,
    entry,
    equal,
    expect,
    less,
    power,
    trace,
)

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
    kernel.least_is_at_most(c, 2 * b, given(kernel, at_most(L, b * A)))


@cheat
def the_least_number_by_a_witness_turned_round(kernel):
    kernel.define_least("least", c, at_most(L, c * A))
    kernel.least_is_at_most(c, b, given(kernel, at_most(b * A, L)))


@cheat
def the_least_number_by_itself_less_one(kernel):
    fact = kernel.define_least("least", c, at_most(L, c * A))
    kernel.least_is_at_most(c, c - 1, fact)


@cheat
def the_least_number_that_is_only_a_number(kernel):
    witness = given(kernel, at_most(L, c * A), at_most(L, b * A))[1]
    kernel.least_is_at_most(c, b, witness)


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
    kernel.least_is_at_most(c, form, kernel.inequality(at_most(form, form)))


@cheat
def the_least_number_by_an_entry(kernel):
    found = entry(A, "a", "a")
    kernel.define_least("least", c, at_most(found, c))
    kernel.least_is_at_most(c, found, kernel.inequality(at_most(found, found)))


@cheat
def the_least_number_by_one_with_an_index(kernel):
    kernel.define_least("least", c, at_most(D[i], c))
    kernel.least_is_at_most(c, D[i], kernel.inequality(at_most(D[i], D[i])))


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
