"""The best step size of each combination, for terminals and programs."""

from __future__ import annotations

import collections
import json
import textwrap
from typing import Any

import numpy as np

from istsim.sweeps._swept import Swept

# Letters of a reason that the table shows.
_LONGEST = 80
NUMBERS = ("best_step_size", "objective_gap", "standard_error", "diverged")


def rows(swept: Swept) -> list[dict[str, Any]]:
    """One for each combination of all choices but seeds and step sizes; None for what is not known."""
    best, reasons = swept.best(), swept.dataset.reason
    diverged = (swept.dataset.status == "diverged").mean(("seed", "step_size", "repetition"))
    found = []
    for at in np.ndindex(best.best_step_size.shape):
        place = dict(zip(best.best_step_size.dims, at, strict=True))
        one = best.isel(place)
        known = bool(np.isfinite(one.best_step_size))
        found.append(
            {
                **{str(name): one[name].values.item() for name in best.best_step_size.dims},
                "best_step_size": float(one.best_step_size) if known else None,
                "objective_gap": float(one.objective_gap) if known else None,
                "standard_error": float(one.standard_error) if known and np.isfinite(one.standard_error) else None,
                "at_end": bool(one.at_end) if known else None,
                "diverged": float(diverged.isel(place)),
                "reason": next((str(text) for text in reasons.isel(place).values if text), ""),
            }
        )
    return found


def as_json(found: list[dict[str, Any]]) -> str:
    """The rows, for programs."""
    return json.dumps(found, indent=2)


def as_text(found: list[dict[str, Any]]) -> str:
    """The rows as a table, without choices of which there is one only."""
    named = telling(found)
    lines = [[*named, "best step size", "objective gap", ""]]
    for row in found:
        lines.append([*(str(row[name]) for name in named), *_result(row)])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]) - 1)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[-1]]).rstrip()
        for line in lines
    )


def telling(found: list[dict[str, Any]]) -> list[str]:
    """The choices that tell the rows apart; the sketch if none does."""
    return [name for name in list(found[0])[:5] if len({row[name] for row in found}) > 1] or ["sketch"]


def failures(swept: Swept) -> list[str]:
    """Every reason why combinations could not be run, once, with how many of them."""
    reasons = swept.dataset.reason.values.ravel().tolist()
    counts = collections.Counter(reason for reason in reasons if reason)
    return [f"{count} of {len(reasons)} combinations could not be run: {reason}" for reason, count in counts.items()]


def _result(row: dict[str, Any]) -> tuple[str, str, str]:
    if row["reason"]:
        return "-", "-", f"failed: {textwrap.shorten(row['reason'], _LONGEST, placeholder=' ...')}"
    if row["best_step_size"] is None:
        return "-", "-", "diverged at every step size"
    error = "" if row["standard_error"] is None else f" ± {row['standard_error']:.1g}"
    note = "the first or last of the grid: a better one may lie beyond" if row["at_end"] else ""
    return f"{row['best_step_size']:.4g}", f"{row['objective_gap']:.4g}{error}", note
