"""Networks trained by several processes, started by torchrun."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_resumed_training import assert_same
from train_by_processes import BASELINES, CASES, LOCAL, PIPELINES

torch = pytest.importorskip("torch", reason="networks are trained in torch: pip install 'istsim[torch]'")

from istsim import networks  # noqa: E402

HERE = Path(__file__).parent
ALONE = {**os.environ, "OMP_NUM_THREADS": "1"}
TRAIN = ("-m", "istsim", "train", "--width", "13", "--batch-size", "8")
SDP = ("--method", "sdp", "--coverage", "0.5", "--resample-every", "3", "--optimizer", "adamw")

UNITS = ("--method", "local", "--model", "resnet18", "--local-steps", "3")
WINDOWS = (*UNITS, "--mode", "overlapping", "--window", "3")


def torchrun(processes, *arguments):
    return [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={processes}", *map(str, arguments)]


def started(command, **options):
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, **pipe, env=ALONE, start_new_session=True, **options)


def run_to_its_end(command, seconds=240):
    process = started(command)
    try:
        return process.communicate(timeout=seconds)[0], process.returncode
    finally:
        end(process)


def end(process):
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def said_by_istsim(output):
    return [line for line in output.splitlines() if line.startswith("istsim:")]


def assert_equal_to_one_process(processes, names):
    output, code = run_to_its_end(torchrun(processes, HERE / "train_by_processes.py", *names))
    cases = CASES | BASELINES | LOCAL | PIPELINES
    said = dict(line.split(": ", 1) for line in output.splitlines() if line.partition(":")[0] in cases)
    assert said == dict.fromkeys(names, "equal"), output
    assert code == 0


def test_two_processes_train_what_one_does():
    # One of each engine; the slow test has all.
    assert_equal_to_one_process(2, ["ist", "backward-resampled", "local-sum", "fsdp", "pipeline"])


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("processes", [2, 4])
def test_processes_train_what_one_does_for_every_model(processes):
    assert_equal_to_one_process(processes, [*CASES, *BASELINES, *LOCAL, *PIPELINES])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--method", "ist", "--workers", "3"), "3 workers, but there are 2 processes"),
        (("--method", "sdp", "--workers", "2", "--coverage", "0.75"), "0.75 cannot be met by 2 workers"),
        (
            ("--method", "local", "--mode", "chunked", "--chunks", "1"),
            "and chunked updates make 1 of this",
        ),
        (("--method", "pipeline", "--workers", "3"), "3 workers, but there are 2 processes"),
    ],
)
def test_what_processes_cannot_do_is_said_once(options, message, tmp_path):
    output, code = run_to_its_end(torchrun(2, *TRAIN, *options, "--out", tmp_path / "run"))
    (said,) = said_by_istsim(output)
    assert message in said
    assert code != 0
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_workers_that_do_not_come_are_named():
    program = "from istsim.networks.distributed import Group; Group(patience=1)"
    alone = {"RANK": "0", "WORLD_SIZE": "3", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29611"}
    found = subprocess.run(
        [sys.executable, "-c", program], env={**ALONE, **alone}, capture_output=True, text=True, timeout=60, check=False
    )
    assert "WorkerLostError" in found.stderr
    assert "1 second" in found.stderr


def victim(folder, number):
    """The process that plays a worker of the run in a folder."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command, environment = ((path / name).read_bytes().split(b"\0") for name in ("cmdline", "environ"))
        except OSError:
            continue
        if str(folder).encode() in command and f"RANK={number}".encode() in environment:
            return int(path.name)
    raise AssertionError(f"no process plays worker {number}")


def wait_for_checkpoint(folder, process):
    begin = time.monotonic()
    while networks.newest_checkpoint(folder) is None or networks.newest_checkpoint(folder).name.endswith("000000"):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() - begin < 120
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("method", [SDP, UNITS, WINDOWS], ids=["sdp", "units", "windows"])
def test_a_worker_that_dies_is_named_with_the_checkpoint_that_is_left(method, tmp_path):
    out = tmp_path / "run"
    command = torchrun(4, *TRAIN, *method, "--rounds", 100000, "--checkpoint-every", 10, "--out", out)
    process = started(command)
    try:
        wait_for_checkpoint(out, process)
        os.kill(victim(out, 2), signal.SIGKILL)
        output = process.communicate(timeout=60)[0]
    finally:
        end(process)
    (said,) = said_by_istsim(output)
    assert "worker 2 of 4 ended; the last whole checkpoint is" in said
    assert str(networks.newest_checkpoint(out)) in said
    assert process.returncode != 0
    networks.load_model(out)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("method", [(*SDP, "--workers", "2"), WINDOWS], ids=["sdp", "windows"])
def test_a_worker_that_stands_still_is_named_and_then_given_up(method, tmp_path):
    out = tmp_path / "run"
    command = torchrun(2, *TRAIN, *method, "--rounds", 100000, "--checkpoint-every", 10, "--out", out)
    process = started(command)
    try:
        wait_for_checkpoint(out, process)
        os.kill(victim(out, 1), signal.SIGSTOP)
        begin = time.monotonic()
        output = process.communicate(timeout=120)[0]
    finally:
        end(process)
    assert time.monotonic() - begin < 90
    assert "worker 1 of 2 kept worker 0 waiting for 1" in output
    assert "worker 1 of 2 gave no sign of life" in output


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("method", [UNITS, WINDOWS], ids=["units", "windows"])
def test_units_go_on_in_one_process_and_in_others(method, tmp_path):
    options = (*TRAIN, *method, "--optimizer", "momentum")
    once, out = tmp_path / "once", tmp_path / "run"
    run_to_its_end([sys.executable, *options, "--rounds", "4", "--out", str(once)])
    for processes, rounds in ((3, 2), (1, 3), (2, 4)):
        command = torchrun(processes, *options, "--rounds", rounds, "--out", out, "--resume")
        output, code = run_to_its_end(command)
        assert code == 0, output
    assert_same(once, out)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_asynchronous_windows_learn_and_wait_for_no_values(tmp_path):
    options = (*TRAIN, *WINDOWS, "--asynchronous", "--rounds", 40, "--optimizer", "momentum", "--step-size", 0.02)
    output, code = run_to_its_end(torchrun(3, *options, "--out", tmp_path / "run"))
    assert code == 0, output
    rows = json.loads((tmp_path / "run" / "log.json").read_text())["rounds"]
    assert rows[-1]["accuracy"] > 0.8


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_ten_kills_of_processes_lose_nothing(tmp_path):
    chance, rounds = random.Random(1), ("--rounds", 1200)
    once, killed = tmp_path / "once", tmp_path / "killed"
    _, code = run_to_its_end([sys.executable, *map(str, (*TRAIN, *SDP, *rounds, "--out", once))])
    assert code == 0
    command = torchrun(4, *TRAIN, *SDP, *rounds, "--out", killed, "--resume", "--checkpoint-every", 7)
    for _ in range(10):
        process = started(command)
        try:
            wait_for_checkpoint(killed, process)
            time.sleep(chance.uniform(8, 20))
            assert process.poll() is None, "it ended before it was killed"
            os.kill(victim(killed, chance.randrange(4)), signal.SIGKILL)
            process.communicate(timeout=60)
        finally:
            end(process)
    output, code = run_to_its_end(command, seconds=600)
    assert code == 0, output
    assert_same(once, killed)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_run_of_processes_goes_on_in_one_and_with_other_workers(tmp_path):
    once, out = tmp_path / "once", tmp_path / "run"
    run_to_its_end([sys.executable, *map(str, (*TRAIN, "--rounds", 6, "--out", once))])
    run_to_its_end(torchrun(4, *TRAIN, "--rounds", 3, "--out", out))
    run_to_its_end([sys.executable, *map(str, (*TRAIN, "--rounds", 6, "--out", out, "--resume"))])
    assert_same(once, out)
    more = ("--rounds", 8, "--workers", 2)
    output, code = run_to_its_end(torchrun(2, "-m", "istsim", "train", "--out", out, "--resume", *more))
    assert code == 0, output
    assert [row["round"] for row in json.loads((out / "log.json").read_text())["rounds"]] == list(range(1, 9))
