"""The whole path: runs, data, figures, report, command line."""

import base64
import re
import subprocess
import sys

import numpy as np
import pytest
import xarray

import istsim
from istsim import experiments, figures
from istsim._files import written_whole
from istsim.experiments import EXPERIMENTS, Curve, DisagreementError, agrees, caption, measure
from istsim.experiments._networks import PREDICTIONS


def tiny_curve(label: str, method, **changes) -> Curve:
    problem = istsim.random_quadratic(1, 2, 4, condition_number=4.0, matrix_heterogeneity=0.3, vector_heterogeneity=1.0)
    settings = {"step_size": 0.2, "rounds": 30, "repetitions": 200, "key": 1, "group": "one"}
    return Curve(label=label, problem=problem, method=method, **(settings | changes))


def tiny_experiment(figure, curves) -> experiments.Experiment:
    return experiments.Experiment("tiny", "A tiny experiment", "What was run.", lambda quick: curves, figure)


@pytest.fixture(scope="module")
def tiny_data(count_false_alarm_rate) -> xarray.Dataset:
    sketch = istsim.Permutation(2, 4)
    curves = [
        tiny_curve("GD", istsim.GradientDescent()),
        tiny_curve("CG", istsim.CompressedGradient(sketch)),
        tiny_curve("IST", istsim.IST(sketch)),
    ]
    data = tiny_experiment(figures.comparison, curves).measure(quick=True)
    count_false_alarm_rate(float(data.false_alarm_rate.sum()))
    return data


def test_a_curve_holds_simulation_and_exact_values_side_by_side(tiny_data):
    assert dict(tiny_data.sizes) == {"curve": 3, "metric": 3, "round": 31}
    assert agrees(tiny_data)
    exact = istsim.theory.exact_moments(
        tiny_curve("", istsim.GradientDescent()).problem, istsim.GradientDescent(), step_size=0.2, rounds=30
    )
    np.testing.assert_allclose(tiny_data.exact.sel(metric="objective_gap")[0], exact.objective_gap, rtol=1e-12)
    # Down and up: GD 2 n d = 16 floats a round, CG n d + d = 12, IST 2 d = 8.
    np.testing.assert_allclose(tiny_data.floats_per_round, [16, 12, 8])


def test_compared_methods_get_the_step_size_of_the_lowest_exact_curve():
    curve = tiny_curve("IST", istsim.IST(istsim.Permutation(2, 4)), step_size=None)
    tuned = float(measure(curve).step_size)

    def height(step_size):
        moments = istsim.theory.exact_moments(curve.problem, curve.method, step_size=step_size, rounds=curve.rounds)
        return float(np.log(moments.objective_gap).mean())

    assert all(height(tuned) <= height(tuned * factor) + 1e-6 for factor in (0.5, 0.8, 1.25, 2.0))


def test_the_caption_says_that_simulation_agrees(tiny_data):
    text = caption(tiny_data)
    assert "Every one of the 279 recorded means" in text  # 3 curves, 3 metrics, 31 rounds
    assert "200 simulated runs" in text
    assert f"the largest deviation is {float(tiny_data.deviation.max()):.2f}" in text


def test_the_caption_says_where_simulation_disagrees(tiny_data):
    wrong = tiny_data.copy(deep=True)
    wrong.deviation[1, 0, 3:5] = 5.01
    assert not agrees(wrong)
    assert "DISAGREEMENT: of 279 recorded means, 2 lie more than 5 standard errors" in caption(wrong)


def test_the_mean_last_iterate_is_compared_as_well(tiny_data):
    assert float(tiny_data.mean_deviation.max()) < 5
    wrong = tiny_data.copy(deep=True)
    wrong.mean_deviation[2] = 5.01
    assert not agrees(wrong)
    assert "DISAGREEMENT" in caption(wrong)


def test_the_gap_at_the_exact_mean_is_drawn_below_the_expected_gap(tiny_data):
    gap = tiny_data.sel(metric="objective_gap")
    assert bool((gap.at_mean <= gap.exact * (1 + 1e-9) + 1e-15).all())
    lines = [line for line in figures.comparison(tiny_data).axes[0].get_lines() if line.get_linewidth() == 0.7]
    for line, values in zip(lines, gap.at_mean, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), values)


def test_agreement_is_found_out_and_not_assumed(monkeypatch):
    from istsim.experiments import _curve

    true_moments = istsim.theory.exact_moments

    def wrong_by_a_quarter(problem, method, *, step_size, **kwargs):
        return true_moments(problem, method, step_size=1.25 * step_size, **kwargs)

    monkeypatch.setattr(_curve.theory, "exact_moments", wrong_by_a_quarter)
    assert not agrees(measure(tiny_curve("IST", istsim.IST(istsim.Permutation(2, 4)))))


@pytest.mark.slow
@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda experiment: experiment.name)
def test_every_experiment_has_hundreds_of_repetitions(experiment):
    for quick in (True, False):
        curves = experiment.curves(quick)
        assert all(curve.repetitions >= 200 for curve in curves)
        assert len({curve.label + curve.group for curve in curves}) == len(curves)


def test_real_data_experiments_use_both_splits():
    by_name = {experiment.name: experiment for experiment in EXPERIMENTS}
    for name in ("diabetes", "breast-cancer"):
        curves = by_name[name].curves(True)
        assert {curve.group for curve in curves} == {"even split", "split by label"}
        assert {curve.label for curve in curves} == {"GD", "CG", "CI", "IST"}


def test_a_figure_draws_the_data_it_is_given(tiny_data):
    figure = figures.comparison(tiny_data)
    by_round = figure.axes[0]
    lines = [line for line in by_round.get_lines() if line.get_linestyle() == "-" and line.get_marker() == "None"]
    for line, exact in zip(lines, tiny_data.exact.sel(metric="objective_gap"), strict=True):
        np.testing.assert_array_equal(line.get_ydata(), exact)
    assert {text.get_text() for text in by_round.texts} == {"GD", "CG", "IST"}


def test_a_method_has_one_colour_in_every_panel(tiny_data):
    figure = figures.comparison(tiny_data)
    for ax in figure.axes:
        colors = {text.get_text(): text.get_color() for text in ax.texts}
        assert colors["IST"] == figures.METHOD_COLORS["IST"]
        assert colors["GD"] == figures.METHOD_COLORS["GradientDescent"]
    assert len(set(figures.METHOD_COLORS.values())) == len(figures.METHOD_COLORS)


def test_members_of_the_phase_diagram_stand_at_their_ratio_and_coupling_filled_where_the_objective_grew():
    data = xarray.Dataset(
        {
            "simulated": (("curve", "metric", "round"), [[[1.0, 0.9]], [[1.0, 1.1]], [[1.0, 0.8]]]),
            "x": ("curve", [0.2, 0.8, 0.5]),
            "dot_ratio": ("curve", [3.0, 30.0, 10.0]),
            "line_x": (("line", "point"), [[1.0, 0.2]]),
            "line_y": (("line", "point"), [[1.0, 100.0]]),
            "ratio": ("ratio_axis", [1.0, 100.0]),
            "coupling": ("coupling_axis", [0.0, 1.0]),
            "share": (("ratio_axis", "coupling_axis"), np.full((2, 2), 0.3)),
        },
        coords={"metric": ["objective_gap"]},
    )
    dots = [line for line in figures.phase_diagram(data).axes[0].get_lines() if line.get_marker() == "o"]
    drawn = {line.get_markerfacecolor(): line.get_xydata().tolist() for line in dots}
    assert drawn == {"white": [[0.2, 3.0], [0.5, 10.0]], "black": [[0.8, 30.0]]}


def test_figures_are_the_same_bytes_for_the_same_data(tiny_data, tmp_path):
    for name in ("first.svg", "second.svg"):
        figures.save(figures.comparison(tiny_data), tmp_path / name)
    assert (tmp_path / "first.svg").read_bytes() == (tmp_path / "second.svg").read_bytes()


def test_a_figure_of_ones_own_is_made_in_the_style_and_saved_under_a_name(tmp_path):
    with istsim.figures.paper_style():
        figure, axes = istsim.figures.column_figure(1, 2, 0.7)
    assert axes.shape == (1, 2)
    assert not axes[0, 0].spines["top"].get_visible()
    figures.save(figure, str(tmp_path / "mine.svg"))
    assert (tmp_path / "mine.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("name", "words"), [("mine.xyz", "must end in .*svg"), ("missing/mine.svg", "no folder '.*missing'")]
)
def test_a_figure_that_cannot_be_saved_says_why(name, words, tmp_path):
    figure = istsim.figures.column_figure(1, 1, 0.7)[0]
    with pytest.raises(ValueError, match=words):
        figures.save(figure, tmp_path / name)


def test_labels_do_not_overlap():
    from istsim.figures._labels import spread

    positions = np.array([0.2, 0.21, 0.22, 0.9, 0.1])
    placed = np.sort(spread(positions, 0.05))
    assert np.diff(placed).min() >= 0.05 - 1e-12


@pytest.fixture(scope="module")
def quick_run(tmp_path_factory, count_false_alarm_rate):
    out = tmp_path_factory.mktemp("results") / "new"
    finished = subprocess.run(
        [sys.executable, "-m", "istsim", "reproduce", "--quick", "--only", "interpolation", "--out", str(out)],
        capture_output=True,
        text=True,
        check=False,
    )
    if (data := out / "interpolation.nc").exists():  # written even where simulation disagrees
        count_false_alarm_rate(float(xarray.load_dataset(data).false_alarm_rate.sum()))
    return finished, out


def test_reproduce_ends_with_the_paths_of_what_it_made(quick_run):
    finished, out = quick_run
    assert finished.returncode == 0, finished.stderr
    names = ["interpolation.svg", "interpolation.png", "interpolation.nc", "report.html"]
    assert finished.stdout.splitlines() == [str(out / name) for name in names]
    assert sorted(path.name for path in out.iterdir()) == sorted(names)  # and leaves nothing else behind
    assert "interpolation: 100%" in finished.stderr  # progress


def test_the_data_behind_a_figure_can_be_read_back(quick_run):
    data = xarray.load_dataset(quick_run[1] / "interpolation.nc")
    assert data.attrs["experiment"] == "interpolation"
    assert agrees(data)
    assert list(data.theorem_1.values) == ["holds"] * 3
    gap = data.exact.sel(metric="objective_gap")
    assert bool((gap <= data.bound * (1 + 1e-9)).all())


def test_the_report_is_self_contained(quick_run):
    page = (quick_run[1] / "report.html").read_text(encoding="utf-8")
    links = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert all(link.startswith("data:image/svg+xml;base64,") for link in links)
    embedded = base64.b64decode(links[0].partition(",")[2])
    assert embedded == (quick_run[1] / "interpolation.svg").read_bytes()
    assert "within 5 standard errors" in page


def test_reproduce_reports_a_disagreement_after_writing_everything(tmp_path, monkeypatch):
    curves = [tiny_curve("IST", istsim.IST(istsim.Permutation(2, 4)))]
    monkeypatch.setattr(
        "istsim.experiments._experiment.measure",
        lambda curve: measure(curve).assign(deviation=lambda data: data.deviation + 6.0),
    )
    monkeypatch.setattr("istsim.experiments._reproduce.PREDICTIONS", ())
    monkeypatch.setattr("istsim.experiments._reproduce.EXPERIMENTS", (tiny_experiment(figures.neighbourhood, curves),))
    monkeypatch.setattr("istsim.experiments._reproduce.PICTURES", ())
    with pytest.raises(DisagreementError, match="tiny"):
        experiments.reproduce(tmp_path)
    assert "DISAGREEMENT" in (tmp_path / "report.html").read_text()


def test_a_disagreement_is_a_line_and_exit_code_1(monkeypatch, capsys):
    from istsim import cli

    def disagree(out, only, quick, studies, networks):
        raise DisagreementError("simulated means disagree in tiny")

    monkeypatch.setattr("istsim.experiments.reproduce", disagree)
    monkeypatch.setattr(sys, "argv", ["istsim", "reproduce"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 1
    assert capsys.readouterr().err == "istsim: simulated means disagree in tiny\n"


def test_an_existing_file_survives_a_failed_write(tmp_path):
    path = tmp_path / "figure.svg"
    path.write_text("old")

    def fail():
        with written_whole(path) as part:
            part.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "nothing"], "only must be 'interpolation' or"),
        (["--out", __file__], "out must be a folder, but"),
    ],
)
def test_wrong_input_is_a_line_and_exit_code_2(arguments, message, monkeypatch, capsys):
    from istsim import cli

    monkeypatch.setattr(sys, "argv", ["istsim", "reproduce", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith("istsim: ")
    assert message in told
    assert "Traceback" not in told


def test_a_missing_extra_is_named_with_its_command(monkeypatch):
    from istsim._optional import require

    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=r'pip install "istsim\[data\]"'):
        require("sklearn.datasets", extra="data")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The predictions of networks and their runs, by name, made anew."""
    pytest.importorskip("torch", reason="torch is not installed")
    out = tmp_path_factory.mktemp("networks")
    names = [prediction.name for prediction in PREDICTIONS]
    experiments.reproduce(out, only=names, quick=True, networks=True)
    return {name: xarray.load_dataset(out / f"{name}.nc", engine="h5netcdf") for name in names}


@pytest.mark.slow
def test_a_residual_network_is_predicted_and_trained(trained):
    data = trained["resnet-prediction"]
    predicted, found = (
        (loss - data.predicted_loss.isel(round=0)).isel(round=-1)
        for loss in (data.predicted_loss, data.loss.mean("repetition"))
    )
    assert (np.sign(predicted) == np.sign(found)).all()
    assert float((predicted / found).sel(algorithm="SDP, backward masking")) == pytest.approx(1, abs=0.4)


@pytest.mark.slow
def test_a_network_is_predicted_and_trained(trained):
    data = trained["network-prediction"]
    told = PREDICTIONS[0].caption(data)
    assert re.search(r"backward masking: the loss changes by -0\.\d+ as predicted, by -0\.\d+ ±", told)
    assert re.search(r"forward masking: the loss changes by \+0\.\d+ as predicted, by \+0\.\d+ ±", told)
    assert "not made now" not in told
    last = data.isel(round=-1)
    change = last.predicted_loss - last.predicted_loss.sel(algorithm="SDP, backward masking")
    assert float(change.sel(algorithm="SDP, forward masking")) > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("prediction", PREDICTIONS, ids=lambda prediction: prediction.name)
def test_stored_predictions_are_those_of_the_code(prediction, trained):
    stored, anew = prediction.stored(), trained[prediction.name]
    assert stored.attrs["text"] == anew.attrs["text"] == prediction.text
    np.testing.assert_allclose(stored.predicted_loss, anew.predicted_loss, rtol=1e-6)
    # The first runs have the same masks.
    np.testing.assert_allclose(stored.loss[:, : anew.sizes["repetition"]], anew.loss, rtol=1e-6)


def test_predictions_are_shown_without_torch_and_the_report_says_that_they_are_stored(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    experiments.reproduce(tmp_path, only=["network-prediction"])
    data = xarray.load_dataset(tmp_path / "network-prediction.nc", engine="h5netcdf")
    assert data.sizes["repetition"] == 40
    page = (tmp_path / "report.html").read_text()
    assert (
        f"come with istsim, and were made by istsim {data.attrs['istsim_version']}, jax {data.attrs['jax_version']} "
        f"and torch {data.attrs['torch_version']}."
    ) in page


@pytest.mark.parametrize("options", [{"networks": True}, {"studies": True}], ids=str)
def test_a_prediction_that_is_to_be_made_anew_is_refused_without_torch(options, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"istsim\[torch\]"):
        experiments.reproduce(tmp_path, only=["network-prediction"], quick=True, **options)


def test_means_that_rare_runs_carry_are_undecided_in_caption_and_verdict():
    problem = istsim.random_quadratic(
        3, 2, 4, condition_number=4.0, matrix_heterogeneity=0.5, vector_heterogeneity=0.0, interpolation=True
    )
    method = istsim.IST(istsim.RandK(2, 4, 2))
    step_size = 0.95 * istsim.theory.max_stable_step_size(problem, method)
    curve = Curve(
        label="", problem=problem, method=method, step_size=step_size, rounds=100, repetitions=1000, key=1, group=""
    )
    data = tiny_experiment(figures.comparison, [curve]).measure(quick=True)
    undecided = int(data.undecided.sum())
    assert undecided > 10
    assert agrees(data)
    assert f"; {undecided} more means are undecided" in caption(data)
    assert f"Every one of the {303 - undecided} recorded means" in caption(data)
    wrong = data.copy(deep=True)
    wrong.deviation[0, 0, 3], wrong.undecided[0, 0, 3] = 5.01, 0.0
    assert not agrees(wrong)
