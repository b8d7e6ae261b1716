"""`check(..., exact=True)`: premises and statements about matrices, decided in rational numbers."""

from fractions import Fraction

import numpy as np
import pytest

import istsim
from istsim.theory import NotCoveredError

TWO = istsim.Quadratic([[[2, 1], [1, 2]], [[3, 1], [1, 1]]], np.zeros((2, 2)))
EQUAL = istsim.Quadratic([[[1, 0.5], [0.5, 1]]] * 2, np.zeros((2, 2)))
SINGLES = istsim.IST(istsim.Permutation(2, 2))


def certified(name, problem, method, step_size=0.1, **arguments):
    theorem = istsim.theorems.get(name)
    return theorem.check(problem, method, step_size=step_size, rounds=1, exact=True, **arguments)


@pytest.mark.parametrize(
    ("name", "problem", "method"),
    [
        ("theorem-1-iterates", TWO, SINGLES),
        ("theorem-1-gradients", TWO, SINGLES),
        ("theorem-1-long-steps", TWO, SINGLES),
        ("identity-is-gradient-descent", TWO, istsim.GradientDescent()),
        ("remark-1-indefinite", istsim.remark_1_quadratic(4, 1, 1.7), SINGLES),
        ("remark-1-indefinite", istsim.remark_1_quadratic(4, 1, 1.6), SINGLES),
        ("homogeneous-preconditioning", EQUAL, SINGLES),
        ("perm-q-mean", TWO, SINGLES),
        ("participation-second-moment", TWO, istsim.IST(istsim.RandK(2, 2, 1), participants=1)),
    ],
)
def test_what_is_true_is_certified(name, problem, method):
    found = certified(name, problem, method)
    assert found.applicable, found.reason
    assert found.holds
    assert all(decision.holds for decision in (*found.certificate.premises, *found.certificate.statement))
    for bound in found.certificate.bounds:
        assert bound.proof.holds
        assert not bound.refutation.holds


def test_theta_is_a_fraction_and_a_slightly_smaller_one_fails():
    theta = certified("homogeneous-preconditioning", EQUAL, SINGLES).certificate.bounds[0]
    assert theta.value == Fraction(2)
    assert theta.is_sharp
    assert theta.value * (1 - Fraction(1, 10**7)) < theta.neighbour < theta.value
    assert "right less left is" in str(theta)


def test_the_longest_step_size_is_decided_exactly():
    """Where theta is 2 exactly: at 1/2 the premise holds, and the next float fails."""
    assert certified("theorem-1-iterates", EQUAL, SINGLES, step_size=0.5).holds
    longer = certified("theorem-1-iterates", EQUAL, SINGLES, step_size=np.nextafter(0.5, 1))
    assert not longer.applicable
    assert longer.reason.startswith("premise fails: false: E[B' Lbar B] <= ")
    assert longer.holds is None


def test_long_steps_are_decided_up_to_twice_the_inverse_of_theta():
    """Where theta and the rate are 2, at 0.7, the factor is 1 - 0.7 (2 - 0.7 2) 2."""
    found = certified("theorem-1-long-steps", EQUAL, SINGLES, step_size=0.7)
    assert found.holds
    assert found.certificate.statement[0].claim.endswith("<= 4/25 Lbar")
    assert certified("theorem-1-long-steps", EQUAL, SINGLES, step_size=1.0).holds
    assert not certified("theorem-1-long-steps", EQUAL, SINGLES, step_size=np.nextafter(1.0, 2)).applicable


def test_at_the_threshold_of_remark_1_w_is_semidefinite_and_singular_and_there_is_no_theta():
    """In floating point its smallest eigenvalue is as likely negative."""
    problem = istsim.remark_1_quadratic(4, 1, 1.6)
    found = certified("theorem-1-iterates", problem, SINGLES, step_size=0.01)
    assert [decision.holds for decision in found.certificate.premises] == [True, False]
    assert not found.applicable


def test_the_printed_theta_is_refuted_exactly():
    theorem = istsim.theorems.get("erratum-17")
    problem, method, arguments = theorem.counterexample()
    found = theorem.check(problem, method, exact=True, **arguments)
    assert found.applicable, found.reason
    assert found.holds is False
    true_premise, promise = found.certificate.statement
    assert not true_premise.holds
    assert not promise.holds
    assert promise.witness is not None


@pytest.mark.parametrize("name", [name for name in istsim.theorems.names() if name.startswith("erratum")])
def test_no_refuted_statement_is_certified_at_its_counterexample(name):
    theorem = istsim.theorems.get(name)
    problem, method, arguments = theorem.counterexample()
    assert not theorem.check(problem, method, exact=True, **arguments).holds


def test_a_wrong_statement_gets_no_certificate():
    class TooSmall(type(istsim.theorems.get("homogeneous-preconditioning"))):
        def certify(self, instance):
            return super().certify(instance.changed(method=istsim.IST(istsim.Permutation(2, 2), forward_scale=1.0)))

    theorem = TooSmall()
    other = istsim.IST(istsim.Permutation(2, 2), forward_scale=3.0)
    assert theorem.check(EQUAL, other, step_size=0.1, rounds=1, exact=True).holds
    skewed = istsim.Quadratic([[[1, 0.5], [0.5, 1]], [[1, 0.25], [0.25, 1]]], np.zeros((2, 2)))
    found = certified("homogeneous-preconditioning", skewed, SINGLES)
    assert not found.applicable


@pytest.mark.parametrize(
    ("name", "problem", "method", "words"),
    [
        ("expected-iterate", TWO, SINGLES, "makes no claim about matrices that is decided exactly"),
        (
            "theorem-1-iterates",
            TWO,
            istsim.CompressedGradient(istsim.Coverage(2, 2, 1), local_steps=2),
            "one local step",
        ),
    ],
)
def test_what_cannot_be_certified_says_so(name, problem, method, words):
    found = certified(name, problem, method)
    assert not found.applicable
    assert found.reason.startswith("cannot be decided: ")
    assert words in found.reason
    with pytest.raises(NotCoveredError):
        istsim.theorems.get(name).certify(istsim.theorems.Instance.of(problem, method, step_size=0.1, rounds=1))


def test_without_exact_there_is_no_certificate():
    assert istsim.theorems.get("perm-q-mean").check(TWO, SINGLES, step_size=0.1, rounds=1).certificate is None
