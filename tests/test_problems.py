import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import istsim
from istsim.problems._random_quadratic import random_vectors


def semidefinite(rng, n, d, rank):
    factors = rng.standard_normal((n, d, rank))
    return factors @ factors.swapaxes(1, 2)


@pytest.fixture
def rng(seed):
    return np.random.default_rng(seed)


@pytest.fixture
def data(rng):
    """Least squares with fewer than d/2 samples a worker: A (n, m, d) = (4, 2, 6) and y (4, 2)."""
    return rng.standard_normal((4, 2, 6)), rng.standard_normal((4, 2))


def random(key=0, n=4, d=6, **changes):
    arguments = {"condition_number": 10.0, "matrix_heterogeneity": 0.5, "vector_heterogeneity": 1.0} | changes
    return istsim.random_quadratic(key, n, d, **arguments)


# A problem is what its L and b say


def test_a_quadratic_keeps_its_matrices_and_vectors(rng):
    L, b = semidefinite(rng, 3, 4, 4), rng.standard_normal((3, 4))
    problem = istsim.Quadratic(L, b)
    assert (problem.num_workers, problem.dim) == (3, 4)
    np.testing.assert_allclose(problem.L, L, rtol=1e-15, atol=1e-15)
    np.testing.assert_array_equal(problem.b, b)
    np.testing.assert_allclose(problem.mean_hessian, L.mean(axis=0), rtol=1e-14)


def test_value_is_the_average_over_workers_of_one_half_xLx_minus_bx(rng):
    L, b, x = semidefinite(rng, 3, 4, 4), rng.standard_normal((3, 4)), rng.standard_normal(4)
    expected = np.mean([x @ L_i @ x / 2 - b_i @ x for L_i, b_i in zip(L, b, strict=True)])
    problem = istsim.Quadratic(L, b)
    assert problem.value(x) == pytest.approx(expected, rel=1e-13)
    assert problem.value(x).shape == ()


def test_the_gradient_is_the_derivative_of_the_value(rng):
    problem, x = random(), jnp.asarray(rng.standard_normal(6))
    np.testing.assert_allclose(problem.gradient(x), jax.grad(problem.value)(x), rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(jax.hessian(problem.value)(x), problem.mean_hessian, rtol=1e-13, atol=1e-13)


def test_the_gradient_vanishes_at_the_minimizer_and_the_value_there_is_the_minimum(rng):
    problem = random()
    np.testing.assert_allclose(jax.grad(problem.value)(problem.minimizer), 0, atol=1e-14)
    assert problem.minimum == pytest.approx(float(problem.value(problem.minimizer)), rel=1e-14)
    for _ in range(5):
        assert problem.value(problem.minimizer + rng.standard_normal(6)) > problem.minimum


def test_the_objective_gap_is_the_difference_to_the_minimum(rng):
    problem, x = random(), rng.standard_normal(6)
    assert problem.objective_gap(x) == pytest.approx(float(problem.value(x) - problem.minimum), rel=1e-12)
    assert problem.objective_gap(problem.minimizer) == 0


def test_the_objective_gap_keeps_its_digits_where_the_difference_loses_them():
    problem = istsim.Quadratic(2 * np.eye(2)[None], np.array([[2.0, 4.0]]))  # x* = (1, 2)
    x = np.asarray(problem.minimizer) + np.array([2.0**-40, 0])
    assert problem.objective_gap(x) == 2.0**-80  # 1/2 2 (2^-40)^2
    assert problem.value(x) - problem.minimum == 0


def test_a_problem_passes_through_jit_vmap_and_grad(rng):
    L, b, x = semidefinite(rng, 2, 3, 3), rng.standard_normal((2, 3)), rng.standard_normal(3)
    problem = istsim.Quadratic(L, b)
    assert jax.jit(lambda p: p.value(x))(problem) == pytest.approx(float(problem.value(x)), rel=1e-14)
    built_inside = jax.vmap(lambda scale: istsim.Quadratic(scale * L, b).minimizer)(jnp.array([1.0, 2.0]))
    np.testing.assert_allclose(built_inside[0], 2 * built_inside[1], rtol=1e-12)
    np.testing.assert_allclose(built_inside[0], problem.minimizer, rtol=1e-10)
    # f* = -1/2 bbar' Lbar^-1 bbar, so its derivative in every b_i is -x*/n.
    derivative = jax.grad(lambda b: istsim.Quadratic(L, b).minimum)(jnp.asarray(b))
    np.testing.assert_allclose(derivative, np.broadcast_to(-problem.minimizer / 2, (2, 3)), rtol=1e-9)


def test_a_rank_deficient_semidefinite_worker_is_accepted(rng):
    L = semidefinite(rng, 3, 6, 2)
    assert istsim.Quadratic(L, np.zeros((3, 6))).dim == 6
    # One worker knows nothing at all.
    assert istsim.Quadratic(np.stack([np.eye(2), np.zeros((2, 2))]), np.zeros((2, 2))).dim == 2
    # Random rank-one matrices at scales from 1e-8 to 1e8: rounding must not look like a negative eigenvalue.
    for scale in (1e-8, 1.0, 1e8):
        assert istsim.Quadratic(scale * semidefinite(rng, 100, 20, 1), np.zeros((100, 20))).num_workers == 100


def test_rounding_asymmetry_is_accepted_and_removed(rng):
    L = semidefinite(rng, 2, 3, 3)
    L[0, 0, 1] *= 1 + 4e-16
    assert (L.swapaxes(1, 2) != L).any()
    problem = istsim.Quadratic(L, np.zeros((2, 3)))
    np.testing.assert_array_equal(problem.L, problem.L.swapaxes(1, 2))


def test_integers_are_taken_as_float64():
    problem = istsim.Quadratic(np.eye(2, dtype=int)[None], np.array([[1, 2]]))
    assert problem.dtype == np.float64
    np.testing.assert_array_equal(problem.minimizer, [1, 2])


def test_float32_data_stay_float32(rng, data):
    L, b = semidefinite(rng, 2, 3, 3).astype(np.float32), rng.standard_normal((2, 3)).astype(np.float32)
    A, y = (array.astype(np.float32) for array in data)
    for problem in (istsim.Quadratic(L, b), istsim.Quadratic.from_least_squares(A, y, ridge=0.1)):
        x = np.ones(problem.dim, np.float32)
        assert problem.dtype == np.float32
        for array in (problem.L, problem.b, problem.mean_hessian, problem.minimizer, problem.gradient(x)):
            assert array.dtype == np.float32
        assert problem.value(x).dtype == problem.minimum.dtype == problem.objective_gap(x).dtype == np.float32
    assert istsim.Quadratic(L, b.astype(float)).dtype == np.float64


@pytest.mark.parametrize("structure", ["dense", "factored"])
def test_astype_converts_everything_and_changes_nothing_else(structure, data):
    problem = random() if structure == "dense" else istsim.Quadratic.from_least_squares(*data, ridge=0.5)
    single = problem.astype(np.float32)
    assert single.dtype == np.float32
    numbers = {leaf.dtype for leaf in jax.tree.leaves(single) if np.issubdtype(leaf.dtype, np.floating)}
    assert numbers == {np.dtype(np.float32)}
    np.testing.assert_allclose(single.L, problem.L, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(single.minimizer, problem.minimizer, rtol=1e-5, atol=1e-5)
    assert single.astype(np.float64).dtype == np.float64


# Least squares


def test_least_squares_gives_the_matrices_and_vectors_of_its_definition(rng):
    A = [rng.standard_normal((m, 3)) for m in (2, 5, 4)]
    y = [rng.standard_normal(len(part)) for part in A]
    problem = istsim.Quadratic.from_least_squares(A, y, ridge=0.25)
    for i, (A_i, y_i) in enumerate(zip(A, y, strict=True)):
        np.testing.assert_allclose(problem.L[i], A_i.T @ A_i / len(A_i) + 0.25 * np.eye(3), rtol=1e-13)
        np.testing.assert_allclose(problem.b[i], A_i.T @ y_i / len(A_i), rtol=1e-13)


def test_workers_with_more_samples_weigh_no_more(rng):
    """A worker that sees its samples twice has the same L_i and b_i."""
    A, y = rng.standard_normal((2, 3, 4)), rng.standard_normal((2, 3))
    once = istsim.Quadratic.from_least_squares(list(A), list(y), ridge=0.1)
    twice = istsim.Quadratic.from_least_squares([np.tile(A[0], (2, 1)), A[1]], [np.tile(y[0], 2), y[1]], ridge=0.1)
    np.testing.assert_allclose(twice.minimizer, once.minimizer, rtol=1e-12)


def test_constants_are_dropped_from_the_least_squares_value(rng, data):
    A, y = data
    problem, x = istsim.Quadratic.from_least_squares(A, y, ridge=0.3), rng.standard_normal(6)
    residual = np.einsum("imd,d->im", A, x) - y
    full = np.mean([(r @ r - y_i @ y_i) / (2 * len(y_i)) for r, y_i in zip(residual, y, strict=True)])
    assert problem.value(x) == pytest.approx(full + 0.3 * x @ x / 2, rel=1e-13)


def test_few_samples_are_kept_as_factors_and_many_are_not(data, rng):
    assert "factored" in repr(istsim.Quadratic.from_least_squares(*data, ridge=0.1))
    many = rng.standard_normal((4, 9, 6)), rng.standard_normal((4, 9))
    assert "dense" in repr(istsim.Quadratic.from_least_squares(*many))


# Structures: each is compared with the dense matrices it stands for.

STRUCTURED = {
    "dense": lambda rng: random(key=3),
    "diagonal": lambda rng: istsim.Quadratic.from_diagonals(rng.uniform(0, 3, (4, 6)), rng.standard_normal((4, 6))),
    "tridiagonal": lambda rng: istsim.Quadratic.from_tridiagonals(
        rng.uniform(2, 3, (4, 6)), rng.uniform(-1, 1, (4, 5)), rng.standard_normal((4, 6))
    ),
    "factored": lambda rng: istsim.Quadratic.from_least_squares(
        rng.standard_normal((4, 2, 6)), rng.standard_normal((4, 2)), ridge=0.4
    ),
    "factored without ridge": lambda rng: istsim.Quadratic.from_least_squares(
        [rng.standard_normal((m, 6)) for m in (1, 2, 2, 2)], [rng.standard_normal(m) for m in (1, 2, 2, 2)]
    ),
    "factored, as is its mean": lambda rng: istsim.Quadratic.from_least_squares(
        rng.standard_normal((2, 1, 6)), rng.standard_normal((2, 1)), ridge=0.01
    ),
}


@pytest.fixture(params=STRUCTURED)
def structured(request, rng):
    problem = STRUCTURED[request.param](rng)
    assert request.param.split()[0].strip(",") in repr(problem)
    return problem


def same(result, expected, tolerance=1e-12):
    np.testing.assert_allclose(result, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.sample(2)
def test_every_structure_multiplies_like_its_dense_matrices(structured, rng):
    L, hessians = np.asarray(structured.L), structured.hessians
    n, d = L.shape[:2]
    assert (hessians.num_workers, hessians.dim) == (n, d)
    x, points = rng.standard_normal(d), jnp.asarray(rng.standard_normal((2, n, d)))
    same(hessians.dense(), L)
    same(hessians.diagonal(), np.einsum("naa->na", L))
    same(hessians.apply(points), np.einsum("nab,...nb->...na", L, points))
    same(hessians.scaled(jnp.asarray(x)).dense(), x[:, None] * L * x)
    for size in (1, 3, d):  # in any order, the neighbours of a tridiagonal matrix included
        indices = jnp.stack([rng.permutation(d)[:size] for _ in range(n)])
        values, sparse = jnp.asarray(rng.standard_normal((n, size))), np.zeros((n, d))
        np.put_along_axis(sparse, indices, values, axis=1)
        product = np.einsum("nab,nb->na", L, sparse)
        same(hessians.apply_rows(indices, jnp.asarray(x)), np.take_along_axis(L @ x, indices, axis=1))
        same(hessians.apply_columns(indices, values), product)
        same(hessians.apply_block(indices, values), np.take_along_axis(product, indices, axis=1))


def test_every_structure_has_its_mean_and_solves_with_it(structured, rng):
    average, Lbar = structured.average, np.asarray(structured.L).mean(axis=0)
    same(average.dense()[0], Lbar)
    same(structured.mean_hessian, Lbar)
    vectors = rng.standard_normal((3, structured.dim))
    same(structured.mean_hessian_times(jnp.asarray(vectors)), vectors @ Lbar)
    same(average.solve(jnp.asarray(vectors[:1]))[0], np.linalg.solve(Lbar, vectors[0]), 1e-9)
    same(structured.minimizer, np.linalg.solve(Lbar, np.asarray(structured.b).mean(axis=0)), 1e-9)
    smallest = np.linalg.eigvalsh(Lbar)[0]
    assert average.smallest_eigenvalue(0) == pytest.approx(smallest, rel=1e-9)
    assert average.is_definite(0, shift=-0.99 * smallest)
    assert not average.is_definite(0, shift=-1.01 * smallest)


@pytest.mark.sample(12)
@pytest.mark.parametrize("sketch", [istsim.Permutation, lambda n, d: istsim.Bernoulli(n, d, 0.5)])
@pytest.mark.parametrize("method", [istsim.IST, istsim.CompressedGradient, istsim.CompressedIterates])
def test_a_structure_changes_no_trajectory(structured, sketch, method):
    dense = istsim.Quadratic(structured.L, structured.b)
    method = method(sketch(structured.num_workers, structured.dim))
    ours, theirs = (istsim.trajectory(p, method, step_size=0.1, rounds=3, key=1) for p in (structured, dense))
    same(ours, theirs)


def test_a_tridiagonal_problem_of_one_coordinate_has_no_off_diagonal():
    problem = istsim.Quadratic.from_tridiagonals([[2.0], [4.0]], np.zeros((2, 0)), [[3.0], [3.0]])
    assert problem.minimizer == pytest.approx([1.0], rel=1e-15)


def test_a_structured_problem_far_too_large_for_matrices_is_simulated():
    d = 20_000  # its dense L_i would take 6 GB
    problem = istsim.tridiagonal_quadratic(0, 2, d, noise_scale=0.1, smallest_eigenvalue=0.1)
    solution = istsim.simulate(problem, istsim.IST(istsim.Permutation(2, d)), step_size=0.1, rounds=2, key=0)
    assert np.isfinite(solution.dataset.objective_gap).all()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: istsim.Quadratic.from_diagonals([1.0], [1.0]), ["diagonals must have shape (n, d)"]),
        (lambda: istsim.Quadratic.from_diagonals([[1.0]], [[1.0, 2.0]]), ["b must have shape (n, d) = (1, 1)"]),
        (lambda: istsim.Quadratic.from_diagonals([[3.0, -1.0], [3.0, 3.0]], np.ones((2, 2))), ["L[0]", "-1"]),
        (lambda: istsim.Quadratic.from_diagonals([[3.0, 0.0]], [[1.0, 1.0]]), ["positive definite"]),
        (lambda: istsim.Quadratic.from_tridiagonals([[1.0, 1.0]], [[0.0, 0.0]], [[1.0, 1.0]]), ["(n, d - 1) = (1, 1)"]),
        (
            lambda: istsim.Quadratic.from_tridiagonals([[1.0, 1.0]], [[2.0]], [[1.0, 1.0]]),
            ["semidefinite", "L[0]", "-1"],
        ),
        (lambda: istsim.Quadratic.from_tridiagonals([[1.0, 1.0]], [[1.0]], [[1.0, 1.0]]), ["positive definite"]),
    ],
)
def test_bad_bands_are_refused(make, words):
    with pytest.raises(ValueError) as refusal:
        make()
    for word in words:
        assert word in str(refusal.value)


def test_preconditioning_gives_ones_on_the_diagonal_and_leads_back(structured, rng):
    better = structured.preconditioned()
    assert type(better.hessians) is type(structured.hessians)
    same(np.diag(better.mean_hessian), np.ones(structured.dim))
    same(better.original(better.minimizer), structured.minimizer, 1e-9)
    same(better.minimum, structured.minimum, 1e-9)
    z = rng.standard_normal((2, structured.dim))
    same(better.value(z[0]), structured.value(better.original(z[0])))
    twice = better.preconditioned()
    same(twice.original(z), better.original(z))
    np.testing.assert_array_equal(structured.original(z), z)


def test_preconditioned_samples_give_preconditioned_stochastic_gradients(data):
    # Whole batches: the stochastic gradient is the exact one, by another formula.
    problem = istsim.Quadratic.from_least_squares(*data, ridge=0.3).preconditioned()
    sketch = istsim.Permutation(problem.num_workers, problem.dim)
    whole = istsim.IST(sketch, noise=istsim.RowSampling(int(problem.samples.counts.min())))
    paths = [istsim.trajectory(problem, m, step_size=0.05, rounds=3, key=1) for m in (whole, istsim.IST(sketch))]
    same(paths[0], paths[1])


def test_the_homogeneous_preconditioned_problem_is_solved_deterministically_by_one_coordinate_a_worker():
    # (22): L_i with ones on the diagonal and Perm-1 give B = n I, whatever is drawn.
    homogeneous = random(n=6, d=6, matrix_heterogeneity=0.0, vector_heterogeneity=0.0)
    problem, method = homogeneous.preconditioned(), istsim.IST(istsim.Permutation(6, 6))
    paths = [istsim.trajectory(problem, method, step_size=0.05, rounds=4, key=key) for key in (1, 2)]
    same(paths[0], paths[1])


# Families


def test_the_tridiagonal_family_has_its_shift_and_its_noise():
    problem = istsim.tridiagonal_quadratic(1, 5, 30, noise_scale=0.2, smallest_eigenvalue=1e-2)
    L, b = np.asarray(problem.L), np.asarray(problem.b)
    assert np.linalg.eigvalsh(L.mean(axis=0))[0] == pytest.approx(1e-2, rel=1e-9)
    u = -4 * L[:, 0, 1]
    T = 2 * np.eye(30) - np.eye(30, k=1) - np.eye(30, k=-1)
    shift = L - u[:, None, None] * T / 4
    same(shift, np.broadcast_to(shift[0, 0, 0] * np.eye(30), L.shape))
    assert not b[:, 1:].any()
    assert (u > 0).all()
    assert u.std() > 0
    calm = istsim.tridiagonal_quadratic(1, 5, 30, noise_scale=0.0, smallest_eigenvalue=1e-2)
    same(calm.L, np.broadcast_to(calm.L[0], (5, 30, 30)))
    same(calm.b[:, 0], -0.25 * np.ones(5))
    assert istsim.tridiagonal_quadratic(1, 2, 3, noise_scale=0.0, smallest_eigenvalue=1.0, dtype=jnp.float32).dtype == (
        np.float32
    )


def test_the_tridiagonal_noise_has_the_stated_spread(false_alarm_rate):
    allowed = scipy.stats.norm.isf(false_alarm_rate / 2 / 4)  # two means, two standard deviations
    problem = istsim.tridiagonal_quadratic(2, 4000, 2, noise_scale=0.1, smallest_eigenvalue=1.0)
    u = -4 * np.asarray(problem.hessians.above)[:, 0]
    v = np.asarray(problem.b)[:, 0] * 4 / u + 1
    for values, mean in ((u, 1.0), (v, 0.0)):
        assert abs(values.mean() - mean) < allowed * 0.1 / np.sqrt(4000)
        assert abs(values.std() - 0.1) < allowed * 0.1 / np.sqrt(8000)


@pytest.mark.parametrize("shared", [False, True])
def test_given_spectra_are_the_workers_spectra(shared):
    spectra = np.array([[0.0, 1.0, 2.0], [0.5, 0.6, 7.0]])
    problem = istsim.quadratic_with_spectra(3, spectra, shared_directions=shared, vector_heterogeneity=0.5)
    L = np.asarray(problem.L)
    same([np.linalg.eigvalsh(matrix) for matrix in L], spectra)
    commutator = L[0] @ L[1] - L[1] @ L[0]
    assert (np.abs(commutator).max() < 1e-12) == shared
    assert np.asarray(problem.b).std(axis=0).min() > 0
    assert not np.asarray(istsim.quadratic_with_spectra(3, spectra, interpolation=True).b).any()


@pytest.mark.parametrize(("c", "semidefinite"), [(1.7, True), (-1.7, True), (1.8, False), (-1.8, False), (2.7, False)])
def test_remark_1_has_an_indefinite_matrix_beyond_its_threshold(c, semidefinite):
    # a = 8, b = 1: the threshold is 16/9.
    problem = istsim.remark_1_quadratic(8.0, 1.0, c)
    contraction = istsim.theory.contraction(problem, istsim.IST(istsim.Permutation(2, 2)))
    assert contraction.is_semidefinite == semidefinite


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: istsim.remark_1_quadratic(1.0, 1.0, 1.0), "c^2 below a b"),
        (lambda: istsim.remark_1_quadratic(-1.0, 1.0, 0.0), "must be positive"),
        (lambda: istsim.quadratic_with_spectra(0, [[1.0, -1.0]]), "be at least 0"),
        (lambda: istsim.quadratic_with_spectra(0, [[1.0, 0.0]]), "positive definite"),
        (
            lambda: istsim.quadratic_with_spectra(0, [[1.0]], interpolation=True, vector_heterogeneity=1.0),
            "needs vector",
        ),
        (lambda: istsim.tridiagonal_quadratic(0, 2, 3, noise_scale=-1.0, smallest_eigenvalue=1.0), "at least 0"),
        (lambda: istsim.tridiagonal_quadratic(0, 2, 3, noise_scale=0.0, smallest_eigenvalue=0.0), "must be positive"),
        (lambda: istsim.tridiagonal_quadratic(0, 50, 9, noise_scale=1.0, smallest_eigenvalue=1e-3), "semidefinite"),
    ],
)
def test_a_family_refuses_what_it_has_no_member_for(make, words):
    with pytest.raises(ValueError) as refusal:
        make()
    assert words in str(refusal.value)


# Random problems


@pytest.mark.parametrize("condition_number", [1.0, 10.0, 1000.0])
@pytest.mark.parametrize("matrix_heterogeneity", [0.0, 0.5, 1.0])
def test_the_mean_hessian_has_the_stated_eigenvalues_whatever_the_heterogeneity(condition_number, matrix_heterogeneity):
    problem = random(condition_number=condition_number, matrix_heterogeneity=matrix_heterogeneity)
    eigenvalues = np.linalg.eigvalsh(problem.mean_hessian)
    # Geometrically spaced from 1/condition_number to 1.
    np.testing.assert_allclose(eigenvalues, np.geomspace(1 / condition_number, 1, 6), rtol=1e-10)


def test_no_heterogeneity_makes_all_workers_equal():
    problem = random(matrix_heterogeneity=0.0, vector_heterogeneity=0.0)
    np.testing.assert_array_equal(problem.L, np.broadcast_to(problem.L[0], (4, 6, 6)))
    np.testing.assert_array_equal(problem.b, np.broadcast_to(problem.b[0], (4, 6)))


def test_each_heterogeneity_acts_alone():
    matrices = random(matrix_heterogeneity=0.5, vector_heterogeneity=0.0)
    assert (np.ptp(matrices.L, axis=0) > 0).all()
    np.testing.assert_array_equal(matrices.b, np.broadcast_to(matrices.b[0], (4, 6)))
    vectors = random(matrix_heterogeneity=0.0, vector_heterogeneity=0.5)
    np.testing.assert_array_equal(vectors.L, np.broadcast_to(vectors.L[0], (4, 6, 6)))
    assert (np.ptp(vectors.b, axis=0) > 0).all()


def test_matrix_heterogeneity_interpolates_between_equal_and_independent_matrices():
    """L_i - Lbar is linear in the heterogeneity, so that half of it is half the way."""
    spread = {h: np.asarray(random(matrix_heterogeneity=h).L - random(matrix_heterogeneity=0.0).L) for h in (0.5, 1.0)}
    np.testing.assert_allclose(spread[0.5], 0.5 * spread[1.0], atol=1e-12)


def test_vector_heterogeneity_is_the_standard_deviation_of_the_vectors_over_workers(false_alarm_rate):
    problem = random(n=2000, d=3, vector_heterogeneity=0.7)
    # The standard deviation of 6000 normal numbers has a relative standard error of 1/sqrt(12000).
    deviation = np.asarray(problem.b - problem.b.mean(axis=0)).std()
    assert deviation == pytest.approx(0.7, rel=scipy.stats.norm.isf(false_alarm_rate / 2) / np.sqrt(12000))


@pytest.mark.parametrize("vector_heterogeneity", [0.0, 1e6])
def test_the_minimizer_is_standard_normal_whatever_the_heterogeneity(vector_heterogeneity):
    problem = random(vector_heterogeneity=vector_heterogeneity)
    # One of 6 normal numbers exceeds 6 with probability 1e-8.
    assert 0 < np.abs(problem.minimizer).max() < 6


@pytest.mark.parametrize("changes", [{}, {"matrix_heterogeneity": 1.0}, {"n": 1}, {"d": 1, "condition_number": 1.0}])
def test_random_matrices_are_symmetric_positive_semidefinite(changes):
    problem = random(**changes)
    assert np.linalg.eigvalsh(problem.L).min() > -1e-13
    np.testing.assert_array_equal(problem.L, problem.L.swapaxes(1, 2))


def test_interpolation_puts_the_minimizer_of_every_worker_at_zero():
    problem = random(vector_heterogeneity=0.0, interpolation=True)
    np.testing.assert_array_equal(problem.b, 0)
    np.testing.assert_array_equal(problem.minimizer, 0)


def test_a_random_problem_is_a_function_of_its_key(key):
    np.testing.assert_array_equal(random(key).L, random(key).L)
    assert (random(1).L != random(2).L).any()
    for same in (jax.random.key(1), jax.random.PRNGKey(1), np.asarray(jax.random.PRNGKey(1)), np.int64(1)):
        np.testing.assert_array_equal(random(1).L, random(same).L)
        np.testing.assert_array_equal(random(1).b, random(same).b)


# Bad input

EYE = np.eye(2)[None]
ZERO = np.zeros((1, 2))


def with_entry(array, index, value):
    array = np.array(array, dtype=float)
    array[index] = value
    return array


@pytest.mark.parametrize(
    ("L", "b", "words"),
    [
        (np.eye(2), ZERO, ["L ", "(n, d, d)", "(2, 2)"]),
        (np.ones((1, 2, 3)), ZERO, ["L ", "(n, d, d)", "(1, 2, 3)"]),
        (EYE, np.zeros(2), ["b ", "(n, d)", "(2,)"]),
        (EYE, np.zeros((1, 3)), ["b ", "(1, 2)", "(1, 3)"]),
        (EYE, np.zeros((2, 2)), ["b ", "(1, 2)", "(2, 2)"]),
        (np.zeros((0, 2, 2)), np.zeros((0, 2)), ["n", "1", "0"]),
        (np.zeros((1, 0, 0)), np.zeros((1, 0)), ["d", "1", "0"]),
        (np.array([[[1.0, 2.0], [0.0, 1.0]]]), ZERO, ["symmetric", "L[0]"]),
        (np.stack([np.eye(2), [[1, 2], [2, 1]]]), np.zeros((2, 2)), ["semidefinite", "L[1]", "-1"]),
        (np.array([[[1.0, 0.0], [0.0, -1e-6]]]), ZERO, ["semidefinite", "L[0]", "-1e-06"]),
        (np.array([[[1.0, 0.0], [0.0, 0.0]]]), ZERO, ["positive definite", "ridge"]),
        (np.array([[[1.0, 1.0], [1.0, 1.0]]]), ZERO, ["positive definite", "ridge"]),
        (np.zeros((1, 2, 2)), ZERO, ["positive definite", "ridge"]),
        (with_entry(EYE, (0, 1, 0), np.nan), ZERO, ["L ", "finite", "nan", "(0, 1, 0)"]),
        (EYE, with_entry(ZERO, (0, 1), np.inf), ["b ", "finite", "inf", "(0, 1)"]),
        (EYE * 1j, ZERO, ["L ", "real", "complex"]),
        ([[[1.0, 0.0], [0.0]]], ZERO, ["L ", "(n, d, d)"]),
        ("matrix", ZERO, ["L "]),
        (None, ZERO, ["L "]),
    ],
)
def test_a_quadratic_refuses_bad_matrices_and_vectors(L, b, words, unchecked):
    with pytest.raises(ValueError) as caught:
        istsim.Quadratic(L, b)
    for word in words:
        assert word in str(caught.value)


def test_inside_jit_shapes_are_still_checked(unchecked):
    with pytest.raises(ValueError, match=r"\(1, 3\)"):
        jax.jit(lambda b: istsim.Quadratic(EYE, b).minimizer)(jnp.zeros((1, 3)))


A, Y = np.eye(3)[None, :2].repeat(4, axis=0), np.ones((4, 2))


@pytest.mark.parametrize(
    ("A", "y", "ridge", "words"),
    [
        (A, Y, 0.0, ["ridge"]),  # two samples leave the third coordinate undetermined: rank 2 of 3
        (A, Y, -0.1, ["ridge", "-0.1"]),
        (A, Y, np.nan, ["ridge", "nan"]),
        (A[0], Y[0], 0.1, ["A", "(m_i, d)", "(3,)"]),
        (A, Y[:3], 0.1, ["4", "3"]),
        (A, Y[:, :1], 0.1, ["y", "1"]),
        ([], [], 0.1, ["1", "0"]),
        ([A[0], A[1, :, :2]], list(Y[:2]), 0.1, ["3", "2"]),
        (with_entry(A, (2, 0, 0), np.nan), Y, 0.1, ["finite", "nan"]),
        (A, with_entry(Y, (1, 0), np.inf), 0.1, ["finite", "inf"]),
        ([A[0], A[0][:0]], [Y[0], Y[0][:0]], 0.1, ["0"]),
    ],
)
def test_least_squares_refuses_bad_data(A, y, ridge, words, unchecked):
    with pytest.raises(ValueError) as caught:
        istsim.Quadratic.from_least_squares(A, y, ridge)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"n": 0}, ["n ", "at least 1", "0"]),
        ({"d": 0}, ["d ", "at least 1", "0"]),
        ({"condition_number": 0.5}, ["condition_number", "1", "0.5"]),
        ({"condition_number": np.inf}, ["condition_number", "inf"]),
        ({"d": 1, "condition_number": 2.0}, ["condition_number", "1", "2"]),
        ({"matrix_heterogeneity": -0.1}, ["matrix_heterogeneity", "-0.1"]),
        ({"matrix_heterogeneity": 1.1}, ["matrix_heterogeneity", "1", "1.1"]),
        ({"vector_heterogeneity": -1.0}, ["vector_heterogeneity", "-1"]),
        ({"vector_heterogeneity": 1.0, "interpolation": True}, ["interpolation", "vector_heterogeneity"]),
        ({"key": "seed"}, ["key", "seed"]),
        ({"key": 1.5}, ["key", "1.5"]),
    ],
)
def test_random_quadratic_refuses_arguments_outside_their_range(changes, words, unchecked):
    with pytest.raises(ValueError) as caught:
        random(**changes)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("n", [2, 3])
def test_vector_heterogeneity_is_the_standard_deviation_over_workers(n, key, false_alarm_rate):
    d, stated = 300, 0.7
    keys = tuple(jax.random.split(key))
    vectors = random_vectors(keys, np.eye(d), n, heterogeneity=stated, interpolation=False)
    deviations = np.asarray(vectors) - np.asarray(vectors).mean(axis=0)
    # For n centred normal deviations a coordinate, each of the stated variance: (n - 1) / n of it is left of a sum of
    # squares over n - 1 degrees of freedom.
    squares = (deviations**2).sum() * (n - 1) / (n * stated**2)
    low, high = scipy.stats.chi2((n - 1) * d).ppf([false_alarm_rate / 2, 1 - false_alarm_rate / 2])
    assert low < squares < high
    # They average out: the minimizer stays.
    (alike, *_) = random_vectors(keys, np.eye(d), n, heterogeneity=0.0, interpolation=False)
    np.testing.assert_allclose(np.asarray(vectors).mean(axis=0), alike, rtol=0, atol=1e-13)


@pytest.mark.parametrize("smallest", [0.0, -0.1, -2.0])
def test_a_tridiagonal_quadratic_needs_a_positive_smallest_eigenvalue(smallest):
    with pytest.raises(ValueError, match="smallest_eigenvalue must be positive"):
        istsim.tridiagonal_quadratic(0, 2, 3, noise_scale=0.1, smallest_eigenvalue=smallest)


def test_gaps_of_several_points_are_those_of_each():
    problem = istsim.random_quadratic(1, 2, 3, condition_number=5.0, matrix_heterogeneity=0.5, vector_heterogeneity=1.0)
    points = np.arange(12.0).reshape(2, 2, 3)
    gaps = [[problem.objective_gap(point) for point in row] for row in points]
    np.testing.assert_allclose(problem.objective_gap(points), gaps, rtol=1e-13)
