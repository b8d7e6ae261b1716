"""Commands that are interrupted, terminated or killed."""

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from istsim._files import written_whole

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked for in /proc")

LONG_SWEEP = ("sweep", "--problems", "real_quadratic('diabetes', 5)", "--step-sizes", "0.1", "--seeds", "0", "1", "2")
LONG_SWEEP += ("--rounds", "2000000", "--repetitions", "50", "--record-every", "1000000")
LONG_REPRODUCTION = ("reproduce", "--only", "interpolation", "bias")


def started(folder, *arguments, **options):
    """A command of istsim's in a session of its own."""
    command = [sys.executable, "-m", "istsim", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=folder, start_new_session=True, **pipes, **options)


def session(number):
    """The processes of a session, and the commands that started them, but those that have ended."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, of = (path / "stat").read_text().rpartition(")")[2].split()[:4]
            if int(of) == number and state != "Z":
                found[int(path.name)] = (path / "cmdline").read_text().replace("\0", " ")
        except OSError:  # it has just ended
            continue
    return found


def workers(process):
    """The processes of its pool."""
    return [number for number, command in session(process.pid).items() if "spawn_main" in command]


def until(condition, seconds):
    """Whether it holds within so many seconds."""
    latest = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > latest:
            return False
        time.sleep(0.1)
    return True


@pytest.fixture
def run(tmp_path):
    """Starts commands, none of which outlives the test."""
    processes = []

    def begin(*arguments, **options):
        processes.append(started(tmp_path, *arguments, **options))
        return processes[-1]

    yield begin
    for process in processes:
        if session(process.pid):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def busy(process):
    """Whether all workers of a pool compute: they have used more time than their start takes."""
    ticks = os.sysconf("SC_CLK_TCK")

    def seconds(number):
        fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / ticks

    found = workers(process)
    return len(found) == min(2, len(os.sched_getaffinity(0))) and all(seconds(number) > 4 for number in found)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "number"),
    [
        (LONG_SWEEP, signal.SIGKILL),
        (LONG_SWEEP, signal.SIGTERM),
        (LONG_REPRODUCTION, signal.SIGKILL),
        (LONG_REPRODUCTION, signal.SIGTERM),
    ],
)
def test_the_processes_of_a_command_end_with_it(command, number, run):
    process = run(*command)
    assert until(lambda: busy(process) or process.poll() is not None, 60)
    process.send_signal(number)
    process.wait()
    assert until(lambda: not session(process.pid), 5), session(process.pid)


# Behind `nohup ... &`, for example: processes that are started there ignore it, too.
needs_interrupts = pytest.mark.skipif(
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN, reason="interrupts are ignored where the tests were started"
)
COMMANDS = {"sweep": LONG_SWEEP, "verify": ("verify", "--examples", "1000")}
QUICK = {("sweep", 0.5), ("verify", 2.0)}


@needs_interrupts
@pytest.mark.parametrize(
    ("command", "seconds"),
    [
        pytest.param(command, seconds, marks=() if (command, seconds) in QUICK else pytest.mark.slow)
        for command in COMMANDS
        for seconds in (0.1, 0.5, 1.0, 2.0, 4.0)
    ],
)
def test_an_interruption_at_any_moment_is_one_line_and_leaves_nothing(command, seconds, run, tmp_path):
    process = run(*COMMANDS[command])
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGINT)
    told = process.communicate(timeout=30)[1]
    assert process.returncode == 130, told
    assert told.splitlines()[-1] == "istsim: interrupted", told
    assert told.count("istsim:") == 1, told
    for words in ("Traceback", "Exception ignored", "leaked"):
        assert words not in told
    assert until(lambda: not session(process.pid), 1), session(process.pid)
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.slow
def test_a_terminated_command_says_so_in_a_line(run):
    process = run(*LONG_SWEEP)
    assert until(lambda: workers(process), 30)
    process.terminate()
    told = process.communicate(timeout=30)[1]
    assert process.returncode == 143
    assert told.splitlines()[-1] == "istsim: terminated"
    assert "Traceback" not in told
    assert until(lambda: not session(process.pid), 2)


@needs_interrupts
def test_a_program_that_imports_istsim_is_interrupted_as_any_other():
    code = "import signal, istsim; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


HELD = """
import pathlib, sys, time
from istsim import _doctor, cli
from istsim._files import written_whole
from istsim.sweeps._pool import ProcessPool

def write():
    with written_whole(pathlib.Path("held.txt")) as part:
        part.write_text("half")
        time.sleep(60)

def examine():
    if sys.argv[2:] == ["--debug"]:  # by a process of a pool
        with ProcessPool(1) as pool:
            pool.submit(write).result()
    write()

if __name__ == "__main__":
    _doctor.examine = examine
    cli.main()
"""


@pytest.mark.sample(2)
@pytest.mark.parametrize("where", [(), ("--debug",)])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_half_written_is_left_but_by_a_killed_process_until_the_next_time(where, number, tmp_path):
    script = tmp_path / "held.py"
    script.write_text(HELD)
    command = [sys.executable, script, "doctor", *where]
    with subprocess.Popen(command, cwd=tmp_path, start_new_session=True, stderr=subprocess.DEVNULL) as process:
        assert until(lambda: list(tmp_path.glob(".held.txt*.part")), 30)
        process.send_signal(number)
    killed = number == signal.SIGKILL and not where
    assert until(lambda: len(list(tmp_path.glob(".*.part"))) == killed, 5)
    with written_whole(tmp_path / "held.txt") as part:
        assert list(tmp_path.glob(".*.part")) == [part]


def test_only_what_dead_processes_wrote_for_the_same_file_is_removed(tmp_path):
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    here, dead = socket.gethostname(), int(ended.stdout)
    left = tmp_path / f".a.json.{here}.{dead}.0123abcd.part"
    others = [f".a.json.{here}.{os.getpid()}.0123abcd.part", f".a.json.elsewhere.{dead}.0123abcd.part"]
    others += [f"a.json.{here}.{dead}.0123abcd.part", f".b.json.{here}.{dead}.0123abcd.part", ".a.json.part"]
    others += [f".a.json.{here}.{dead}.My notes.part", f".a.json.{here}.{dead}.part"]
    for name in (left.name, *others):
        (tmp_path / name).touch()
    (folder := tmp_path / f".a.json.{here}.{dead}.4567cdef.part").mkdir()
    with written_whole(tmp_path / "a.json") as part:
        part.write_text("{}")
    assert {path.name for path in tmp_path.iterdir()} == {"a.json", folder.name, *others}


def test_a_new_file_has_the_permissions_of_any_other_and_an_old_one_keeps_its_own(tmp_path):
    path = tmp_path / "a.txt"
    before = os.umask(0o027)
    try:
        for expected in (0o640, 0o604):
            with written_whole(path) as part:
                part.write_text("all")
            assert stat.S_IMODE(path.stat().st_mode) == expected
            path.chmod(0o604)
    finally:
        os.umask(before)


@pytest.mark.parametrize("exists", [True, False])
def test_what_a_link_leads_to_is_written_and_the_link_stays(exists, tmp_path):
    (tmp_path / "folder").mkdir()
    target, link = tmp_path / "folder" / "target.txt", tmp_path / "link.txt"
    if exists:
        target.write_text("old")
    link.symlink_to(target)
    with written_whole(link) as part:
        part.write_text("new")
    assert link.is_symlink()
    assert target.read_text() == "new"
