"""Attempts to make false facts about all rounds: limits, induction, and what the next round is."""

import pytest
from cheats import (
    A,
    B,
    a,
    c,
    cheat,
    e,
    f,
    given,
    j,
    k,
    r,
    s,
    squares,
    supposed_in,
    with_iterate,
    x,
    y,
)

from istsim.derivations import (
    Origin,
    at_most,
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
