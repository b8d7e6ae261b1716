"""The benchmark: what it counts, that all contestants run the same method, and its report; no times are asserted."""

import json
import pathlib

import numpy as np
import pytest

import istsim
from istsim import benchmark, cli
from istsim.benchmark import Workload, _baselines, _report, _rounds, write_json
from istsim.benchmark._first_answers import CALLS, Call, as_line, loop_to_one_percent, time_first_answers

SMALL = Workload(2, 6)


def gaps(run, rounds, problem):
    """The mean gap after so many rounds of a baseline, and its standard error."""
    rng = np.random.default_rng(0)
    found = [float(run(0.1, rounds, rng)[-1][0]) for _ in range(2000)]
    return np.mean(found), np.std(found) / np.sqrt(len(found))


@pytest.mark.sample(1)
@pytest.mark.parametrize("baseline", ["dense_masks", "gathered", "gathered_by_torch"])
def test_baselines_run_the_same_method(baseline, count_false_alarm_rate):
    if baseline == "gathered_by_torch":
        pytest.importorskip("torch", reason="torch is optional")
    problem, method = SMALL.problem(), SMALL.method()
    arrays = _baselines.Arrays.of(problem, method)
    run = _baselines.gathered_by_torch(arrays) if "torch" in baseline else None
    run = run or (lambda *rest: getattr(_baselines, baseline)(arrays, *rest))
    mean, error = gaps(run, 3, problem)
    exact = istsim.theory.exact_moments(problem, method, step_size=0.1, rounds=3).objective_gap[3]
    count_false_alarm_rate(1e-6)
    assert abs(mean - exact) < 4.9 * error


def test_bytes_are_whole_cache_lines():
    # Every line is read where a worker holds everything: n d^2 items.
    assert benchmark.bytes_of_round(Workload(1, 64)) == pytest.approx(64 * 64 * 8)
    assert benchmark.bytes_of_round(Workload(1, 64, structure="factored")) == 64 * 6 * 8
    assert benchmark.bytes_of_round(Workload(1, 64, structure="tridiagonal")) == pytest.approx(2 * 64 * 8)
    # A single coordinate of 64 needs one line of its one row.
    assert benchmark.bytes_of_round(Workload(64, 64, "float32")) == pytest.approx(64 * 64, rel=0.15)


def test_turns_are_taken_after_a_warm_up():
    turns = []
    found = benchmark.interleaved(
        {"a": lambda n: turns.append("a"), "b": lambda n: turns.append("b")}, seconds=0, repeats=3
    )
    assert set(found) == {"a", "b"}
    assert turns[-6:] == ["a", "b"] * 3


@pytest.mark.sample(1)
@pytest.mark.parametrize("structure", ["dense", "factored", "tridiagonal"])
def test_all_contestants_run(structure, monkeypatch):
    monkeypatch.setattr(
        _rounds, "interleaved", lambda runs, seconds: {name: run(1) is None or 1.0 for name, run in runs.items()}
    )
    row = benchmark.time_rounds(Workload(2, 20, structure=structure))
    assert _rounds.OURS in row["milliseconds"]
    assert len(row["milliseconds"]) >= 3
    assert row["floor"] > 0


def test_the_exponent_is_the_slope_of_the_logarithms(monkeypatch):
    monkeypatch.setattr("istsim.benchmark._growth.simulated", lambda workload, problem: lambda rounds: None)
    monkeypatch.setattr("istsim.benchmark._growth.Workload.problem", lambda workload: None)
    times = iter([0, 1, 0, 4, 0, 16, 0, 64] * 3)
    monkeypatch.setattr("time.perf_counter", lambda: float(next(times)))
    assert benchmark.time_growth("rounds")["exponent"] == pytest.approx(2.0)


def test_the_page_and_the_lines_show_what_was_measured(tmp_path):
    recorded = pathlib.Path(__file__).parents[1] / "benchmarks" / "results.json"
    result = json.loads(recorded.read_text(encoding="utf-8"))
    page = benchmark.as_markdown(result)
    for row in result["rounds"]:
        assert f"| {row['milliseconds'][_rounds.OURS]:.4f} |" in page
        assert f"{row['milliseconds'][_rounds.OURS]:.4f} ms" in _report.LINES["rounds"](row)
    benchmark.write_json(tmp_path / "again.json", result)
    assert json.loads((tmp_path / "again.json").read_text(encoding="utf-8")) == result


@pytest.mark.slow
def test_first_answers_are_timed_in_fresh_processes():
    calls = {
        "quick": Call("[time.sleep(0.01), 1]"),
        "broken": Call("1 / 0"),
        "names": Call("problem.dim + method.sketch.n"),
    }
    quick, broken, names = time_first_answers(calls)
    assert len(quick["cpu"]) == len(quick["wall"]) == 2
    assert min(quick["wall"]) >= 0.01
    assert broken == {"name": "broken", "failed": "ZeroDivisionError: division by zero"}
    assert "failed" not in names
    assert "of CPU" in as_line(quick)
    assert as_line(broken).endswith("ZeroDivisionError: division by zero")


def test_the_calls_that_are_timed_are_what_they_say():
    problem = istsim.random_quadratic(
        0, 5, 20, condition_number=5.0, matrix_heterogeneity=0.1, vector_heterogeneity=0.1
    )
    names = {"istsim": istsim, "theory": istsim.theory, "problem": problem}
    names["method"] = istsim.IST(istsim.Permutation(5, 20))
    assert len(eval(CALLS["theory.exact_moments"].first, names).objective_gap) == 101
    assert len(eval(CALLS["the same with 101 rounds, after 100"].first, names).objective_gap) == 102
    assert eval(CALLS["random_quadratic"].first, names).num_workers == 5
    names["homogeneous"] = istsim.Quadratic(problem.L, np.zeros((5, 20)))
    checked = eval(CALLS["a theorem's check, where b = 0"].first, names)
    assert checked.applicable  # so it is no refusal that is timed
    assert checked.holds


def test_the_loop_that_is_timed_for_comparison_agrees_with_the_exact_gap():
    problem = istsim.random_quadratic(0, 3, 6, condition_number=5.0, matrix_heterogeneity=0.1, vector_heterogeneity=0.1)
    found = loop_to_one_percent(problem, step_size=0.2, rounds=20)
    method = istsim.IST(istsim.Permutation(3, 6))
    exact = istsim.theory.exact_moments(problem, method, step_size=0.2, rounds=20).objective_gap[-1]
    assert found == pytest.approx(exact, rel=0.05)  # five standard errors of one percent


def test_first_answers_join_what_was_measured_before(tmp_path):
    file = tmp_path / "results.json"
    file.write_text('{"rounds": [1], "first_answers": "older"}')
    write_json(file, {"first_answers": {"rows": []}})
    assert json.loads(file.read_text()) == {"rounds": [1], "first_answers": {"rows": []}}


@pytest.mark.parametrize("content", ["no JSON", "[1]"])
def test_a_file_that_cannot_be_added_to_is_refused_before_anything_is_measured(content, tmp_path, monkeypatch):
    file = tmp_path / "results.json"
    file.write_text(content)
    monkeypatch.setattr(benchmark, "run_benchmark", lambda *_, **__: pytest.fail("measured"))
    with pytest.raises(ValueError, match="name another file"):
        cli.bench(json=file)
    assert file.read_text() == content
