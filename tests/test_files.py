"""What is written is whole or not at all; where it cannot be, one line says so, and what was computed is kept."""

import concurrent.futures
import contextlib
import errno
import json
import os
import shutil
import stat
import sys
from pathlib import Path

import numpy as np
import pytest

import istsim
import istsim.experiments
from istsim import cli
from istsim._files import make_folder, written_whole

resource = pytest.importorskip("resource", reason="a full disk is simulated on Unix only")

THREAD = concurrent.futures.ThreadPoolExecutor
GRID = {
    "problems": ["real_quadratic('diabetes', 5)"],
    "sketches": ["Permutation", "RandK(k=2)"],
    "step_sizes": [0.1, 0.2],
    "rounds": 4,
    "repetitions": 3,
}


@contextlib.contextmanager
def full_disk(limit=100):
    """No file may become larger than some bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextlib.contextmanager
def no_renames():
    def refuse(self, target):
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(self), None, str(target))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Path, "replace", refuse)
        patched.setattr(Path, "rename", refuse)
        yield


FAULTS = {
    "a full disk": (full_disk, "File too large; make room there"),
    "no renames": (no_renames, "Input/output error"),
}


def write(path, text):
    with written_whole(path) as part:
        part.write_text(text)


@pytest.mark.parametrize(("fault", "reason"), FAULTS.values(), ids=FAULTS)
def test_what_cannot_be_written_is_told_with_its_path_and_the_old_file_stays(fault, reason, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(OSError, match=rf"^cannot write {path}: {reason}.*, or write elsewhere$"), fault():
        write(path, "new" * 100)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_a_file_or_gone_or_in_the_place_of_a_file_is_told(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for path, kind in (
        ("file/a.txt", NotADirectoryError),
        ("gone/a.txt", FileNotFoundError),
        ("folder", IsADirectoryError),
    ):
        with pytest.raises(kind, match=rf"^cannot write {tmp_path / path}: [\w ]+; see to that"):
            write(tmp_path / path, "new")
    with pytest.raises(FileExistsError, match="file must be a folder, but it is a file: name another"):
        make_folder(tmp_path / "file")
    with pytest.raises(NotADirectoryError, match=r"cannot write .*file/folder: Not a directory; see to that"):
        make_folder(tmp_path / "file" / "folder")


def test_what_is_no_file_is_written_to_and_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write(tmp_path / "pipe", "new")
    assert os.read(reader, 10) == b"new"
    os.close(reader)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def run_sweep(store, fault=contextlib.nullcontext):
    with THREAD(1) as executor, fault():
        return istsim.sweep(istsim.Grid(**GRID), store=store, executor=executor, progress=False)


def assert_same(swept, expected):
    for name in ("objective_gap", "status", "reason"):
        assert swept.dataset[name].equals(expected.dataset[name])
    assert swept.dataset.attrs == expected.dataset.attrs


@pytest.mark.parametrize(("fault", "reason"), FAULTS.values(), ids=FAULTS)
def test_a_sweep_whose_store_cannot_be_written_returns_all_it_computed(fault, reason, tmp_path):
    expected = run_sweep(tmp_path / "good")
    assert expected.unstored == 0
    with pytest.warns(UserWarning, match=rf"^cannot write .*\.nc: {reason}.* returns all its results") as told:
        swept = run_sweep(tmp_path / "bad", fault)
    assert len(told) == 1
    assert swept.unstored == 2
    assert not list((tmp_path / "bad").iterdir())
    assert_same(swept, expected)
    assert_same(run_sweep(tmp_path / "bad"), expected)


def test_a_store_that_is_removed_in_mid_run_is_made_anew_and_nothing_is_lost(tmp_path, monkeypatch):
    from istsim.sweeps._store import Store

    expected = run_sweep(tmp_path / "good")
    save, saved = Store.save, []

    def removed_after_the_first(self, name, data):
        save(self, name, data)
        saved.append(name)
        if len(saved) == 1:
            shutil.rmtree(self.folder)

    monkeypatch.setattr(Store, "save", removed_after_the_first)
    with pytest.warns(UserWarning, match=r"^1 of 2 cells were removed from .*bad\. The sweep .* returns all") as told:
        swept = run_sweep(tmp_path / "bad")
    assert len(told) == 1
    assert swept.unstored == 1
    assert [path.stem for path in (tmp_path / "bad").iterdir()] == saved[1:]
    assert_same(swept, expected)


def test_a_store_that_is_a_file_is_refused_before_anything_is_computed(tmp_path):
    (tmp_path / "store").touch()
    with pytest.raises(FileExistsError, match="store must be a folder, but it is a file"):
        run_sweep(tmp_path / "store")


def command(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["istsim", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code, capsys.readouterr().err


SWEEP = ("sweep", "--problems", *GRID["problems"], "--sketches", "Permutation", "--step-sizes", 0.1, "--rounds", 4)
COMMANDS = {
    "verify": ("found.json", ("verify", "theorem-1-iterates", "--examples", 1, "--simulations", 0, "--json")),
    "costs": ("costs.svg", ("costs", "--figure")),
    "bench": ("bench.json", ("bench", "--json")),
    "a table of a sweep": ("all.nc", (*SWEEP, "--store", "store", "--out")),
    "a figure of a sweep": ("sweep.svg", (*SWEEP, "--store", "store", "--figure")),
    "reproduce": (".", ("reproduce", "--quick", "--only", "interpolation", "--out")),
    "train": (".", ("train", "--workers", 2, "--width", 8, "--rounds", 1, "--out")),
}


@pytest.mark.sample(3)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_cannot_write_ends_with_one_line(name, tmp_path, monkeypatch, capsys):
    from istsim import benchmark

    pytest.importorskip("sklearn.datasets", reason="what it writes when it is imported is not the subject")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(benchmark, "run_benchmark", lambda *_, **__: {"rows": []})
    out, arguments = COMMANDS[name]
    if name.endswith("sweep"):  # with what is stored already nothing is run
        monkeypatch.setattr(sys, "argv", ["istsim", *map(str, (*SWEEP, "--store", "store"))])
        cli.main()
        capsys.readouterr()
    with full_disk(limit=10):
        code, err = command(monkeypatch, capsys, *arguments, tmp_path / out)
    assert code == 2, err
    lines = [line for line in err.splitlines() if line.startswith("istsim: ")]
    assert "Traceback" not in err
    assert len(lines) == 1
    assert lines[0].startswith(f"istsim: cannot write {tmp_path}")
    assert "File too large; make room there, or write elsewhere" in lines[0]
    assert err.splitlines()[-1] == lines[0]
    assert not list(tmp_path.rglob("*.part"))


def test_a_sweep_whose_store_is_full_prints_its_table_and_ends_with_1(tmp_path, monkeypatch, capsys):
    from istsim.sweeps import _sweep

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_sweep, "ProcessPool", lambda _: THREAD(1))
    monkeypatch.setattr(sys, "argv", ["istsim", *map(str, SWEEP)])
    with full_disk(), pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    out, err = capsys.readouterr()
    assert "best step size" in out
    assert err.count("cannot write sweep/") == 1
    assert "Traceback" not in err


def a_training(folder, **options):
    networks = pytest.importorskip("istsim.networks")
    run = networks.TrainingRun(workers=2, width=8, rounds=3)
    return networks.train_in_folder(run, folder, checkpoint_every=1, **options)


@pytest.mark.parametrize(("fault", "reason"), FAULTS.values(), ids=FAULTS)
def test_a_checkpoint_that_cannot_be_written_leaves_the_last_from_which_training_goes_on(fault, reason, tmp_path):
    from istsim.networks import _log

    expected = list(a_training(tmp_path / "good"))
    rows = a_training(tmp_path / "bad")
    next(rows)
    with pytest.MonkeyPatch.context() as patched, fault():
        patched.setattr(_log.Log, "write", lambda *_: None)
        with pytest.raises(OSError, match=rf"^cannot write .*bad/checkpoint-000002: {reason}"):
            next(rows)
    assert {path.name for path in (tmp_path / "bad").iterdir()} == {"log.csv", "log.json", "checkpoint-000001"}
    rest = list(a_training(tmp_path / "bad", resume=True))
    assert [row["loss"] for row in rest] == [row["loss"] for row in expected[1:]]


def test_what_no_run_has_written_is_neither_removed_nor_overwritten(tmp_path):
    others = ["checkpoint-best/checkpoint.json", "checkpoint-000000-kept/checkpoint.json", ".checkpoint-mine.part/a"]
    others += ["checkpoint-000009/mine.txt", "notes.txt"]
    for name in others:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    rows = a_training(tmp_path)
    next(rows)
    (tmp_path / "checkpoint-000001" / "notes.txt").write_text("mine")
    list(rows)
    assert all((tmp_path / name).read_text() == "mine" for name in (*others, "checkpoint-000001/notes.txt"))
    assert [path.name for path in (tmp_path / "checkpoint-000001").iterdir()] == ["notes.txt"]
    assert (tmp_path / "checkpoint-000003" / "checkpoint.json").exists()


@pytest.mark.parametrize("name", ["log.csv", "curves.svg"])
def test_a_file_that_a_run_would_write_over_is_refused_unless_a_run_wrote_it(name, tmp_path):
    (tmp_path / name).write_text("mine")
    with pytest.raises(ValueError, match=rf"holds {name} and no log\.json, so it is of no run: name another folder"):
        a_training(tmp_path)
    assert (tmp_path / name).read_text() == "mine"


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"run": 1, "rounds": []}', json.dumps({"rounds": [3]})])
def test_a_log_that_is_damaged_is_named(content, tmp_path):
    (tmp_path / "log.json").write_text(content)
    with pytest.raises(ValueError, match=r"log\.json is damaged, or not the log of a run: name another folder"):
        a_training(tmp_path, resume=True)


def test_a_checkpoint_that_is_damaged_is_named(tmp_path):
    list(a_training(tmp_path))
    (tensors,) = tmp_path.glob("checkpoint-*/*.safetensors")
    facts = tensors.parent / "checkpoint.json"
    for path in (tensors, facts):
        whole, chance = path.read_bytes(), np.random.default_rng(0)
        for length in chance.integers(len(whole), size=20):
            path.write_bytes(whole[:length])
            with pytest.raises(ValueError, match=f"^{tensors.parent} "):
                a_training(tmp_path, resume=True)
        path.write_bytes(whole)


@pytest.mark.parametrize("kind", ["a link", "numbers elsewhere", "a view"])
def test_a_cell_of_which_a_part_is_in_another_file_is_refused(kind, tmp_path):
    import h5py

    from istsim.sweeps._store import _digest

    run_sweep(tmp_path / "store")
    (tmp_path / "secret").write_bytes(bytes(10000))
    path = next((tmp_path / "store").glob("*.nc"))
    path.write_bytes(path.read_bytes()[:-32])
    with h5py.File(path, "a") as file:
        shape, kind_of_number = file["distance_squared"].shape, file["distance_squared"].dtype
        file.move("distance_squared", "old")
        if kind == "a link":
            file["distance_squared"] = h5py.ExternalLink(str(tmp_path / "secret"), "distance_squared")
        elif kind == "numbers elsewhere":
            where = [(str(tmp_path / "secret"), 0, 10000)]
            file.create_dataset("distance_squared", shape, kind_of_number, external=where)
        else:
            layout = h5py.VirtualLayout(shape, kind_of_number)
            layout[:] = h5py.VirtualSource(str(tmp_path / "secret"), "distance_squared", shape)
            file.create_virtual_dataset("distance_squared", layout)
        del file["old"]
    path.write_bytes((content := path.read_bytes()) + _digest(content))
    with pytest.raises(
        ValueError, match=rf"cannot read {path}: 'distance_squared' is not in it, but in another file or group"
    ):
        run_sweep(tmp_path / "store")


@pytest.mark.parametrize("name", ["report.html", "interpolation.svg", "interpolation.png"])
def test_reproduce_does_not_write_over_what_others_made(name, tmp_path):
    (tmp_path / name).write_text("mine")
    with pytest.raises(ValueError, match=rf"{name} would be written over and is not istsim's: name another folder"):
        istsim.experiments.reproduce(tmp_path, ("interpolation",), quick=True)
    assert [path.name for path in tmp_path.iterdir()] == [name]
