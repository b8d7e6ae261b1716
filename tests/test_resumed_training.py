"""Runs that go on: the same to the last bit as if they had not been interrupted."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

torch = pytest.importorskip("torch", reason="networks are trained in torch: pip install 'istsim[torch]'")

from istsim import networks  # noqa: E402

RUNS = {
    "ist": {"method": "ist", "local_steps": 2, "optimizer": "adam", "step_size": 0.01},
    "sdp forward": {"method": "sdp", "coverage": 0.5, "optimizer": "momentum"},
    "sdp forward, resampled": {"method": "sdp", "coverage": 0.5, "resample_every": 3, "optimizer": "adamw"},
    "sdp backward": {"method": "sdp", "coverage": 0.5, "masking": "backward", "optimizer": "adam"},
    "local": {"method": "local", "local_steps": 3, "head_depth": 2, "optimizer": "adam", "step_size": 0.01},
}


def a_run(name, **options):
    return networks.TrainingRun(**{"width": 13, "batch_size": 8, "rounds": 6, **RUNS[name], **options})


def tensors(folder):
    (path,) = folder.glob("checkpoint-*")
    reader = networks.Checkpoint(path)
    found = {field: torch.empty(shape, dtype=reader.dtype(field)) for field, shape in reader.shapes.items()}
    reader.read(found, alone=True)
    return found | reader.numbers


def losses(folder):
    return [
        (row["round"], row["loss"], row["accuracy"]) for row in json.loads((folder / "log.json").read_text())["rounds"]
    ]


def assert_same(one, other):
    first, second = tensors(one), tensors(other)
    assert set(first) == set(second)
    for field, value in first.items():
        assert torch.equal(torch.as_tensor(value), torch.as_tensor(second[field])), field
    assert losses(one) == losses(other)


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    "name",
    [
        "ist",
        "sdp backward",
        "local",
        *(pytest.param(name, marks=pytest.mark.slow) for name in RUNS if "forward" in name),
    ],
)
def test_a_run_that_was_stopped_goes_on_as_if_it_had_not(name, tmp_path):
    list(networks.train_in_folder(a_run(name), tmp_path / "once"))
    asked = iter([False, True])
    list(networks.train_in_folder(a_run(name), tmp_path / "twice", stop=lambda: next(asked)))
    assert json.loads((tmp_path / "twice" / "log.json").read_text())["status"] == "interrupted"
    list(networks.train_in_folder(a_run(name), tmp_path / "twice", resume=True))
    assert json.loads((tmp_path / "twice" / "log.json").read_text())["status"] == "finished"
    assert_same(tmp_path / "once", tmp_path / "twice")


def test_rounds_after_the_checkpoint_are_run_again(tmp_path):
    list(networks.train_in_folder(a_run("ist"), tmp_path / "once"))
    rows = networks.train_in_folder(a_run("ist"), tmp_path / "twice", checkpoint_every=2)
    for _ in range(3):
        next(rows)
    del rows
    assert [path.name for path in (tmp_path / "twice").glob("checkpoint-*")] == ["checkpoint-000002"]
    rows = list(networks.train_in_folder(a_run("ist"), tmp_path / "twice", resume=True))
    assert [row["round"] for row in rows] == [3, 4, 5, 6]
    assert_same(tmp_path / "once", tmp_path / "twice")


def test_more_rounds_and_other_numbers_of_workers_may_follow(tmp_path):
    list(networks.train_in_folder(a_run("sdp backward"), tmp_path))
    list(networks.train_in_folder(a_run("sdp backward", rounds=8, workers=8), tmp_path, resume=True))
    log = json.loads((tmp_path / "log.json").read_text())
    assert [row["round"] for row in log["rounds"]] == list(range(1, 9))
    assert log["run"]["workers"] == 8


def test_a_finished_run_stays_as_it_is(tmp_path):
    list(networks.train_in_folder(a_run("ist"), tmp_path))
    before = tensors(tmp_path)
    assert list(networks.train_in_folder(a_run("ist"), tmp_path, resume=True)) == []
    assert all(torch.equal(torch.as_tensor(v), torch.as_tensor(before[k])) for k, v in tensors(tmp_path).items())
    assert json.loads((tmp_path / "log.json").read_text())["status"] == "finished"


def test_another_run_does_not_go_on_in_its_folder(tmp_path):
    list(networks.train_in_folder(a_run("ist"), tmp_path))
    with pytest.raises(ValueError, match=r"step_size = 0\.01, which cannot go on with 0\.02"):
        networks.train_in_folder(a_run("ist", step_size=0.02), tmp_path, resume=True)
    with pytest.raises(ValueError, match="holds a run: resume it"):
        networks.train_in_folder(a_run("ist"), tmp_path)


def test_a_checkpoint_of_another_model_is_refused_by_the_tensor_that_differs(tmp_path):
    list(networks.train_in_folder(a_run("ist"), tmp_path))
    run = a_run("ist", width=14)
    model = run.make_model(run.load_data())
    engine = networks.OneProcess(model, *run.layout_and_method(model), make_optimizer=run.make_optimizer())
    reader = networks.Checkpoint(networks.newest_checkpoint(tmp_path))
    with pytest.raises(ValueError, match=r"1.weight has \(13, 64\) there and \(14, 64\) here"):
        engine.load(reader)


def test_what_is_no_checkpoint_is_said_so(tmp_path):
    with pytest.raises(ValueError, match="is no checkpoint"):
        networks.Checkpoint(tmp_path)
    with pytest.raises(ValueError, match="has no checkpoint of a run"):
        networks.load_model(tmp_path)


def test_checkpoints_hold_no_pickled_code(tmp_path):
    list(networks.train_in_folder(a_run("ist"), tmp_path))
    (path,) = tmp_path.glob("checkpoint-*")
    assert {one.suffix for one in path.iterdir()} == {".safetensors", ".json"}


def train_until_killed(command, folder, kills, chance):
    """Start the command again and again, and kill it at random moments; how often it was killed."""
    killed = 0
    while True:
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        if killed == kills:
            assert process.wait(timeout=300) == 0
            return
        begin = time.monotonic()
        while networks.newest_checkpoint(folder) is None and time.monotonic() - begin < 120:
            time.sleep(0.05)
        time.sleep(chance.uniform(4, 12))
        assert process.poll() is None, "it ended before it was killed"
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        killed += 1


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_ten_kills_lose_nothing(tmp_path):
    run = a_run("sdp forward, resampled", rounds=1500)
    list(networks.train_in_folder(run, tmp_path / "once"))
    options = "--method sdp --coverage 0.5 --resample-every 3 --optimizer adamw --width 13 --batch-size 8 --rounds 1500"
    out = ["--out", str(tmp_path / "killed"), "--resume", "--checkpoint-every", "7"]
    command = [sys.executable, "-m", "istsim", "train", *options.split(), *out]
    train_until_killed(command, tmp_path / "killed", 10, random.Random(0))
    assert_same(tmp_path / "once", tmp_path / "killed")


def test_a_checkpoint_that_could_not_be_written_leaves_nothing(monkeypatch, tmp_path):
    from istsim.networks import _checkpoint

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(_checkpoint, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(networks.train_in_folder(networks.TrainingRun(workers=2, width=8, rounds=1), tmp_path))
    assert not list(tmp_path.glob(".*"))
