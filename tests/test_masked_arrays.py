"""NumPy's masked arrays, which lose their masks where they are taken as arrays."""

import re

import numpy as np
import pytest

import istsim

PROBLEM = istsim.random_quadratic(0, 2, 3, condition_number=4.0, matrix_heterogeneity=0.5, vector_heterogeneity=1.0)
METHOD = istsim.IST(istsim.RandK(2, 3, 2))


def masked(array):
    """The array with its first entry masked, behind which stands another number."""
    array = np.array(array, float)
    mask = np.zeros(array.shape, bool)
    mask.flat[0] = True
    return np.ma.array(array, mask=mask)


def samples(m):
    rng = np.random.default_rng(0)
    return rng.standard_normal((2, m, 3)), rng.standard_normal((2, m))


GIVEN = {
    "L": lambda: istsim.Quadratic(masked(PROBLEM.L), PROBLEM.b),
    "L as a list of them": lambda: istsim.Quadratic([masked(PROBLEM.L[0]), PROBLEM.L[1]], PROBLEM.b),
    "b": lambda: istsim.Quadratic(PROBLEM.L, masked(PROBLEM.b)),
    "diagonals": lambda: istsim.Quadratic.from_diagonals(masked(np.ones((2, 3))), np.ones((2, 3))),
    "off_diagonals": lambda: istsim.Quadratic.from_tridiagonals(
        np.ones((2, 3)), masked(np.zeros((2, 2))), np.ones((2, 3))
    ),
    "A[0]": lambda: istsim.Quadratic.from_least_squares(masked(samples(9)[0]), samples(9)[1]),
    "y[1]": lambda: istsim.Quadratic.from_least_squares(samples(9)[0], [samples(9)[1][0], masked(samples(9)[1][1])]),
    "data['u']": lambda: istsim.Quadratic.from_matvec(
        lambda data, on, values: values, {"u": masked(np.ones((2, 3)))}, np.ones((2, 3))
    ),
    "x0": lambda: istsim.simulate(PROBLEM, METHOD, step_size=0.1, rounds=2, key=0, x0=masked(np.ones(3))),
    "step_size": lambda: istsim.simulate(PROBLEM, METHOD, step_size=masked([0.1, 0.2]), rounds=2, key=0),
    "weights": lambda: istsim.IST(istsim.RandK(2, 3, 2), weights=masked(np.ones((2, 3)))),
    "forward_scale": lambda: istsim.IST(istsim.RandK(2, 3, 2), forward_scale=np.ma.masked),
    "covariance": lambda: istsim.GaussianNoise(masked(np.eye(3))),
    "eigenvalues": lambda: istsim.quadratic_with_spectra(0, masked(np.ones((2, 3)))),
    "x": lambda: PROBLEM.value(masked(np.ones(3))),
    "targets": lambda: istsim.split_over_workers(masked(np.arange(4)), 2, "label"),
    "samples": lambda: istsim.verify.compare_means(masked(np.ones((3, 2))), np.ones(2)),
    "exact": lambda: istsim.verify.compare_means(np.ones((3, 2)), masked(np.ones(2))),
    "X": lambda: istsim.theory.second_moment(PROBLEM, METHOD, masked(np.eye(3)), step_size=0.1),
    "gradient_weighting": lambda: istsim.theory.exact_moments(
        PROBLEM, METHOD, step_size=0.1, rounds=2, gradient_weighting=masked(np.eye(3))
    ),
}


@pytest.mark.parametrize("name", GIVEN)
def test_a_masked_array_is_refused(name, unchecked):
    expected = f"{re.escape(name.split()[0])} must hold a number in every place, got a masked array with 1 masked"
    with pytest.raises(ValueError, match=expected):
        GIVEN[name]()


def test_a_masked_array_may_be_filled():
    assert istsim.Quadratic(masked(PROBLEM.L).filled(9.0), PROBLEM.b).L[0, 0, 0] == 9.0
