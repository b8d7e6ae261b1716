"""Attempts to make false facts by probabilities, names, entries and sums."""

import sympy as sp
from cheats import (
    A,
    B,
    D,
    L,
    P,
    R,
    a,
    c,
    cheat,
    d,
    e,
    form,
    given,
    i,
    k,
    y,
)

from istsim.derivations import (
    at_most,
    diagonal_of,
    entry,
    equal,
    expect,
    less,
    matrix,
    vector,
)

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
