"""Random command lines, drawn by their number, and what is wrong with how they end."""

import contextlib
import dataclasses
import io
import json
import math
import shlex
import sys
import tempfile
from pathlib import Path

import numpy as np

from istsim import cli

WHOLE = ("0", "-1", "1.5", "nan", "abc", "", "1e3", "True", "1j", "--", "½")
NATURAL = WHOLE[1:]
NUMBER = ("nan", "inf", "-inf", "-1", "0", "abc", "", "1e400", "1j", "0x10", "0,1")
WORD = ("", "nope", "None", "0", "Permutation", "🙂")
FILE = ("/nowhere/x.json", "/dev/null/x.svg")
PICTURE = ("x.nope", "x", "", "/nowhere/x.svg")
QUANTITY = ("", "24", "GiB", "-1GiB", "nanGiB", "1e999GiB", "24 XB", "１２ GiB", "0GiB", "1,5GB")
TEXTS = ("", "nope", "RandK(", "__import__('os')", "3", "Permutation Permutation", "lambda: 3")

# By command: what it is always given, and its options with values that it takes and values that it must refuse.
# Nothing is listed whose work takes long.
COMMANDS = {
    "costs": (
        [],
        {
            "--model": (("llama-134m", "resnet18"), WORD),
            "--devices": (("1", "2", "8"), WHOLE),
            "--memory": (("24GiB", "80GB", "1e2 GB"), QUANTITY),
            "--bandwidth": (("12.5GB/s",), QUANTITY),
            "--latency": (("10us", "0s"), QUANTITY),
            "--flops": (("50TFLOP/s",), QUANTITY),
            "--batch-size": (("4", "8"), WHOLE),
            "--optimizer": (("sgd", "adam"), WORD),
            "--number-bytes": (("2", "4"), WHOLE),
            "--coverage": (("0.5", "1"), (*NUMBER, "1.5")),
            "--local-steps": (("1", "10"), WHOLE),
            "--microbatches": (("1", "2"), WHOLE),
            "--algorithm": (("ring", "gloo"), WORD),
            "--json": (("",), ()),
            "--figure": ((), PICTURE),
        },
    ),
    "theorems": ([], {"": (("theorem-2", "erratum-17", "remark-1-indefinite"), WORD)}),
    "doctor": ([], {"--json": (("",), ())}),
    "verify": (
        ["identity-is-gradient-descent", "--examples", "1", "--simulations", "0"],
        {
            "--examples": (("1", "2"), WHOLE),
            "--simulations": (("0",), NATURAL),
            "--false-alarm-rate": (("1e-6",), (*NUMBER, "1")),
            "--seed": (("0", "7", "-1"), WHOLE[2:]),
            "--load": ((), ("nowhere.py", "")),
            "--json": (("x.json",), FILE),
        },
    ),
    "sweep": (
        ["--problems", "remark_1_quadratic(1, 2, 1)", "--step-sizes", "0.1", "--rounds", "2", "--repetitions", "2"],
        {
            "--problems": ((), TEXTS),
            "--step-sizes": ((), NUMBER),
            "--forward-scales": ((), NUMBER),
            "--gradient-scales": ((), NUMBER),
            "--seeds": ((), WHOLE[2:]),
            "--rounds": ((), WHOLE),
            "--repetitions": ((), WHOLE),
            "--record-every": ((), WHOLE),
            "--load": ((), ("nowhere.py", "")),
            "--out": ((), ("x.nope", "x", "/nowhere/x.nc")),
            "--figure": ((), PICTURE),
        },
    ),
    "train": (
        ["--rounds", "1", "--width", "4"],
        {
            "--method": ((), WORD),
            "--masking": ((), WORD),
            "--level": ((), WORD),
            "--coverage": ((), NUMBER),
            "--workers": ((), WHOLE),
            "--local-steps": ((), WHOLE),
            "--rescale": ((), WORD),
            "--resample-every": ((), WHOLE),
            "--chunks": ((), (*WHOLE, "2")),
            "--window": ((), (*WHOLE, "2")),
            "--microbatches": ((), (*WHOLE, "3")),
            "--head-width": ((), (*WHOLE, "3")),
            "--head-depth": ((), (*WHOLE, "3")),
            "--model": ((), WORD),
            "--width": ((), WHOLE),
            "--data": ((), ("nowhere", "")),
            "--rounds": ((), WHOLE),
            "--evaluate-every": ((), WHOLE),
            "--batch-size": ((), WHOLE),
            "--optimizer": ((), WORD),
            "--step-size": ((), NUMBER),
            "--seed": ((), WHOLE[2:]),
            "--checkpoint-every": ((), WHOLE),
            "--config": ((), ("nowhere.toml",)),
        },
    ),
    "reproduce": ([], {"--only": ((), WORD), "--out": ((), ("/dev/null/x",))}),
    "bench": ([], {"--json": ((), FILE)}),
}
UNKNOWN = ("--nope", "--nope=3", "-x", "surplus")


@dataclasses.dataclass(frozen=True)
class Line:
    """A command line, and the option that must be refused: "" if none."""

    arguments: tuple[str, ...]
    odd: str = ""

    @property
    def reproduction(self) -> str:
        return f"istsim {shlex.join(self.arguments)}"


def drawn(number: int) -> Line:
    """The command line of a number, the same everywhere."""
    rng = np.random.default_rng([2306, 16484, number])

    def pick(choices):
        return choices[rng.integers(len(choices))]

    command = pick(list(COMMANDS))
    always, options = COMMANDS[command]
    if rng.random() < 0.1:
        odd = pick(UNKNOWN)
        return Line((command, odd) if command != "theorems" or odd[0] == "-" else (odd,), odd)
    given = {name: pick(right) for name, (right, _) in options.items() if right and rng.random() < 0.3}
    odd = ""
    can_be_odd = [name for name, (_, wrong) in options.items() if wrong]
    only_odd = all(not right for right, _ in options.values())
    if can_be_odd and (only_odd or rng.random() < 0.7):
        odd = pick(can_be_odd)
        given[odd] = pick(options[odd][1])
    arguments = [command, *always]
    for name, value in given.items():
        if not name:
            arguments.append(value)
        elif options[name][0] == ("",):
            arguments.append(name)
        elif value.startswith("-"):
            arguments.append(f"{name}={value}")
        else:
            arguments += [name, value]
    return Line(tuple(arguments), odd or ("names" if "" in given and given[""] in WORD else ""))


def fault_of(line: Line) -> str:
    """What is wrong with how a command ends; "" if nothing is."""
    output, errors, before = io.StringIO(), io.StringIO(), sys.argv
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        sys.argv = ["istsim", *line.arguments]
        try:
            with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
                cli.main()
            status = 0
        except SystemExit as ended:
            status = ended.code or 0
        finally:
            sys.argv = before
        left = list(Path(folder).iterdir()) if status == 2 else []
    said, told = errors.getvalue(), output.getvalue()
    if status not in (0, 1, 2):
        return f"exit status {status}: {said}"
    if "Traceback" in said + told:
        return f"a traceback: {said[-300:]}"
    if status == 0 and (line.odd or not told.strip()):
        return f"{line.odd or 'everything'} was taken, and said: {told[:300]!r}"
    if status and not (said.strip() and len(said.splitlines()) <= 20):
        return f"exit status {status} with {len(said.splitlines())} lines of errors: {said[:300]!r}"
    name = line.odd.strip("-").partition("=")[0]
    value = line.arguments[-1].rpartition("=")[2]
    if status == 2 and line.odd.startswith("--") and not (name in said.replace("_", "-") or (value and value in said)):
        return f"neither {line.odd} nor {value!r} is named: {said.strip()!r}"
    if left:
        return f"refused, but {[path.name for path in left]} were written"
    if status == 0 and line.arguments[0] == "costs" and "--json" in line.arguments:
        rows = json.loads(told)["parallelisms"]
        if not all(math.isfinite(row["seconds"]) and row["memory"] > 0 for row in rows):
            return f"numbers that are none: {rows}"
    return ""
