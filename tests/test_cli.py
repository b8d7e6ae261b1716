import functools
import json
import re
import shlex
import sys

import pytest

from istsim import _doctor, cli

COMMANDS = (cli.reproduce, cli.verify, cli.sweep, cli.theorems, cli.bench, cli.doctor)


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
