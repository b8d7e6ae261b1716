"""Commands that are interrupted, terminated or killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked for in /proc")

LONG_SWEEP = ("sweep", "--problems", "real_quadratic('diabetes', 5)", "--step-sizes", "0.1", "--seeds", "0", "1", "2")
LONG_SWEEP += ("--rounds", "2000000", "--repetitions", "50", "--record-every", "1000000")


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


@pytest.mark.parametrize("command", [LONG_SWEEP, ("reproduce", "--only", "interpolation", "bias")])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_processes_of_a_command_end_with_it(command, number, run):
    process = run(*command)
    assert until(lambda: busy(process) or process.poll() is not None, 60)
    process.send_signal(number)
    process.wait()
    assert until(lambda: not session(process.pid), 5), session(process.pid)


COMMANDS = {"sweep": LONG_SWEEP, "verify": ("verify", "--examples", "1000")}


@pytest.mark.parametrize("seconds", [0.1, 0.5, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("command", COMMANDS)
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


def test_a_terminated_command_says_so_in_a_line(run):
    process = run(*LONG_SWEEP)
    assert until(lambda: workers(process), 30)
    process.terminate()
    told = process.communicate(timeout=30)[1]
    assert process.returncode == 143
    assert told.splitlines()[-1] == "istsim: terminated"
    assert "Traceback" not in told
    assert not session(process.pid)


def test_a_program_that_imports_istsim_is_interrupted_as_any_other():
    code = "import signal, istsim; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
