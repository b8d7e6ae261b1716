"""Data that are finite, but so large that what is computed from them is not."""

import numpy as np
import pytest

import istsim

MATRICES = np.array([np.eye(20) + 0.1, 2 * np.eye(20)])
ONES = np.ones((2, 20))
A, Y = np.random.default_rng(0).standard_normal((2, 2, 30, 20)), np.ones((2, 30))
HUGE = [(np.float32, 1e19), (np.float64, 1e200)]


def scaled(dtype, size):
    return {
        "dense": lambda: istsim.Quadratic((size * MATRICES).astype(dtype), ONES.astype(dtype)),
        "dense with such vectors": lambda: istsim.Quadratic(
            (size * MATRICES).astype(dtype), (size * ONES).astype(dtype)
        ),
        "vectors": lambda: istsim.Quadratic(MATRICES.astype(dtype), (size * ONES).astype(dtype)),
        "diagonal": lambda: istsim.Quadratic.from_diagonals(ONES.astype(dtype), (size * ONES).astype(dtype)),
        "least squares": lambda: istsim.Quadratic.from_least_squares((size * A[0]).astype(dtype), Y.astype(dtype)),
        "least squares with a ridge": lambda: istsim.Quadratic.from_least_squares(
            (size * A[0]).astype(dtype), Y.astype(dtype), ridge=1.0
        ),
        "few samples": lambda: istsim.Quadratic.from_least_squares(
            (size * A[0, :, :4]).astype(dtype), Y[:, :4].astype(dtype), ridge=1.0
        ),
        "few samples with such targets": lambda: istsim.Quadratic.from_least_squares(
            A[0, :, :4].astype(dtype), (30 * size * Y[:, :4]).astype(dtype), ridge=1.0
        ),
    }


@pytest.mark.parametrize(("dtype", "size"), HUGE, ids=["float32", "float64"])
@pytest.mark.parametrize("kind", scaled(float, 1.0))
def test_an_overflow_is_refused_as_such(kind, dtype, size):
    scaled(dtype, 1.0)[kind]()
    expected = rf"leaves the range of {dtype.__name__}: .* overflow.* divide L and b by one large number"
    with pytest.raises(ValueError, match=expected) as caught:
        scaled(dtype, size)[kind]()
    assert ("pass all data in float64" in str(caught.value)) == (dtype == np.float32)


LARGEST = np.finfo(float).max


@pytest.mark.parametrize(
    "make",
    [
        lambda: istsim.Quadratic(LARGEST / 2 * MATRICES[1:], ONES[:1]),
        lambda: istsim.Quadratic.from_diagonals(LARGEST * ONES, ONES),
        lambda: istsim.Quadratic.from_tridiagonals(LARGEST * ONES, LARGEST / 4 * ONES[:, 1:], ONES),
        lambda: istsim.Quadratic.from_matvec(lambda data, on, values: data * values, np.ones(2), LARGEST * ONES),
        lambda: istsim.quadratic_with_spectra(0, 1e200 * ONES[:, :3]),
        lambda: istsim.Quadratic(1e100 * MATRICES, ONES).astype(np.float32),
        lambda: istsim.remark_1_quadratic(1e200, 1e200, 1e199),
    ],
)
def test_every_constructor_refuses_an_overflow_as_such(make):
    with pytest.raises(ValueError, match=r"leaves the range of float\d\d: .* overflow"):
        make()


def test_a_matvec_whose_products_overflow_is_refused_as_such():
    with pytest.raises(ValueError, match="so small that their products do not overflow"):
        istsim.Quadratic.from_matvec(lambda data, on, values: data * values, np.full(2, 1e200), ONES)


def test_asymmetry_of_huge_entries_is_still_asymmetry():
    with pytest.raises(ValueError, match="must be symmetric"):
        istsim.Quadratic(LARGEST * np.array([[[1.0, 1.0], [-1.0, 1.0]]]), ONES[:1, :2])


def test_data_below_the_overflow_are_taken():
    problem = istsim.Quadratic(1e150 * MATRICES, 1e150 * ONES)
    np.testing.assert_allclose(problem.minimizer, istsim.Quadratic(MATRICES, ONES).minimizer)
