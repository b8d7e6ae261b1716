"""Local updates on quadratics: where they stop, how they get there, and windows that never do."""

import numpy as np
import pytest
import sympy as sp

import istsim
from istsim import theory
from istsim.theorems import Kind, Theorem

BLOCKS = (2, 1, 3)
GREEDY = istsim.LocalUpdates(BLOCKS)
# Numbers of losses that see each block, by a list of ends for each block, beside the methods.
ENDS = {
    "greedy": (GREEDY, [[0], [1], [2]]),
    "chunked": (istsim.LocalUpdates(BLOCKS, "chunked", window=2), [[1], [1], [2]]),
    "sum": (istsim.LocalUpdates(BLOCKS, "overlapping", window=2), [[1], [1, 2], [2]]),
    "farthest": (istsim.LocalUpdates(BLOCKS, "overlapping", window=2, shared="farthest"), [[1], [2], [2]]),
}
UNSTABLE = np.array([[7, -9, -5], [-9, 12, 8], [-5, 8, 10]])
WINDOWS = {
    shared: istsim.LocalUpdates([1, 1, 1], "overlapping", window=2, shared=shared) for shared in ("sum", "farthest")
}
BLOCK = np.repeat(np.arange(3), BLOCKS)


def problem_of(seed=0, condition_number=20.0):
    likeness = {"matrix_heterogeneity": 0.5, "vector_heterogeneity": 0.5}
    return istsim.random_quadratic(seed, 2, 6, condition_number=condition_number, **likeness)


def mean_of(problem):
    return np.asarray(problem.L).mean(axis=0), np.asarray(problem.b).mean(axis=0)


def coupled(strength):
    """The couplings of the unstable quadratic, weakened."""
    diagonal = np.diag(np.diag(UNSTABLE))
    return diagonal + strength * (UNSTABLE - diagonal)


@pytest.mark.parametrize("name", ENDS)
def test_a_run_ends_where_what_each_block_sees_of_the_gradient_vanishes(name):
    (method, ends), problem = ENDS[name], problem_of()
    L, b = mean_of(problem)
    operator, vector = np.zeros_like(L), np.zeros_like(b)
    for row, block in enumerate(BLOCK):
        for end in ends[block]:
            operator[row] += np.where(end >= BLOCK, L[row], 0)
            vector[row] += b[row]
    run = istsim.simulate(problem, method, step_size=0.3, rounds=1500, key=0)
    np.testing.assert_allclose(run.x[0, 0], np.linalg.solve(operator, vector), rtol=1e-9)
    assert istsim.theorems.get("local-updates-fixed-point").check(problem, method, step_size=0.3, rounds=1).holds


def test_chunks_are_greedy_updates_of_larger_blocks():
    problem, run = problem_of(), {"step_size": 0.2, "rounds": 20, "key": 0}
    chunks = istsim.trajectory(problem, ENDS["chunked"][0], **run)
    np.testing.assert_array_equal(chunks, istsim.trajectory(problem, istsim.LocalUpdates([3, 3]), **run))


def test_greedy_updates_stop_after_one_sweep_over_the_blocks_and_each_takes_its_part_of_the_loss():
    problem = problem_of()
    L, _ = mean_of(problem)
    swept = np.zeros(6)
    for block in range(3):
        here, before = block == BLOCK, float(problem.value(swept))
        # The minimum over this block, with the others where they are.
        swept[here] -= np.linalg.solve(L[np.ix_(here, here)], np.asarray(problem.gradient(swept))[here])
        taken = swept[here] @ L[np.ix_(here, here)] @ swept[here] / 2
        assert before - float(problem.value(swept)) == pytest.approx(taken, rel=1e-10)
    np.testing.assert_allclose(theory.fixed_point(problem, GREEDY), swept, rtol=1e-10)


def test_greedy_updates_stop_at_the_minimum_where_later_blocks_are_not_needed_and_only_there():
    L, _ = mean_of(problem_of())
    for later, is_best in ((0.0, True), (0.1, False)):
        minimizer = np.where(BLOCK == 0, 1.0, later)
        problem = istsim.Quadratic(L[None], (L @ minimizer)[None])
        gap = float(problem.objective_gap(theory.fixed_point(problem, GREEDY)))
        assert (gap < 1e-20) == is_best
        assert istsim.theorems.get("greedy-loss").check(problem, GREEDY, step_size=0.1, rounds=1).holds


def test_the_blocks_alone_say_the_best_step_size_and_its_rate():
    problem = problem_of()
    L, _ = mean_of(problem)
    parts = [np.linalg.eigvalsh(L[np.ix_(block == BLOCK, block == BLOCK)]) for block in range(3)]
    low, high = min(part[0] for part in parts), max(part[-1] for part in parts)
    best = theory.best(problem, lambda _: GREEDY, candidates=[0], goal="rate").step_size
    assert best == pytest.approx(2 / (low + high), rel=1e-3)  # of a search
    assert theory.mean_rate(problem, GREEDY, 2 / (low + high)) == pytest.approx((high - low) / (high + low), rel=1e-9)
    # Measured, at a step size at which one eigenvalue decides in the end.
    iterates = istsim.trajectory(problem, GREEDY, step_size=1 / high, rounds=81, key=0)
    errors = np.linalg.norm(iterates - theory.fixed_point(problem, GREEDY), axis=1)
    assert errors[-1] / errors[-2] == pytest.approx(1 - low / high, rel=1e-6)


@pytest.mark.parametrize("name", ["greedy", "chunked", "farthest"])
def test_the_first_round_from_0_is_that_of_gradient_descent_where_a_block_follows_one_loss(name):
    run = {"step_size": 0.3, "rounds": 2, "key": 0, "x0": np.zeros(6)}
    local = istsim.trajectory(problem_of(), ENDS[name][0], **run)
    whole = istsim.trajectory(problem_of(), istsim.GradientDescent(), **run)
    np.testing.assert_allclose(local[1], whole[1], rtol=1e-12)
    assert not np.allclose(local[2], whole[2], rtol=1e-3)


def test_up_to_a_step_size_every_round_of_greedy_updates_gains_and_beyond_it_some_round_loses():
    problem = problem_of(condition_number=100.0)
    L, _ = mean_of(problem)
    T = np.where(BLOCK[:, None] >= BLOCK, L, 0)
    longest = 2 / np.linalg.eigvals(np.linalg.solve((T + T.T) / 2, T.T @ T)).real.max()
    theorem = istsim.theorems.get("local-updates-contraction")
    # The error that gains least at that step size.
    one_round = np.eye(6) - longest * T
    worst = np.linalg.svd(one_round)[2][0]
    x0 = np.asarray(theory.fixed_point(problem, GREEDY)) + worst
    for factor, gains in ((0.999, True), (1.01, False)):
        run = {"step_size": factor * longest, "rounds": 30, "x0": x0}
        errors = istsim.trajectory(problem, GREEDY, key=0, **run) - theory.fixed_point(problem, GREEDY)
        distances = np.linalg.norm(errors, axis=1)
        assert bool(np.all(np.diff(distances) < 0)) == gains
        assert theorem.check(problem, GREEDY, **run).applicable == gains
        assert theorem.check(problem, GREEDY, **run).holds is (True if gains else None)


def test_the_bound_on_the_transient_is_attained_and_the_later_block_is_thrown_back():
    problem = istsim.Quadratic([[[1.0, -0.9], [-0.9, 1.0]]], [[0.0, 0.0]])
    run = {"step_size": 0.2, "rounds": 40, "x0": [1.0, 0.01]}
    check = istsim.theorems.get("greedy-transient").check(problem, istsim.LocalUpdates([1, 1]), **run)
    np.testing.assert_allclose(check.lhs, check.rhs, rtol=1e-12)
    # By 0.8^k (0.01 + k 0.2 0.9 / 0.8), largest at 4 rounds: 1 / ln(1 / 0.8) is 4.5.
    simulated = istsim.trajectory(problem, istsim.LocalUpdates([1, 1]), key=0, **run)[:, 1]
    np.testing.assert_allclose(check.lhs, simulated, rtol=1e-12)
    assert int(np.argmax(simulated)) == 4
    assert float(simulated[4]) == pytest.approx(0.8**4 * (0.01 + 4 * 0.225))


@pytest.mark.parametrize(("shared", "determinant"), [("sum", -28), ("farthest", -58)])
def test_overlapping_windows_diverge_at_every_step_size_on_a_definite_quadratic(shared, determinant):
    L, method = sp.Matrix(UNSTABLE.tolist()), WINDOWS[shared]
    assert [L[:size, :size].det() for size in (1, 2, 3)] == [7, 3, 2]
    # In whole numbers: the product of three eigenvalues of a real matrix is negative, so a real one is.
    operator = sp.Matrix((method.mask.astype(int) * UNSTABLE).tolist())
    assert operator.det() == determinant
    problem = istsim.Quadratic(UNSTABLE[None], np.zeros((1, 3)))
    assert theory.mean_step_size_limit(problem, method) == 0.0
    for step_size in (0.03, 0.01, 0.003):
        rounds = int(150 / step_size)
        run = istsim.simulate(problem, method, step_size=step_size, rounds=rounds, key=0, record_every=rounds)
        gaps = np.asarray(run.dataset.objective_gap)[0, 0]
        assert gaps[-1] > 1e6 * gaps[0]


@pytest.mark.parametrize("shared", WINDOWS)
def test_windows_converge_where_what_they_see_is_definite(shared):
    method, theorem = WINDOWS[shared], istsim.theorems.get("local-updates-contraction")
    problem = istsim.Quadratic(coupled(0.9)[None], np.ones((1, 3)))
    seen = method.mask / method.losses[:, None] * coupled(0.9)
    assert np.linalg.eigvalsh(seen + seen.T)[0] > 0
    check = theorem.check(problem, method, step_size=0.01, rounds=50)
    assert check.applicable, check.reason
    assert check.holds
    assert check.lhs[-1] < check.lhs[0]
    stronger = istsim.Quadratic(coupled(0.99)[None], np.ones((1, 3)))
    assert "N^-1 T + T' N^-1 is positive definite" in theorem.check(stronger, method, step_size=0.01, rounds=1).reason


def test_windows_that_follow_the_farthest_loss_can_stop_above_the_loss_at_0():
    # Little before they lose their stability the fixed point lies far away.
    L = coupled(0.95)
    problem = istsim.Quadratic(L[None], np.array([[0.0, 0.0, 1.0]]))
    assert theory.mean_step_size_limit(problem, WINDOWS["farthest"]) > 0
    stop = {shared: float(problem.value(theory.fixed_point(problem, method))) for shared, method in WINDOWS.items()}
    greedy = float(problem.value(theory.fixed_point(problem, istsim.LocalUpdates([1, 1, 1]))))
    assert stop["farthest"] > 0 > max(greedy, stop["sum"])


def test_the_small_entries_of_a_vector_are_compared_as_its_large_ones():
    x, y = sp.MatrixSymbol("x", 2, 1), sp.MatrixSymbol("y", 2, 1)

    class Same(Theorem):
        """Two vectors are the same."""

        name, title, source, kind = "same", "Same", "here", Kind.EXACT
        statement = sp.Eq(x, y, evaluate=False)
        premises = ()
        values: tuple

        def constants(self, instance):
            return {x: np.array([[self.values[0]], [1.0]]), y: np.array([[self.values[1]], [1.0]])}

    for difference, holds in ((1e-16, True), (1e-8, False)):
        theorem = Same()
        theorem.values = (difference, 0.0)
        assert theorem.check(problem_of(), GREEDY, step_size=0.1, rounds=1).holds is holds


@pytest.mark.parametrize("shared", ["sum", "farthest"])
def test_rates_are_known_where_the_second_moments_own_eigenvalues_are_hard_to_find(shared):
    """Of 24 coordinates with complex eigenvalues close together; the run itself shrinks as fast."""
    problem = istsim.random_quadratic(3, 1, 24, condition_number=30.0, matrix_heterogeneity=0, vector_heterogeneity=0)
    method = istsim.LocalUpdates([4] * 6, "overlapping", window=2, shared=shared)
    limit = theory.max_stable_step_size(problem, method)
    operator = np.asarray(theory.mean_operator(problem, method)[0])
    for share, stable in ((0.5, True), (0.999, True), (1.001, False)):
        rate = theory.mean_square_rate(problem, method, share * limit)
        one_round = np.eye(24) - share * limit * operator
        many = np.linalg.matrix_power(one_round, 400)
        assert np.linalg.norm(many, 2) ** (2 / 400) == pytest.approx(rate, rel=3e-2)
        assert (rate < 1) == stable
