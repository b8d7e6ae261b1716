import functools
import importlib.metadata
import json
import os
import re
import shlex
import subprocess
import sys

import pytest

from istsim import _doctor, cli

COMMANDS = (cli.reproduce, cli.verify, cli.sweep, cli.train, cli.theorems, cli.costs, cli.bench, cli.doctor)


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["istsim", *arguments])
    cli.main()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example_that_it_takes(command, monkeypatch, capsys):
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, command.__name__, "--help")
    assert ended.value.code == 0
    example = re.search(r"Example: istsim (.*?)\n\n", capsys.readouterr().out, re.DOTALL)
    assert example is not None
    taken = []

    @functools.wraps(command)
    def recorded(**arguments):
        taken.append(arguments)

    monkeypatch.setattr(cli, command.__name__, recorded)
    run(monkeypatch, *shlex.split(example[1]))
    assert len(taken) == 1


def test_the_doctor_tells_versions_devices_and_extras(monkeypatch, capsys):
    run(monkeypatch, "doctor", "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["versions"]["istsim"]
    assert found["devices"]
    assert found["x64"] is True
    assert found["extras"]["plot"]["matplotlib"]
    run(monkeypatch, "doctor")
    assert "64 bits" in capsys.readouterr().out


def test_the_doctor_says_how_to_install_what_is_missing():
    found = _doctor.examine() | {"extras": {"plot": {"matplotlib": None, "tueplots": "1"}}, "x64": False}
    text = _doctor.as_text(found)
    assert "missing: matplotlib; pip install 'istsim[plot]'" in text
    assert "tueplots 1" in text
    assert "32 bits" in text


@pytest.mark.parametrize(
    ("raised", "code", "words"),
    [
        (ValueError("no such thing"), 2, "istsim: no such thing"),
        (FileNotFoundError("nowhere"), 2, "istsim: nowhere"),
        (TypeError("unforeseen"), 3, "a fault of istsim's: TypeError: unforeseen (--debug"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_errors_are_a_line_unless_debugging(raised, code, words, monkeypatch, capsys):
    def broken():
        raise raised

    monkeypatch.setattr(_doctor, "examine", broken)
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, "doctor")
    assert ended.value.code == code
    told = capsys.readouterr().err
    assert words in told
    assert "Traceback" not in told
    with pytest.raises(type(raised)):
        run(monkeypatch, "doctor", "--debug")


def refused(monkeypatch, capsys, *arguments):
    """What the command line prints where it refuses its arguments: standard output, and errors in one line."""
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, *arguments)
    assert ended.value.code == 2
    told = capsys.readouterr()
    return told.out, " ".join(told.err.split())


def test_the_version_is_told(monkeypatch, capsys):
    run(monkeypatch, "--version")
    assert capsys.readouterr().out == f"istsim {importlib.metadata.version('istsim')}\n"


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (("--step-sizes", "-1.0"), "--step-sizes must be positive, got -1.0"),
        (("--step-sizes", "0.1", "0.1"), "--step-sizes must all differ, got 0.1 twice"),
        (("--step-sizes", "0.1", "--rounds", "0"), "--rounds must be an integer of at least 1, got 0"),
        (("--step-sizes", "0.1", "--rounds", "x"), "--rounds"),
    ],
)
def test_a_wrong_option_of_a_sweep_is_named_as_it_is_written_and_its_own_help_too(option, words, monkeypatch, capsys):
    told = refused(monkeypatch, capsys, "sweep", "--problems", "Identity", *option)[1]
    assert words in told
    assert "istsim sweep --help" in told
    assert "tyro" not in told


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (("--figure", "fig.xyz"), ".svg, .svgz"),
        (("--figure", "missing/fig.svg"), "no folder 'missing'"),
        (("--out", "all.csv"), "--out must end in .nc"),
        (("--out", "missing/all.nc"), "no folder 'missing'"),
    ],
)
def test_files_that_cannot_be_written_are_refused_before_a_sweep_runs(option, words, monkeypatch, capsys, tmp_path):
    store = tmp_path / "store"
    arguments = ("--problems", "real_quadratic('diabetes', 5)", "--step-sizes", "0.1", "--store", str(store))
    assert words in refused(monkeypatch, capsys, "sweep", *arguments, *option)[1]
    assert not store.exists()


@pytest.mark.parametrize("command", ["bench", "verify"])
def test_a_folder_that_does_not_exist_is_refused_before_anything_is_computed(command, monkeypatch, capsys):
    out, told = refused(monkeypatch, capsys, command, "--json", "missing/all.json")
    assert "no folder 'missing'" in told
    assert not out


def test_an_unknown_theorem_is_refused_before_the_table_begins(monkeypatch, capsys):
    out, told = refused(monkeypatch, capsys, "verify", "theorem-9")
    assert "theorem-9" in told
    assert not out


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (("--false-alarm-rate", "nan"), "--false-alarm-rate must be a finite number, got nan"),
        (
            ("--false-alarm-rate", "0"),
            "must be a probability above 0 and below 1, such as 1e-6, got 0",
        ),
        (
            ("--false-alarm-rate", "1"),
            "must be a probability above 0 and below 1, such as 1e-6, got 1",
        ),
        (("--false-alarm-rate", "-0.1"), "--false-alarm-rate must be a probability above 0"),
        (("--examples", "0"), "--examples must be an integer of at least 1, got 0"),
        (("--examples", "-3"), "--examples must be an integer of at least 1, got -3"),
        (("--simulations", "-1"), "--simulations must be an integer of at least 0, got -1"),
    ],
)
def test_an_option_with_which_nothing_can_be_verified_is_refused_before_the_table_begins(
    option, words, monkeypatch, capsys
):
    out, told = refused(monkeypatch, capsys, "verify", "theorem-2", *option)
    assert words in told
    assert "istsim verify --help" in told
    assert not out


def test_the_nearest_of_many_names_are_told_first(monkeypatch, capsys):
    told = refused(monkeypatch, capsys, "reproduce", "--only", "bais")[1]
    assert told.startswith("istsim: did you mean 'bias'? only must be ")


@pytest.mark.parametrize("command", ["sweep", "verify"])
@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("1 / 0", "own.py could not be loaded: ZeroDivisionError: division by zero"),
        ("def f(:", "own.py could not be loaded: SyntaxError"),
        (None, "own.py: there is no such file"),
    ],
)
def test_errors_in_a_file_of_the_user_are_told_as_such(command, code, words, monkeypatch, capsys, tmp_path):
    own = tmp_path / "own.py"
    if code is not None:
        own.write_text(code)
    rest = ("--problems", "one", "--step-sizes", "0.1") if command == "sweep" else ("theorem-2",)
    told = refused(monkeypatch, capsys, command, *rest, "--load", str(own))[1]
    assert words in told
    assert "fault of istsim" not in told


def test_a_file_of_the_user_finds_the_files_beside_it(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "path", sys.path.copy())
    (tmp_path / "beside_own.py").write_text("def twice(n, d):\n    return 2\n")
    own = tmp_path / "own_file.py"
    own.write_text("import math\nfrom beside_own import twice\n_hidden = 1\n")
    assert list(cli._names_in(own)) == ["twice"]


@pytest.mark.slow
def test_a_reader_that_goes_away_is_no_error():
    command = [sys.executable, "-m", "istsim", "costs", "--csv"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def in_a_shell(line, **environment):
    """What a command in a shell prints, and its exit status."""
    line = line.replace("istsim", f"{shlex.quote(sys.executable)} -m istsim")
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, env=os.environ | environment)
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.sample(1)
@pytest.mark.parametrize("command", ["--version", "theorems", "--help"])
def test_nobody_reading_is_no_error_but_the_usual_status(command):
    done = in_a_shell(f"istsim {command} | true; exit ${{PIPESTATUS[0]}}")
    assert done.returncode in (0, 141)
    assert not done.stderr


@pytest.mark.sample(1)
@pytest.mark.parametrize("command", ["--version", "theorems"])
def test_a_closed_output_is_refused(command):
    done = in_a_shell(f"istsim {command} >&-")
    assert done.returncode == 2
    assert done.stderr == "istsim: standard output is closed: send it to a file, or to /dev/null\n"


@pytest.mark.slow
def test_closed_errors_are_not_mixed_into_the_output():
    done = in_a_shell("istsim theorems nothing 2>&-")
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.sample(2)
@pytest.mark.parametrize(
    "environment",
    [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}],
    ids=["python", "locale"],
)
@pytest.mark.parametrize("command", ["theorems theorem-1-iterates", "--help", "costs"])
def test_an_output_that_takes_ascii_only_gets_all_of_it(command, environment):
    done = in_a_shell(f"istsim {command}", **environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout) > 300


def test_a_rank_without_the_rest_of_torchrun_silences_nothing(monkeypatch, capsys):
    monkeypatch.setenv("RANK", "1")
    assert "no theorem" in refused(monkeypatch, capsys, "theorems", "nothing")[1]
    for name in ("WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.setenv(name, "1")
    assert not refused(monkeypatch, capsys, "theorems", "nothing")[1]


@pytest.mark.usefixtures("without_curves")
def test_a_training_run_says_why_it_takes_no_notice_of_a_rank(monkeypatch, capsys, tmp_path):
    pytest.importorskip("torch", reason="networks are trained in torch")
    monkeypatch.setenv("RANK", "1")
    run(monkeypatch, "train", "--rounds", "1", "--width", "8", "--workers", "2", "--out", str(tmp_path / "new"))
    assert "RANK is set but WORLD_SIZE and MASTER_ADDR and MASTER_PORT not" in capsys.readouterr().err


@pytest.mark.usefixtures("without_curves")
def test_a_resumed_run_that_is_not_there_is_said_to_begin(monkeypatch, capsys, tmp_path):
    pytest.importorskip("torch", reason="networks are trained in torch")
    arguments = ["train", "--rounds", "1", "--width", "8", "--workers", "2", "--out", str(tmp_path / "new"), "--resume"]
    monkeypatch.setattr(sys, "argv", ["istsim", *arguments])
    cli.main()
    assert f"there is no run in {tmp_path / 'new'} to go on with: a new one begins" in capsys.readouterr().err
    cli.main()
    assert "there is no run" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (("--rounds", "-3"), "--rounds must be an integer of at least 1, got -3"),
        (("--head-depth", "2"), "--head-depth = 2 is of local"),
    ],
)
def test_a_wrong_option_of_a_training_run_is_named_as_it_is_written(option, words, monkeypatch, capsys):
    pytest.importorskip("torch", reason="networks are trained in torch")
    told = refused(monkeypatch, capsys, "train", *option)[1]
    assert words in told
    assert "istsim train --help" in told
