"""The best step size of each combination, for terminals and programs."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from istsim.sweeps._swept import Swept


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
    named = [name for name in list(found[0])[:5] if len({row[name] for row in found}) > 1] or ["sketch"]
    lines = [[*named, "best step size", "objective gap", ""]]
    for row in found:
        lines.append([*(str(row[name]) for name in named), *_result(row)])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]) - 1)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[-1]]).rstrip()
        for line in lines
    )


def _result(row: dict[str, Any]) -> tuple[str, str, str]:
    if row["reason"]:
        return "-", "-", f"failed: {row['reason']}"
    if row["best_step_size"] is None:
        return "-", "-", "diverged at every step size"
    error = "" if row["standard_error"] is None else f" ± {row['standard_error']:.1g}"
    note = "the first or last of the grid: a better one may lie beyond" if row["at_end"] else ""
    return f"{row['best_step_size']:.4g}", f"{row['objective_gap']:.4g}{error}", note
