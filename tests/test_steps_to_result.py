"""Steps to a result against the batch size: the exact search, the fitted law, and the study."""

import concurrent.futures
import itertools
import math

import numpy as np
import pytest
import xarray

import istsim
from istsim import figures, theory
from istsim.experiments import _batch_size
from istsim.sweeps._least import least_over_step_sizes
from istsim.verify import compare_means

PROBLEM = istsim.random_quadratic(
    5, 2, 4, condition_number=8.0, matrix_heterogeneity=0.5, vector_heterogeneity=0.0, interpolation=True
)
START = float(PROBLEM.objective_gap(np.ones(4)))


def noisy(variance, copies=2, method=istsim.CompressedGradient):
    noise = istsim.GaussianNoise(variance * np.asarray(PROBLEM.mean_hessian))
    return method(istsim.Coverage(2, 4, copies), merge="owners", noise=noise)


def first_round(method, step_size, goal, rounds):
    gaps = np.asarray(theory.exact_moments(PROBLEM, method, step_size=step_size, rounds=rounds).objective_gap)
    there = np.flatnonzero(gaps <= goal)
    return int(there[0]) if len(there) else math.inf


@pytest.mark.parametrize("variance", [0.0, 0.5])
def test_no_step_size_takes_fewer_rounds_than_the_fewest(variance):
    method, goal = noisy(variance, copies=1), 0.03 * START
    found = theory.fewest_rounds(PROBLEM, method, goal)
    assert first_round(method, found.step_size, goal, 300) == found.rounds
    limit = theory.mean_step_size_limit(PROBLEM, method)
    assert all(
        first_round(method, step_size, goal, 300) >= found.rounds for step_size in np.geomspace(limit / 300, limit, 60)
    )


def test_a_goal_below_every_floor_is_not_reached():
    ist = istsim.IST(istsim.Permutation(2, 4), merge="owners")
    biased = istsim.random_quadratic(5, 2, 4, condition_number=8.0, matrix_heterogeneity=0.5, vector_heterogeneity=1.0)
    floor = float(biased.objective_gap(theory.fixed_point(biased, ist)))
    x0 = np.asarray(theory.fixed_point(biased, ist)) * 3
    assert theory.fewest_rounds(biased, ist, 0.5 * floor, most=600, x0=x0).rounds == math.inf
    assert math.isnan(theory.fewest_rounds(biased, ist, 0.5 * floor, most=600, x0=x0).step_size)


def test_longer_runs_are_tried_where_the_first_ones_are_too_short():
    method = noisy(5.0)
    found = theory.fewest_rounds(PROBLEM, method, 0.02 * START)
    assert found.rounds > 128
    assert first_round(method, found.step_size, 0.02 * START, 3000) == found.rounds
    assert theory.fewest_rounds(PROBLEM, method, 0.02 * START, most=int(found.rounds) - 1).rounds == math.inf


@pytest.mark.parametrize("gap", [0.0, -1.0, START, math.nan])
def test_goals_that_make_no_sense_are_refused(gap):
    with pytest.raises(ValueError, match="gap must be"):
        theory.fewest_rounds(PROBLEM, noisy(0.0), gap)


def test_rounds_to_a_gap_halve_with_twice_the_batch_and_then_stay():
    rounds = [theory.fewest_rounds(PROBLEM, noisy(64.0 / batch), 0.03 * START).rounds for batch in (1, 2, 2**15, 2**16)]
    assert 1.9 < rounds[0] / rounds[1] <= 2
    assert rounds[2] == rounds[3]


def test_simulated_runs_are_at_the_gap_after_the_fewest_rounds(key, count_false_alarm_rate):
    method, goal = noisy(2.0, copies=1), 0.05 * START
    found = theory.fewest_rounds(PROBLEM, method, goal)
    run = {"step_size": found.step_size, "rounds": int(found.rounds)}
    exact = np.asarray(theory.exact_moments(PROBLEM, method, **run).objective_gap)
    assert exact[-1] <= goal < exact[:-1].min()
    gaps = istsim.simulate(PROBLEM, method, key=key, repetitions=2000, **run).metrics["objective_gap"][0]
    agreement = compare_means(gaps, exact)
    count_false_alarm_rate(agreement.false_alarm_rate)
    assert agreement.agrees


def test_the_law_is_found_that_steps_were_made_by():
    sizes = 2.0 ** np.arange(10)
    law = istsim.fit_batch_scaling(sizes, 500 / sizes + 7)
    np.testing.assert_allclose(law, (500, 7, 0), atol=1e-9)
    np.testing.assert_allclose(law.steps(sizes), 500 / sizes + 7)


def test_the_law_tells_how_far_it_is_off():
    law = istsim.fit_batch_scaling([1, 2, 4], [100, 50, 40])
    steps = law.steps([1, 2, 4])
    assert law.deviation == pytest.approx(np.abs(steps / [100, 50, 40] - 1).max())
    assert law.deviation > 0.05


def test_steps_that_were_never_enough_are_left_out_of_the_law():
    law = istsim.fit_batch_scaling([1, 2, 4], [math.inf, 60, 35])
    assert (law.examples, law.least) == pytest.approx((100, 10))
    assert all(map(math.isnan, istsim.fit_batch_scaling([1, 2], [math.inf, 60])))


@pytest.mark.parametrize(
    ("sizes", "steps", "message"),
    [
        ([1, 2], [3, 2, 1], "one number of steps for each batch size"),
        ([2, 2], [3, 2], "batch_sizes must differ from each other"),
        ([0, 2], [3, 2], "must be positive"),
        ([1, 2], [3, -2], "must be positive"),
    ],
)
def test_steps_that_make_no_sense_are_refused(sizes, steps, message):
    with pytest.raises(ValueError, match=message):
        istsim.fit_batch_scaling(sizes, steps)


def test_a_step_size_is_best_only_among_those_that_got_there():
    steps = xarray.DataArray([[9.0, math.inf, 5.0, math.nan]], {"step_size": [0.4, 0.1, 0.2, 0.8]}, ("x", "step_size"))
    best = least_over_step_sizes(steps)
    assert (best.best_step_size.item(), best.place.item(), best.at_end.item()) == (0.2, 2, False)
    none = least_over_step_sizes(steps * math.inf)
    assert math.isnan(none.best_step_size.item())
    assert not none.at_end.item()


def test_the_batch_size_experiment_draws_its_rounds_and_the_first_simulated_ones_at_the_goal():
    gaps = np.array([[[1.0, 0.5, 0.1, 0.05]], [[1.0, 0.9, 0.8, 0.7]]])  # the second never is
    data = xarray.Dataset(
        {
            "simulated": (("curve", "metric", "round"), gaps),
            "x": ("curve", [4.0, 8.0]),
            "group": ("curve", ["a panel", "a panel"]),
            "dot_kept": ("curve", [1.0, 0.5]),
            "goal": ("curve", [0.2, 0.2]),
            "line_x": (("line", "point"), [[4.0, 8.0], [4.0, 8.0]]),
            "line_y": (("line", "point"), [[6.0, 4.0], [9.0, 5.0]]),
            "line_step_size": (("line", "point"), [[0.1, 0.2], [0.05, 0.1]]),
            "line_group": ("line", ["a panel", "a panel"]),
            "line_kept": ("line", [1.0, 0.5]),
        },
        {"metric": ["objective_gap"], "round": [0, 1, 2, 3]},
    )
    above, below = figures.steps_to_gap(data).axes
    solid = [line.get_ydata().tolist() for line in above.get_lines() if line.get_linestyle() == "-"]
    assert solid == [[6.0, 4.0], [9.0, 5.0]]
    dots = [(*line.get_xdata(), *line.get_ydata()) for line in above.get_lines() if line.get_marker() == "o"]
    assert dots == [(4.0, 2.0), ()]
    assert [line.get_ydata().tolist() for line in below.get_lines()] == [[0.1, 0.2], [0.05, 0.1]]


def test_simulated_dots_belong_to_the_lines_of_the_batch_size_experiment(monkeypatch):
    monkeypatch.setattr(_batch_size, "_fewest", lambda *_: theory.FewestRounds(10, 0.1))
    curves, lines = _batch_size._curves(quick=True), _batch_size._lines()
    assert [curve.group for curve in curves] == lines.line_group.values.tolist()
    assert [f"C = {kept:g}, B = {curve.x}" for kept, curve in zip(lines.dot_kept.values, curves, strict=True)] == [
        curve.label for curve in curves
    ]
    assert all(curve.x in lines.line_x.values for curve in curves)


class TestStudy:
    """What needs torch."""

    @pytest.fixture(autouse=True)
    def _steps(self):
        pytest.importorskip("torch", reason="networks need torch")

    @staticmethod
    def runs(*counts):
        """Runs that are at the goal after so many steps, or end before."""

        def run(count):
            yield from itertools.repeat(False, count - 1 if count else 3)
            if count:
                yield True

        return [run(count) for count in counts]

    def test_the_race_counts_the_steps_of_the_best_and_gives_up_the_others(self):
        from istsim.studies._steps import _race

        runs = {0.1: self.runs(30, 20), 0.2: self.runs(12, 14), 0.4: self.runs(9, None), 0.8: self.runs(40, 1)}
        assert _race(runs, math.inf) == {
            0.1: [math.inf] * 2,
            0.2: [12, 14],
            0.4: [math.inf] * 2,
            0.8: [math.inf] * 2,
        }
        assert next(runs[0.1][0]) is False  # it was not run to its end

    def test_what_was_found_before_is_to_be_beaten(self):
        from istsim.studies._steps import _race

        assert _race({0.1: self.runs(12, 14)}, 26) == {0.1: [math.inf] * 2}
        assert _race({0.1: self.runs(12, 14)}, 27) == {0.1: [12, 14]}

    def test_one_run_a_step_size_gets_there_and_the_best_is_within_those_tried(self, monkeypatch):
        from istsim.studies import _steps

        monkeypatch.setattr(_steps, "GOAL", 0.6)
        monkeypatch.setattr(_steps, "_STEP_SIZES", (0.03125, 0.0625))  # too small: more are tried
        found = _steps._sweep(_steps._Point("pruned", 0.25, 64), [0]).steps
        assert len(found.step_size) > 3
        assert not bool(least_over_step_sizes(found.mean("seed")).at_end)
        assert 1 < float(found.min()) < 100

    @pytest.mark.parametrize(
        ("masking", "kept", "holders"), [("pruned", 0.5, 4), ("forward", 0.5, 2), ("backward", 1.0, 4)]
    )
    def test_workers_hold_what_the_point_says(self, masking, kept, holders):
        from istsim import networks
        from istsim.networks._masks import Masks
        from istsim.studies import _steps

        point = _steps._Point(masking, kept, 8)
        layout = networks.neurons(point.network(0))
        held = Masks(point.method(), layout, 0).of_round(0)
        assert (held.sum(axis=0) == holders).all()
        assert layout.num_units == (64 if masking == "pruned" else 128)

    def test_the_caption_tells_the_laws(self):
        from istsim import studies

        batch_sizes, study = np.array([4, 8, 16]), studies.StepsToResult()
        steps = np.stack([[100 / batch_sizes + 10, 300 / batch_sizes + 20]])[..., None]
        dims = ("masking", "kept", "batch_size")
        data = xarray.Dataset(
            {
                "steps": ((*dims, "seed"), steps),
                "step_size": (dims, np.ones((1, 2, 3))),
            },
            {"masking": ["forward"], "kept": [1.0, 0.5], "batch_size": batch_sizes, "seed": [0]},
        )
        text = study.caption(data)
        assert "All held: 100/B + 10 steps (off by 0% at the most)" in text
        assert "forward, C = 0.5: 300/B + 20, that is 3.0 and 2.0 times as much" in text

    def test_the_study_measures_what_has_not_been_measured_before(self, monkeypatch, tmp_path):
        from istsim import studies
        from istsim.studies import _runs, _steps

        points = [_steps._Point("pruned", 1.0, batch_size) for batch_size in (64, 256)]
        monkeypatch.setattr(_runs, "ProcessPool", lambda size: concurrent.futures.ThreadPoolExecutor(1))
        monkeypatch.setattr(_steps, "GOAL", 0.6)
        monkeypatch.setattr(_steps, "_points", lambda quick: points)
        told, study = [], studies.StepsToResult()
        first = study.measure(True, tmp_path, on_run=lambda: told.append("run"))
        assert dict(first.sizes) == {"masking": 3, "kept": 1, "batch_size": 2, "seed": 1}
        assert bool((first.steps < 100).all())
        assert bool((first.steps == first.steps.isel(masking=0)).all())  # where all is kept nothing is masked

        kept, other = (tmp_path / f"{point.file}.nc" for point in points)
        before = kept.read_bytes()
        other.unlink()
        again = study.measure(True, tmp_path, on_run=lambda: told.append("run"))
        assert kept.read_bytes() == before
        assert again.equals(first)
        assert len(told) == 2 * study.num_runs(True)
