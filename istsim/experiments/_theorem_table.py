"""All theorems that were checked, a row each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from istsim.experiments._picture import sides_agree

if TYPE_CHECKING:
    import xarray

COLUMNS = ("Theorem", "Kind", "Sides compared", "Left over right", "Largest deviation of simulation", "Verdict")


def theorem_row(data: xarray.Dataset) -> tuple[str, ...]:
    """One theorem, from the data of its picture, as text."""
    lhs, rhs = data.lhs.values, data.rhs.values
    scale = max(np.abs(lhs).max(), np.abs(rhs).max())
    told = np.abs(rhs) > 1e-9 * scale
    ratios = lhs[told] / rhs[told]
    between = f"{ratios.min():.3g} to {ratios.max():.3g}" if told.any() else "both 0"
    deviation = float(data.deviation.max())
    simulated = f"{deviation:.1f} s.e. of {data.attrs['allowed']:.1f}" if bool((data.error > 0).any()) else "not random"
    return data.attrs["theorem"], data.attrs["kind"], str(lhs.size), between, simulated, _verdict(data)


def _verdict(data: xarray.Dataset) -> str:
    if not sides_agree(data):
        return "DISAGREEMENT"
    if data.attrs["kind"] == "refuted":
        return "NOT REFUTED" if data.attrs["holds"] else "refuted"
    return "holds" if data.attrs["holds"] else "DOES NOT HOLD"
