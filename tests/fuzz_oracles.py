"""Right values for the cases of fuzz.py, in plain NumPy from the definitions: what a round does under every outcome.

Methods are read off their public attributes. Outcomes and rounds are those of listed.py, which uses nothing of istsim.
"""

import contextlib
import itertools
import math
import types
from fractions import Fraction

import listed
import numpy as np

import istsim
from istsim import symbolic, theory

MOST_OUTCOMES = 5000
TOLERANCE = 1e-8  # relative to the scale of what is compared
MAY_BE_INFINITE = ("theory.fewest_rounds", "theory.best", "theory.contraction", "sweeps.fit_batch_scaling", "costs.")
MAY_BE_INFINITE += (
    "theory.mean_step_size_limit",
    "theory.max_stable_step_size",
    "theory.best_step_size",
    "verify.compare_means",
)


class NoOracle(Exception):  # noqa: N818
    """For this case nothing is listed."""


def close(actual, expected, what="", scale=0.0, tolerance=TOLERANCE):
    expected = np.asarray(expected, float)
    size = max(abs(expected).max(initial=0.0), scale, 1e-300)
    np.testing.assert_allclose(np.asarray(actual, float), expected, rtol=0, atol=tolerance * size, err_msg=what)


def outcomes_of(sketch):
    """Masks and probabilities, by what the class says that it draws."""
    n, d = sketch.n, sketch.d
    if isinstance(sketch, istsim.Grouped):
        return listed.grouped(outcomes_of(sketch.sketch), np.asarray(sketch.groups))
    if isinstance(sketch, istsim.Identity):
        return listed.uniform(np.ones((1, n, d)))
    if isinstance(sketch, istsim.Permutation):
        return listed.dealt_out(n, d)
    if isinstance(sketch, istsim.RandK):
        return listed.subsets_of_each(n, d, int(sketch.k))
    if isinstance(sketch, istsim.Bernoulli) and 2 ** (n * d) <= MOST_OUTCOMES:
        return listed.coins(n, d, float(sketch.p))
    if isinstance(sketch, istsim.Coverage):
        return listed.covered(n, d, int(sketch.copies))
    raise NoOracle


class Masked(listed.Spec):
    """A round of local updates: rows of Lbar that do not see later blocks."""

    def law(self, problem, step_size):
        L, b = np.asarray(problem.L, float).mean(axis=0), np.asarray(problem.b, float).mean(axis=0)
        mask = self.weights
        seen = np.diag(mask)  # by how many losses a coordinate is followed: its own column counts them
        return (np.eye(len(b)) - step_size * mask * L)[None], (step_size * seen * b)[None], np.ones(1), np.zeros_like(L)


def spec_of(problem, method):
    n, d = problem.b.shape
    if isinstance(method, istsim.LocalUpdates):
        return Masked(
            listed.Listed(None, outcomes_of(istsim.Identity(n, d))), "none", weights=np.asarray(method.mask, float)
        )
    if isinstance(method, istsim.GradientDescent):
        return listed.Spec(listed.Listed(None, outcomes_of(istsim.Identity(n, d))), "none")
    outcomes = outcomes_of(method.sketch)
    reports = math.comb(n, method.participants or n)
    if len(outcomes[0]) * reports > MOST_OUTCOMES or isinstance(method.noise, istsim.RowSampling):
        raise NoOracle
    name = {istsim.IST: "both", istsim.CompressedGradient: "gradient", istsim.CompressedIterates: "iterates"}[
        type(method)
    ]
    noise = None
    if method.noise is not None:
        noise = np.asarray(method.noise.covariance, float)
        noise = np.diag(noise) if noise.ndim == 1 else noise
    weights = getattr(method, "weights", None)
    return listed.Spec(
        listed.Listed(method.sketch, outcomes),
        name,
        merge=method.merge,
        alpha=float(getattr(method, "forward_scale", 1.0)),
        beta=float(getattr(method, "gradient_scale", 1.0)),
        weights=None if weights is None else np.asarray(weights, float),
        participants=None if method.participants is None else int(method.participants),
        noise=noise,
        local_steps=int(method.local_steps),
    )


def start_of(given):
    x0 = given.get("x0")
    return np.ones(given["problem"].dim) if x0 is None else np.asarray(x0, float)


def step_of(given):
    return 1.0 if given.get("step_size") is None else float(given["step_size"])


def law_of(given):
    return spec_of(given["problem"], given["method"]).law(given["problem"], step_of(given))


def mean_law(given, step_size):
    """E[B] and E[c]."""
    if not 1e-9 < step_size < 1e6:
        raise NoOracle  # rounding leaves nothing of B
    A, h, probability, _ = spec_of(given["problem"], given["method"]).law(given["problem"], step_size)
    d = A.shape[-1]
    return (np.eye(d) - np.einsum("m,mab->ab", probability, A)) / step_size, probability @ h / step_size


def radius(matrix):
    return abs(np.linalg.eigvals(matrix)).max()


def lbar_of(problem):
    return np.asarray(problem.L, float).mean(axis=0)


def minimizer_of(problem):
    return np.linalg.solve(lbar_of(problem), np.asarray(problem.b, float).mean(axis=0))


def moments(given, rounds=None):
    problem, x0 = given["problem"], start_of(given)
    if step_of(given) > 1e6 or abs(x0).max() > 1e100:
        raise NoOracle  # of squares that overflow
    steps = [step_of(given)] * int(given["rounds"] if rounds is None else rounds)
    means, seconds = spec_of(problem, given["method"]).moments(problem, steps, x0)
    H = given.get("gradient_weighting")
    H = np.eye(len(x0)) if H is None else np.asarray(H, float)
    return means, seconds, listed.metrics(problem, means, seconds, H)


def check_moments(value, given):
    means, seconds, metrics = moments(given)
    scale = abs(seconds).max() + abs(minimizer_of(given["problem"])).max() ** 2
    H = given.get("gradient_weighting")
    size = 1 + abs(lbar_of(given["problem"])).max() ** 2 * (1 if H is None else 1 + abs(np.asarray(H, float)).max())
    close(value.mean, means, "mean", scale=math.sqrt(scale))
    close(value.objective_gap, metrics[0], "gap", scale=scale * size)
    close(value.gradient_norm_squared, metrics[1], "gradient", scale=scale * size)
    close(value.distance_squared, metrics[2], "distance", scale=scale)
    at = np.asarray(given.get("covariance_at", ()), int)
    close(value.covariance, (seconds - means[:, :, None] * means[:, None, :])[at], "covariance", scale=scale)


def check_mean_operator(value, given):
    B, c = mean_law(given, step_of(given))
    close(value[0], B, "E[B]", scale=1.0)
    close(value[1], c, "E[c]", scale=1.0)


def check_second_moment(value, given):
    spec = spec_of(given["problem"], given["method"])
    X = np.asarray(given["X"], float)
    close(value, spec.second_moment(given["problem"], X, step_of(given)), scale=abs(X).max())


def check_fixed_point(value, given):
    B, c = mean_law(given, step_of(given))
    close(B @ value, c, "E[B] x = E[c]", scale=abs(B).max() * abs(np.asarray(value)).max())


def check_mean_rate(value, given):
    B, _ = mean_law(given, step_of(given))
    close(value, radius(np.eye(len(B)) - step_of(given) * B), scale=1.0, tolerance=1e-6)


def check_mean_square_rate(value, given):
    if step_of(given) > 1e6:
        raise NoOracle  # of squares that overflow
    close(
        value,
        spec_of(given["problem"], given["method"]).rate(given["problem"], step_of(given)),
        scale=1.0,
        tolerance=1e-6,
    )


def check_limit(rate):
    """Below the limit the rate is below 1, above it is not."""

    def check(value, given):
        if not 0 < value < np.inf:
            return
        assert rate(given, 0.999 * value) <= 1 + 1e-9, "the rate is above 1 below the limit"
        assert rate(given, 1.001 * value) >= 1 - 1e-9, "the rate is below 1 above the limit"

    return check


def square_rate(given, step_size):
    return spec_of(given["problem"], given["method"]).rate(given["problem"], step_size)


def mean_rate(given, step_size):
    B, _ = mean_law(given, step_size)
    return radius(np.eye(len(B)) - step_size * B)


def check_stationary(value, given):
    """Its moments are left as they are by a round."""
    problem = given["problem"]
    A, h, probability, noise = law_of(given)
    mean, covariance = np.asarray(value.mean), np.asarray(value.covariance)
    second = covariance + np.outer(mean, mean)
    new_mean = np.einsum("m,mab,b->a", probability, A, mean) + probability @ h
    cross = np.einsum("m,mab,b,mc->ac", probability, A, mean, h)
    new = np.einsum("m,mac,ce,mbe->ab", probability, A, second, A) + cross + cross.T + noise
    new += np.einsum("m,ma,mb->ab", probability, h, h)
    close(new_mean, mean, "mean", scale=abs(mean).max() + 1)
    close(new, second, "second moment", scale=abs(second).max() + 1)
    gap = listed.metrics(problem, mean[None], second[None], np.eye(len(mean)))[0]
    close(value.objective_gap, gap[0], "gap", scale=abs(second).max() + 1)


def check_best_step_size(value, given):
    def gap(step_size):
        return moments({**given, "step_size": step_size})[2][0][-1]

    others = value * np.geomspace(0.1, 1.0, 30)  # longer ones may be beyond the limit
    assert gap(value) <= min(map(gap, others)) * 1.02 + 1e-9, "another step size is better by more than two percent"


def check_fewest_rounds(value, given):
    if math.isinf(value.rounds):
        return
    gaps = moments({**given, "step_size": value.step_size}, rounds=int(value.rounds))[2][0]
    assert gaps[-1] <= float(given["gap"]) * (1 + 1e-9), "the gap is not reached"


def check_contraction(value, given):
    Lbar = lbar_of(given["problem"])
    B, _ = mean_law(given, 0.1)
    close(value.W, (Lbar @ B + B.T @ Lbar) / 2, "W", scale=1.0)


def check_trajectory(value, given):
    """Every iterate follows from the one before by an outcome of the sketch."""
    if getattr(given["method"], "noise", None) is not None:
        raise NoOracle
    A, h, _, _ = law_of(given)
    x = np.asarray(value, float)
    single = given["problem"].dtype == np.float32
    close(x[0], start_of(given), "start", tolerance=1e-6)
    for before, after in itertools.pairwise(x):
        possible = A @ before + h
        scale = 1 + abs(possible).max() + abs(before).max()
        assert abs(possible - after).max(axis=1).min() <= scale * (1e-4 if single else 1e-9), "no outcome leads there"


def check_simulate(value, given):
    """After a few rounds every iterate is one that outcomes lead to; the last gaps are those of the last iterates."""
    problem = given["problem"]
    single = problem.dtype == np.float32
    x, Lbar = np.asarray(value.x, float), lbar_of(problem)
    if not abs(x).max() < 1e100:
        raise NoOracle
    repetitions = int(given.get("repetitions", 1))
    assert x.shape == (1, repetitions, problem.dim), x.shape
    gap = np.asarray(value.metrics["objective_gap"], float)[:, :, -1]
    error = x - minimizer_of(problem)
    close(
        gap,
        np.einsum("...a,ab,...b->...", error, Lbar, error) / 2,
        "gap",
        scale=1 + abs(x).max() ** 2,
        tolerance=1e-4 if single else 1e-9,
    )
    recorded = np.asarray(value.recorded_rounds)
    every, rounds = int(given.get("record_every", 1)), int(given["rounds"])
    assert recorded.tolist() == sorted({*range(0, rounds, every), rounds})
    if getattr(given["method"], "noise", None) is not None:
        raise NoOracle
    A, h, _, _ = law_of(given)
    possible = start_of(given)[None]
    for _ in range(rounds):
        if len(possible) * len(A) > MOST_OUTCOMES:
            raise NoOracle
        possible = (np.einsum("mab,pb->pma", A, possible) + h).reshape(-1, x.shape[-1])
    for last in x[0]:
        assert abs(possible - last).max(axis=1).min() <= (1 + abs(possible).max()) * (1e-4 if single else 1e-9)


def check_theorem(value, given):
    theorem = given["self"]
    if value.applicable and value.holds is False:
        assert theorem.kind.value == "refuted", f"{theorem.name} is said to be violated"


def check_probability(value, given):
    """The frequency among the listed outcomes; coordinates 0, 1, ... are of groups of their own."""
    sketch = given["self"]
    if isinstance(sketch, istsim.Grouped):
        sketch = sketch.sketch
    masks, probability = outcomes_of(sketch)
    n, d = masks.shape[1:]
    case_of_two = "right" in given
    left = int(given.get("size", given.get("left", 0)))
    right, shared = int(given.get("right", 0)), int(given.get("shared", 0))
    if left + right - shared > d or (case_of_two and n < 2):
        raise NoOracle
    holds = masks[:, 0, :left].all(axis=1)
    if right:
        holds = holds & masks[:, 1, left - shared : left - shared + right].all(axis=1)
    close(value, probability @ holds, scale=1.0)


def check_reported(value, given):
    masks, probability = outcomes_of(given["self"])
    n, participants = masks.shape[1], int(given["participants"])
    close(value, probability @ masks[:, :participants, 0].any(axis=1), scale=1.0) if participants <= n else None


def check_sample(value, given):
    masks, _ = outcomes_of(given["self"])
    assert (masks == np.asarray(value, float)).all(axis=(1, 2)).any(), "no outcome"


def check_outcomes(value, given):
    """The same masks with the same probabilities."""

    def by_mask(masks, probabilities):
        found: dict = {}
        for mask, probability in zip(masks, probabilities, strict=True):
            name = np.asarray(mask, bool).tobytes()
            found[name] = found.get(name, 0.0) + float(probability)
        return found

    mine, theirs = by_mask(*outcomes_of(given["self"])), by_mask([m for m, _ in value], [p for _, p in value])
    assert {k for k, p in mine.items() if p > 0} == {k for k, p in theirs.items() if p > 0}
    assert max(abs(mine[k] - theirs[k]) for k in theirs) < 1e-9


def check_floats(value, given):
    """What the workers that take part hold, on average; all of it where it is not masked."""
    method, problem = given["self"], given["problem"]
    if not hasattr(method, "sketch"):
        raise NoOracle
    masks, probability = outcomes_of(method.sketch)
    n, d = masks.shape[1:]
    held = float(probability @ masks.sum(axis=(1, 2))) / n
    reports = int(method.participants or n)
    down = d if isinstance(method, istsim.CompressedGradient) else held
    up = d if isinstance(method, istsim.CompressedIterates) else held
    assert problem.dim == d
    if method.merge == "mean":
        close(value, [reports * down, reports * up])


def at_points(name):
    def check(value, given):
        problem, x = given["self"], np.asarray(given.get("x"), float)
        if not x.size or not abs(x).max() < 1e100:
            raise NoOracle
        Lbar, bbar = lbar_of(problem), np.asarray(problem.b, float).mean(axis=0)
        error = x - minimizer_of(problem)
        right = {
            "value": np.einsum("...a,ab,...b->...", x, Lbar, x) / 2 - x @ bbar,
            "gradient": x @ Lbar - bbar,
            "objective_gap": np.einsum("...a,ab,...b->...", error, Lbar, error) / 2,
        }[name]
        close(value, right, scale=1 + abs(x).max() ** 2, tolerance=1e-4 if problem.dtype == np.float32 else 1e-9)

    return check


def check_quadratic(value, given):
    for name in ("L", "b"):
        close(getattr(value, name), np.asarray(given[name], float), tolerance=1e-6)
    close(
        lbar_of(value) @ np.asarray(value.minimizer, float),
        np.asarray(value.b, float).mean(axis=0),
        scale=1.0,
        tolerance=1e-3,
    )


def check_random_quadratic(value, given):
    eigenvalues = np.linalg.eigvalsh(lbar_of(value))
    condition = float(given["condition_number"])
    close([eigenvalues[0], eigenvalues[-1]], [1 / condition if len(eigenvalues) > 1 else 1.0, 1.0], tolerance=1e-6)


def check_spectra(value, given):
    close(
        np.linalg.eigvalsh(np.asarray(value.L, float)), np.sort(np.asarray(given["eigenvalues"], float)), tolerance=1e-6
    )


def check_tridiagonal(value, given):
    close(np.linalg.eigvalsh(lbar_of(value))[0], float(given["smallest_eigenvalue"]), scale=1.0, tolerance=1e-4)


def check_diagonals(value, given):
    close(np.asarray(value.L), [np.diag(row) for row in np.asarray(given["diagonals"], float)], tolerance=1e-6)


def check_tridiagonals(value, given):
    rows = zip(np.asarray(given["diagonals"], float), np.asarray(given["off_diagonals"], float), strict=True)
    close(np.asarray(value.L), [np.diag(r) + np.diag(o, 1) + np.diag(o, -1) for r, o in rows], tolerance=1e-6)


def check_least_squares(value, given):
    A, y = np.asarray(given["A"], float), np.asarray(given["y"], float)
    ridge = float(given.get("ridge", 0.0)) * np.eye(A.shape[2])
    close(np.asarray(value.L), A.transpose(0, 2, 1) @ A / A.shape[1] + ridge, scale=1.0, tolerance=1e-5)
    close(value.b, np.einsum("nmd,nm->nd", A, y) / A.shape[1], scale=1.0, tolerance=1e-5)


def check_split(value, given):
    together = np.sort(np.concatenate([np.asarray(part) for part in value]))
    assert together.tolist() == list(range(len(np.asarray(given["targets"])))), "not every sample once"
    sizes = [len(part) for part in value]
    assert len(sizes) == int(given["n"])
    assert max(sizes) - min(sizes) <= 1


def check_decision(value, given):
    matrix = np.asarray(given["matrix"], float)
    least, holds = np.linalg.eigvalsh(matrix)[0], getattr(value, "holds", value)
    if abs(least) > 1e-9 * abs(matrix).max():
        assert bool(holds) == (least > 0)


def check_ldl(value, given):
    check_decision(value is not None, given)


def check_direction(value, given):
    check_decision(value is None, given)
    if value is not None:
        v = np.asarray(value, float)
        assert v @ np.asarray(given["matrix"], float) @ v < 0


def check_bound(name, other):
    """The bound holds and is next to the generalised eigenvalue."""

    def check(value, given):
        if value.value is None:
            return
        L = np.linalg.cholesky(np.asarray(given[other], float))
        inverse = np.linalg.inv(L)
        eigenvalues = np.linalg.eigvalsh(inverse @ np.asarray(given[name], float) @ inverse.T)
        right = eigenvalues[0] if name == "W" else eigenvalues[-1]
        close(float(value.value), right, tolerance=2 * 10.0 ** (1 - int(given.get("digits", 9))) + 1e-6)

    return check


def check_fraction(value, given):
    x = given["x"]
    assert isinstance(value, Fraction)
    assert type(x)(value) == x if isinstance(x, int | float) else math.isclose(value, float(x), rel_tol=1e-6)


def check_symbolic(name):
    """A formula's numbers are the exact engine's, for a problem of the method's shape."""

    def check(value, given):
        method = given["method"]
        if isinstance(method, istsim.GradientDescent | istsim.LocalUpdates):
            raise NoOracle
        d = method.sketch.d
        condition = 5.0 if d > 1 else 1.0
        problem = istsim.random_quadratic(
            0, method.sketch.n, d, condition_number=condition, matrix_heterogeneity=0.5, vector_heterogeneity=1.0
        )
        step = {} if method.local_steps == 1 and method.merge != "literal" else {"step_size": 0.1}
        pairs = zip(
            value if isinstance(value, tuple) else (value,), OF_THEORY[name](problem, method, step), strict=True
        )
        for formula, right in pairs:
            others = {s.name: 0.1 for s in formula.free_symbols if s.name == "gamma"}
            close(np.asarray(symbolic.evaluate(formula, problem, method, **others)).ravel(), np.ravel(right), scale=1.0)

    return check


OF_THEORY = {
    "mean_operator": lambda problem, method, step: theory.mean_operator(problem, method, **step),
    "fixed_point": lambda problem, method, step: (theory.fixed_point(problem, method, **step),),
}


def check_sweep(value, given):
    data = value.dataset["objective_gap"]
    solution = istsim.simulate(
        istsim.remark_1_quadratic(1, 2, 1),
        istsim.IST(istsim.Permutation(2, 2)),
        step_size=[0.01, 0.1],
        rounds=2,
        repetitions=2,
        key=0,
    )
    close(np.asarray(data).ravel(), np.asarray(solution.metrics["objective_gap"]).ravel())


ORACLES = {
    "theory.exact_moments": check_moments,
    "theory.exact_mean": lambda value, given: close(value, moments(given)[0], scale=1.0),
    "theory.mean_operator": check_mean_operator,
    "theory.second_moment": check_second_moment,
    "theory.fixed_point": check_fixed_point,
    "theory.mean_rate": check_mean_rate,
    "theory.mean_square_rate": check_mean_square_rate,
    "theory.mean_step_size_limit": check_limit(mean_rate),
    "theory.max_stable_step_size": check_limit(square_rate),
    "theory.stationary": check_stationary,
    "theory.best_step_size": check_best_step_size,
    "theory.fewest_rounds": check_fewest_rounds,
    "theory.contraction": check_contraction,
    "simulation.trajectory": check_trajectory,
    "simulation.simulate": check_simulate,
    "Theorem.check": check_theorem,
    "Sketch.inclusion_probability": check_probability,
    "Sketch.joint_probability": check_probability,
    "Sketch.reported_probability": check_reported,
    "Sketch.sample": check_sample,
    "Sketch.outcomes": check_outcomes,
    "Method.floats_per_round": check_floats,
    "Quadratic.value": at_points("value"),
    "Quadratic.gradient": at_points("gradient"),
    "Quadratic.objective_gap": at_points("objective_gap"),
    "problems.Quadratic": check_quadratic,
    "problems.random_quadratic": check_random_quadratic,
    "problems.quadratic_with_spectra": check_spectra,
    "problems.tridiagonal_quadratic": check_tridiagonal,
    "problems.split_over_workers": check_split,
    "Quadratic.from_diagonals": check_diagonals,
    "Quadratic.from_tridiagonals": check_tridiagonals,
    "Quadratic.from_least_squares": check_least_squares,
    "certificates.decide": check_decision,
    "certificates.is_semidefinite": check_decision,
    "certificates.ldl": check_ldl,
    "certificates.negative_direction": check_direction,
    "certificates.largest_rate": check_bound("W", "Lbar"),
    "certificates.least_theta": check_bound("V", "W"),
    "certificates.as_fraction": check_fraction,
    "symbolic.mean_operator": check_symbolic("mean_operator"),
    "symbolic.fixed_point": check_symbolic("fixed_point"),
    "sweeps.sweep": check_sweep,
}


def in_float64(problem):
    """A problem's numbers, rounded to its precision, to be computed with in a higher one."""
    L, b = np.asarray(problem.L, float), np.asarray(problem.b, float)
    return types.SimpleNamespace(L=L, b=b, dim=b.shape[1], dtype=problem.dtype)


def check(case, value, given):
    """Hold the value of a case against its oracle, if it has one.

    Raises:
        AssertionError: if it is wrong, or a number of a valid case is not finite.
    """
    if not case.odd and not case.target.name.startswith(MAY_BE_INFINITE):
        for part in value if isinstance(value, tuple | list) else [value]:
            if isinstance(part, float | np.ndarray) and np.asarray(part).dtype.kind == "f":
                assert np.isfinite(part).all(), f"not finite: {part}"
    given = {name: in_float64(v) if isinstance(v, istsim.Quadratic) else v for name, v in given.items()}
    with contextlib.suppress(NoOracle):
        ORACLES.get(case.target.name, lambda value, given: None)(value, given)
