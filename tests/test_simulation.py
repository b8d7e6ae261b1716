import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import istsim
from istsim._random import stream
from istsim.simulation import _numpy, _simulate, _xla
from istsim.simulation._devices import OneDevice
from istsim.simulation._run import Run
from istsim.simulation._step_sizes import StepSizes

# One problem of each structure, n = 2 and d = 6, reused everywhere so that little is compiled.
PROBLEM = istsim.random_quadratic(0, 2, 6, condition_number=5.0, matrix_heterogeneity=0.3, vector_heterogeneity=0.5)
_RNG = np.random.default_rng(0)
FACTORED = istsim.Quadratic.from_least_squares(_RNG.standard_normal((2, 2, 6)), _RNG.standard_normal((2, 2)), ridge=0.5)
IST = istsim.IST(istsim.Permutation(2, 6))
METHODS = {
    "gradient-descent": istsim.GradientDescent(),
    "compressed-gradient": istsim.CompressedGradient(istsim.RandK(2, 6, 2)),
    "compressed-iterates": istsim.CompressedIterates(istsim.Permutation(2, 6)),
    "ist": IST,
    "ist-coins": istsim.IST(istsim.Bernoulli(2, 6, 0.5), forward_scale=1.0),
}
methods = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


def simulate(problem=PROBLEM, method=IST, **changes):
    return istsim.simulate(problem, method, **{"step_size": 0.05, "rounds": 10, "key": 1} | changes)


def trajectory(problem=PROBLEM, method=IST, **changes):
    return istsim.trajectory(problem, method, **{"step_size": 0.05, "rounds": 10, "key": 1} | changes)


def gap(solution):
    return solution.dataset.objective_gap.values


def expected_metrics(problem, iterates):
    """The three metrics by their definitions, at points of shape (..., d)."""
    error = np.asarray(iterates) - np.asarray(problem.minimizer)
    gradient = error @ np.asarray(problem.mean_hessian)
    return {
        "objective_gap": (error * gradient).sum(-1) / 2,
        "gradient_norm_squared": (gradient**2).sum(-1),
        "distance_squared": (error**2).sum(-1),
    }


# A problem on which the last iterate spells out all masks. Two workers with L_i = I, b_0 = 0 and b_1 = 1; under
# CompressedGradient(Permutation) at scale 1 and step size 2 s, x_j becomes (1-s) x_j + s [worker 1 holds j]. From x = 0
# with s = 1/2, x_j after K rounds has the binary digits of j's holders, the first round's last.

HOLDERS = istsim.Quadratic(np.stack([np.eye(6)] * 2), np.stack([np.zeros(6), np.ones(6)]))
SPELL = istsim.CompressedGradient(istsim.Permutation(2, 6), gradient_scale=1.0)


def spell(problem=HOLDERS, **changes):
    arguments = {"step_size": 1.0, "rounds": 20, "key": 5, "x0": np.zeros(6)} | changes
    return istsim.simulate(problem, SPELL, **arguments)


def holders(x, rounds):
    """Which worker held each coordinate in each round, shape (..., rounds, d), from the last iterates."""
    digits = np.asarray(x, dtype=float)[..., None, :] * 2.0 ** np.arange(rounds, 0, -1)[:, None]
    return (digits % 2).astype(int)


def drawn(key, repetition, round_index):
    round_key = jax.random.fold_in(jax.random.fold_in(stream(jax.random.key(key), "sketch"), repetition), round_index)
    return np.asarray(SPELL.sketch.sample(round_key))


# trajectory


@pytest.mark.parametrize(
    ("problem", "method"),
    [*((PROBLEM, method) for method in METHODS.values()), (FACTORED, IST)],
    ids=[*METHODS, "factored-ist"],
)
def test_a_trajectory_is_repetition_zero_of_a_simulation(problem, method):
    path = trajectory(problem, method, rounds=12)
    assert path.shape == (13, 6)
    solution = simulate(problem, method, rounds=12, repetitions=3)
    np.testing.assert_allclose(solution.x[0, 0], path[-1], rtol=1e-12, atol=1e-14)
    for name, values in expected_metrics(problem, path).items():
        np.testing.assert_allclose(solution.dataset[name][0, 0], values, rtol=1e-10, atol=1e-14)


def test_a_trajectory_draws_its_masks_from_the_sketch_stream_by_repetition_and_round():
    path = istsim.trajectory(HOLDERS, SPELL, step_size=2.0, rounds=6, key=5, x0=np.zeros(6))
    for k in range(6):  # at step size 2 (s = 1) the iterate is the holder
        np.testing.assert_array_equal(path[k + 1], drawn(5, 0, k)[1])


def test_a_trajectory_starts_at_ones_or_where_it_is_told():
    np.testing.assert_array_equal(trajectory()[0], np.ones(6))
    np.testing.assert_array_equal(trajectory(x0=np.arange(6.0))[0], np.arange(6))
    np.testing.assert_array_equal(trajectory(x0=[0, 1, 2, 3, 4, 5])[0], np.arange(6))


@pytest.mark.parametrize("method", [IST, METHODS["ist-coins"]], ids=["indices", "masks"])
def test_a_trajectory_can_be_jitted_and_vmapped(method):
    plain = trajectory(method=method)
    jitted = jax.jit(lambda p, s, k: istsim.trajectory(p, method, step_size=s, rounds=10, key=k))
    np.testing.assert_allclose(jitted(PROBLEM, 0.05, jax.random.key(1)), plain, rtol=1e-13, atol=1e-14)
    sizes = jnp.array([0.02, 0.05])
    over_steps = jax.vmap(lambda s: trajectory(method=method, step_size=s))(sizes)
    np.testing.assert_allclose(over_steps[1], plain, rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(over_steps[0], trajectory(method=method, step_size=0.02), rtol=1e-13, atol=1e-14)
    keys = jnp.stack([jax.random.key(0), jax.random.key(1)])
    over_keys = jax.vmap(lambda k: trajectory(method=method, key=k))(keys)
    np.testing.assert_allclose(over_keys[1], plain, rtol=1e-13, atol=1e-14)
    assert (over_keys[0] != over_keys[1]).any()


def test_a_trajectory_can_be_differentiated_in_step_size_start_scales_and_data():
    def last_gap(parameters):
        method = istsim.IST(
            istsim.Permutation(2, 6), forward_scale=parameters["alpha"], gradient_scale=parameters["beta"]
        )
        problem = istsim.Quadratic(parameters["L"], PROBLEM.b)
        x = istsim.trajectory(problem, method, step_size=parameters["step_size"], rounds=5, key=1, x0=parameters["x0"])
        return PROBLEM.objective_gap(x[-1])

    point = {
        "step_size": jnp.asarray(0.05),
        "alpha": jnp.asarray(1.2),
        "beta": jnp.asarray(1.7),
        "x0": jnp.arange(6.0),
        "L": PROBLEM.L,
    }
    gradient = jax.grad(last_gap)(point)
    for name, value in point.items():
        direction = jax.random.normal(jax.random.key(3), value.shape)
        direction = direction + direction.swapaxes(1, 2) if name == "L" else direction
        # A central difference errs by O(h^2) + O(eps/h): about 1e-10 at h = 1e-5, for a gap of order 1.
        ends = [last_gap(point | {name: value + h * direction}) for h in (1e-5, -1e-5)]
        assert (gradient[name] * direction).sum() == pytest.approx(float(ends[0] - ends[1]) / 2e-5, rel=1e-6, abs=1e-8)


# The same sketches, always


def test_every_repetition_and_round_has_the_masks_of_its_own_key():
    found = holders(spell(repetitions=4, rounds=8).x[0], 8)
    for repetition in range(4):
        for k in range(8):
            np.testing.assert_array_equal(found[repetition, k], drawn(5, repetition, k)[1])


@pytest.mark.parametrize(
    "changes",
    [
        {"repetitions": 3},
        {"repetitions": 7},
        {"record_every": 1},
        {"record_every": 3},
        {"record_every": 20},
        {"record_every": 50},
        {"step_size": [1.0]},
        {"step_size": [1.0, 0.1, 0.7]},
        {"progress": True},
        {"key": jax.random.key(5)},
        {"key": jax.random.PRNGKey(5)},
        {"key": np.asarray(jax.random.PRNGKey(5))},
        {"key": np.int32(5)},
        {"problem": HOLDERS.astype(np.float32)},
        {"problem": HOLDERS.astype(np.float32), "x0": np.zeros(6, np.float32), "step_size": np.float32(1.0)},
    ],
    ids=lambda changes: ",".join(changes),
)
def test_masks_depend_on_key_repetition_and_round_and_on_nothing_else(changes):
    reference, x = spell(repetitions=2).x[0], spell(**{"repetitions": 2} | changes).x[0, :2]
    np.testing.assert_array_equal(holders(x, 20), holders(reference, 20))


def test_fewer_rounds_have_the_first_masks_of_more():
    np.testing.assert_array_equal(holders(spell(rounds=7).x, 7), holders(spell().x, 20)[:, :, :7])


def test_every_step_size_sees_the_same_masks():
    sizes = np.array([0.5, 1.0, 1.5])
    solution = spell(step_size=sizes, repetitions=3)
    masks = holders(solution.x[1], 20)
    for size, x in zip(sizes, solution.x, strict=True):
        s, predicted = size / 2, np.zeros((3, 6))
        for k in range(20):
            predicted = (1 - s) * predicted + s * masks[:, k]
        np.testing.assert_allclose(x, predicted, rtol=1e-13)


@methods
def test_a_step_size_gives_the_same_run_alone_and_among_others(method):
    together = simulate(method=method, step_size=[0.02, 0.05, 0.1], repetitions=3)
    alone = simulate(method=method, step_size=0.05, repetitions=3)
    np.testing.assert_allclose(together.x[1], alone.x[0], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(gap(together)[1], gap(alone)[0], rtol=1e-11, atol=1e-14)


def test_other_keys_draw_other_masks():
    assert (spell(key=5).x != spell(key=6).x).any()
    # The key itself is not the key of the sketches: another stream of the same key must not repeat them.
    first = np.asarray(SPELL.sketch.sample(jax.random.fold_in(jax.random.fold_in(jax.random.key(5), 0), 0)))
    data_key = stream(jax.random.key(5), "data")
    other = np.asarray(SPELL.sketch.sample(jax.random.fold_in(jax.random.fold_in(data_key, 0), 0)))
    assert len({mask.tobytes() for mask in (first, other, drawn(5, 0, 0))}) > 1


def test_masks_are_independent_between_rounds_and_repetitions(seed, false_alarm_rate):
    rounds, repetitions = 20, 2000
    masks = holders(spell(key=seed, repetitions=repetitions).x[0], rounds) * 2.0 - 1  # +-1, fair
    first = masks[:, :, 0]  # coordinate 0 in (repetition, round)
    products = {
        "fair": first.mean(axis=0),
        "rounds": ((first.T @ first) / repetitions)[~np.eye(rounds, dtype=bool)],
        "next repetition": (first[1:] * first[:-1]).mean(axis=0),
        "next repetition and round": (first[1:, :-1] * first[:-1, 1:]).mean(axis=0),
    }
    # Means of about 2000 independent fair signs each; two-sided, Bonferroni over all comparisons.
    comparisons = sum(means.size for means in products.values())
    bound = scipy.stats.norm.isf(false_alarm_rate / (2 * comparisons)) / np.sqrt(repetitions - 1)
    for name, means in products.items():
        assert np.abs(means).max() <= bound, name


def test_float32_and_float64_runs_differ_by_rounding_only():
    double = simulate(repetitions=3, rounds=20)
    single = simulate(PROBLEM.astype(np.float32), repetitions=3, rounds=20)
    assert single.x.dtype == gap(single).dtype == np.float32
    assert double.x.dtype == gap(double).dtype == np.float64
    assert trajectory(PROBLEM.astype(np.float32)).dtype == np.float32
    # About 20 rounds of about ten operations with relative error 6e-8 each, on numbers of order 1.
    np.testing.assert_allclose(single.x, double.x, atol=20 * 10 * 6e-8)


# What is recorded


@pytest.mark.parametrize(
    ("rounds", "record_every"),
    [(10, 1), (10, 3), (10, 5), (10, 10), (10, 11), (1, 1), (130, 1), (130, 2), (129, 2), (200, 3)],
)
def test_rounds_0_r_2r_and_the_last_are_recorded_from_the_trajectory(rounds, record_every):
    solution = simulate(rounds=rounds, record_every=record_every, repetitions=2)
    recorded = sorted({*range(0, rounds + 1, record_every), rounds})
    assert solution.dataset["round"].values.tolist() == recorded
    assert solution.recorded_rounds.tolist() == recorded
    path = np.asarray(trajectory(rounds=rounds))
    for name, values in expected_metrics(PROBLEM, path[recorded]).items():
        np.testing.assert_allclose(solution.dataset[name][0, 0], values, rtol=1e-9)
    np.testing.assert_allclose(solution.x[0, 0], path[-1], rtol=1e-11, atol=1e-14)


def test_the_data_set_has_labelled_dimensions_in_their_order():
    solution = simulate(step_size=[0.02, 0.05], repetitions=3, record_every=4)
    dataset = solution.dataset
    assert set(dataset.data_vars) == {"objective_gap", "gradient_norm_squared", "distance_squared"}
    for values in dataset.data_vars.values():
        assert values.dims == ("step_size", "repetition", "round")
        assert values.shape == (2, 3, 4)
    np.testing.assert_array_equal(dataset.step_size, [0.02, 0.05])
    np.testing.assert_array_equal(dataset.repetition, [0, 1, 2])
    np.testing.assert_array_equal(dataset["round"], [0, 4, 8, 10])
    assert solution.x.shape == (2, 3, 6)
    assert solution.status.shape == (2, 3)


def test_a_scalar_step_size_keeps_its_dimension():
    for step_size in (0.05, np.float64(0.05), jnp.asarray(0.05)):
        solution = simulate(step_size=step_size)
        assert dict(solution.dataset.sizes) == {"step_size": 1, "repetition": 1, "round": 11}
        assert solution.x.shape == (1, 1, 6)
        assert solution.status.shape == (1, 1)


def test_metrics_are_those_of_the_iterate():
    solution = simulate(step_size=[0.02, 0.05], repetitions=3)
    for name, values in expected_metrics(PROBLEM, solution.x).items():
        np.testing.assert_allclose(solution.dataset[name][..., -1], values, rtol=1e-12)
    for name, values in expected_metrics(PROBLEM, np.ones(6)).items():
        np.testing.assert_allclose(solution.dataset[name][..., 0], np.full((2, 3), values), rtol=1e-13)


def test_the_gap_keeps_its_digits_far_below_rounding():
    """L_i = I and step size 1/2: x_k = 2^-k, so the gap of d = 6 coordinates is 3 4^-k, to the last bit."""
    problem = istsim.Quadratic(np.stack([np.eye(6)] * 2), np.zeros((2, 6)))
    solution = simulate(problem, istsim.GradientDescent(), step_size=0.5, rounds=200)
    np.testing.assert_array_equal(gap(solution)[0, 0], 3 * 4.0 ** -np.arange(201))


def test_x0_is_where_a_simulation_starts():
    x0 = np.arange(6.0)
    solution = simulate(x0=x0)
    assert gap(solution)[0, 0, 0] == pytest.approx(float(PROBLEM.objective_gap(x0)), rel=1e-14)
    np.testing.assert_allclose(solution.x[0, 0], trajectory(x0=x0)[-1], rtol=1e-12)
    np.testing.assert_array_equal(simulate(x0=np.ones(6)).x, simulate().x)


def test_progress_is_shown_only_when_asked_for_and_changes_nothing(capfd):
    quiet = simulate(rounds=130)
    assert capfd.readouterr() == ("", "")
    shown = simulate(rounds=130, progress=True)
    assert "130" in capfd.readouterr().err
    np.testing.assert_array_equal(gap(quiet), gap(shown))


# Status and advice

# L_i = 4 I, x* = 0: at step size s every coordinate is multiplied by 1 - 4 s a round.
STEEP = istsim.Quadratic(np.stack([4 * np.eye(6)] * 2), np.zeros((2, 6)))
DESCENT = istsim.GradientDescent()


def test_status_is_converged_running_or_diverged():
    # Factors -2, 1/2 and 0.996: the gap goes by their squares, so after 30 rounds 1e18, 8.7e-19 and 0.79 of its start.
    solution = simulate(STEEP, DESCENT, step_size=[0.75, 0.125, 0.001], rounds=30, repetitions=2)
    assert solution.status.tolist() == [["diverged"] * 2, ["converged"] * 2, ["running"] * 2]
    assert {str(status) for status in istsim.Status} == {"converged", "running", "diverged"}
    assert (solution.status[0] == istsim.Status.DIVERGED).all()


def test_convergence_is_relative_to_the_start():
    # The gap starts at 6 * 4/2 * 1e-16 = 1.2e-15, below any absolute threshold, and a factor 0.996 a round leaves 0.79.
    solution = simulate(STEEP, DESCENT, step_size=0.001, rounds=30, x0=np.full(6, 1e-8))
    assert solution.status.tolist() == [["running"]]


def test_a_run_that_overflows_is_a_result():
    # A factor of -399 a round: the gap exceeds 1e308 after 60 rounds and ends as inf or nan.
    for dtype in (np.float32, np.float64):
        solution = simulate(STEEP.astype(dtype), DESCENT, step_size=100.0, rounds=200)
        assert solution.status.tolist() == [["diverged"]]
        assert not np.isfinite(gap(solution)[0, 0, -1])
        assert "diverged" in solution.advice


@pytest.mark.parametrize(("record_every", "first"), [(1, 10), (3, 12), (7, 14)])
def test_the_round_of_divergence_is_the_first_recorded_one_beyond_a_million(record_every, first):
    # The gap is 4^k times its start: above 1e6 from k = 10 on (4^9 = 262144, 4^10 = 1048576).
    solution = simulate(STEEP, DESCENT, step_size=[0.75, 0.125], rounds=30, record_every=record_every)
    np.testing.assert_array_equal(solution.first_diverged_round(), [[first], [np.nan]])
    assert f"round {first}" in solution.advice


def test_a_run_has_diverged_from_where_on_it_stays_beyond_a_million():
    solution = simulate(STEEP, DESCENT, step_size=[0.1, 0.1, 0.1], rounds=4)
    gaps = [[1, 1e7, 1, 1e7, 1e9], [1, 1e7, 1e7, np.inf, np.nan], [1, 1e7, 1e9, 10, 1]]
    metrics = solution.metrics | {"objective_gap": 12 * np.array(gaps)[:, None, :]}  # 12 = 6 4/2 at x0
    solution = dataclasses.replace(solution, metrics=metrics)
    assert solution.status.tolist() == [["diverged"], ["diverged"], ["running"]]
    np.testing.assert_array_equal(solution.first_diverged_round(), [[3], [1], [np.nan]])


def test_a_run_that_comes_back_from_a_growth_below_a_million_has_not_diverged():
    solution = simulate(STEEP, DESCENT, step_size=0.75, rounds=9)
    assert solution.status.tolist() == [["running"]]


def test_advice_on_divergence_names_stable_step_sizes():
    solution = simulate(STEEP, DESCENT, step_size=0.75, rounds=30)
    # theta = lmax = 4, so 1/theta = 0.25; the expected iterate is stable below 2/lmax = 0.5.
    assert "0.75" in solution.advice
    assert "0.25" in solution.advice
    assert "0.5" in solution.advice
    assert simulate(STEEP, DESCENT, step_size=0.25, rounds=30).status.tolist() == [["converged"]]


def test_advice_names_the_level_at_which_the_expected_iterate_ends():
    # IST on L = [[2,1],[1,2]], b = (1,1) with Perm-1 and alpha = 1: x_inf = D^-1 b = (1/2, 1/2), x* = (1/3, 1/3), so
    # that the gap there is 1/2 (1/6)^2 (1,1) L (1,1)' = 6/72 = 1/12.
    problem = istsim.Quadratic(np.array([[[2.0, 1.0], [1.0, 2.0]]] * 2), np.ones((2, 2)))
    method = istsim.IST(istsim.Permutation(2, 2), forward_scale=1.0)
    solution = simulate(problem, method, step_size=0.1, rounds=50)
    assert solution.status.tolist() == [["running"]]
    assert "0.0833" in solution.advice


def test_a_divergent_method_without_a_contraction_still_gets_advice():
    # CompressedIterates with a huge forward scale: nothing contracts at step size 1.
    method = istsim.CompressedIterates(istsim.Permutation(2, 6), forward_scale=50.0)
    solution = simulate(PROBLEM, method, step_size=1.0, rounds=30)
    assert solution.status.tolist() == [["diverged"]]
    assert "diverged" in solution.advice


def test_advice_counts_runs_that_converged():
    solution = simulate(STEEP, DESCENT, step_size=0.125, rounds=30, repetitions=5)
    assert "5 runs converged" in solution.advice


# Compilation


@pytest.fixture(scope="module")
def compilations():
    """A list that grows by one with every compilation."""
    names = []

    def listen(name, duration, **_):
        if name == "/jax/core/compile/backend_compile_duration":
            names.append(name)

    jax.monitoring.register_event_duration_secs_listener(listen)
    return names


def test_new_values_of_the_same_shapes_compile_nothing(compilations, monkeypatch):
    monkeypatch.setattr("istsim.simulation._numpy.is_short", lambda run: False)

    def run(step_size, key, problem, alpha, **changes):
        method = istsim.IST(istsim.Permutation(2, 6), forward_scale=alpha)
        return gap(simulate(problem, method, step_size=step_size, key=key, repetitions=7, **changes))

    other = istsim.random_quadratic(9, 2, 6, condition_number=5.0, matrix_heterogeneity=0.3, vector_heterogeneity=0.5)
    before = len(compilations)
    first = run([0.021, 0.022], 11, PROBLEM, 1.1, rounds=11)
    assert len(compilations) > before  # the listener hears
    before = len(compilations)
    second = run([0.031, 0.032], 12, other, 1.2, rounds=11)
    assert len(compilations) == before
    assert (first != second).any()


def test_more_chunks_of_rounds_compile_nothing_new(compilations, monkeypatch):
    monkeypatch.setattr("istsim.simulation._numpy.is_short", lambda run: False)
    gap(simulate(rounds=512, repetitions=2))
    before = len(compilations)
    gap(simulate(rounds=2048, repetitions=2))
    assert len(compilations) == before


def test_a_trajectory_of_known_shape_compiles_nothing(compilations):
    trajectory(rounds=9)
    before = len(compilations)
    trajectory(rounds=9, step_size=0.01, key=77, x0=np.arange(6.0))
    assert len(compilations) == before


# Bad input


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"step_size": 0.0}, ["step_size", "positive", "0"]),
        ({"step_size": -0.1}, ["step_size", "positive", "-0.1"]),
        ({"step_size": np.nan}, ["step_size", "finite", "nan"]),
        ({"step_size": np.inf}, ["step_size", "finite", "inf"]),
        ({"step_size": "fast"}, ["step_size"]),
        ({"step_size": None}, ["step_size"]),
        ({"rounds": 0}, ["rounds", "at least 1", "0"]),
        ({"rounds": -5}, ["rounds", "at least 1", "-5"]),
        ({"rounds": 2.5}, ["rounds", "integer", "2.5"]),
        ({"x0": np.ones(5)}, ["x0", "(6,)", "(5,)"]),
        ({"x0": np.ones((1, 6))}, ["x0", "(1, 6)"]),
        ({"x0": 1.0}, ["x0", "()"]),
        ({"x0": np.full(6, np.nan)}, ["x0", "finite", "nan"]),
        ({"key": None}, ["key", "None"]),
        ({"key": 1.0}, ["key", "1.0"]),
        ({"key": jax.random.split(jax.random.key(0))}, ["key", "(2,)"]),
        ({"method": istsim.IST(istsim.Permutation(3, 6))}, ["(3, 6)", "(2, 6)"]),
        ({"method": istsim.IST(istsim.RandK(2, 5, 2))}, ["(2, 5)", "(2, 6)"]),
        ({"method": istsim.RandK(2, 6, 2)}, ["method", "RandK"]),
        ({"problem": np.eye(6)}, ["problem", "Quadratic"]),
    ],
)
@pytest.mark.parametrize("run", [simulate, trajectory])
def test_runs_refuse_bad_arguments(run, changes, words, unchecked):
    with pytest.raises(ValueError) as caught:
        run(**changes)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"step_size": []}, ["step_size", "(0,)"]),
        ({"step_size": np.full((2, 2), 0.1)}, ["step_size", "1-D", "(2, 2)"]),
        ({"step_size": [0.1, -0.2]}, ["step_size", "positive", "-0.2"]),
        ({"step_size": [0.1, np.nan]}, ["step_size", "finite", "nan"]),
        ({"step_size": [[0.1, 0.2], [0.3]]}, ["step_size"]),
        ({"repetitions": 0}, ["repetitions", "at least 1", "0"]),
        ({"repetitions": 1.5}, ["repetitions", "integer", "1.5"]),
        ({"record_every": 0}, ["record_every", "at least 1", "0"]),
        ({"record_every": -1}, ["record_every", "at least 1", "-1"]),
        ({"backend": "mpi"}, ["backend", "vmap", "mpi"]),
        ({"backend": None}, ["backend", "vmap", "None"]),
    ],
)
def test_simulate_refuses_bad_arguments(changes, words, unchecked):
    with pytest.raises(ValueError) as caught:
        simulate(**changes)
    for word in words:
        assert word in str(caught.value)


class Claiming(istsim.RandK):
    """It states another size than it draws."""

    claimed = 7

    @property
    def size(self):
        return self.claimed


class ClaimingNone(Claiming):
    claimed = 0


@pytest.mark.parametrize("kind", [Claiming, ClaimingNone])
@pytest.mark.parametrize("run", [simulate, trajectory])
def test_runs_refuse_a_sketch_that_states_an_impossible_size(run, kind, unchecked):
    with pytest.raises(ValueError, match=rf"from 1 to d = 6, but {kind.__name__}.* states {kind.claimed}; correct"):
        run(method=istsim.IST(kind(2, 6, 2)))


def test_a_trajectory_takes_one_step_size(unchecked):
    with pytest.raises(ValueError, match="one positive number"):
        trajectory(step_size=[0.1, 0.2])


def test_a_run_from_the_minimizer_that_stays_there_has_converged():
    problem = istsim.random_quadratic(4, 2, 3, condition_number=3.0, matrix_heterogeneity=0.5, vector_heterogeneity=0.0)
    solution = istsim.simulate(problem, istsim.GradientDescent(), step_size=0.7, rounds=5, key=0, x0=problem.minimizer)
    assert solution.status[0, 0] == "converged"


@pytest.mark.parametrize("record_every", [1, 10**8])
def test_a_run_ends_when_all_its_trajectories_are_beyond_numbers(record_every):
    # A thousand million rounds and more: it returns because it stops, not because it is fast.
    rounds = 10 * record_every if record_every > 1 else 10**5
    solution = simulate(step_size=[50.0, 80.0], rounds=rounds, repetitions=2, record_every=record_every)
    assert solution.dataset.sizes["round"] == rounds // record_every + 1
    assert np.isnan(gap(solution)[:, :, -1]).all()
    assert np.isnan(solution.x).all()
    assert (solution.status == "diverged").all()
    assert "diverged" in solution.advice


def test_a_record_longer_than_a_chunk_is_the_same_record():
    # Rounds are run 4096 at a time at most.
    rare = simulate(rounds=10_000, record_every=9_000)
    often = simulate(rounds=10_000, record_every=1_000)
    assert rare.recorded_rounds.tolist() == [0, 9_000, 10_000]
    np.testing.assert_allclose(gap(rare), gap(often)[..., [0, 9, 10]], rtol=1e-12)
    np.testing.assert_allclose(rare.x, often.x, rtol=1e-12)


def test_an_ended_trajectory_leaves_the_others_running():
    run = {"rounds": 900, "repetitions": 2, "record_every": 3}
    both, alone = simulate(step_size=[0.05, 90.0], **run), simulate(step_size=0.05, **run)
    np.testing.assert_allclose(gap(both)[0], gap(alone)[0], rtol=1e-12)
    assert np.isfinite(both.x[0]).all()
    assert np.isnan(both.x[1]).all()
    assert np.isfinite(gap(both)[1, :, 0]).all()
    assert_ended_for_good(gap(both)[1])


def test_a_trajectory_that_ended_does_not_come_back():
    # Where nobody holds a coordinate the merge "literal" sets it to 0: infinities would vanish again.
    method = istsim.IST(istsim.Bernoulli(2, 6, 0.1), merge="literal")
    solution = simulate(method=method, step_size=1e150, rounds=200, repetitions=4)
    assert_ended_for_good(gap(solution)[0])
    assert (solution.status == "diverged").all()


def assert_ended_for_good(gaps):
    finite = np.isfinite(gaps)
    assert not finite[:, -1].any()
    assert (np.diff(finite.astype(int), axis=1) <= 0).all()


EPS = np.finfo(float).eps


@pytest.mark.parametrize(
    ("start", "end", "status"),
    [
        (2.0, 2 * 0.99 * np.sqrt(EPS), "converged"),
        (2.0, 2 * 1.01 * np.sqrt(EPS), "running"),
        (0.0, 0.99 * (100 * EPS) ** 2 * 4.5, "converged"),
        (0.0, 1.01 * (100 * EPS) ** 2 * 4.5, "running"),
        (2.0, 0.99e6 * 4.5, "running"),  # the gap at 0 is larger than that at the start
        (2.0, 1.01e6 * 4.5, "diverged"),
        (8.0, 0.99e6 * 8.0, "running"),
        (8.0, 1.01e6 * 8.0, "diverged"),
        (8.0, np.nan, "diverged"),
    ],
)
def test_a_status_changes_where_the_gap_crosses_the_stated_bounds(start, end, status):
    problem = istsim.Quadratic(np.eye(1)[None], np.array([[3.0]]))  # 3^2 / 2 = 4.5 at 0
    solution = istsim.Solution(
        problem=problem,
        method=istsim.GradientDescent(),
        step_sizes=np.array([0.1]),
        recorded_rounds=np.array([0, 1]),
        metrics={"objective_gap": np.array([[[start, end]]])},
        x=np.zeros((1, 1, 1)),
    )
    assert solution.status.tolist() == [[status]]


@pytest.mark.parametrize("engine", ["numpy", "xla"])
def test_an_engine_gives_the_start_without_a_round_and_then_all_rounds_and_records(engine, key):
    method = istsim.IST(istsim.RandK(2, 3, 1))
    problem = istsim.Quadratic(np.tile(np.eye(3), (2, 1, 1)), np.zeros((2, 3)))
    run = Run(problem, method, StepSizes.of(0.1, 5, float), key, 2, np.ones(3), rounds=5, record_every=2)
    start, *later = _numpy.chunks(run) if engine == "numpy" else _xla.chunks(run, OneDevice())
    assert (start.rounds, start.kept) == (0, 1)
    assert sum(chunk.rounds for chunk in later) == 5
    assert start.kept + sum(chunk.kept for chunk in later) == len(run.recorded_rounds) == 4


def test_a_trajectory_is_nan_from_its_first_gap_that_is_not_finite_and_others_are_as_they_were():
    gaps = np.array([[1.0, 2.0, 3.0], [np.inf, 5.0, 6.0], [7.0, 8.0, np.nan]])  # three records of three repetitions
    recorded, ended = _simulate._until_not_finite(
        [dict.fromkeys(istsim.simulation._metrics.METRICS, gaps[..., None])], 4
    )
    # Over repetition and record; the fourth record was never reached.
    expected = [[1, np.nan, np.nan, np.nan], [2, 5, 8, np.nan], [3, 6, np.nan, np.nan]]
    for values in recorded.values():
        np.testing.assert_array_equal(values, [expected])
    assert ended.tolist() == [[True, True, True]]
    whole, ended = _simulate._until_not_finite([dict.fromkeys(istsim.simulation._metrics.METRICS, gaps[..., None])], 3)
    np.testing.assert_array_equal(whole["objective_gap"][0, 1], [2, 5, 8])
    assert ended.tolist() == [[True, False, True]]
