"""What counts as equal, or as a bound that is kept: sides that differ by rounding alone."""

import dataclasses

import numpy as np
import pytest
import sympy as sp

import istsim
from istsim import theory
from istsim.theorems import Kind, Premise
from istsim.theorems._theorem_1_iterates import Theorem1Iterates
from istsim.verify import assert_theorem, strategies, verify_theorem

pytestmark = pytest.mark.usefixtures("registry_of_its_own")


def test_margin_and_tightness():
    problem = istsim.Quadratic([[[2.0]]], [[0.0]])
    check = Theorem1Iterates().check(
        problem, istsim.CompressedGradient(istsim.Bernoulli(1, 1, 0.5)), step_size=0.1, rounds=2
    )
    np.testing.assert_allclose(check.margin, check.rhs - check.lhs)
    np.testing.assert_allclose(check.tightness, check.lhs / check.rhs)
    outside = dataclasses.replace(check, applicable=False)
    assert outside.margin is None
    assert outside.tightness is None


def test_rounding_is_judged_by_the_terms_of_a_sum():
    """What remains when large terms cancel carries their rounding."""
    one, two = sp.symbols("one two")

    class Cancelling(istsim.theorems.Theorem):
        """The same number twice."""

        name, title, source, kind = "cancelling", "Cancelling", "here", Kind.EXACT
        statement = sp.Eq(one - two, 0, evaluate=False)
        premises = ()
        off = 1e-3

        def constants(self, instance):
            return {one: 1e9 + self.off, two: 1e9}

    theorem, problem = Cancelling(), istsim.Quadratic([[[1.0]]], [[0.0]])
    assert theorem.check(problem, istsim.GradientDescent(), step_size=1.0, rounds=1).holds
    theorem.off = 10.0
    assert not theorem.check(problem, istsim.GradientDescent(), step_size=1.0, rounds=1).holds


reached, other = sp.symbols("reached other")


class SamePoint(istsim.theorems.Theorem):
    """The list of outcomes and the formula have one fixed point, also where it is the minimizer."""

    name, title, source = "same-point", "Same point", "here"
    kind = Kind.EXACT
    statement = sp.Eq(reached, other, evaluate=False)
    method = istsim.IST(istsim.Permutation(2, 2), forward_scale=1.0)

    @property
    def premises(self):
        ours = repr(self.method)

        def failure(run):  # weights are not shown by repr
            return "" if repr(run.method) == ours and run.method.weights is None else "another"

        return (Premise(f"the method is {ours}", failure),)

    def draw(self, draw):
        return draw(strategies.instances(draw(strategies.integer_problems(2, 2)), self.method))

    def constants(self, run):
        Lbar, bbar = np.asarray(run.Lbar), np.asarray(run.problem.mean_vector)
        listed = theory.fixed_point(run.problem, run.method, route="enumeration")
        return {
            reached: float(run.problem.objective_gap(listed)),
            other: float(run.problem.objective_gap(bbar / np.diag(Lbar))),
        }


@pytest.mark.parametrize("relation", [sp.Eq, sp.Le, sp.Ge])
def test_two_gaps_that_are_0_but_for_rounding_agree(relation):
    """Their terms are rounding as well."""

    class Rounding(SamePoint):
        statement = relation(reached, other, evaluate=False)
        method = istsim.GradientDescent()
        gaps = (0.0, 0.0)

        def constants(self, run):
            return dict(zip((reached, other), self.gaps, strict=True))

    theorem, problem = Rounding(), istsim.Quadratic([[[2.0]]], [[1.0]])
    for left, right in ((2.3e-33, 0.0), (0.0, 2.3e-33), (1e-21, 3e-21), (3e-21, 1e-21)):
        theorem.gaps = (left, right)
        assert theorem.check(problem, istsim.GradientDescent(), step_size=0.5, rounds=1).holds
    theorem.gaps = (1e-15, 2e-15) if relation is sp.Ge else (2e-15, 1e-15)
    assert not theorem.check(problem, istsim.GradientDescent(), step_size=0.5, rounds=1).holds


@pytest.mark.parametrize("factor", [1e-8, 1e8])
def test_numbers_that_are_small_by_nature_are_no_rounding(factor):
    """A step size in a steep problem, and a curvature in a flat one."""
    steepest, step = sp.symbols("steepest step")

    class Wrong(SamePoint):
        statement = sp.Eq(step if factor > 1 else steepest, 0, evaluate=False)
        method = istsim.GradientDescent()

        def constants(self, run):
            return {steepest: run.Lbar[0, 0], step: run.step_size}

    problem = istsim.Quadratic([[[factor]]], [[1e8 * factor]])
    assert not Wrong().check(problem, istsim.GradientDescent(), step_size=1 / factor, rounds=1).holds


def test_an_equality_of_gaps_passes_where_both_are_0_but_for_rounding():
    assert verify_theorem(SamePoint(), examples=20, simulations=0).passed


def test_a_false_bound_on_a_gap_is_not_shrunk_to_rounding():
    class Half(SamePoint):
        name, kind = "half-the-gap", Kind.UPPER
        statement = sp.Le(reached, other / 2, evaluate=False)

    istsim.theorems.register(Half())
    found = verify_theorem(Half(), examples=60, simulations=0)
    assert not found.passed
    namespace = {}
    exec(found.code.replace("print(", "(lambda *_, **__: None)("), namespace)
    assert namespace["check"].margin < -1e-3


def test_a_simulated_gap_that_is_0_but_for_rounding_agrees(false_alarm_rate):
    class Arrives(SamePoint):
        """Gradient descent has its fixed point at the minimizer."""

        statement = sp.Eq(reached, 0, evaluate=False)
        method = istsim.GradientDescent()

        def constants(self, run):
            return {reached: float(run.problem.objective_gap(run.fixed_point))}

    assert_theorem(Arrives(), examples=10, simulations=1, false_alarm_rate=false_alarm_rate)


def test_a_symbol_without_a_number_is_named():
    class Forgetful(SamePoint):
        method = istsim.GradientDescent()

        def constants(self, run):
            return {reached: 1.0}

    message = "same-point: no number was given for the symbol other; give one in `constants`"
    problem = istsim.Quadratic([[[2.0]]], [[1.0]])
    with pytest.raises(ValueError, match=message):
        Forgetful().check(problem, istsim.GradientDescent(), step_size=0.5, rounds=1)
    with pytest.raises(ValueError, match=message):
        verify_theorem(Forgetful(), examples=5)
