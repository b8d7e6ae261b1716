"""What holds for every index may be added up, and nothing else."""

import pytest
import sympy as sp

from istsim.derivations import Kernel, Origin, at_most, equal, less, matrix

i, j = sp.symbols("i j", integer=True)
n, h, gamma = sp.symbols("n h gamma")
D = sp.IndexedBase("D")[i, j]


def assumed(kernel, relation):
    return kernel.assume(Origin.SETTING, "given", relation)


def test_terms_are_added_up():
    kernel = Kernel([n])
    total = kernel.total(assumed(kernel, at_most(gamma, D)), i, n)
    assert total.relation.is_same(at_most(n * gamma, sp.Sum(D, (i, 0, n - 1))))
    assert total.hypotheses


def test_a_strict_sum_has_terms():
    kernel = Kernel([n])
    positive = assumed(kernel, less(0, D))
    with pytest.raises(ValueError, match="a sum of none is not less than another"):
        kernel.total(positive, i, n)
    with pytest.raises(ValueError, match="a sum of none is not less than another"):
        kernel.total(positive, i, n, some=assumed(kernel, at_most(0, n)))
    total = kernel.total(positive, i, n, some=assumed(kernel, less(0, n)))
    assert total.relation.is_same(less(0, sp.Sum(D, (i, 0, n - 1))))


@pytest.mark.parametrize("index", [h, gamma, sp.Symbol("i", positive=True, integer=True)], ids=str)
def test_only_indices_are_added_over(index):
    kernel = Kernel([n, h])
    with pytest.raises(ValueError, match="over an index"):
        kernel.total(assumed(kernel, equal(gamma, 1)), index, n)


def test_an_index_that_is_a_natural_number_may_be_an_exponent_and_is_none():
    kernel = Kernel([n, i])
    with pytest.raises(ValueError, match="over an index"):
        kernel.total(assumed(kernel, at_most(0, D)), i, n)


def test_as_many_are_added_up_as_a_natural_number():
    kernel = Kernel()
    with pytest.raises(ValueError, match="not known to be a natural number"):
        kernel.total(assumed(kernel, at_most(0, D)), i, n)


def test_matrices_are_not_added_up():
    kernel = Kernel([n])
    with pytest.raises(ValueError, match="relations between numbers"):
        kernel.total(assumed(kernel, equal(matrix("A"), matrix("B"))), i, n)
