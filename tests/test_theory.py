import enumeration
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from listed import SharedBlock

import istsim
from istsim import theory
from istsim.verify import strategies

ROUNDS = 4  # of everything compiled at (n, d) = (2, 4), so that it is compiled once

SKETCHES = {
    "identity-2-4": (istsim.Identity(2, 4), enumeration.identity_outcomes(2, 4)),
    "permutation-2-4": (istsim.Permutation(2, 4), enumeration.permutation_outcomes(2, 4)),
    "permutation-3-3": (istsim.Permutation(3, 3), enumeration.permutation_outcomes(3, 3)),
    "permutation-3-6": (istsim.Permutation(3, 6), enumeration.permutation_outcomes(3, 6)),
    "permutation-1-4": (istsim.Permutation(1, 4), enumeration.permutation_outcomes(1, 4)),
    "rand-k-2-4-2": (istsim.RandK(2, 4, 2), enumeration.rand_k_outcomes(2, 4, 2)),
    "rand-k-2-4-3": (istsim.RandK(2, 4, 3), enumeration.rand_k_outcomes(2, 4, 3)),
    "rand-k-3-3-2": (istsim.RandK(3, 3, 2), enumeration.rand_k_outcomes(3, 3, 2)),
    "rand-k-1-4-2": (istsim.RandK(1, 4, 2), enumeration.rand_k_outcomes(1, 4, 2)),
    "bernoulli-2-4": (istsim.Bernoulli(2, 4, 0.3), enumeration.bernoulli_outcomes(2, 4, 0.3)),
    "bernoulli-3-3": (istsim.Bernoulli(3, 3, 0.7), enumeration.bernoulli_outcomes(3, 3, 0.7)),
}
# Name: (constructor from sketch, alpha and beta, what is masked).
METHODS = {
    "compressed-gradient": (
        lambda s, a, b: istsim.CompressedGradient(s, gradient_scale=b),
        {"model": False, "gradient": True},
    ),
    "compressed-iterates": (
        lambda s, a, b: istsim.CompressedIterates(s, forward_scale=a),
        {"model": True, "gradient": False},
    ),
    "ist": (
        lambda s, a, b: istsim.IST(s, forward_scale=a, gradient_scale=b),
        {"model": True, "gradient": True},
    ),
}
# Three sketches each time, the others where there is time: every method with each of them compiles anew.
OFTEN = ("permutation-2-4", "rand-k-3-3-2", "bernoulli-2-4")
sketches = pytest.mark.parametrize(
    ("sketch", "outcomes"),
    [pytest.param(*pair, id=name, marks=() if name in OFTEN else pytest.mark.slow) for name, pair in SKETCHES.items()],
)
methods = pytest.mark.parametrize(("make", "masked"), METHODS.values(), ids=METHODS)


def random(seed, n, d, condition_number=8.0, matrix=0.5, vector=1.0, **changes):
    return istsim.random_quadratic(
        seed,
        n,
        d,
        condition_number=condition_number,
        matrix_heterogeneity=matrix,
        vector_heterogeneity=vector,
        **changes,
    )


def homogeneous(L, b, n):
    return istsim.Quadratic(np.stack([np.array(L, dtype=float)] * n), np.stack([np.array(b, dtype=float)] * n))


def assert_same(result, expected, rtol=1e-12):
    """To rtol of the largest entry: what double precision can promise for entries that cancel."""
    expected = np.asarray(expected)
    np.testing.assert_allclose(result, expected, rtol=rtol, atol=rtol * np.abs(expected).max())


def assert_moments(exact, expected):
    """An ExactMoments against mean, gap, squared gradient norm and squared distance."""
    for name, values in zip(
        ("mean", "objective_gap", "gradient_norm_squared", "distance_squared"), expected, strict=True
    ):
        assert_same(getattr(exact, name), values)


@st.composite
def values(draw):
    """Everything that is not a shape: seed, heterogeneities and scales."""
    number = {"allow_nan": False, "allow_infinity": False}
    return {
        "seed": draw(st.integers(0, 2**31 - 1)),
        "matrix": draw(st.sampled_from([0.0, 0.3, 1.0])),
        "vector": draw(st.sampled_from([0.0, 0.1, 2.0])),
        "alpha": draw(st.floats(0.25, 4.0, **number)),
        "beta": draw(st.floats(0.25, 4.0, **number)),
    }


def setting(sketch, outcomes, make, masked, v):
    problem = random(v["seed"], sketch.n, sketch.d, matrix=v["matrix"], vector=v["vector"])
    # A scale that a method does not take is 1 where nothing is masked.
    alpha = v["alpha"] if masked["model"] else 1.0
    beta = v["beta"] if masked["gradient"] else 1.0
    law = enumeration.Law.of(problem, outcomes, alpha=alpha, beta=beta, **masked)
    return problem, make(sketch, v["alpha"], v["beta"]), law


# The reference itself


@pytest.mark.parametrize("name", ["permutation-2-4", "permutation-3-3"])
@methods
def test_the_two_enumerations_agree(name, make, masked):
    """Propagating E x and E xx' over the outcomes of a round, against running every path."""
    problem, _, law = setting(
        *SKETCHES[name], make, masked, {"seed": 1, "matrix": 1.0, "vector": 1.0, "alpha": 1.4, "beta": 0.8}
    )
    for moments, paths in zip(law.trajectories(0.3, 3, np.ones(problem.dim)), law.paths(0.3, 3, np.ones(problem.dim))):  # noqa: B905
        assert_same(moments, paths)


# Against enumeration


@sketches
@methods
@settings(max_examples=4)
@given(v=values())
def test_means_and_second_moments_of_a_round_are_those_over_all_outcomes(sketch, outcomes, make, masked, v):
    problem, method, law = setting(sketch, outcomes, make, masked, v)
    B, c = theory.mean_operator(problem, method)
    expected_B, expected_c = law.mean_operator()
    assert_same(B, expected_B)
    assert_same(c, expected_c)
    assert_same(theory.fixed_point(problem, method), np.linalg.solve(expected_B, expected_c))
    X = np.random.default_rng(v["seed"]).standard_normal((problem.dim, problem.dim))  # not symmetric
    assert_same(theory.second_moment(problem, method, X), law.second_moment(X))


@sketches
@methods
def test_exact_moments_are_those_over_all_outcomes(sketch, outcomes, make, masked, seed):
    rng = np.random.default_rng(seed)
    v = {"seed": seed, "matrix": 0.7, "vector": 1.0, "alpha": rng.uniform(0.25, 4), "beta": rng.uniform(0.25, 4)}
    problem, method, law = setting(sketch, outcomes, make, masked, v)
    step_size, x0 = rng.uniform(0.01, 0.5), rng.standard_normal(problem.dim)
    with jax.disable_jit():  # every sketch is compiled anew, which takes longer than three rounds
        exact = theory.exact_moments(problem, method, step_size=step_size, rounds=3, x0=x0)
    assert_moments(exact, law.trajectories(step_size, 3, x0))


@pytest.mark.parametrize("name", ["permutation-3-3", "rand-k-2-4-3"])
def test_exact_moments_are_the_averages_over_all_paths(name):
    v = {"seed": 5, "matrix": 1.0, "vector": 1.0, "alpha": 0.9, "beta": 1.7}
    problem, method, law = setting(*SKETCHES[name], *METHODS["ist"], v)
    exact = theory.exact_moments(problem, method, step_size=0.3, rounds=ROUNDS)
    assert_moments(exact, law.paths(0.3, ROUNDS, np.ones(problem.dim)))


@methods
def test_a_users_own_sketch_gets_its_exact_theory_from_its_probabilities(make, masked):
    """All workers hold the same random pair: workers are dependent, and may share coordinates."""
    masks, probabilities = enumeration.rand_k_outcomes(1, 4, 2)
    outcomes = np.repeat(masks, 3, axis=1), probabilities
    v = {"seed": 2, "matrix": 1.0, "vector": 1.0, "alpha": 1.3, "beta": 0.7}
    problem, method, law = setting(SharedBlock(3, 4, 2), outcomes, make, masked, v)
    X = np.random.default_rng(0).standard_normal((4, 4))
    assert_same(theory.second_moment(problem, method, X), law.second_moment(X))
    with jax.disable_jit():
        exact = theory.exact_moments(problem, method, step_size=0.2, rounds=3)
    assert_moments(exact, law.trajectories(0.2, 3, np.ones(4)))


def test_a_factored_problem_has_the_moments_of_the_dense_one():
    rng = np.random.default_rng(0)
    factored = istsim.Quadratic.from_least_squares(rng.standard_normal((2, 1, 4)), rng.standard_normal((2, 1)), 0.3)
    assert "factored" in repr(factored)
    dense = istsim.Quadratic(factored.L, factored.b)
    method = istsim.IST(istsim.Permutation(2, 4))
    exact, expected = (
        theory.exact_moments(problem, method, step_size=0.1, rounds=ROUNDS) for problem in (factored, dense)
    )
    assert_same(exact.objective_gap, expected.objective_gap)
    assert_same(theory.second_moment(factored, method, np.eye(4)), theory.second_moment(dense, method, np.eye(4)))


def test_exact_results_of_a_float32_problem_are_float64_and_exact():
    problem = random(3, 2, 4).astype(np.float32)
    method = istsim.IST(istsim.Permutation(2, 4))
    law = enumeration.Law.of(problem, SKETCHES["permutation-2-4"][1], model=True, gradient=True, alpha=2.0, beta=2.0)
    B, c = theory.mean_operator(problem, method)
    exact = theory.exact_moments(problem, method, step_size=0.1, rounds=ROUNDS)
    mean, gap, *_ = law.trajectories(0.1, ROUNDS, np.ones(4))
    for array in (B, c, exact.mean, exact.objective_gap, theory.second_moment(problem, method, np.eye(4))):
        assert array.dtype == np.float64
    assert_same(B, law.mean_operator()[0])
    assert_same(exact.mean, mean)
    assert_same(exact.objective_gap, gap)


# Against simulation

N, D, REPETITIONS = 10, 40, 400
LARGE = {
    "ist": istsim.IST(istsim.Permutation(N, D), forward_scale=1.0),
    "compressed-gradient": istsim.CompressedGradient(istsim.RandK(N, D, 12)),
    "compressed-iterates": istsim.CompressedIterates(istsim.Bernoulli(N, D, 0.25)),
}


@pytest.mark.parametrize("method", LARGE.values(), ids=LARGE)
def test_simulated_averages_agree_with_the_exact_ones_by_their_standard_errors(method, seed, false_alarm_rate):
    problem = random(0, N, D)
    step_size = 0.3 * theory.mean_step_size_limit(problem, method)
    exact = theory.exact_moments(problem, method, step_size=step_size, rounds=30)
    solution = istsim.simulate(
        problem, method, step_size=step_size, rounds=30, key=seed, repetitions=REPETITIONS, record_every=10
    )
    samples = [(solution.x[0], exact.mean[-1])]
    for name in solution.dataset.data_vars:
        recorded = solution.dataset[name][0].values
        expected = getattr(exact, name)[::10]
        np.testing.assert_allclose(recorded[:, 0], np.full(REPETITIONS, expected[0]), rtol=1e-12)  # x0 is not random
        samples.append((recorded[:, 1:], expected[1:]))
    tests = sum(sample.shape[1] for sample, _ in samples)
    assert tests == D + 3 * 3
    bound = scipy.stats.t.isf(false_alarm_rate / (2 * tests), REPETITIONS - 1)  # Bonferroni, two-sided: about 5.8
    for sample, expected in samples:
        error = sample.std(axis=0, ddof=1) / np.sqrt(REPETITIONS)
        assert (np.abs(sample.mean(axis=0) - np.asarray(expected)) <= bound * error).all()


# The mean, in closed form


@pytest.mark.parametrize(("n", "q"), [(1, 4), (2, 2), (3, 1), (4, 3)])
def test_the_mean_of_permutation_methods_is_its_closed_form(n, q):
    d, alpha, beta = n * q, 1.3, 0.6
    problem, sketch = random(n, n, d), istsim.Permutation(n, d)
    Lbar, bbar = np.asarray(problem.L).mean(axis=0), np.asarray(problem.b).mean(axis=0)
    Dbar = np.diag(np.diag(Lbar))
    r = (q - 1) / (n * q - 1)
    blend = (1 - r) * Dbar + r * Lbar
    x_star = np.linalg.solve(Lbar, bbar)

    ist = istsim.IST(sketch, forward_scale=alpha, gradient_scale=beta)
    B, c = theory.mean_operator(problem, ist)
    assert_same(B, alpha * beta / n * blend)
    assert_same(c, beta / n * bbar)
    assert_same(theory.fixed_point(problem, ist), np.linalg.solve(blend, bbar) / alpha)

    gradient = istsim.CompressedGradient(sketch, gradient_scale=beta)
    B, c = theory.mean_operator(problem, gradient)
    assert_same(B, beta / n * Lbar)
    assert_same(c, beta / n * bbar)
    assert_same(theory.fixed_point(problem, gradient), x_star)

    iterates = istsim.CompressedIterates(sketch, forward_scale=alpha)
    B, c = theory.mean_operator(problem, iterates)
    assert_same(B, alpha / n * Lbar)
    assert_same(c, bbar)
    assert_same(theory.fixed_point(problem, iterates), n * x_star / alpha)


def test_fixed_points_worked_out_by_hand():
    # L = [[2,1],[1,2]], x* = (1,1): b = (3,3). Perm-1 sees the diagonal only: 3/2.
    problem = homogeneous([[2, 1], [1, 2]], [3, 3], 2)
    assert_same(theory.fixed_point(problem, istsim.IST(istsim.Permutation(2, 2), forward_scale=1.0)), [1.5, 1.5])
    # L = [[1,.99],[.99,1]], b = (1,1): x* = 1/1.99 = .5025; alpha = 1 ends at 1, alpha = n = 2 at 1/2.
    problem = homogeneous([[1, 0.99], [0.99, 1]], [1, 1], 2)
    assert_same(problem.minimizer, [1 / 1.99] * 2)
    for alpha, end in ((1.0, 1.0), (2.0, 0.5)):
        method = istsim.IST(istsim.Permutation(2, 2), forward_scale=alpha)
        assert_same(theory.fixed_point(problem, method), [end, end])


def test_the_expected_iterate_follows_the_mean_operator():
    problem, method = random(7, 2, 4), istsim.IST(istsim.Permutation(2, 4))
    B, c = (np.asarray(part) for part in theory.mean_operator(problem, method))
    exact = theory.exact_moments(problem, method, step_size=0.2, rounds=ROUNDS)
    x_inf, power = np.linalg.solve(B, c), np.eye(4)
    for k in range(ROUNDS + 1):
        assert_same(exact.mean[k], power @ np.ones(4) + (np.eye(4) - power) @ x_inf)
        power = power @ (np.eye(4) - 0.2 * B)


def test_expected_iterates_converge_below_the_mean_step_size_limit_and_diverge_above_it():
    problem = random(7, 2, 4)
    for make, _ in METHODS.values():
        method = make(istsim.Permutation(2, 4), 1.3, 0.8)
        limit = theory.mean_step_size_limit(problem, method)
        B = np.asarray(theory.mean_operator(problem, method)[0])
        assert limit == pytest.approx(2 / np.linalg.eigvalsh(B).max(), rel=1e-12)
        radii = [np.abs(np.linalg.eigvals(np.eye(4) - factor * limit * B)).max() for factor in (0.999, 1.001)]
        assert radii[0] < 1 < radii[1]


# Special cases

DESCENT = istsim.GradientDescent()


def test_nothing_is_random_in_gradient_descent():
    problem = random(4, 2, 4)
    exact = theory.exact_moments(problem, DESCENT, step_size=0.3, rounds=ROUNDS)
    path = istsim.trajectory(problem, DESCENT, step_size=0.3, rounds=ROUNDS, key=0)
    assert_same(exact.mean, path)
    assert_same(exact.objective_gap, jax.vmap(problem.objective_gap)(path))


@pytest.mark.parametrize(
    "method",
    [
        DESCENT,
        *(
            make(sketch, 1.0, 1.0)
            for make, _ in METHODS.values()
            for sketch in (istsim.Identity(2, 4), istsim.Bernoulli(2, 4, 1.0), istsim.RandK(2, 4, 4))
        ),
    ],
    ids=repr,
)
def test_with_everything_held_at_scale_one_every_method_is_gradient_descent(method):
    problem, X = random(4, 2, 4), np.random.default_rng(0).standard_normal((4, 4))
    Lbar = np.asarray(problem.mean_hessian)
    B, c = theory.mean_operator(problem, method)
    assert_same(B, Lbar)
    assert_same(c, np.asarray(problem.b).mean(axis=0))
    assert_same(theory.second_moment(problem, method, X), Lbar @ X @ Lbar)
    assert_same(theory.fixed_point(problem, method), problem.minimizer)


@pytest.mark.parametrize("name", ["permutation-3-6", "rand-k-2-4-2", "bernoulli-2-4"])
def test_unbiased_gradient_masking_has_the_gradient_as_its_mean_and_the_minimizer_as_fixed_point(name):
    sketch = SKETCHES[name][0]
    problem = random(4, sketch.n, sketch.d)
    B, c = theory.mean_operator(problem, istsim.CompressedGradient(sketch))
    assert_same(B, problem.mean_hessian)
    assert_same(c, np.asarray(problem.b).mean(axis=0))
    assert_same(theory.fixed_point(problem, istsim.CompressedGradient(sketch, gradient_scale=0.1)), problem.minimizer)


@settings(max_examples=30)
@given(
    problem=strategies.problems(2, 4),
    method=strategies.methods(2, 4, merges=("mean", "literal"), participation=True),
    step_size=strategies.step_sizes(1e-2, 1.0),
)
def test_the_second_moment_is_linear_and_maps_semidefinite_to_semidefinite(problem, method, step_size):
    X, Y = np.random.default_rng(0).standard_normal((2, 4, 4))

    def T(matrix):
        return np.asarray(theory.second_moment(problem, method, matrix, step_size=step_size))

    assert_same(T(2 * X - 3 * Y), 2 * T(X) - 3 * T(Y))
    assert_same(T(X.T), T(X).T)
    semidefinite = T(X @ X.T)
    assert np.linalg.eigvalsh(semidefinite).min() >= -1e-12 * np.abs(semidefinite).max()


def test_the_second_moment_takes_nested_lists():
    problem, method = random(4, 2, 2), istsim.IST(istsim.Permutation(2, 2))
    np.testing.assert_array_equal(
        theory.second_moment(problem, method, [[1, 2], [3, 4]]),
        theory.second_moment(problem, method, np.array([[1.0, 2.0], [3.0, 4.0]])),
    )


def test_the_expected_gap_is_not_the_gap_of_the_expected_iterate():
    problem, method = random(11, 3, 6, vector=2.0), istsim.IST(istsim.Permutation(3, 6))
    exact = theory.exact_moments(problem, method, step_size=0.3, rounds=30)
    at_mean = jax.vmap(problem.objective_gap)(exact.mean)
    assert exact.objective_gap[0] == pytest.approx(float(at_mean[0]), rel=1e-14)
    # The difference is 1/2 tr(Lbar Cov), which is positive once anything was drawn.
    assert (exact.objective_gap[1:] > 1.01 * at_mean[1:]).all()


def test_metrics_are_ordered_by_the_eigenvalues_of_the_mean_hessian():
    problem, method = random(11, 3, 6), istsim.IST(istsim.Permutation(3, 6))
    exact = theory.exact_moments(problem, method, step_size=0.3, rounds=30)
    low, high = np.linalg.eigvalsh(problem.mean_hessian)[[0, -1]]
    twice_gap = 2 * exact.objective_gap
    slack = 1 + 1e-12
    assert (low * exact.distance_squared <= slack * twice_gap).all()
    assert (twice_gap <= slack * high * exact.distance_squared).all()
    assert (low * twice_gap <= slack * exact.gradient_norm_squared).all()
    assert (exact.gradient_norm_squared <= slack * high * twice_gap).all()


@pytest.mark.parametrize("make", [m for m, _ in METHODS.values()], ids=METHODS)
def test_under_interpolation_gaps_keep_their_relative_accuracy_down_to_1e_200(make):
    problem = random(3, 2, 4, condition_number=1.5, matrix=0.1, vector=0.0, interpolation=True)
    method = make(istsim.Permutation(2, 4), 2.0, 2.0)
    what = next(masked for constructor, masked in METHODS.values() if constructor is make)
    alpha, beta = (2.0 if what["model"] else 1.0), (2.0 if what["gradient"] else 1.0)
    law = enumeration.Law.of(problem, SKETCHES["permutation-2-4"][1], alpha=alpha, beta=beta, **what)
    step_size = 1.2 / (alpha * beta)  # the step times E B = (alpha beta / n) [..] has norm 0.6 at most: less cancels
    exact = theory.exact_moments(problem, method, step_size=step_size, rounds=500)
    usable = np.asarray(exact.objective_gap) > 1e-290  # below 1e-308 numbers lose digits
    assert exact.objective_gap[usable].min() < 1e-200
    # x* = 0, so that the enumeration cancels nothing either. Each of 500 rounds adds some 20 roundings of 1.1e-16 to
    # terms that are (1 + 0.6)^2 / (1 - 0.6)^2 = 16 times their sum at most.
    rtol = 500 * 20 * 1.1e-16 * 16
    _, *expected = law.trajectories(step_size, 500, np.ones(4))
    for name, values in zip(("objective_gap", "gradient_norm_squared", "distance_squared"), expected, strict=True):
        np.testing.assert_allclose(getattr(exact, name)[usable], values[usable], rtol=rtol)


@pytest.mark.parametrize("sketch", [istsim.Permutation(2, 4), istsim.Bernoulli(2, 4, 0.5)], ids=repr)
def test_ist_with_scales_is_ist_without_them_from_another_start_at_another_step(sketch):
    """The run with (gamma, alpha, beta, x0) is 1/alpha times that with (gamma alpha beta, 1, 1, alpha x0)."""
    problem, x0 = random(6, 2, 4), np.array([1.0, -2.0, 0.5, 3.0])
    gamma, alpha, beta = 0.1, 1.7, 0.6
    scaled = istsim.IST(sketch, forward_scale=alpha, gradient_scale=beta)
    plain = istsim.IST(sketch, forward_scale=1.0, gradient_scale=1.0)
    arguments = {"rounds": ROUNDS, "key": 3}
    path = istsim.trajectory(problem, scaled, step_size=gamma, x0=x0, **arguments)
    other = istsim.trajectory(problem, plain, step_size=gamma * alpha * beta, x0=alpha * x0, **arguments)
    assert_same(path, other / alpha)
    exact = theory.exact_moments(problem, scaled, step_size=gamma, rounds=ROUNDS, x0=x0)
    same = theory.exact_moments(problem, plain, step_size=gamma * alpha * beta, rounds=ROUNDS, x0=alpha * x0)
    assert_same(exact.mean, same.mean / alpha)


def test_x0_is_ones_unless_given():
    problem, method = random(6, 2, 4), istsim.IST(istsim.Permutation(2, 4))
    default = theory.exact_moments(problem, method, step_size=0.1, rounds=ROUNDS)
    np.testing.assert_allclose(default.mean[0], np.ones(4), rtol=1e-15)
    given_ones = theory.exact_moments(problem, method, step_size=0.1, rounds=ROUNDS, x0=np.ones(4))
    np.testing.assert_array_equal(default.objective_gap, given_ones.objective_gap)
    assert default.objective_gap.shape == default.distance_squared.shape == default.gradient_norm_squared.shape == (5,)


# Derivatives


@pytest.mark.slow
def test_the_exact_gap_can_be_differentiated_in_step_size_scales_and_probability():
    problem = random(6, 2, 4)

    def last_gap(point):
        step_size, alpha, beta, p = point
        method = istsim.IST(istsim.Bernoulli(2, 4, p), forward_scale=alpha, gradient_scale=beta)
        return theory.exact_moments(problem, method, step_size=step_size, rounds=2).objective_gap[-1]

    value_and_gradient = jax.jit(jax.value_and_grad(last_gap))
    point = jnp.array([0.1, 1.5, 1.2, 0.4])
    # A central difference errs by O(h^2) + O(eps/h): about 1e-10 at h = 1e-5, for derivatives of order 1.
    ends = [[value_and_gradient(point + sign * step)[0] for sign in (1, -1)] for step in 1e-5 * np.eye(4)]
    differences = [(ahead - behind) / 2e-5 for ahead, behind in ends]
    np.testing.assert_allclose(value_and_gradient(point)[1], np.array(differences), rtol=1e-6, atol=1e-8)


def test_exact_moments_run_under_jit_and_vmap():
    problem, method = random(6, 2, 4), istsim.IST(istsim.Permutation(2, 4))

    def gaps(step_size):
        return theory.exact_moments(problem, method, step_size=step_size, rounds=ROUNDS).objective_gap

    sizes = jnp.array([0.1, 0.2])
    np.testing.assert_allclose(jax.jit(jax.vmap(gaps))(sizes), [gaps(0.1), gaps(0.2)], rtol=1e-13)


# Contraction


@pytest.mark.parametrize("name", ["permutation-2-4", "rand-k-2-4-3", "bernoulli-3-3", "permutation-3-6"])
@methods
def test_contraction_is_that_of_the_enumerated_operators(name, make, masked):
    v = {"seed": 3, "matrix": 0.2, "vector": 1.0, "alpha": 1.3, "beta": 0.8}
    problem, method, law = setting(*SKETCHES[name], make, masked, v)
    Lbar, EB = law.mean_hessian, law.mean_operator()[0]
    W = (Lbar @ EB + EB.T @ Lbar) / 2
    BLB = np.einsum("m,mca,cd,mdb->ab", law.probability, law.B, Lbar, law.B, optimize=True)
    result = theory.contraction(problem, method)
    assert_same(result.W, W)
    smallest = scipy.linalg.eigh(W, Lbar, eigvals_only=True)[0]
    assert result.smallest == pytest.approx(smallest, rel=1e-10)
    assert smallest > 0  # so that theta exists: the largest generalised eigenvalue
    assert result.rate == pytest.approx(smallest, rel=1e-10)
    assert result.theta == pytest.approx(scipy.linalg.eigh(BLB, W, eigvals_only=True)[-1], rel=1e-10)


def test_contraction_of_gradient_descent_is_that_of_its_hessian():
    problem = random(2, 2, 4, condition_number=20.0)
    result = theory.contraction(problem, DESCENT)
    # Eigenvalues from 1/20 to 1: theta = lmax(Lbar), and the rate is lmin(Lbar).
    assert result.theta == pytest.approx(1.0, rel=1e-10)
    assert result.rate == result.smallest == pytest.approx(1 / 20, rel=1e-10)


def test_theta_of_permutations_with_two_coordinates_each_uses_the_mean_of_the_square():
    # Derived independently: theta = 215.93, not the 47.97 that E[B] Lbar E[B] would give.
    L = [[17, 12, 2, 12], [12, 13, -2, 12], [2, -2, 8, -2], [12, 12, -2, 13]]
    result = theory.contraction(homogeneous(L, np.zeros(4), 2), istsim.IST(istsim.Permutation(2, 4)))
    assert result.theta == pytest.approx(215.93, abs=0.005)


def test_theta_of_unit_diagonals_is_n():
    """Perm-1, equal L_i with unit diagonal: B = n I, so W = n Lbar and theta = n."""
    n = 3
    L = [[1, 0.4, 0.1], [0.4, 1, -0.3], [0.1, -0.3, 1]]
    result = theory.contraction(homogeneous(L, np.zeros(n), n), istsim.IST(istsim.Permutation(n, n)))
    assert result.theta == pytest.approx(n, rel=1e-12)
    assert result.rate == pytest.approx(n, rel=1e-12)


def test_an_indefinite_w_has_a_negative_smallest_eigenvalue_and_no_theta():
    # L = [[a,c],[c,b]], Perm-1: W is proportional to [[2aa, c(a+b)], [c(a+b), 2bb]], indefinite iff |c| > 2ab/(a+b).
    a, b = 1.0, 9.0  # 2ab/(a+b) = 1.8, and L > 0 needs |c| < 3
    for c, indefinite in ((1.7, False), (1.9, True)):
        result = theory.contraction(homogeneous([[a, c], [c, b]], [0, 0], 2), istsim.IST(istsim.Permutation(2, 2)))
        assert (result.smallest < 0) == indefinite
        assert (result.theta == np.inf) == indefinite


# Bad input

PROBLEM, IST = random(6, 2, 4), istsim.IST(istsim.Permutation(2, 4))


@pytest.mark.parametrize(
    "compute",
    [
        theory.mean_operator,
        theory.fixed_point,
        theory.contraction,
        theory.mean_step_size_limit,
        lambda p, m: theory.second_moment(p, m, np.eye(4)),
        lambda p, m: theory.exact_moments(p, m, step_size=0.1, rounds=3),
    ],
    ids=["mean_operator", "fixed_point", "contraction", "mean_step_size_limit", "second_moment", "exact_moments"],
)
def test_theory_refuses_what_does_not_go_together(compute, unchecked):
    for sketch in (istsim.Permutation(4, 4), istsim.RandK(2, 5, 2)):
        with pytest.raises(ValueError) as caught:
            compute(PROBLEM, istsim.IST(sketch))
        assert str((sketch.n, sketch.d)) in str(caught.value)
        assert "(2, 4)" in str(caught.value)
    with pytest.raises(ValueError, match=r"problem.*Quadratic"):
        compute(np.eye(4), IST)
    with pytest.raises(ValueError, match=r"method.*Permutation"):
        compute(PROBLEM, istsim.Permutation(2, 4))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"step_size": 0.0}, ["step_size", "positive", "0"]),
        ({"step_size": -0.1}, ["step_size", "positive", "-0.1"]),
        ({"step_size": np.nan}, ["step_size", "finite", "nan"]),
        ({"step_size": [0.1, 0.2]}, ["step_size", "one positive number"]),
        ({"rounds": 0}, ["rounds", "at least 1", "0"]),
        ({"rounds": 1.5}, ["rounds", "integer", "1.5"]),
        ({"x0": np.ones(3)}, ["x0", "(4,)", "(3,)"]),
        ({"x0": np.full(4, np.inf)}, ["x0", "finite", "inf"]),
    ],
)
def test_exact_moments_refuse_bad_arguments(changes, words, unchecked):
    with pytest.raises(ValueError) as caught:
        theory.exact_moments(PROBLEM, IST, **{"step_size": 0.1, "rounds": 3} | changes)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(("X", "came"), [(np.eye(3), "(3, 3)"), (np.ones(4), "(4,)"), (1.0, "()")])
def test_the_second_moment_refuses_matrices_of_another_shape(X, came, unchecked):
    with pytest.raises(ValueError) as caught:
        theory.second_moment(PROBLEM, IST, X)
    assert "X must have shape" in str(caught.value)
    assert came in str(caught.value)
