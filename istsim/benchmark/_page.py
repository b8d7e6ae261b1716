"""The tables of the documentation's page."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from istsim.benchmark import _report
from istsim.benchmark._first_answers import TITLE
from istsim.benchmark._rounds import OURS


def as_markdown(result: dict[str, Any]) -> str:
    """What `run_benchmark` returned, as tables in Markdown."""
    parts = [_report.machine_line(result) + "."]
    for title, key in ((_report.DENSE, "rounds"), (_report.STRUCTURED, "structures")):
        parts.append(f"## {title}")
        for _, rows in itertools.groupby(result[key], key=lambda row: tuple(row["milliseconds"])):
            parts.append(_rounds_table(list(rows)))
    parts += [f"## {_report.RECORDING}", _recording_table(result["recording"])]
    parts += [f"## {_report.CORES}", _cores_table(result["cores"])]
    parts += [f"## {_report.GROWTH}", _growth_table(result["growth"])]
    parts += [f"## {_report.IMPORT}", *(_report.LINES["import"](row) + "." for row in result["import"])]
    if first := result.get("first_answers"):
        parts += [f"## {TITLE}", _report.machine_line(first) + ".", _first_table(first["rows"])]
    return "\n\n".join(parts) + "\n"


def _first_table(rows: Sequence[dict[str, Any]]) -> str:
    lines = []
    for row in rows:
        if "failed" in row:
            lines.append([row["name"], row["failed"], "", "", ""])
        else:
            lines.append([row["name"], *(f"{seconds:.3f}" for seconds in (*row["cpu"], *row["wall"]))])
    return _table(["call", "first, s of CPU", "second", "first, s by the clock", "second"], lines)


def _rounds_table(rows: Sequence[dict[str, Any]]) -> str:
    others = [name for name in rows[0]["milliseconds"] if name != OURS]
    lines = []
    for row in rows:
        times, count = row["milliseconds"], row["repetitions"] * row["step_sizes"]
        floors = f"{times[OURS] / row['floor']:.1f}" if count == 1 else ""
        slower = [f"{times[name] / times[OURS]:.1f}" for name in others]
        lines.append([*_what(row), str(count), f"{times[OURS]:.4f}", floors, *slower])
    return _table([*_WHAT, "trajectories", "istsim, ms", "floors", *(f"{name}, times" for name in others)], lines)


def _recording_table(rows: Sequence[dict[str, Any]]) -> str:
    lines = []
    for row in rows:
        often, seldom = row["milliseconds"]["1"], row["milliseconds"]["16"]
        lines.append([*_what(row), f"{often:.4f}", f"{seldom:.4f}", f"{100 * (often / seldom - 1):.0f} %"])
    return _table([*_WHAT, "every round, ms", "every 16th, ms", "dearer by"], lines)


def _cores_table(rows: Sequence[dict[str, Any]]) -> str:
    lines = []
    for row in rows:
        (cores, together), (_, alone) = row["milliseconds"].items()
        lines.append([*_what(row), f"{together:.4f} ({cores} cores)", f"{alone:.4f}", f"{alone / together:.2f}"])
    return _table([*_WHAT, "all cores, ms", "one core, ms", "times faster"], lines)


def _growth_table(rows: Sequence[dict[str, Any]]) -> str:
    lines = []
    for row in rows:
        found = zip(row["values"], row["seconds"], strict=True)
        pairs = ", ".join(f"{value}: {1e3 * time:.0f} ms" for value, time in found)
        lines.append([row["name"], f"{row['exponent']:.2f}", pairs])
    return _table(["what grows", "power", "whole runs"], lines)


_WHAT = ["L_i", "n", "d", "precision"]


def _what(row: dict[str, Any]) -> list[str]:
    return [row["structure"], str(row["n"]), str(row["d"]), row["dtype"]]


def _table(names: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in (names, ["---"] * len(names), *lines))
