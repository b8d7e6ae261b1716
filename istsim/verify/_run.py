"""All theorems held against the exact engine and simulation, as `istsim verify` does it."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from istsim import theorems
from istsim._files import written_whole
from istsim.verify._theorems import Verification, check_options, verify_theorem


def verify_theorems(
    names: Iterable[str] = (),
    *,
    examples: int = 10,
    simulations: int = 1,
    false_alarm_rate: float = 1e-6,
    seed: int = 0,
) -> Iterator[Verification]:
    """`verify_theorem` for those named, or all, one after the other.

    Args:
        names: of theorems; all if there are none.
        examples, simulations, seed: for each of them.
        false_alarm_rate: for all together.

    Raises:
        ValueError: for an unknown name, or an option outside its range; before the first theorem.
    """
    check_options(examples=examples, simulations=simulations, false_alarm_rate=false_alarm_rate)
    chosen = [theorems.get(name) for name in tuple(names) or theorems.names()]
    options = {"examples": examples, "simulations": simulations, "seed": seed}
    rate = false_alarm_rate / len(chosen)
    return (verify_theorem(theorem, false_alarm_rate=rate, **options) for theorem in chosen)


COLUMNS = ("theorem", "kind", "", "inside", "nearby", "outside", "simulated", "tightness", "deviation")


def row_of(result: Verification) -> tuple[str, ...]:
    """What a table shows of a verification, in the order of `COLUMNS`."""
    passed = "refuted" if result.kind == "refuted" else "passed"
    return (
        result.name,
        result.kind,
        passed if result.passed else "FAILED",
        str(result.examples),
        str(result.nearby),
        str(result.outside),
        str(result.simulated),
        "" if result.tightness is None else f"{result.tightness:.3f}",
        f"{result.deviation:.1f} of {result.allowed:.1f}" if result.allowed else "",
    )


def as_line(row: Sequence[str]) -> str:
    """A row for the terminal."""
    name, kind, *numbers = row
    return f"{name:<{max(map(len, theorems.names()))}}  {kind:<7}  " + "  ".join(f"{entry:>11}" for entry in numbers)


def write_json(path: Path, results: Sequence[Verification], *, false_alarm_rate: float) -> None:
    """All that was found, for programs. Numbers that are not finite become null."""
    rows = [
        {name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in row.items()}
        for row in map(dataclasses.asdict, results)
    ]
    with written_whole(path) as part:
        part.write_text(json.dumps({"false_alarm_rate": false_alarm_rate, "theorems": rows}, indent=2) + "\n")
