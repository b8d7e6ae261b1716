"""L_i known by their products only: the same in everything as the matrices they stand for."""

import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st
from test_huge import largest

import istsim
from istsim import theory
from istsim.problems._matrix_free import MatrixFreeHessians
from istsim.simulation._devices import split_workers
from istsim.verify import strategies

N, D = 4, 6


def matvec(data, on, values):
    return data["L"][on][:, on] @ values


def matrix_free(problem):
    # What is no floating-point number is left as it is.
    return istsim.Quadratic.from_matvec(matvec, {"L": problem.L, "number": np.arange(problem.num_workers)}, problem.b)


DENSE = istsim.random_quadratic(3, N, D, condition_number=10.0, matrix_heterogeneity=0.5, vector_heterogeneity=1.0)
FREE = matrix_free(DENSE)


@pytest.fixture
def rng(seed):
    return np.random.default_rng(seed)


def same(result, expected, tolerance=1e-12):
    np.testing.assert_allclose(result, expected, rtol=tolerance, atol=tolerance)


# Equal to the dense problem


def test_the_problem_says_what_it_is():
    assert repr(FREE) == "Quadratic(num_workers=4, dim=6, matrix-free, float64)"


@pytest.mark.sample(1)
@pytest.mark.parametrize("scaled", [False, True])
def test_products_are_those_of_the_matrices(rng, scaled):
    scale = rng.uniform(0.5, 2.0, D) if scaled else np.ones(D)
    hessians, L = FREE.hessians, scale[:, None] * np.asarray(DENSE.L) * scale
    hessians = hessians.scaled(jnp.asarray(scale)) if scaled else hessians
    for ours, matrices in ((hessians, L), (hessians.mean(), L.mean(axis=0, keepdims=True))):
        n = len(matrices)
        assert (ours.num_workers, ours.dim) == (n, D)
        same(ours.dense(), matrices)
        same(ours.diagonal(), np.einsum("naa->na", matrices))
        x, points = rng.standard_normal(D), jnp.asarray(rng.standard_normal((2, n, D)))
        same(ours.apply(points), np.einsum("nab,...nb->...na", matrices, points))
        same(ours.solve(points[0]), np.linalg.solve(matrices, points[0][..., None])[..., 0], 1e-9)
        for size in (1, 3, D):
            indices = jnp.stack([rng.permutation(D)[:size] for _ in range(n)])
            values, sparse = jnp.asarray(rng.standard_normal((n, size))), np.zeros((n, D))
            np.put_along_axis(sparse, indices, values, axis=1)
            product = np.einsum("nab,nb->na", matrices, sparse)
            same(ours.apply_rows(indices, jnp.asarray(x)), np.take_along_axis(matrices @ x, indices, axis=1))
            same(ours.apply_columns(indices, values), product)
            same(ours.apply_block(indices, values), np.take_along_axis(product, indices, axis=1))


@hypothesis.given(dense=strategies.problems(n=N, d=D), seed=st.integers(0, 2**32 - 1))
def test_value_gradient_and_minimizer_are_those_of_the_matrices(dense, seed):
    free, x = matrix_free(dense), np.random.default_rng(seed).standard_normal(D)
    same(free.value(x), dense.value(x))
    same(free.gradient(x), dense.gradient(x))
    same(free.minimizer, dense.minimizer, 1e-11)  # conditions of up to 100
    same(free.objective_gap(x), dense.objective_gap(x), 1e-11)
    same(free.mean_hessian, dense.mean_hessian)


METHODS = {
    "gradient descent": istsim.GradientDescent(),
    "compressed gradient": istsim.CompressedGradient(istsim.RandK(N, D, 2), merge="owners", participants=3),
    "compressed iterates": istsim.CompressedIterates(istsim.RandK(N, D, 2), merge="literal"),
    "compressed iterates by masks": istsim.CompressedIterates(istsim.Permutation(N, D)),
    "IST": istsim.IST(istsim.RandK(N, D, 2)),
    "IST with everything": istsim.IST(istsim.Identity(N, D)),
    "IST by masks": istsim.IST(istsim.Bernoulli(N, D, 0.5), merge="owners", local_steps=2),
    "IST with noise": istsim.IST(istsim.Coverage(N, D, 2), noise=istsim.GaussianNoise(0.1 * np.eye(D))),
    "local updates": istsim.LocalUpdates([2, 4]),
}


@pytest.mark.sample(4)
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_runs_are_those_of_the_matrices(method):
    run = {"step_size": [0.02, 0.05], "rounds": 5, "repetitions": 2, "key": 1, "record_every": 2}
    ours, theirs = (istsim.simulate(problem, method, **run) for problem in (FREE, DENSE))
    same(ours.x, theirs.x)
    for name, values in theirs.metrics.items():
        same(ours.metrics[name], values, 1e-11)


@pytest.mark.slow
def test_exact_moments_are_those_of_the_matrices():
    method = METHODS["IST with noise"]
    ours, theirs = (theory.exact_moments(problem, method, step_size=0.05, rounds=3) for problem in (FREE, DENSE))
    for mine, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        same(mine, other, 1e-11)


def test_the_preconditioned_problem_is_that_of_the_matrices(rng):
    ours, theirs = FREE.preconditioned(), DENSE.preconditioned()
    assert isinstance(ours.hessians, MatrixFreeHessians)
    same(ours.L, theirs.L)
    same(np.diag(ours.mean_hessian), np.ones(D))
    same(ours.minimizer, theirs.minimizer, 1e-11)
    z = rng.standard_normal(D)
    same(ours.value(z), FREE.value(ours.original(z)))
    same(ours.preconditioned().original(z), ours.original(z))
    runs = [istsim.simulate(p, METHODS["IST"], step_size=0.05, rounds=5, key=1) for p in (ours, theirs)]
    same(runs[0].x, runs[1].x)


@pytest.mark.slow
def test_single_precision_stays_single_and_keeps_integers():
    single, dense = FREE.astype(np.float32), DENSE.astype(np.float32)

    def wide(data, on, values):  # what comes back in another precision is converted
        return matvec({"L": data["L"].astype(jnp.float64)}, on, values)

    built = istsim.Quadratic.from_matvec(wide, {"L": dense.L}, dense.b)
    assert single.dtype == built.dtype == np.float32
    assert single.hessians.data["number"].dtype == FREE.hessians.data["number"].dtype == np.int64
    for problem in (single, built):
        x = np.ones(D, np.float32)
        for array in (problem.L, problem.mean_hessian, problem.minimizer, problem.gradient(x), problem.minimum):
            assert array.dtype == np.float32
        same(problem.L, dense.L, 1e-6)
        runs = [istsim.simulate(p, METHODS["IST"], step_size=0.05, rounds=5, key=1).x for p in (problem, dense)]
        assert runs[0].dtype == np.float32
        same(runs[0], runs[1], 1e-5)
    assert istsim.Quadratic.from_matvec(matvec, {"L": dense.L}, DENSE.b).dtype == np.float64
    assert single.astype(np.float64).dtype == np.float64
    # Solved in float64: off by no more than the rounding of the solution.
    wide = np.linalg.solve(np.asarray(dense.L, float).mean(axis=0), np.asarray(dense.mean_vector, float))
    np.testing.assert_allclose(single.minimizer, wide, rtol=np.finfo(np.float32).eps)


@pytest.mark.slow
def test_it_may_be_built_and_differentiated_inside_jax():
    L, b = DENSE.L, DENSE.b

    def minimum(L, b):
        return istsim.Quadratic.from_matvec(matvec, {"L": L}, b).minimum

    assert jax.jit(minimum)(L, b) == pytest.approx(float(DENSE.minimum), rel=1e-12)
    gradients = jax.grad(minimum, argnums=(0, 1))(L, b)
    expected = jax.grad(lambda L, b: istsim.Quadratic(L, b).minimum, argnums=(0, 1))(L, b)
    for ours, theirs in zip(gradients, expected, strict=True):
        same(ours, theirs, 1e-11)
    finals = jax.vmap(lambda s: istsim.trajectory(FREE, METHODS["IST"], step_size=s, rounds=2, key=1)[-1], out_axes=0)(
        jnp.array([0.02, 0.05])
    )
    same(finals[1], istsim.trajectory(DENSE, METHODS["IST"], step_size=0.05, rounds=2, key=1)[-1])


def test_data_are_split_over_devices_with_their_workers():
    split = split_workers(FREE, 3)
    for name, leaf in FREE.hessians.data.items():
        part = split.hessians.data[name]
        assert len(part) == 3
        np.testing.assert_array_equal(np.concatenate(part)[:N], leaf)
    run = {"step_size": 0.05, "rounds": 3, "key": 1}
    sharded = istsim.simulate(FREE, METHODS["IST"], backend="shard_map", **run)
    same(sharded.x, istsim.simulate(DENSE, METHODS["IST"], **run).x)


def test_the_mean_makes_what_a_product_makes_on_the_way_once():
    n, d = 50, 40

    def kernel(points, on, values):
        held = points[on]
        return jnp.exp(-((held[:, None] - held) ** 2)) @ values + values

    hessians = MatrixFreeHessians(kernel, jnp.zeros((n, d)), jnp.ones(d))

    # The kernel matrix of one worker at a time, for several vectors too.
    for operator, points in ((hessians, jnp.ones((3, n, d))), (hessians.mean(), jnp.ones((3, 1, d)))):
        assert d * d <= largest(lambda h, x: h.apply(x), operator, points) <= 3 * n * d


# What is known by products alone: one shape, for which everything compiles once.

LARGE = 300


def symmetric(eigenvalues, seed=0):
    directions = np.linalg.qr(np.random.default_rng(seed).standard_normal((LARGE, LARGE)))[0]
    matrix = (directions * np.asarray(eigenvalues)) @ directions.T
    return (matrix + matrix.T) / 2


def large(eigenvalues, b=0.0):
    return istsim.Quadratic.from_matvec(matvec, {"L": symmetric(eigenvalues)[None]}, np.full((1, LARGE), b))


def test_the_minimizer_is_as_accurate_as_that_of_a_factorisation():
    for condition in (1e2, 1e4, 1e6):
        eigenvalues = np.geomspace(1 / condition, 1, LARGE)
        problem, L = large(eigenvalues, b=1.0), symmetric(eigenvalues)
        solution = np.linalg.solve(L, np.ones(LARGE))
        error = np.linalg.norm(problem.minimizer - solution) / np.linalg.norm(solution)
        assert error < 10 * condition * np.finfo(float).eps


def test_the_smallest_eigenvalue_of_the_mean_is_found():
    average = large(np.geomspace(1e-3, 1, LARGE)).average
    assert average.smallest_eigenvalue(0) == pytest.approx(1e-3, rel=1e-9)
    assert average.is_definite(0, shift=-0.99e-3)
    assert not average.is_definite(0, shift=-1.01e-3)
    small = FREE.average
    assert small.smallest_eigenvalue(0) == pytest.approx(0.1, rel=1e-12)
    assert small.is_definite(0, shift=-0.099)
    assert not small.is_definite(0, shift=-0.101)


def test_the_smallest_eigenvalues_of_small_matrices_are_found():
    for i, matrix in enumerate(np.asarray(DENSE.L)):
        assert FREE.hessians.smallest_eigenvalue(i) == pytest.approx(np.linalg.eigvalsh(matrix)[0], abs=1e-13)


@pytest.mark.parametrize("rest", [np.linspace(0.1, 1, LARGE - 1), np.geomspace(1e-9, 1, LARGE - 1)])
def test_an_eigenvalue_negative_by_a_twentieth_of_the_spread_is_found(rest):
    with pytest.raises(ValueError, match=r"positive semidefinite, but L\[0\] has the eigenvalue -0\.05"):
        large([-0.053, *rest])


@pytest.mark.parametrize("b", [0.0, 1.0])
def test_a_singular_mean_is_refused_whatever_the_vectors(b):
    """With b = 0 conjugate gradients have nothing to do, and the zero is next to a continuum."""
    with pytest.raises(ValueError, match="positive definite"):
        large([0.0, *np.geomspace(1e-4, 1, LARGE - 1)], b)


@pytest.mark.parametrize("b", [0.0, 1.0])
def test_a_mean_too_badly_conditioned_for_conjugate_gradients_is_refused(b):
    with pytest.raises(ValueError, match="conjugate gradients have not converged in 20000 steps"):
        large(np.geomspace(1e-10, 1, LARGE), b)


@pytest.mark.sample(4)
@pytest.mark.parametrize("rank", [1, 3])
@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rounding_does_not_make_a_rank_deficient_worker_indefinite(rng, rank, scale, dtype):
    factors = (np.sqrt(scale) * rng.standard_normal((50, 20, rank))).astype(dtype)
    factors[7] = 0  # one worker knows nothing at all
    problem = istsim.Quadratic.from_matvec(outer_product, factors, np.zeros((50, 20), dtype))
    same(problem.minimizer, np.zeros(20))


def outer_product(factor, on, values):
    return factor[on] @ (factor[on].T @ values)


def test_one_coordinate_is_enough():
    problem = istsim.Quadratic.from_matvec(matvec, {"L": np.array([[[2.0]], [[4.0]]])}, [[3.0], [3.0]])
    assert problem.minimizer.tolist() == [1.0]


# Bad input

L, B, LINES = np.asarray(DENSE.L), np.asarray(DENSE.b), {"L": np.asarray(DENSE.L)}


def changed(index, value):
    array = L.copy()
    array[index] = value
    return {"L": array}


@pytest.mark.parametrize(
    ("matvec", "data", "b", "words"),
    [
        (L, LINES, B, ["matvec must be a function", "array"]),
        (matvec, LINES, B[0], ["b must have shape (n, d)", "(6,)"]),
        (matvec, LINES, B[:0], ["n, d >= 1", "(0, 6)"]),
        (matvec, {}, B, ["at least one array", "n = 4", "{}"]),
        (matvec, {"L": L[:3]}, B, ["data['L']", "n = 4", "(3, 6, 6)"]),
        (matvec, {"L": L, "more": [1.0, 2.0]}, B, ["data['more'][0]", "n = 4", "()"]),
        (matvec, changed((2, 0, 0), np.nan), B, ["data['L']", "finite"]),
        (matvec, changed((2, 0, 1), 5.0), B, ["symmetric", "worker 2"]),
        (matvec, {"L": L - 3 * np.eye(D)}, B, ["positive semidefinite", "L[0] has the eigenvalue -"]),
        (matvec, {"L": 0 * L}, B, ["positive definite", "eigenvalue is 0"]),
        (lambda data, on, values: values[:, None], LINES, B, ["matvec", "shape of on, (6,)", "(6, 1)"]),
        (lambda data, on, values: jnp.float64(0.0), LINES, B, ["matvec", "shape of on, (6,)", "shape ()"]),
        (lambda data, on, values: 1j * values, LINES, B, ["matvec", "real numbers", "complex128"]),
        (lambda data, on, values: values / 0, LINES, B, ["matvec", "finite numbers", "worker 0"]),
        (
            lambda data, on, values: data["L"][: len(on), : len(on)] @ values,
            LINES,
            B,
            ["entries at on", "worker 0", "part of the coordinates"],
        ),
    ],
)
def test_what_is_no_such_problem_is_refused(matvec, data, b, words, unchecked):
    with pytest.raises(ValueError) as refusal:
        istsim.Quadratic.from_matvec(matvec, data, b)
    for word in words:
        assert word in str(refusal.value)
