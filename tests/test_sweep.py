import concurrent.futures
import importlib.metadata
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import killed_sweep
import numpy as np
import pytest

import istsim
from istsim import cli
from istsim.sweeps import _cell, _sweep, _table
from istsim.sweeps._expressions import evaluate

PROBLEM = "random_quadratic(0, 4, 8, condition_number=5.0, matrix_heterogeneity=0.3, vector_heterogeneity=0.5)"


def small(**changes):
    return istsim.Grid(
        **{
            "problems": [PROBLEM],
            "step_sizes": [0.05, 0.2],
            "rounds": 20,
            "repetitions": 5,
            "record_every": 5,
            **changes,
        }
    )


class Here(concurrent.futures.Executor):
    """Runs everything at once, in this process, and counts."""

    def __init__(self):
        self.ran = 0

    def submit(self, function, /, *arguments, **named):
        self.ran += 1
        future = concurrent.futures.Future()
        try:
            future.set_result(function(*arguments, **named))
        except BaseException as error:
            future.set_exception(error)
        return future


def sweep(grid, store, executor=None, **options):
    return istsim.sweep(grid, store=store, executor=executor or Here(), progress=False, **options)


def files(store):
    return {path.name: path.read_bytes() for path in Path(store).iterdir()}


def test_a_cell_is_the_run_that_simulate_gives(tmp_path):
    swept = sweep(small(sketches=["Permutation", "RandK(k=3)"], forward_scales=[1.0, 2.0], seeds=[3, 4]), tmp_path)
    problem = istsim.random_quadratic(0, 4, 8, condition_number=5.0, matrix_heterogeneity=0.3, vector_heterogeneity=0.5)
    alone = istsim.simulate(
        problem,
        istsim.IST(istsim.RandK(4, 8, 3), forward_scale=2.0),
        step_size=[0.05, 0.2],
        rounds=20,
        repetitions=5,
        record_every=5,
        key=4,
    )
    found = swept.dataset.sel(sketch="RandK(k=3)", forward_scale=2.0, seed=4).squeeze(drop=True)
    for name in alone.dataset:
        np.testing.assert_array_equal(found[name].transpose("step_size", "repetition", "round"), alone.dataset[name])
    np.testing.assert_array_equal(found.status, alone.status)
    assert found["round"].values.tolist() == [0, 5, 10, 15, 20]


def test_the_dataset_says_where_it_comes_from(tmp_path):
    data = sweep(small(), tmp_path).dataset
    assert data.attrs["istsim"] == importlib.metadata.version("istsim")
    assert set(data.attrs) >= {"istsim", "jax", "numpy", "commit", "grid"}
    assert data.objective_gap.attrs["units"] == "1"
    stored = json.loads(next(iter(_stored(tmp_path))).attrs["config"])
    assert stored["step_sizes"] == [0.05, 0.2]


def _stored(store):
    import xarray

    for path in Path(store).glob("*.nc"):
        data = xarray.load_dataset(path, engine="h5netcdf")
        assert data.attrs["config_hash"] == path.stem
        yield data


def test_what_is_stored_is_not_computed_again_and_what_changed_is(tmp_path):
    first, again, wider, changed = Here(), Here(), Here(), Here()
    one = sweep(small(seeds=[0, 1]), tmp_path, first)
    two = sweep(small(seeds=[0, 1]), tmp_path, again)
    assert (first.ran, again.ran) == (2, 0)
    assert one.dataset.identical(two.dataset)
    sweep(small(seeds=[0, 1, 2], sketches=["Permutation", "Identity"]), tmp_path, wider)
    assert wider.ran == 4
    for change in (
        {"rounds": 21},
        {"repetitions": 6},
        {"record_every": 4},
        {"step_sizes": [0.05, 0.21]},
        {"methods": ["IST(merge='owners')"]},
        {"problems": [PROBLEM.replace("0.3", "0.4")]},
    ):
        sweep(small(**change), tmp_path, changed)
    assert changed.ran == 6


class Halves(istsim.Sketch):
    """Every worker holds the first half: a user's sketch."""

    def sample(self, key):
        import jax.numpy as jnp

        return jnp.tile(jnp.arange(self.d) < self.d // 2, (self.n, 1))

    def inclusion_probability(self, size):
        return 0.5

    def joint_probability(self, left, right, shared):
        return 0.5

    @property
    def exchangeable(self):
        return False


def test_a_users_own_problem_and_sketch_are_run_under_their_names(tmp_path):
    problem = istsim.Quadratic(np.eye(6)[None].repeat(3, 0), np.ones((3, 6)))
    grid = small(
        problems=["mine"], sketches=["Halves", "Permutation"], methods=["IST(forward_scale=1, gradient_scale=1)"]
    )
    executor = Here()
    names = {"mine": problem, "Halves": Halves}
    swept = sweep(grid, tmp_path, executor, names=names)
    assert (swept.dataset.reason == "").all()
    other = istsim.Quadratic(2 * np.eye(6)[None].repeat(3, 0), np.ones((3, 6)))
    sweep(grid, tmp_path, executor, names={**names, "mine": other})
    assert executor.ran == 4  # another problem of the same name is another problem


def test_a_sketch_whose_code_changed_is_run_again(tmp_path):
    def thirds(self, key):
        import jax.numpy as jnp

        return jnp.tile(jnp.arange(self.d) < self.d // 3, (self.n, 1))

    grid, executor = small(sketches=["Halves"], methods=["IST(forward_scale=1, gradient_scale=1)"]), Here()
    sweep(grid, tmp_path, executor, names={"Halves": Halves})
    changed = type("Halves", (istsim.Sketch,), {**vars(Halves), "sample": thirds})
    sweep(grid, tmp_path, executor, names={"Halves": changed})
    sweep(grid, tmp_path, executor, names={"Halves": Halves})
    assert executor.ran == 2


class Broken(istsim.Sketch):
    def sample(self, key):
        raise ArithmeticError("no idea")

    def inclusion_probability(self, size):
        return 0.5

    def joint_probability(self, left, right, shared):
        return 0.5


def test_a_cell_that_fails_is_recorded_with_its_reason_and_tried_again(tmp_path):
    executor = Here()
    grid = small(sketches=["RandK(k=9)", "Broken", "Permutation"])
    swept = sweep(grid, tmp_path, executor, names={"Broken": Broken})
    reasons = swept.dataset.reason.squeeze(drop=True)
    assert "k must" in str(reasons.sel(sketch="RandK(k=9)").values)
    assert "no idea" in str(reasons.sel(sketch="Broken").values)
    assert str(reasons.sel(sketch="Permutation").values) == ""
    assert (swept.dataset.status.sel(sketch="Broken") == "failed").all()
    assert np.isnan(swept.dataset.objective_gap.sel(sketch="Broken")).all()
    sweep(grid, tmp_path, executor, names={"Broken": Broken})
    assert executor.ran == 3


def test_divergence_is_a_result(tmp_path):
    swept = sweep(small(step_sizes=[0.1, 80.0], rounds=400), tmp_path)
    status = swept.dataset.status.squeeze(drop=True)
    assert (status.sel(step_size=80.0) == "diverged").all()
    assert (status.sel(step_size=0.1) != "diverged").all()
    assert float(swept.best().best_step_size.squeeze()) == 0.1


def test_the_table_has_a_row_for_a_single_combination_and_for_those_that_failed(tmp_path):
    one = sweep(small(), tmp_path).table()
    assert one[["sketch", "best_step_size"]].to_dict("records") == [{"sketch": "Permutation", "best_step_size": 0.2}]
    swept = sweep(small(sketches=["Permutation", "RandK(k=9)"]), tmp_path)
    table = swept.table()
    assert list(table.columns)[:2] == ["sketch", "best_step_size"]
    assert table.at_end.tolist() == [True, False]
    assert np.isnan(table.best_step_size[1])
    assert "k must" in table.reason[1]
    assert swept.best().at_end.values.ravel().tolist() == [True, False]


def test_methods_without_a_sketch_are_run_once_and_scales_they_lack_are_refused(tmp_path):
    executor = Here()
    grid = small(
        methods=["GradientDescent", "CompressedGradient"],
        sketches=["Permutation", "Identity"],
        forward_scales=[None, 2.0],
    )
    swept = sweep(grid, tmp_path, executor)
    assert executor.ran == 3
    both = swept.dataset.objective_gap.sel(algorithm="GradientDescent", forward_scale="default")
    assert (both.sel(sketch="Permutation").values == both.sel(sketch="Identity").values).all()
    assert "forward_scale=2.0" in str(swept.dataset.reason.sel(forward_scale="2.0").values.ravel()[0])


def test_the_best_step_size_is_the_one_with_the_least_mean_gap_and_the_ends_are_told(tmp_path):
    sizes = [0.001, 0.3, 5.0]
    swept = sweep(
        small(problems=["one"], sketches=["Identity"], step_sizes=sizes, seeds=[0, 1]),
        tmp_path,
        names={"one": istsim.Quadratic(np.eye(4)[None].repeat(2, 0), np.zeros((2, 4)))},
    )
    best = swept.best().squeeze()
    assert float(best.best_step_size) == 0.3
    assert not bool(best.at_end)
    gap = swept.dataset.objective_gap.sel(step_size=0.3).isel(round=-1)
    assert float(best.objective_gap) == pytest.approx(float(gap.mean()))
    assert float(best.standard_error) == pytest.approx(float(gap.std(ddof=1)) / np.sqrt(gap.size))
    edge = sweep(small(step_sizes=[0.001, 0.01]), tmp_path).best().squeeze()
    assert bool(edge.at_end)


def test_fitted_rates_are_the_exact_ones_as_far_as_chance_allows(tmp_path):
    swept = sweep(small(step_sizes=[0.1, 0.2], rounds=150, repetitions=400, record_every=1), tmp_path)
    rate = swept.rate().squeeze()
    half_width = (rate.high - rate.low) / 2
    # 2.1 standard errors with 20 groups; 6 of them: a false alarm has probability 1e-5 by Student's t.
    assert (np.abs(rate.rate - rate.exact) < 6 / 2.09 * half_width).all()
    assert (half_width < 0.02).all()
    assert (rate.exact <= rate.asymptotic + 1e-3).all()


def test_exact_rates_are_left_out_where_there_are_none_or_nobody_asks(tmp_path):
    swept = sweep(small(methods=["IST(local_steps=4)"], rounds=60), tmp_path)
    assert np.isnan(swept.rate().exact).all()
    assert np.isnan(sweep(small(rounds=60), tmp_path).rate(exact=False).exact).all()


def test_an_unbiased_method_approaches_its_floor_at_the_rate_of_the_squared_error(tmp_path):
    swept = sweep(small(methods=["CompressedGradient"], step_sizes=[0.1], rounds=60), tmp_path)
    problem = istsim.random_quadratic(0, 4, 8, condition_number=5.0, matrix_heterogeneity=0.3, vector_heterogeneity=0.5)
    method = istsim.CompressedGradient(istsim.Permutation(4, 8))
    assert float(swept.rate().asymptotic.squeeze()) == istsim.theory.mean_square_rate(problem, method, 0.1)


def test_the_figure_has_a_panel_a_problem_and_a_line_a_combination(tmp_path):
    swept = sweep(
        small(problems=[PROBLEM, PROBLEM.replace("5.0", "9.0")], sketches=["Permutation", "Identity"]), tmp_path
    )
    figure = swept.plot()
    assert [len(ax.lines) for ax in figure.axes] == [2, 2]


def test_names_with_dollars_are_shown_as_they_are(tmp_path):
    problem = istsim.real_quadratic("diabetes", 2)
    grid = small(problems=["load('$\\\\frac{$')", "load('a$b$')"], sketches=["Permutation", "Identity"])
    figure = sweep(grid, tmp_path, names={"load": lambda name: problem}).plot()
    figure.draw_without_rendering()
    assert [ax.get_title() for ax in figure.axes] == ["load('\\$\\\\frac{\\$')", "load('a\\$b\\$')"]


def labels_of(axis):
    axis.axes.figure.draw_without_rendering()
    low, high = sorted(axis.get_view_interval())
    ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
    return [tick.label1.get_text() for tick in ticks if low <= tick.get_loc() <= high and tick.label1.get_text()]


@pytest.mark.parametrize(
    ("sizes", "labels"),
    [
        ([0.02, 0.05, 0.1, 0.3], ["0.02", "0.05", "0.1", "0.2"]),
        ([0.004, 0.2], ["0.01", "0.03", "0.1"]),
        ([0.001, 0.3], ["$\\mathdefault{10^{-3}}$", "$\\mathdefault{10^{-2}}$", "$\\mathdefault{10^{-1}}$"]),
    ],
)
def test_a_short_range_of_step_sizes_has_a_few_plain_numbers_and_a_long_one_powers_of_ten(sizes, labels, tmp_path):
    figure = sweep(small(problems=[PROBLEM], step_sizes=sizes), tmp_path).plot()
    assert labels_of(figure.axes[0].xaxis) == labels


def test_size_and_time_are_told_before_the_start(tmp_path, capsys):
    istsim.sweep(small(), store=tmp_path, executor=Here())
    told = capsys.readouterr().err
    assert "1 cells of 10 trajectories with 20 rounds" in told
    assert "0 are stored" in told
    assert "take about" in told
    istsim.sweep(small(), store=tmp_path, executor=Here())
    assert "1 are stored" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"problems": []}, ["problems", "at least one"]),
        ({"problems": PROBLEM}, ["problems", "list"]),
        ({"problems": [3]}, ["problems", "text", "names="]),
        ({"step_sizes": [0.1, 0.1]}, ["step_sizes", "differ", "0.1"]),
        ({"step_sizes": [0.1, -1.0]}, ["step_sizes", "positive"]),
        ({"step_sizes": 0.1}, ["step_sizes", "list"]),
        ({"forward_scales": [0.0]}, ["forward_scales", "positive"]),
        ({"forward_scales": ["fair"]}, ["forward_scales", "finite number"]),
        ({"seeds": [0.5]}, ["seeds", "integers"]),
        ({"rounds": 0}, ["rounds", "at least 1"]),
    ],
)
def test_a_grid_refuses_bad_choices(changes, words, unchecked):
    with pytest.raises(ValueError) as caught:
        small(**changes)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("RandK(k=", ["cannot read"]),
        ("Randk(k=2)", ["unknown name 'Randk'", "did you mean 'RandK'?"]),
        ("RandK(k=1 + x)", ["cannot read", "1 + x"]),
        ("RandK(j=2)", ["does not fit", "j"]),
        ("RandK(**k)", ["write every argument out"]),
        ("__import__('os')", ["unknown name"]),
        ("RandK.sample", ["cannot read"]),
        ("'a'(2)", ["cannot call"]),
    ],
)
def test_expressions_that_say_nothing_are_refused(text, words):
    with pytest.raises(ValueError) as caught:
        evaluate(text, {"RandK": istsim.RandK}, {"n": 2, "d": 4})
    for word in words:
        assert word in str(caught.value)


def test_only_names_that_can_be_meant_are_offered():
    names = {
        "json": json,
        "Path": Path,
        "Sketch": istsim.Sketch,
        "RandK": istsim.RandK,
        "twice": lambda n: None,
        "k": 2,
    }
    with pytest.raises(ValueError, match=r"known are RandK, twice$"):
        evaluate("thrice", names)


@pytest.mark.parametrize("text", ["RandK(3, 8, 2)", "RandK(k=2, n=3)", "RandK(n=3, d=8, k=2)", "RandK(3, k=2)"])
def test_what_is_given_is_not_supplied(text):
    assert evaluate(text, {"RandK": istsim.RandK}, {"n": 3, "d": 8}) == istsim.RandK(3, 8, 2)


def test_an_executor_that_forks_is_refused_because_it_would_hang(tmp_path):
    context = multiprocessing.get_context("fork")
    with (
        concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as executor,
        pytest.raises(ValueError, match=r"must not fork .*get_context\('spawn'\)"),
    ):
        sweep(small(), tmp_path / "store", executor)
    assert not (tmp_path / "store").exists()


@pytest.mark.sample(1)
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_processes_that_are_not_forked_run_a_sweep(method, tmp_path):
    context = multiprocessing.get_context(method)
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as executor:
        assert not sweep(small(), tmp_path, executor).dataset.reason.values.any()


def test_what_is_no_problem_is_refused_before_the_start(tmp_path):
    with pytest.raises(ValueError, match=r"must give an istsim\.Quadratic"):
        sweep(small(problems=["Identity(2, 4)"]), tmp_path)
    with pytest.raises(ValueError, match="unknown name 'mine'"):
        sweep(small(problems=["mine"]), tmp_path)


def test_a_stored_file_that_cannot_be_read_says_so(tmp_path):
    sweep(small(), tmp_path)
    path = next(tmp_path.glob("*.nc"))
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="delete it, and it is computed again"):
        sweep(small(), tmp_path)


@pytest.mark.parametrize(("theirs", "ours"), [(0, 1), (1, 0)])
def test_a_run_stored_under_the_name_of_another_is_not_taken_for_it(tmp_path, theirs, ours):
    sweep(small(seeds=[theirs]), tmp_path)
    (first,) = tmp_path.glob("*.nc")
    sweep(small(seeds=[ours]), tmp_path)
    (second,) = set(tmp_path.glob("*.nc")) - {first}
    second.write_bytes(first.read_bytes())
    with pytest.raises(ValueError, match=rf"{second.name}: it is not the run that its name says; delete it"):
        sweep(small(seeds=[ours]), tmp_path)
    second.unlink()
    assert sweep(small(seeds=[ours]), tmp_path).dataset.seed.values == [ours]


def test_a_damaged_run_is_named_with_what_to_do_whatever_is_raised_underneath(tmp_path):
    grid = small()
    sweep(grid, tmp_path)
    (path,) = tmp_path.glob("*.nc")
    whole, chance = path.read_bytes(), random.Random(0)
    damaged = [whole[: chance.randrange(len(whole))] for _ in range(10)]
    for _ in range(30):
        changed = bytearray(whole)
        changed[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        damaged.append(bytes(changed))
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(ValueError, match=rf"cannot read .*{path.name}: .*; delete it, and it is computed again"):
            sweep(grid, tmp_path)


def test_a_stored_run_is_a_netcdf_file_for_others(tmp_path):
    import xarray

    swept = sweep(small(), tmp_path).dataset
    found = xarray.load_dataset(next(tmp_path.glob("*.nc")))
    assert np.array_equal(found.objective_gap.values, swept.objective_gap.values.squeeze(), equal_nan=True)


def test_leftovers_of_killed_processes_are_removed_and_others_are_not(tmp_path):
    import socket

    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    ours = tmp_path / f".a.nc.{socket.gethostname()}.{ended.stdout.strip()}.x.part"
    running = tmp_path / f".a.nc.{socket.gethostname()}.{os.getpid()}.x.part"
    elsewhere = tmp_path / ".a.nc.another-machine.1.x.part"
    for path in (ours, running, elsewhere):
        path.touch()
    sweep(small(), tmp_path)
    assert (ours.exists(), running.exists(), elsewhere.exists()) == (False, True, True)


def test_the_command_line_runs_a_grid_and_prints_the_best(tmp_path, capsys, monkeypatch):
    own = tmp_path / "own.py"
    own.write_text(
        "import istsim\n"
        "def twice(n, d):\n"
        "    return istsim.RandK(n, d, 2)\n"
        "problem = istsim.real_quadratic('diabetes', 5)\n"
    )
    arguments = ["sweep", "--problems", "problem", "--sketches", "twice", "Permutation", "--step-sizes", "0.05", "0.1"]
    arguments += ["--rounds", "20", "--repetitions", "4", "--store", str(tmp_path / "store"), "--load", str(own)]
    arguments += ["--out", str(tmp_path / "all.nc"), "--figure", str(tmp_path / "all.svg"), "--json"]
    monkeypatch.setattr(sys, "argv", ["istsim", *arguments])
    cli.main()
    rows = json.loads(capsys.readouterr().out)
    assert [row["sketch"] for row in rows] == ["twice", "Permutation"]
    assert rows[0]["best_step_size"] in (0.05, 0.1)
    assert (tmp_path / "all.nc").stat().st_size > 0
    assert (tmp_path / "all.svg").read_text().startswith("<?xml")


@pytest.mark.slow
def test_the_command_line_prints_a_table_and_why_cells_failed(tmp_path, capsys, monkeypatch):
    arguments = [
        "sweep",
        "--problems",
        PROBLEM,
        "--sketches",
        "RandK(k=9)",
        "Permutation",
        "--step-sizes",
        "0.05",
        "0.1",
    ]
    arguments += ["--rounds", "20", "--repetitions", "4", "--store", str(tmp_path)]
    arguments += ["--seeds", "0", "1", "--methods", "IST", "IST2"]
    monkeypatch.setattr(sys, "argv", ["istsim", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    told = capsys.readouterr()
    lines = told.out.splitlines()
    assert lines[0].split()[:3] == ["algorithm", "sketch", "best"]
    assert "failed: k must" in lines[1]
    assert lines[2].split()[:2] == ["IST", "Permutation"]
    assert "did you mean 'IST'?" in lines[4]
    assert max(map(len, lines)) < 150
    why = [line for line in told.err.splitlines() if "could not be run" in line]
    assert [line.partition(" combinations")[0] for line in why] == ["4 of 8", "2 of 8"]


def killed_until_done(store, kills, rng):
    """Run the sweep, killing it with all its processes some time after the start, so many times; then let it end."""
    script = [sys.executable, killed_sweep.__file__, str(store)]
    for _ in range(kills):
        process = subprocess.Popen(script, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.5, 15.0))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    subprocess.run(script, check=True, capture_output=True)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_sweep_killed_ten_times_ends_with_the_bytes_of_one_left_alone(tmp_path):
    killed_until_done(tmp_path / "alone", 0, None)
    killed_until_done(tmp_path / "killed", 10, random.Random(0))
    assert files(tmp_path / "killed") == files(tmp_path / "alone")
    assert len(files(tmp_path / "alone")) == 12


@pytest.mark.slow
def test_two_processes_on_one_store_do_no_harm(tmp_path):
    script = [sys.executable, killed_sweep.__file__]
    both = [subprocess.Popen([*script, str(tmp_path / "both")], stderr=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    subprocess.run([*script, str(tmp_path / "alone")], check=True, capture_output=True)
    assert files(tmp_path / "both") == files(tmp_path / "alone")


@pytest.mark.slow
def test_a_cell_that_takes_its_process_with_it_is_found_and_the_others_go_on(tmp_path):
    own = tmp_path / "own.py"
    own.write_text(
        "import os, istsim\n"
        "class Deadly(istsim.Permutation):\n"
        "    def sample_indices(self, key):\n"
        "        os._exit(9)\n"
    )
    command = [
        sys.executable,
        "-m",
        "istsim",
        "sweep",
        "--problems",
        PROBLEM,
        "--sketches",
        "Deadly",
        "Permutation",
        "Identity",
        "--step-sizes",
        "0.1",
        "--store",
        str(tmp_path / "store"),
        "--load",
        str(own),
        "--json",
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    rows = {row["sketch"]: row for row in json.loads(done.stdout)}
    assert "process died" in rows["Deadly"]["reason"]
    assert rows["Permutation"]["reason"] == rows["Identity"]["reason"] == ""


@pytest.mark.slow
def test_a_script_that_starts_itself_again_is_told_what_to_do_in_a_few_lines(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(Path(killed_sweep.__file__).read_text().replace('if __name__ == "__main__":', "if True:"))
    done = subprocess.run([sys.executable, script, tmp_path / "store"], check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "`if __name__ == '__main__':`" in done.stderr.splitlines()[-1]
    assert len(done.stderr.splitlines()) < 15


@pytest.mark.slow
def test_dask_runs_a_sweep_and_loses_nothing_with_a_worker(tmp_path):
    distributed = pytest.importorskip("distributed", reason="needs the extra 'cluster'")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
        concurrent.futures.ThreadPoolExecutor(1) as killer,
    ):

        def kill_one():
            while len(list(tmp_path.glob("*.nc"))) < 3:
                time.sleep(0.05)
            os.kill(next(iter(cluster.workers.values())).process.pid, signal.SIGKILL)

        killing = killer.submit(kill_one)
        swept = istsim.sweep(killed_sweep.grid(), store=tmp_path, executor=client.get_executor(), progress=False)
        killing.result()
    reasons = swept.dataset.reason
    assert (reasons.where(reasons.sketch != "RandK(k=20)", "") == "").all()


def test_the_size_that_is_told_is_that_of_all_metrics_of_all_cells():
    grid = small(seeds=[0, 1, 2])
    # Three metrics in numbers of 8 bytes at 5 records of 10 trajectories, in 3 cells.
    assert _sweep._size(grid, 3, 1) == (
        f"3 cells of 10 trajectories with 20 rounds: {_sweep._bytes(3 * 8 * 5 * 10 * 3)}; 2 are stored."
    )


def test_the_time_told_is_what_starting_takes_and_all_rounds_at_the_speed_of_a_few(monkeypatch):
    grid = small(rounds=40)
    times = iter([100.0, 107.0, 200.0, 201.0])  # 7 seconds for the first few rounds, then 1 for the next
    monkeypatch.setattr(_cell.time, "perf_counter", lambda: next(times))
    monkeypatch.setattr(_cell, "_simulated", lambda cell, names, rounds: ran.append(rounds))
    ran = []
    cell = _cell.Cell.of(grid, tuple(choices[0] for choices in grid.axes.values()))
    seconds = _cell.seconds_of(cell, b"")
    few, again = ran
    assert few == again < 40
    assert seconds == 7 + 40 / few


@pytest.mark.parametrize("scale", [1.0, "unbiased"])
def test_a_scale_that_a_method_lacks_is_refused_even_where_it_is_what_the_method_does_without(scale):
    grid = small(methods=["CompressedGradient"], sketches=["Identity"], forward_scales=[scale])
    cell = _cell.Cell.of(grid, tuple(choices[0] for choices in grid.axes.values()))
    with pytest.raises(ValueError, match="CompressedGradient does not take forward_scale="):
        _cell.method_of(cell, 4, 8, {})


def test_a_row_of_the_table_says_what_is_best_or_that_all_diverged_or_failed():
    row = {"reason": "", "best_step_size": 0.25, "objective_gap": 0.5, "standard_error": 0.04, "at_end": False}
    assert _table._result(row) == ("0.25", "0.5 ± 0.04", "")
    assert _table._result(row | {"best_step_size": None}) == ("-", "-", "diverged at every step size")
    assert _table._result(row | {"reason": "too few"}) == ("-", "-", "failed: too few")
    assert _table._result(row | {"standard_error": None, "at_end": True})[1:] == (
        "0.5",
        "the first or last of the grid: a better one may lie beyond",
    )
