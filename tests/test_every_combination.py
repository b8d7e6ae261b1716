"""Sketches x estimators x merges x local steps: the definition, enumerated in plain NumPy, against all other routes."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import istsim
from istsim.methods._method import Draws
from istsim.simulation import _numpy
from istsim.simulation._rounds import advance

N, D, STEP_SIZE = 3, 4, 0.13
X = np.array([1.0, -0.5, 2.0, 0.7])

SKETCHES = {
    "identity": istsim.Identity(N, D),
    "permutation": istsim.Permutation(N, D),
    "rand-k": istsim.RandK(N, D, 2),
    "bernoulli": istsim.Bernoulli(N, D, 0.4),
    "coverage": istsim.Coverage(N, D, 2),
    "grouped": istsim.Grouped(istsim.Permutation(N, 3), [0, 1, 2, 1]),
}
ESTIMATORS = {
    "gradient": istsim.CompressedGradient,
    "iterates": istsim.CompressedIterates,
    "both": istsim.IST,
}
COMBINATIONS = [
    (sketch, estimator, merge, local_steps)
    for sketch, estimator, merge, local_steps in itertools.product(
        SKETCHES, ESTIMATORS, ("mean", "owners", "literal"), (1, 2, 3)
    )
    if not (estimator == "iterates" and merge == "owners")  # refused: whole gradients have no owners
]


def problem_of(n: int, d: int):
    return istsim.random_quadratic(7, n, d, condition_number=5.0, matrix_heterogeneity=0.6, vector_heterogeneity=1.0)


def defined_round(problem, method, mask, x, reporting=None, noise=0.0):
    """One round to the letter of the definition, worker by worker, for masks of shape (..., n, d)."""
    *_, n, d = mask.shape
    L, b = np.asarray(problem.L), np.asarray(problem.b)
    weights = np.ones((n, d)) if method.weights is None else np.asarray(method.weights)
    reporting = range(n) if reporting is None else reporting
    starts, reports = {}, {}
    for i in reporting:
        # The entries of diagonal matrices.
        P, I = mask[..., i, :].astype(float), np.ones(mask[..., i, :].shape)  # noqa: E741
        C = method.forward_scale * weights[i] * P if method.masks_model else I
        M = P if method.masks_model and method.masks_gradient else I
        w = starts[i] = C * x
        for _ in range(method.local_steps):
            w = w - STEP_SIZE * M * (w @ L[i] - b[i] + noise)
        output = method.gradient_scale * weights[i] * P if method.masks_gradient else I
        reports[i] = output * (starts[i] - w) / STEP_SIZE
    if method.merge == "mean":
        return x - STEP_SIZE * sum(reports.values()) / len(reports)
    if method.merge == "literal":
        return sum(starts[i] - STEP_SIZE * reports[i] for i in reporting) / len(reports)
    holders = sum(mask[..., i, :].astype(int) for i in reporting)
    held = sum(np.where(mask[..., i, :], reports[i], 0.0) for i in reporting)
    return x - STEP_SIZE * held / np.maximum(holders, 1)


def held(sketch, masks):
    """The masks in the form that the sketch's own draws have."""
    if sketch.size is None:
        return jnp.asarray(masks)
    return jnp.asarray([[np.flatnonzero(row) for row in mask] for mask in masks])


@pytest.mark.sample(32)
@pytest.mark.parametrize(
    ("sketch", "estimator", "merge", "local_steps"),
    [pytest.param(*combination, marks=[pytest.mark.slow] * (combination[-1] == 3)) for combination in COMBINATIONS],
)
def test_every_combination_is_its_definition_and_has_its_exact_mean(sketch, estimator, merge, local_steps):
    sketch = SKETCHES[sketch]
    problem = problem_of(N, D)
    method = ESTIMATORS[estimator](sketch, merge=merge, local_steps=local_steps)
    outcomes = list(sketch.outcomes())
    chosen = outcomes[::17] if len(outcomes) > 300 else outcomes  # Bernoulli has 4096
    masks = np.array([mask for mask, _ in chosen])
    sets = held(sketch, masks)

    def one_round(held):
        return advance(problem, method, Draws(held, None, jnp.arange(N), None), STEP_SIZE, jnp.asarray(X))

    defined = defined_round(problem, method, masks, X)
    in_numpy = Draws(np.asarray(sets), None, np.arange(N), None)
    tiled = np.broadcast_to(X, (len(masks), 1, D))
    np.testing.assert_allclose(
        _numpy.one_round(problem, method, in_numpy, STEP_SIZE, tiled)[:, 0], defined, rtol=1e-12, atol=1e-12
    )
    if local_steps != 2:  # compiled for one step here, for three with the slow tests
        np.testing.assert_allclose(jax.jit(jax.vmap(one_round))(sets), defined, rtol=1e-12, atol=1e-12)

    every, probabilities = np.array([mask for mask, _ in outcomes]), np.array([p for _, p in outcomes])
    mean = probabilities @ defined_round(problem, method, every, X)
    exact = istsim.theory.exact_mean(problem, method, step_size=STEP_SIZE, rounds=1, x0=X)[1]
    np.testing.assert_allclose(exact, mean, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("merge", ["mean", "owners", "literal"])
@pytest.mark.parametrize("sketch", ["permutation", "coverage", "rand-k"])
@pytest.mark.parametrize("local_steps", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_simulated_means_are_the_enumerated_ones(sketch, merge, local_steps, seed, false_alarm_rate):
    problem, sketch = problem_of(N, D), SKETCHES[sketch]
    method = istsim.IST(sketch, merge=merge, local_steps=local_steps, participants=2)
    mean = np.zeros(D)
    for (mask, p), pair in itertools.product(sketch.outcomes(), itertools.combinations(range(N), 2)):
        mean += p / 3 * defined_round(problem, method, mask, X, reporting=pair)
    repetitions = 4000
    runs = istsim.simulate(problem, method, step_size=STEP_SIZE, rounds=1, key=seed, repetitions=repetitions, x0=X)
    error = runs.x[0].std(axis=0, ddof=1) / np.sqrt(repetitions)
    allowed = scipy.stats.t.isf(false_alarm_rate / (2 * D), repetitions - 1)
    assert np.abs(runs.x[0].mean(axis=0) - mean).max() <= allowed * error.max()
    exact = istsim.theory.exact_mean(problem, method, step_size=STEP_SIZE, rounds=1, x0=X)[1]
    np.testing.assert_allclose(exact, mean, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("participants", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "sketch", [istsim.Permutation(4, 3), istsim.Coverage(4, 3, 3), istsim.RandK(4, 3, 2)], ids=repr
)
@pytest.mark.parametrize("kind", [istsim.IST, istsim.CompressedGradient])
def test_owners_with_participation_have_their_exact_mean(kind, sketch, participants):
    problem, x = problem_of(4, 3), X[:3]
    method = kind(sketch, merge="owners", participants=participants, gradient_scale=1.3)
    groups = list(itertools.combinations(range(4), participants))
    mean = sum(
        p / len(groups) * defined_round(problem, method, mask, x, reporting=group)
        for (mask, p), group in itertools.product(sketch.outcomes(), groups)
    )
    exact = istsim.theory.exact_mean(problem, method, step_size=STEP_SIZE, rounds=1, x0=x)[1]
    np.testing.assert_allclose(exact, mean, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("merge", ["mean", "literal"])
@pytest.mark.parametrize("sketch", ["permutation", "rand-k", "coverage"])
def test_weighted_sketches_are_their_definition_and_have_their_exact_mean(sketch, merge):
    problem, sketch = problem_of(N, D), SKETCHES[sketch]
    weights = np.random.default_rng(0).uniform(0.5, 2.0, (N, D))
    method = istsim.IST(sketch, weights=weights, merge=merge)
    outcomes = list(sketch.outcomes())
    sets = held(sketch, np.array([mask for mask, _ in outcomes]))
    ours = jax.vmap(
        lambda held: advance(problem, method, Draws(held, None, jnp.arange(N), None), STEP_SIZE, jnp.asarray(X))
    )(sets)
    defined = np.array([defined_round(problem, method, mask, X) for mask, _ in outcomes])
    np.testing.assert_allclose(ours, defined, rtol=1e-12, atol=1e-12)
    exact = istsim.theory.exact_mean(problem, method, step_size=STEP_SIZE, rounds=1, x0=X)[1]
    np.testing.assert_allclose(exact, np.array([p for _, p in outcomes]) @ defined, rtol=1e-12, atol=1e-12)


def test_the_fixed_point_of_the_literal_merge_depends_on_the_step_size():
    problem = problem_of(N, D)
    method = istsim.IST(istsim.RandK(N, D, 2), forward_scale=1.0, merge="literal")
    with pytest.raises(istsim.theory.NotCoveredError, match="pass step_size"):
        istsim.theory.fixed_point(problem, method)
    limit = istsim.theory.fixed_point(problem, method, step_size=0.1)
    later = istsim.theory.exact_mean(problem, method, step_size=0.1, rounds=1, x0=limit)[1]
    np.testing.assert_allclose(later, limit, rtol=1e-12, atol=1e-12)


def test_mean_and_literal_agree_where_the_sketches_reconstruct_the_model():
    # Every coordinate has one holder and alpha = n, so that the C_i average to the identity.
    problem, sketch = problem_of(N, D), SKETCHES["permutation"]
    paths = [
        istsim.trajectory(problem, istsim.IST(sketch, merge=merge), step_size=0.05, rounds=10, key=1)
        for merge in ("mean", "literal")
    ]
    np.testing.assert_allclose(*paths, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(
    ("sketch", "scale"),
    [(istsim.Permutation(3, 6), 3.0), (istsim.Permutation(6, 3), 3.0), (istsim.Coverage(4, 6, 2), 2.0)],
    ids=repr,
)
def test_mean_and_owners_agree_where_every_coordinate_has_equally_many_holders(sketch, scale):
    # With c = n p1 holders each, the mean over n with beta = n/c is the mean over the holders.
    problem = problem_of(sketch.n, sketch.d)
    mean = istsim.IST(sketch, forward_scale=1.0, gradient_scale=scale)
    owners = istsim.IST(sketch, merge="owners")
    paths = [istsim.trajectory(problem, method, step_size=0.05, rounds=10, key=1) for method in (mean, owners)]
    np.testing.assert_allclose(*paths, rtol=1e-11, atol=1e-11)


@pytest.mark.sample(3)
@pytest.mark.parametrize(("n", "q"), [(2, 2), (3, 2), (2, 3), (4, 1), (2, 1), (1, 3)])
def test_two_local_steps_have_the_closed_form_of_permutation_sketches(n, q):
    """E x+ = (I - 2 gamma G + gamma^2 Q) x + 2 gamma bbar - gamma^2 e, with G, Q and e by counting."""
    d, gamma = n * q, 0.1
    problem = problem_of(n, d)
    L, b = np.asarray(problem.L), np.asarray(problem.b)
    x = np.linspace(-1, 2, d)
    r = (q - 1) / (d - 1) if d > 1 else 0.0
    s = (q - 2) / (d - 2) if d > 2 else 0.0
    D = np.array([np.diag(np.diag(matrix)) for matrix in L])
    G = (1 - r) * D.mean(axis=0) + r * L.mean(axis=0)
    squares = np.array([np.diag(np.diag(matrix @ matrix)) for matrix in L])
    Q = (r * s * L @ L + r * (1 - s) * (D @ L + L @ D + squares) + (1 - 3 * r + 2 * r * s) * D @ D).mean(axis=0)
    e = np.mean([((1 - r) * D[i] + r * L[i]) @ b[i] for i in range(n)], axis=0)
    closed = (np.eye(d) - 2 * gamma * G + gamma**2 * Q) @ x + 2 * gamma * b.mean(axis=0) - gamma**2 * e
    sketch = istsim.Permutation(n, d)
    method = istsim.IST(sketch, merge="owners", local_steps=2)
    outcomes = list(sketch.outcomes())
    rounds = jax.vmap(
        lambda held: advance(problem, method, Draws(held, None, jnp.arange(n), None), gamma, jnp.asarray(x))
    )(held(sketch, np.array([mask for mask, _ in outcomes])))
    np.testing.assert_allclose(np.array([p for _, p in outcomes]) @ np.asarray(rounds), closed, rtol=1e-11, atol=1e-11)


def test_gaussian_noise_has_its_covariance_and_leaves_the_mean(seed, false_alarm_rate):
    problem, sketch = problem_of(N, D), SKETCHES["identity"]
    covariance = np.diag([1.0, 2.0, 3.0, 4.0]) + 0.5
    method = istsim.CompressedGradient(sketch, noise=istsim.GaussianNoise(covariance))
    repetitions = 20_000
    runs = istsim.simulate(problem, method, step_size=STEP_SIZE, rounds=1, key=seed, repetitions=repetitions, x0=X)
    expected = istsim.theory.exact_mean(problem, method, step_size=STEP_SIZE, rounds=1, x0=X)[1]
    spread = STEP_SIZE**2 * covariance / N  # of the average of N independent noises
    deviation = runs.x[0] - np.asarray(expected)
    allowed = scipy.stats.norm.isf(false_alarm_rate / (2 * (D + D * D)))
    assert np.abs(deviation.mean(axis=0) / np.sqrt(np.diag(spread) / repetitions)).max() < allowed
    # Products of normal deviations: variance of the (i, j) one is s_ii s_jj + s_ij^2.
    error = np.sqrt((np.outer(np.diag(spread), np.diag(spread)) + spread**2) / repetitions)
    assert np.abs((deviation.T @ deviation / repetitions - spread) / error).max() < allowed


def test_noise_is_masked_like_the_gradient():
    problem, sketch = problem_of(N, D), SKETCHES["permutation"]
    noise = istsim.GaussianNoise(100.0 * np.eye(D))
    method = istsim.IST(sketch, noise=noise, merge="owners")
    draws = method.draw(jax.random.key(3), N)
    nothing_held = draws._replace(held=jnp.zeros((N, D), bool))
    np.testing.assert_array_equal(advance(problem, method, nothing_held, 0.1, jnp.asarray(X)), X)


def test_row_sampling_is_the_whole_gradient_for_whole_batches_and_unbiased_for_small_ones(seed, false_alarm_rate):
    rng = np.random.default_rng(3)
    A, y = [rng.standard_normal((m, 3)) for m in (4, 5)], [rng.standard_normal(m) for m in (4, 5)]
    problem = istsim.Quadratic.from_least_squares(A, y, ridge=0.2)
    sketch, x = istsim.RandK(2, 3, 2), X[:3]
    small = istsim.CompressedGradient(sketch, noise=istsim.RowSampling(2))
    runs = istsim.simulate(problem, small, step_size=0.1, rounds=1, key=seed, repetitions=8000, x0=x)
    expected = istsim.theory.exact_mean(problem, small, step_size=0.1, rounds=1, x0=x)[1]
    error = runs.x[0].std(axis=0, ddof=1) / np.sqrt(8000)
    allowed = scipy.stats.t.isf(false_alarm_rate / (2 * 3), 8000 - 1)
    assert (np.abs(runs.x[0].mean(axis=0) - expected) / error).max() < allowed

    equal = istsim.Quadratic.from_least_squares(np.stack([a[:4] for a in A]), np.stack([t[:4] for t in y]), ridge=0.2)
    whole = istsim.IST(sketch, noise=istsim.RowSampling(4), local_steps=3)
    plain = istsim.IST(sketch, local_steps=3)
    paths = [istsim.trajectory(equal, method, step_size=0.02, rounds=5, key=1) for method in (whole, plain)]
    np.testing.assert_allclose(*paths, rtol=1e-10, atol=1e-10)


def test_row_sampling_draws_without_replacement_from_the_workers_own_rows():
    # One-hot rows: the gradient at 0 is -(targets drawn)/batch, each row at its own coordinate.
    problem = istsim.Quadratic.from_least_squares([np.eye(4)[:3], np.eye(4)], [np.ones(3), np.ones(4)], ridge=1.0)
    noise = istsim.RowSampling(3)
    keys = jax.random.split(jax.random.key(0), 200)
    draws = jax.vmap(lambda key: noise.gradients(problem, jnp.zeros((2, 4)), jnp.stack([key, key])))(keys)
    counts = np.round(np.asarray(-3 * draws)).astype(int)
    np.testing.assert_array_equal(counts[:, 0], [[1, 1, 1, 0]] * 200)  # all of its three, never the padding
    assert set(counts[:, 1].sum(axis=1)) == {3}
    assert counts[:, 1].max() == 1
    assert len({tuple(row) for row in counts[:, 1]}) == 4


BLOCKS = [2, 1, 3]


def seen(end_of_block):
    """Rows of a block see the columns up to its end."""
    ends, offset = {}, 0
    mask = np.zeros((6, 6))
    for j, size in enumerate(BLOCKS):
        ends[j] = offset + size
        offset += size
    start = 0
    for j, size in enumerate(BLOCKS):
        for end in end_of_block(j):
            mask[start : start + size, : ends[end]] += 1
        start += size
    return mask


@pytest.mark.parametrize(
    ("options", "ends"),
    [
        ({"mode": "greedy"}, lambda j: [j]),
        ({"mode": "chunked", "window": 2}, lambda j: [1, 1, 2][j : j + 1]),
        ({"mode": "chunked", "window": 3}, lambda j: [2]),
        ({"mode": "overlapping", "window": 2}, lambda j: [[1], [1, 2], [2]][j]),
        ({"mode": "overlapping", "window": 2, "shared": "farthest"}, lambda j: [[1], [2], [2]][j]),
        ({"mode": "overlapping", "window": 3}, lambda j: [2]),
    ],
)
def test_local_updates_see_what_their_losses_see(options, ends):
    problem = problem_of(2, 6)
    method = istsim.LocalUpdates(BLOCKS, **options)
    mask = seen(ends)
    np.testing.assert_array_equal(method.mask, mask)
    B, c = istsim.theory.mean_operator(problem, method)
    np.testing.assert_allclose(B, mask * np.asarray(problem.mean_hessian), rtol=1e-14)
    np.testing.assert_allclose(c, mask[:, 0] * np.asarray(problem.b).mean(axis=0), rtol=1e-14)
    path = istsim.trajectory(problem, method, step_size=0.1, rounds=5, key=0)
    moments = istsim.theory.exact_moments(problem, method, step_size=0.1, rounds=5)
    np.testing.assert_allclose(path, moments.mean, rtol=1e-12, atol=1e-12)
    gaps = [float(problem.objective_gap(x)) for x in path]
    np.testing.assert_allclose(moments.objective_gap, gaps, rtol=1e-10)


def test_one_chunk_of_all_blocks_is_gradient_descent():
    problem = problem_of(2, 6)
    one = istsim.trajectory(problem, istsim.LocalUpdates(BLOCKS, "chunked", window=3), step_size=0.1, rounds=9, key=0)
    other = istsim.trajectory(problem, istsim.GradientDescent(), step_size=0.1, rounds=9, key=0)
    np.testing.assert_allclose(one, other, rtol=1e-12)


def test_greedy_updates_stop_where_forward_substitution_says():
    problem = problem_of(2, 6)
    method = istsim.LocalUpdates(BLOCKS)
    T = np.asarray(problem.mean_hessian) * method.mask
    U = np.asarray(problem.mean_hessian) - T
    bias = np.asarray(istsim.theory.fixed_point(problem, method)) - np.asarray(problem.minimizer)
    np.testing.assert_allclose(bias, np.linalg.solve(T, U @ np.asarray(problem.minimizer)), rtol=1e-10, atol=1e-12)


def test_overlapping_windows_can_diverge_at_every_step_size():
    L = np.array([[10.0, -9.0, -5.0], [-9.0, 10.0, 8.0], [-5.0, 8.0, 9.0]])
    problem = istsim.Quadratic(L[None], np.zeros((1, 3)))
    method = istsim.LocalUpdates([1, 1, 1], "overlapping", window=2, shared="farthest")
    eigenvalues = np.linalg.eigvals(istsim.theory.mean_operator(problem, method)[0])
    assert min(eigenvalues.real) == pytest.approx(-0.70, abs=0.005)
    assert istsim.theory.mean_step_size_limit(problem, method) == 0.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: istsim.CompressedIterates(SKETCHES["rand-k"], merge="owners"), "merge must be 'mean' or 'literal'"),
        (lambda: istsim.IST(SKETCHES["rand-k"], merge="sum"), "merge must be 'mean' or 'owners' or 'literal'"),
        (lambda: istsim.IST(SKETCHES["rand-k"], local_steps=0), "local_steps must be an integer of at least 1"),
        (lambda: istsim.IST(SKETCHES["rand-k"], participants=4), "participants must be at most n = 3, got 4"),
        (
            lambda: istsim.IST(SKETCHES["rand-k"], weights=np.ones((2, 2))),
            r"weights must have shape \(n, d\) = \(3, 4\)",
        ),
        (lambda: istsim.IST(SKETCHES["rand-k"], weights=np.ones((3, 4)), local_steps=2), "weights need"),
        (lambda: istsim.GaussianNoise([[1.0, 2.0], [0.0, 1.0]]), "covariance must be symmetric"),
        (lambda: istsim.GaussianNoise([[1.0, 2.0], [2.0, 1.0]]), "has the eigenvalue -1"),
        (lambda: istsim.RowSampling(0), "batch_size must be an integer of at least 1"),
        (lambda: istsim.Coverage(3, 4, 5), "copies must be at most n = 3, got 5"),
        (lambda: istsim.Grouped(istsim.RandK(2, 2, 1), [0, 1, 2]), "labels from 0 to G-1 = 1"),
        (lambda: istsim.LocalUpdates([2, 2], "chunked"), "the mode 'chunked' needs window"),
        (lambda: istsim.LocalUpdates([2, 2], window=1), "window belongs to"),
        (
            lambda: istsim.LocalUpdates([2, 2], "overlapping", window=3),
            "window must be at most the number of blocks, 2",
        ),
        (lambda: istsim.LocalUpdates([2, 0]), "every block size must be an integer of at least 1"),
        (lambda: istsim.LocalUpdates([]), "at least one block size"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (istsim.LocalUpdates([2, 3]), r"blocks must add up to d = 4, got \[2, 3\]"),
        (istsim.IST(SKETCHES["rand-k"], noise=istsim.RowSampling(2)), "needs a problem with samples"),
        (istsim.IST(SKETCHES["rand-k"], noise=istsim.GaussianNoise(np.eye(3))), r"shape \(d, d\) = \(4, 4\)"),
    ],
)
def test_a_method_that_does_not_fit_the_problem_is_refused(method, message):
    with pytest.raises(ValueError, match=message):
        istsim.simulate(problem_of(N, D), method, step_size=0.1, rounds=1, key=0)


def test_advice_says_where_no_exact_limit_is_known():
    solution = istsim.simulate(
        problem_of(N, D), istsim.IST(SKETCHES["rand-k"], local_steps=2), step_size=5.0, rounds=60, key=0
    )
    assert solution.status[0, 0] == "diverged"
    assert "No exact limit is known here" in solution.advice
    assert "local_steps" in solution.advice


def test_owners_of_a_sketch_that_does_not_say_how_often_it_reports_are_refused():
    class Silent(istsim.RandK):
        independent_workers = False

    for k, reason in (
        (1, "Silent does not define reported_probability"),
        (2, "may depend on what else a worker holds"),
    ):
        method = istsim.IST(Silent(N, D, k), merge="owners")
        with pytest.raises(istsim.theory.NotCoveredError, match=reason):
            istsim.theory.mean_operator(problem_of(N, D), method)
