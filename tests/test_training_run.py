"""`istsim train`: what it writes, how it ends, what it refuses."""

import csv
import itertools
import json
import sys

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from istsim import cli, networks  # noqa: E402

pytestmark = pytest.mark.usefixtures("without_curves")


def train(monkeypatch, capsys, *arguments):
    """Exit code and output of `istsim train ...`."""
    monkeypatch.setattr(sys, "argv", ["istsim", "train", *map(str, arguments)])
    code = 0
    try:
        cli.main()
    except SystemExit as end:
        code = end.code or 0
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def rows(run, data):
    """Of a run without a folder."""
    model = run.make_model(data)
    layout, method = run.layout_and_method(model)
    engine = networks.OneProcess(model, layout, method, make_optimizer=run.make_optimizer(), seed=run.seed)
    return run.rows(engine, data)


SHORT = ("--rounds", 2, "--local-steps", 2, "--width", 16)


def test_a_run_writes_its_log_its_model_and_its_curves(monkeypatch, capsys, tmp_path):
    code, out, err = train(monkeypatch, capsys, *SHORT, "--out", tmp_path / "run")
    assert code == 0, err
    names = {"log.csv", "log.json", "checkpoint-000002", "curves.svg", "curves.png"}
    assert {path.name for path in (tmp_path / "run").iterdir()} == names
    assert "test accuracy" in out
    log = json.loads((tmp_path / "run" / "log.json").read_text())
    rows = list(csv.DictReader((tmp_path / "run" / "log.csv").read_text().splitlines()))
    assert log["status"] == "finished"
    assert [row["round"] for row in log["rounds"]] == [int(row["round"]) for row in rows] == [1, 2]
    assert set(rows[0]) == set(log["columns"])
    run = networks.TrainingRun(**log["run"])
    data, model = run.load_data(), networks.load_model(tmp_path / "run")
    found = networks.evaluate(model, *run.layout_and_method(model), data.test_inputs, data.test_targets)
    assert (found.loss, found.accuracy) == (log["rounds"][-1]["test_loss"], log["rounds"][-1]["accuracy"])


@pytest.mark.slow
def test_a_log_is_a_config_and_options_win_over_it(monkeypatch, capsys, tmp_path):
    train(monkeypatch, capsys, *SHORT, "--seed", 3, "--out", tmp_path / "first")
    config = tmp_path / "first" / "log.json"
    code, _, err = train(monkeypatch, capsys, "--config", config, "--seed", 4, "--out", tmp_path / "second")
    assert code == 0, err
    first, second = (json.loads((tmp_path / name / "log.json").read_text())["run"] for name in ("first", "second"))
    assert second == first | {"seed": 4}


def test_the_same_seed_gives_the_same_numbers(monkeypatch, capsys, tmp_path):
    found = []
    for name in ("first", "second"):
        train(monkeypatch, capsys, *SHORT, "--out", tmp_path / name)
        rows = csv.DictReader((tmp_path / name / "log.csv").read_text().splitlines())
        found.append([row | {"seconds": ""} for row in rows])
    assert found[0] == found[1]


def test_a_folder_with_a_run_is_not_written_over(monkeypatch, capsys, tmp_path):
    train(monkeypatch, capsys, *SHORT, "--out", tmp_path)
    before = (tmp_path / "log.json").read_bytes()
    code, _, err = train(monkeypatch, capsys, *SHORT, "--out", tmp_path)
    assert code == 2
    assert "holds a run" in err
    assert (tmp_path / "log.json").read_bytes() == before


def test_divergence_ends_with_1_and_keeps_the_last_good_model(monkeypatch, capsys, tmp_path):
    code, _, err = train(monkeypatch, capsys, *SHORT, "--step-size", 1e30, "--out", tmp_path)
    assert code == 1
    assert "not finite" in err
    assert "--step-size" in err
    assert json.loads((tmp_path / "log.json").read_text())["status"] == "diverged"
    assert all(tensor.isfinite().all() for tensor in networks.load_model(tmp_path).parameters())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--data", "text"), "'text' is text, which the model 'mlp' does not take"),
        (("--data", "nowhere"), "'digits', 'text' or a folder, got 'nowhere'"),
        (("--method", "sdp", "--coverage", 0.3), "0.3 cannot be met by 4 workers; they can have 0.25, 0.5, 0.75, 1"),
        (("--method", "sdp", "--coverage", 0.25), "raise the coverage or give resample_every"),
        (("--level", "block"), "no residual blocks"),
        (("--workers", 2000), "workers"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_written(
    monkeypatch, capsys, tmp_path, arguments, message
):
    code, _, err = train(monkeypatch, capsys, *arguments, "--out", tmp_path / "run")
    assert code == 2
    assert message in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("run.toml", "rounds = ", "not valid"),
        ("run.json", "{", "not valid"),
        ("run.toml", "speed = 1", "'speed' is no option of a run"),
        ("run.toml", "step-sizes = 1", "did you mean 'step_size'"),
        ("run.json", "[1]", "must name options"),
        ("run.toml", 'method = "istt"', "run.toml: .*method must be 'ist' or 'sdp' or 'dense' or"),
        ("run.toml", 'optimizer = "lion"', "optimizer must be"),
        ("run.toml", 'step_size = "0.1"', "step_size must be a positive number, got '0.1'"),
        ("run.toml", "data = 3", "data must be"),
        ("run.toml", 'rounds = "three"', "run.toml: rounds must be"),
    ],
)
def test_a_config_that_is_none_is_refused(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        networks.TrainingRun.read(tmp_path / name)


def test_a_toml_file_gives_some_options(tmp_path):
    (tmp_path / "run.toml").write_text('method = "sdp"\nbatch-size = 8\ncoverage = 0.75\n')
    expected = networks.TrainingRun(method="sdp", batch_size=8, coverage=0.75)
    assert networks.TrainingRun.read(tmp_path / "run.toml") == expected


def test_a_config_that_is_not_there_is_refused_by_its_name(tmp_path):
    with pytest.raises(ValueError, match=r"No such file or directory: '.*nope\.toml'"):
        networks.TrainingRun.read(tmp_path / "nope.toml")


@pytest.mark.parametrize(
    "options",
    [
        {"masking": "backward"},
        {"coverage": 0.75},
        {"resample_every": 3},
        {"method": "sdp", "local_steps": 50},
        {"method": "sdp", "rescale": "forward"},
        {"method": "dense", "masking": "backward"},
        {"method": "local-sgd", "rescale": "forward"},
        {"checkpointing": True},
        {"method": "dense", "level": "block"},
        {"method": "sdp", "mode": "chunked"},
        {"method": "dense", "microbatches": 2},
        {"method": "local", "coverage": 0.75},
    ],
    ids=str,
)
def test_options_that_would_do_nothing_are_refused(options):
    name = list(options)[-1]
    with pytest.raises(ValueError, match=f"{name} = .* is of [a-z][-a-z, ]*: with method"):
        networks.TrainingRun(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "pipeline", "microbatches": 5}, "microbatches must divide the batch_size, 32, got 5"),
        ({"method": "local", "mode": "overlapping", "window": 2, "asynchronous": "no"}, "asynchronous must be true or"),
    ],
    ids=str,
)
def test_options_that_cannot_be_are_refused_from_files_too(options, message, tmp_path):
    path = tmp_path / "run.json"
    path.write_text(json.dumps(options))
    with pytest.raises(ValueError, match=message):
        networks.TrainingRun.read(path)


@pytest.mark.parametrize(
    ("options", "method"),
    [
        ({"method": "dense"}, networks.DataParallel(4)),
        ({"method": "dense", "checkpointing": True}, networks.DataParallel(4, checkpointing=True)),
        ({"method": "local-sgd", "local_steps": 7}, networks.DataParallel(4, local_steps=7)),
        ({"method": "dropout", "coverage": 0.75}, networks.DataParallel(4, keep=0.75)),
        ({"method": "ddp"}, networks.DataParallel(4)),
    ],
    ids=str,
)
def test_what_holds_everything_is_data_parallelism_of_some_kind(options, method):
    run = networks.TrainingRun(**options, width=8)
    assert run.layout_and_method(run.empty_model(networks.digits()))[1] == method


@pytest.mark.parametrize("method", ["ddp", "fsdp"])
def test_torchs_own_methods_want_processes(monkeypatch, capsys, tmp_path, method):
    code, _, err = train(monkeypatch, capsys, "--method", method, "--out", tmp_path / "run")
    assert code == 2
    assert "torchrun --nproc-per-node 4 -m istsim train" in err


def test_a_model_without_blocks_cannot_compute_them_twice(monkeypatch, capsys, tmp_path):
    options = ("--method", "dense", "--checkpointing", "--rounds", 2, "--out", tmp_path / "run")
    code, _, err = train(monkeypatch, capsys, *options)
    assert code == 2
    assert "has no residual blocks" in err


def test_evaluations_come_as_often_as_asked():
    run = networks.TrainingRun(method="dense", width=8, rounds=7, evaluate_every=3)
    found = list(rows(run, run.load_data()))
    assert [row["round"] for row in found if row["accuracy"] == row["accuracy"]] == [3, 6, 7]
    assert all(later["seconds"] > row["seconds"] > 0 for row, later in itertools.pairwise(found))


def test_seconds_are_those_of_training_only(monkeypatch):
    from istsim.networks import _costs, _flops, _training

    now = [0.0]

    def taking(seconds, function):
        def slow(*arguments, **options):
            now[0] += seconds
            return function(*arguments, **options)

        return slow

    for module in (_costs, _flops, _training):
        monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(networks.OneProcess, "evaluate", taking(1000, networks.OneProcess.evaluate))
    monkeypatch.setattr(networks.OneProcess, "update", taking(1, networks.OneProcess.update))
    monkeypatch.setattr(_flops, "flops_of_step", taking(1000, _flops.flops_of_step))
    monkeypatch.setattr(_costs, "memory_of", taking(1000, _costs.memory_of))
    run = networks.TrainingRun(width=8, workers=2, local_steps=2, rounds=3, evaluate_every=1)
    assert [row["seconds"] for row in rows(run, run.load_data())] == [2, 4, 6]


def test_fsdp_is_predicted_to_have_its_share_and_what_is_gathered():
    run = networks.TrainingRun(method="fsdp", model="resnet18", width=4, workers=4, optimizer="adam")
    found = run.predicted_memory(run.load_data())
    this, whole = found["this"], found["data_parallelism"]
    assert this["gradients"] == whole["gradients"] // 4
    assert this["optimizer"] == whole["optimizer"] // 4
    assert whole["parameters"] // 4 < this["parameters"] < whole["parameters"]
    assert this["activations"] == whole["activations"]


def test_every_option_reaches_what_it_is_for():
    data = networks.digits()
    plain = networks.TrainingRun(method="sdp", width=16)
    _, method = plain.layout_and_method(plain.empty_model(data))
    assert method == networks.SDP(4, 0.5, "forward")
    other = networks.TrainingRun(method="sdp", masking="backward", coverage=1.0, workers=2, resample_every=3)
    assert other.layout_and_method(other.empty_model(data))[1] == networks.SDP(2, 1.0, "backward", 3)
    ist = networks.TrainingRun(local_steps=3, rescale="forward")
    assert ist.layout_and_method(ist.empty_model(data))[1] == networks.IST(4, 3, "forward")
    blocks = networks.TrainingRun(model="resnet18", level="block", width=4)
    assert blocks.layout_and_method(blocks.empty_model(data))[0].num_units == 8
    momentum = networks.TrainingRun(optimizer="momentum", step_size=0.3).make_optimizer()([torch.zeros(1)])
    assert (momentum.defaults["momentum"], momentum.defaults["lr"]) == (0.9, 0.3)


def test_a_seed_is_of_the_model_and_of_the_data_and_of_the_masks():
    data = networks.digits()
    runs = [networks.TrainingRun(width=16, rounds=1, local_steps=1, seed=seed) for seed in (0, 1)]
    first, second = (run.make_model(data)[1].weight for run in runs)
    assert not torch.equal(first, second)
    found = {}
    for run in runs:
        model = runs[0].make_model(data)
        layout, method = run.layout_and_method(model)
        engine = networks.OneProcess(model, layout, method, make_optimizer=run.make_optimizer(), seed=run.seed)
        (row,) = run.rows(engine, data)
        found[run.seed] = row["loss"], engine.model[1].weight.detach()
    assert found[0][0] != found[1][0]  # other data, as the model was the same
    assert not torch.equal(found[0][1], found[1][1])


@pytest.mark.sample(1)
@pytest.mark.parametrize("model", ["resnet18", "hf-resnet"])
def test_every_model_of_images_trains_at_both_levels(model):
    pytest.importorskip("transformers", reason="transformers is not installed")
    for level, method in (("neuron", "ist"), ("block", "sdp")):
        run = networks.TrainingRun(
            model=model,
            width=4,
            rounds=1,
            batch_size=4,
            level=level,
            method=method,
            **({"masking": "backward"} if method == "sdp" else {"local_steps": 1}),
        )
        data = run.load_data()
        (row,) = rows(run, _few(data))
        assert row["loss"] > 0
        assert row["flops"] > 0


@pytest.mark.sample(1)
@pytest.mark.parametrize("model", ["llama", "hf-llama"])
def test_every_model_of_text_trains(model):
    pytest.importorskip("transformers", reason="transformers is not installed")
    run = networks.TrainingRun(model=model, data="text", width=32, rounds=1, batch_size=2, method="sdp")
    data = run.load_data()
    (row,) = rows(run, _few(data))
    assert row["test_loss"] > 0


def _few(data):
    return networks.Data(
        data.name,
        data.train_inputs[:200],
        data.train_targets[:200],
        data.test_inputs[:20],
        data.test_targets[:20],
        data.num_classes,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"method": "ist", "rounds": 150},
        {"method": "sdp", "masking": "forward", "rounds": 600, "optimizer": "adam", "step_size": 0.001},
        {"method": "sdp", "masking": "backward", "rounds": 600},
    ],
    ids=lambda options: " ".join(map(str, options.values())),
)
def test_digits_are_learned_above_95_percent(options):
    run = networks.TrainingRun(**options)
    data = run.load_data()
    *_, last = rows(run, data)
    assert last["accuracy"] > 0.95


def test_a_last_round_that_ruins_the_model_is_divergence(monkeypatch, capsys, tmp_path):
    # The loss is finite, computed before the step, and so are the parameters: their outputs are not.
    arguments = ("--rounds", 1, "--local-steps", 1, "--width", 16, "--step-size", 1e38, "--out", tmp_path)
    code, _, err = train(monkeypatch, capsys, *arguments)
    assert code == 1
    assert "not finite" in err
    assert json.loads((tmp_path / "log.json").read_text())["status"] == "diverged"
    assert all(tensor.abs().max() < 100 for tensor in networks.load_model(tmp_path).parameters())


def test_the_log_tells_how_well_workers_are_connected(monkeypatch, capsys, tmp_path):
    for name, coverage in (("whole", 1.0), ("half", 0.5)):
        arguments = ("--method", "sdp", "--coverage", coverage, "--rounds", 1, "--width", 16)
        train(monkeypatch, capsys, *arguments, "--out", tmp_path / name)
    whole, half = (json.loads((tmp_path / name / "log.json").read_text())["rounds"][0] for name in ("whole", "half"))
    assert whole["spectral_gap"] == pytest.approx(1)
    assert 0 < half["spectral_gap"] < 1


def test_batch_norms_are_calibrated_for_the_whole_model():
    torch.manual_seed(0)
    model, data = networks.mlp([64, 16, 10], norm=True), networks.digits()
    layout, method = networks.neurons(model), networks.IST(2)
    model[2].running_mean.fill_(100.0)
    tested = (data.test_inputs, data.test_targets)
    found = networks.evaluate(model, layout, method, *tested, calibration=[data.train_inputs])
    assert (model[2].running_mean == 100.0).all()  # evaluation leaves the model alone
    with torch.no_grad():
        hidden = model[1](data.train_inputs.flatten(1))
        model[2].running_mean.copy_(hidden.mean(0))
        model[2].running_var.copy_(hidden.var(0))
    expected = networks.evaluate(model, layout, method, *tested)
    assert found.loss == pytest.approx(expected.loss, rel=1e-4)


@pytest.mark.parametrize("name", [r"$\frac{$", "a$b$<script>alert(1)<script>"])
def test_the_name_of_a_data_set_is_shown_as_it_is_in_the_curves(name, tmp_path, monkeypatch):
    figures = pytest.importorskip("istsim.figures")
    drawn, training_curves = [], figures.training_curves
    monkeypatch.setattr(figures, "training_curves", lambda *a, **b: drawn.append(training_curves(*a, **b)) or drawn[0])
    log = networks.Log(tmp_path, networks.TrainingRun(data=name))
    numbers = dict.fromkeys(("bytes_down", "bytes_up", "flops", "loss", "test_loss", "accuracy"), 0.5)
    log.rows = [{"round": 1, **numbers}]
    log.draw()
    assert "<script" not in (tmp_path / "curves.svg").read_text()
    title = drawn[0].get_suptitle()
    assert title.endswith(name.replace("$", r"\$"))
