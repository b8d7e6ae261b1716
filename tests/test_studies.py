"""Studies on networks: their runs, what is made of them, and their place in the report."""

import concurrent.futures
import json
import math

import numpy as np
import pytest
import xarray

pytest.importorskip("torch", reason="networks need torch")

from istsim import experiments, figures, networks, studies
from istsim.experiments import _studies
from istsim.studies import _bias, _ist, _parts, _runs, _sdp

TINY = networks.TrainingRun(width=8, workers=2, local_steps=2, rounds=3)


@pytest.fixture
def in_this_process(monkeypatch):
    monkeypatch.setattr(_runs, "ProcessPool", lambda size: concurrent.futures.ThreadPoolExecutor(1))


def without_seconds(log):
    return [row | {"seconds": 0} for row in log["rounds"]]


def test_runs_that_have_ended_are_not_run_again(in_this_process, tmp_path):
    told = []
    first = _runs.logs_of({"one": TINY}, tmp_path, on_run=lambda: told.append("run"))
    second = _runs.logs_of({"one": TINY}, tmp_path, on_run=lambda: told.append("run"))
    assert first == second  # seconds, too
    assert first["one"]["status"] == "finished"
    assert told == ["run", "run"]


def test_an_interrupted_run_goes_on(in_this_process, tmp_path):
    whole = _runs.logs_of({"one": TINY}, tmp_path / "whole")["one"]
    list(networks.train_in_folder(TINY, tmp_path / "cut" / "one", stop=lambda: True))
    assert len(json.loads((tmp_path / "cut" / "one" / "log.json").read_text())["rounds"]) == 1
    resumed = _runs.logs_of({"one": TINY}, tmp_path / "cut")["one"]
    assert [(row["loss"], row["accuracy"]) for row in resumed["rounds"]] == [
        (row["loss"], row["accuracy"]) for row in whole["rounds"]
    ]


def test_a_folder_with_another_run_is_refused(in_this_process, tmp_path):
    _runs.logs_of({"one": TINY}, tmp_path)
    with pytest.raises(ValueError, match="holds another run: remove it, or write to another folder"):
        _runs.logs_of({"one": networks.TrainingRun(width=8, workers=2, local_steps=2, rounds=3, seed=1)}, tmp_path)


def test_a_run_that_fails_is_an_error(in_this_process, tmp_path):
    with pytest.raises(ValueError, match="which takes a process for each worker"):
        _runs.logs_of({"one": networks.TrainingRun(method="ddp", workers=2, rounds=2)}, tmp_path)


def square(number):
    return xarray.Dataset({"square": number**2})


def test_parts_with_an_answer_to_another_question_are_refused(in_this_process, tmp_path):
    three = _parts.Part(square, {"number": 3})
    found = _parts.parts_of({"a": three}, tmp_path)["a"]
    assert (int(found.square), found.attrs) == (9, {})
    holds = r"a\.nc holds square of {'number': 3}, wanted is square of {'number': 4}: remove it, or write to another"
    with pytest.raises(ValueError, match=holds):
        _parts.parts_of({"a": _parts.Part(square, {"number": 4})}, tmp_path)
    square(3).to_netcdf(tmp_path / "b.nc", engine="h5netcdf")
    with pytest.raises(ValueError, match=r"b\.nc holds something else"):
        _parts.parts_of({"b": three}, tmp_path)


@pytest.mark.slow
def test_runs_of_processes_are_those_of_torchrun(tmp_path):
    run = networks.TrainingRun(method="ddp", workers=2, rounds=2, width=8)
    log = _runs.logs_of_processes({"one": run}, tmp_path)["one"]
    assert log["status"] == "finished"
    assert len(log["measured"]["processes"]) == 2


@pytest.mark.parametrize("study", studies.STUDIES, ids=lambda study: study.name)
def test_every_study_is_known_to_the_command_and_has_a_quick_form(study):
    assert study.name in _studies.STUDIES
    assert len(_studies.STUDIES) == len(studies.STUDIES)
    assert 0 < study.num_runs(True) <= study.num_runs(False)


@pytest.mark.sample(3)
@pytest.mark.parametrize("study", studies.STUDIES, ids=lambda study: study.name)
def test_every_study_comes_with_its_results(study):
    data = studies.stored(study.name)
    assert data.attrs["title"] == study.title
    assert len(study.caption(data)) > 200
    assert len(study.figure(data).axes) >= 3
    assert not any(bool(values.isnull().all()) for values in data.values())


def test_studies_that_do_not_exist_have_no_results():
    with pytest.raises(ValueError, match=r"name must be .*'sdp'"):
        studies.stored("spd")


def test_runs_have_folders_of_their_own():
    for module, name in ((_sdp, _sdp._file), (_ist, _ist._file)):
        for quick in (True, False):
            cells = module._cells(quick)
            assert len({name(cell) for cell in cells}) == len(cells)


def test_losses_are_means_of_the_last_quarter_up_to_a_cost():
    rows = [
        {"flops": 10 * i, "test_loss": float(i) if i % 2 else math.nan, "accuracy": i / 20 if i % 2 else math.nan}
        for i in range(1, 21)
    ]
    assert _sdp._until(rows, "flops", 100) == (9.0, 0.45)  # of 80 to 100, there is 90
    assert _sdp._until(rows, "flops", 200) == pytest.approx((18.0, 0.9))  # 170 and 190
    assert all(math.isnan(found) for found in _sdp._until(rows, "flops", 300))


def test_what_was_spent_is_that_of_the_first_evaluation_at_the_target():
    rows = [
        {"round": i, "accuracy": accuracy, "bytes_down": 10 * i, "bytes_up": i}
        for i, accuracy in enumerate([math.nan, 0.94, math.nan, 0.95, 0.9, 0.99])
    ]
    assert _ist._reached(rows)["round"] == 3
    assert _ist._reached(rows)["bytes"] == 33
    assert math.isnan(_ist._reached(rows[:3])["round"])


def test_the_length_of_a_mean_is_not_raised_by_scatter():
    rng, mean = np.random.default_rng(0), np.full(50, 0.1)
    lengths = [_bias._length(mean + rng.normal(size=(40, 50))) for _ in range(200)]
    found, errors = np.array(lengths).T
    naive = np.linalg.norm(mean + rng.normal(size=(200, 40, 50)).mean(axis=1), axis=1).mean()
    assert naive > 1.2  # the true one is 0.707
    assert abs((found**2).mean() - 0.5) < 5 * (found**2).std() / 200**0.5 + 0.05
    assert 0.5 < errors.mean() / found.std() < 2


def study_of_coverage():
    """Of one model: data parallelism, and SDP by neurons and blocks at two coverages."""
    cells = [
        # method, masking, level, coverage, dealt, loss at equal FLOPs, memory
        ("data parallelism", "", "", 1.0, "", 0.09, 100),
        ("data parallelism", "", "", 1.0, "", 0.11, 100),
        ("SDP", "forward", "neuron", 0.5, "once", 0.105, 70),
        ("SDP", "forward", "block", 0.5, "once", 0.12, 60),
        ("SDP", "forward", "neuron", 0.25, "once", 0.4, 40),
        ("SDP", "forward", "block", 0.25, "once", 0.3, 50),
        ("SDP", "backward", "neuron", 0.5, "once", 0.1, 90),
    ]
    method, masking, level, coverage, dealt, loss, memory = zip(*cells, strict=True)
    return xarray.Dataset(
        {
            "loss": (("run", "at"), [[value, value] for value in loss]),
            "memory": (("run", "kind"), [[m] for m in memory]),
        },
        {
            "model": ("run", ["a model"] * len(cells)),
            "method": ("run", list(method)),
            "masking": ("run", list(masking)),
            "level": ("run", list(level)),
            "coverage": ("run", list(coverage)),
            "dealt": ("run", list(dealt)),
            "at": ["steps", "FLOPs"],
        },
    )


def test_claims_are_read_off_the_runs():
    found = _sdp.claims(study_of_coverage(), "a model")
    assert found["saved"] == pytest.approx(0.3)  # 60 would save more, with a loss above the worst of the seeds
    assert (found["blocks_better"], found["pairs"]) == (1, 2)
    assert found["above"] == pytest.approx((1.0, 1.2))
    assert found["below"] == pytest.approx((3.0, 4.0))


def test_captions_and_figures_of_claims_that_fail_are_made_too():
    data = study_of_coverage()
    data.loss[2:] = 1.0
    study = studies.SubnetworkDataParallelism()
    assert "is 0% at equal steps and 0% at equal FLOPs (in the paper 28 to 60 %, at equal FLOPs)" in study.caption(data)
    assert len(study.figure(data).axes) == 3


class Tiny(studies.Study):
    name, title, seconds = "ist", "A tiny study", 1.0

    def num_runs(self, quick):
        return 1

    def measure(self, quick, folder, on_run=lambda: None):
        on_run()
        found = np.random.default_rng(0).random((2, 1, 2, 1))
        ones = ("algorithm", "workers", "seed"), found[0]
        return xarray.Dataset(
            dict.fromkeys(("round", "bytes", "flops"), ones) | {"seconds": (("algorithm", "seed"), [[float(quick)]])},
            {"algorithm": ["IST"], "workers": [2, 4], "seed": [0]},
            {"experiment": self.name, "title": self.title, "folder": str(folder)},
        )

    def figure(self, data):
        return figures.cost_study(data)

    def caption(self, data):
        return f"It took {float(data.seconds.mean())} seconds."


def test_a_study_has_its_place_in_the_report(monkeypatch, tmp_path):
    monkeypatch.setattr(studies, "STUDIES", (Tiny(),))
    written = experiments.reproduce(tmp_path, only=["ist"], quick=True)
    assert {path.name for path in written} == {"ist.svg", "ist.png", "ist.nc", "report.html"}
    page = (tmp_path / "report.html").read_text()
    assert "A tiny study" in page
    assert "It took 1.0 seconds." in page
    assert xarray.load_dataset(tmp_path / "ist.nc", engine="h5netcdf").attrs["folder"].endswith("runs/ist-quick")


def test_studies_run_only_where_they_are_wanted():
    assert _studies.chosen_studies((), studies=False) == []
    assert [study.name for study in _studies.chosen_studies((), studies=True)] == list(_studies.STUDIES)
    assert [study.name for study in _studies.chosen_studies(("sdp",), studies=False)] == ["sdp"]
    assert _studies.chosen_studies(("bias",), studies=True) == []


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_the_quick_studies_end_with_numbers(tmp_path):
    experiments.reproduce(tmp_path, only=list(_studies.STUDIES), quick=True)
    found = {name: xarray.load_dataset(tmp_path / f"{name}.nc", engine="h5netcdf") for name in _studies.STUDIES}
    assert bool(found["sdp"].loss.notnull().all())
    assert bool(found["ist"].seconds.notnull().all())
    assert bool((found["measured-memory"].memory > 0).all())
    assert bool((found["steps-to-result"].steps < np.inf).all())
    theory, network = (found["forward-masking-bias"].bias.sel(by=by) for by in ("theory", "network"))
    assert bool((abs(network - theory) <= 0.3 * theory + 1e-6).all())
