import jax
import jax.numpy as jnp
import numpy as np
import pytest

import istsim

N, D = 3, 6

SKETCHES = {
    "identity": istsim.Identity(N, D),
    "permutation": istsim.Permutation(N, D),
    "rand-k": istsim.RandK(N, D, 4),
    "rand-1": istsim.RandK(N, D, 1),
    "bernoulli": istsim.Bernoulli(N, D, 0.4),
}

# Name: (constructor with alpha and beta, is the model masked, is the gradient masked).
METHODS = {
    "compressed-gradient": (lambda s, a, b: istsim.CompressedGradient(s, gradient_scale=b), False, True),
    "compressed-iterates": (lambda s, a, b: istsim.CompressedIterates(s, forward_scale=a), True, False),
    "ist": (lambda s, a, b: istsim.IST(s, forward_scale=a, gradient_scale=b), True, True),
}


def make_problem(structure, rng):
    if structure == "dense":
        factors = rng.standard_normal((N, D, D))
        return istsim.Quadratic(factors @ factors.swapaxes(1, 2), rng.standard_normal((N, D)))
    problem = istsim.Quadratic.from_least_squares(
        rng.standard_normal((N, 2, D)), rng.standard_normal((N, 2)), ridge=0.3
    )
    assert "factored" in repr(problem)
    return problem


@pytest.fixture
def rng(seed):
    return np.random.default_rng(seed)


@pytest.fixture(params=["dense", "factored"])
def problem(request, rng):
    return make_problem(request.param, rng)


def updates(problem, mask, x, *, model, gradient, alpha, beta):
    """u_i = beta O_i (L_i (alpha M_i x) - b_i) for every worker, coordinate by coordinate."""
    result = np.zeros((N, D))
    for i in range(N):
        L, b = np.asarray(problem.L[i]), np.asarray(problem.b[i])
        point = np.array([alpha * x[j] * mask[i, j] if model else x[j] for j in range(D)])
        for j in range(D):
            partial = sum(L[j, k] * point[k] for k in range(D)) - b[j]
            result[i, j] = beta * partial * mask[i, j] if gradient else partial
    return result


@pytest.mark.sample(8)
@pytest.mark.parametrize("sketch", SKETCHES.values(), ids=SKETCHES)
@pytest.mark.parametrize(("make", "model", "gradient"), METHODS.values(), ids=METHODS)
def test_the_update_of_a_round_is_its_definition(make, model, gradient, sketch, problem, rng, key):
    method = make(sketch, 0.7, 1.9)
    for k in jax.random.split(key, 3):
        x, mask = rng.standard_normal(D), np.asarray(sketch.sample(k))
        expected = updates(problem, mask, x, model=model, gradient=gradient, alpha=0.7, beta=1.9)
        result = method.worker_sums(problem, method.draw(k, problem.num_workers), 0.1, jnp.asarray(x))["updates"]
        np.testing.assert_allclose(result, expected.sum(axis=0), rtol=1e-12, atol=1e-13)


@pytest.mark.sample(6)
@pytest.mark.parametrize("sketch", SKETCHES.values(), ids=SKETCHES)
@pytest.mark.parametrize(("make", "model", "gradient"), METHODS.values(), ids=METHODS)
def test_the_mean_merge_subtracts_the_step_size_times_the_average_update(make, model, gradient, sketch, rng, key):
    problem, x0 = make_problem("dense", rng), rng.standard_normal(D)
    path = istsim.trajectory(problem, make(sketch, 0.7, 1.9), step_size=0.3, rounds=1, key=key, x0=x0)
    mask = np.asarray(sketch.sample(istsim._random.round_key(istsim._random.stream(key, "sketch"), 0, 0)))
    u = updates(problem, mask, x0, model=model, gradient=gradient, alpha=0.7, beta=1.9)
    np.testing.assert_array_equal(path[0], x0)
    np.testing.assert_allclose(path[1], x0 - 0.3 * u.mean(axis=0), rtol=1e-12, atol=1e-13)


def test_a_sketch_of_fixed_size_gives_the_same_update_when_only_its_masks_are_known(problem, rng, key):
    """Gathering the coordinates held is a shortcut through multiplying by masks."""

    class MasksOnly(istsim.Sketch):
        def sample(self, key):
            return SKETCHES["rand-k"].sample(key)

        def inclusion_probability(self, size):
            return SKETCHES["rand-k"].inclusion_probability(size)

        def joint_probability(self, left, right, shared):
            return SKETCHES["rand-k"].joint_probability(left, right, shared)

    x = jnp.asarray(rng.standard_normal(D))
    for make, _, _ in METHODS.values():
        gathered, masked = make(SKETCHES["rand-k"], 0.7, 1.9), make(MasksOnly(N, D), 0.7, 1.9)
        np.testing.assert_allclose(
            gathered.worker_sums(problem, gathered.draw(key, problem.num_workers), 0.1, x)["updates"],
            masked.worker_sums(problem, masked.draw(key, problem.num_workers), 0.1, x)["updates"],
            rtol=1e-12,
            atol=1e-13,
        )


def test_gradient_descent_steps_along_the_gradient(problem, rng):
    x0 = rng.standard_normal(D)
    path = istsim.trajectory(problem, istsim.GradientDescent(), step_size=0.05, rounds=3, key=0, x0=x0)
    x = x0
    for k in range(3):
        x = x - 0.05 * (np.asarray(problem.mean_hessian) @ x - np.asarray(problem.b).mean(axis=0))
        np.testing.assert_allclose(path[k + 1], x, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("sketch", [SKETCHES["identity"], istsim.Bernoulli(N, D, 1.0), istsim.RandK(N, D, D)], ids=repr)
@pytest.mark.parametrize(("make", "model", "gradient"), METHODS.values(), ids=METHODS)
def test_with_everything_held_at_scale_one_every_method_is_gradient_descent(make, model, gradient, sketch, problem):
    arguments = {"step_size": 0.05, "rounds": 3, "key": 4}
    descent = istsim.trajectory(problem, istsim.GradientDescent(), **arguments)
    np.testing.assert_allclose(
        istsim.trajectory(problem, make(sketch, 1.0, 1.0), **arguments), descent, rtol=1e-12, atol=1e-13
    )


def test_one_worker_that_holds_everything_is_gradient_descent(rng):
    L = np.diag([1.0, 2.0, 4.0])[None]
    problem = istsim.Quadratic(L, np.ones((1, 3)))
    arguments = {"step_size": 0.1, "rounds": 3, "key": 4}
    np.testing.assert_allclose(
        istsim.trajectory(problem, istsim.IST(istsim.Permutation(1, 3)), **arguments),
        istsim.trajectory(problem, istsim.GradientDescent(), **arguments),
        rtol=1e-14,
    )


# 1/p1 of each sketch.
UNBIASED = {"identity": 1.0, "permutation": 3.0, "rand-k": 6 / 4, "rand-1": 6.0, "bernoulli": 1 / 0.4}


@pytest.mark.parametrize("name", SKETCHES)
@pytest.mark.parametrize("scale", [None, "unbiased"])
def test_scales_left_open_and_unbiased_ones_are_one_over_the_inclusion_probability(name, scale):
    sketch, expected = SKETCHES[name], pytest.approx(UNBIASED[name], rel=1e-15)
    ist = istsim.IST(sketch, forward_scale=scale, gradient_scale=scale)
    assert (ist.forward_scale, ist.gradient_scale) == (expected, expected)
    assert istsim.CompressedGradient(sketch, gradient_scale=scale).gradient_scale == expected
    assert istsim.CompressedIterates(sketch, forward_scale=scale).forward_scale == expected


def test_a_scale_applies_only_where_something_is_masked():
    assert istsim.CompressedGradient(SKETCHES["rand-k"]).forward_scale == 1
    assert istsim.CompressedIterates(SKETCHES["rand-k"]).gradient_scale == 1
    ist = istsim.IST(SKETCHES["rand-k"], forward_scale=0.5)
    assert (ist.forward_scale, ist.gradient_scale) == (0.5, 1.5)


def test_floats_per_round_count_what_each_direction_carries(rng):
    problem = make_problem("dense", rng)
    full = N * D  # 18: the whole model to or from every worker
    # Permutation: D in all. RandK: k from each of N. Bernoulli: p N D expected.
    for name, held in {"identity": 18, "permutation": 6, "rand-k": 12, "rand-1": 3, "bernoulli": 7.2}.items():
        sketch, held = SKETCHES[name], pytest.approx(held, rel=1e-15)
        assert istsim.IST(sketch).floats_per_round(problem) == (held, held)
        assert istsim.CompressedGradient(sketch).floats_per_round(problem) == (full, held)
        assert istsim.CompressedIterates(sketch).floats_per_round(problem) == (held, full)
    assert istsim.GradientDescent().floats_per_round(problem) == (full, full)


def test_who_does_not_take_part_is_sent_nothing(rng):
    problem, sketch = make_problem("dense", rng), SKETCHES["rand-k"]
    down, up = istsim.IST(sketch, participants=1).floats_per_round(problem)
    assert (down, up) == (pytest.approx(12 / N), pytest.approx(12 / N))
    down, up = istsim.CompressedGradient(sketch, participants=N - 1).floats_per_round(problem)
    assert (down, up) == (pytest.approx(D * (N - 1)), pytest.approx(12 * (N - 1) / N))


def test_methods_that_say_the_same_compare_equal():
    sketch = SKETCHES["permutation"]
    assert istsim.IST(sketch) == istsim.IST(sketch, forward_scale=3.0, gradient_scale="unbiased")
    assert istsim.IST(sketch) != istsim.IST(sketch, forward_scale=1.0)
    assert istsim.GradientDescent() == istsim.GradientDescent()


@pytest.mark.parametrize("method", [istsim.IST, istsim.CompressedGradient, istsim.CompressedIterates])
def test_bad_sketches_and_merges_are_refused(method, unchecked):
    with pytest.raises(ValueError, match=r"sketch must be an istsim.Sketch.*'permutation'"):
        method("permutation")
    with pytest.raises(ValueError, match=r"merge must be 'mean'.*'median'"):
        method(SKETCHES["rand-k"], merge="median")


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, np.inf, "biased", [1.0, 2.0]])
@pytest.mark.parametrize(
    ("method", "name"),
    [
        (istsim.IST, "forward_scale"),
        (istsim.IST, "gradient_scale"),
        (istsim.CompressedGradient, "gradient_scale"),
        (istsim.CompressedIterates, "forward_scale"),
    ],
)
def test_bad_scales_are_refused(method, name, scale, unchecked):
    with pytest.raises(ValueError) as caught:
        method(SKETCHES["rand-k"], **{name: scale})
    assert name in str(caught.value)
    assert str(scale) in str(caught.value)


@pytest.mark.parametrize(("make", "model", "gradient"), METHODS.values(), ids=METHODS)
@pytest.mark.parametrize("sketch", [istsim.RandK(N + 1, D, 2), istsim.RandK(N, D + 1, 2)], ids=repr)
def test_a_sketch_for_another_problem_is_refused(make, model, gradient, sketch, rng):
    problem = make_problem("dense", rng)
    for use in (make(sketch, 1, 1).sketch_for, make(sketch, 1, 1).floats_per_round):
        with pytest.raises(ValueError) as caught:
            use(problem)
        assert str((sketch.n, sketch.d)) in str(caught.value)
        assert str((N, D)) in str(caught.value)


@pytest.mark.parametrize("sketch", [istsim.Permutation(2, 6), istsim.Bernoulli(2, 6, 0.4)], ids=repr)
def test_scales_are_another_step_size_and_another_start_path_by_path(sketch):
    # The run with (gamma, alpha, beta, x0) is 1/alpha times that with (gamma alpha beta, 1, 1, alpha x0).
    problem = istsim.random_quadratic(0, 2, 6, condition_number=5.0, matrix_heterogeneity=0.5, vector_heterogeneity=1.0)
    gamma, alpha, beta, x0 = 0.03, 2.5, 1.7, np.linspace(-1, 2, 6)
    with_scales = istsim.IST(sketch, forward_scale=alpha, gradient_scale=beta)
    without = istsim.IST(sketch, forward_scale=1.0, gradient_scale=1.0)
    scaled = istsim.trajectory(problem, with_scales, step_size=gamma, rounds=20, key=3, x0=x0)
    plain = istsim.trajectory(problem, without, step_size=gamma * alpha * beta, rounds=20, key=3, x0=alpha * x0)
    np.testing.assert_allclose(alpha * scaled, plain, rtol=1e-11, atol=1e-11)


def one_step_from_noise_alone(d, workers):
    """A problem that a local step of size 1 solves: what is left after it is that step's noise, with a minus."""
    return istsim.Quadratic(np.tile(np.eye(d), (workers, 1, 1)), np.zeros((workers, d)))


def after_one_round(problem, method, key, step_size=1.0):
    return np.asarray(istsim.trajectory(problem, method, step_size=step_size, rounds=1, key=key)[-1])


def test_noise_is_drawn_afresh_at_each_local_step(key):
    noise, sketch = istsim.GaussianNoise(np.ones(5)), istsim.Identity(1, 5)
    once, twice = (
        after_one_round(one_step_from_noise_alone(5, 1), istsim.IST(sketch, local_steps=steps, noise=noise), key)
        for steps in (1, 2)
    )
    # The last step leaves its own noise alone: were it that of the first, both rounds would end at the same point.
    assert (once != twice).all()


def test_each_worker_draws_noise_of_its_own(key):
    noise = istsim.GaussianNoise(np.ones(5))
    one, mean_of_two = (
        after_one_round(one_step_from_noise_alone(5, n), istsim.IST(istsim.Identity(n, 5), noise=noise), key)
        for n in (1, 2)
    )
    assert (one != mean_of_two).all()


def test_sampled_rows_that_are_all_the_same_give_the_exact_gradient(rng, key):
    row, target = rng.standard_normal(4), 0.7
    # The worker with fewer rows is padded: what is drawn there are its own rows.
    counts = (2, 5)
    problem = istsim.Quadratic.from_least_squares(
        [np.tile(row, (m, 1)) for m in counts], [np.full(m, target) for m in counts], ridge=0.3
    )
    sketch = istsim.Identity(2, 4)
    exact, sampled = (
        after_one_round(problem, istsim.IST(sketch, noise=noise), key, 0.1) for noise in (None, istsim.RowSampling(2))
    )
    gradient = row * (row.sum() - target) + 0.3  # at the vector of ones
    np.testing.assert_allclose(exact, 1 - 0.1 * gradient, rtol=1e-12)
    np.testing.assert_allclose(sampled, exact, rtol=1e-12)


@pytest.mark.parametrize("shape", [(2, 3), (0, 0), (1, 2, 2)])
def test_a_covariance_that_is_no_square_is_refused(shape):
    with pytest.raises(ValueError, match="covariance must have shape"):
        istsim.GaussianNoise(np.ones(shape))
