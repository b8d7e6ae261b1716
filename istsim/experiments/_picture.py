"""The picture of a theorem: its two sides, and the left one from simulation, over rounds or a parameter."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import sympy as sp

from istsim import figures, theorems
from istsim.experiments._seconds import SECONDS
from istsim.theorems import Instance
from istsim.verify._sampled import REPETITIONS, Batches, allowed_deviation, deviations, jackknife

if TYPE_CHECKING:
    import matplotlib.figure
    import xarray

FALSE_ALARM_RATE = 1e-7


@dataclasses.dataclass(frozen=True)
class Picture:
    """What is shown of a theorem.

    Attributes:
        name: the theorem's.
        text: what the picture shows, as plain text.
        axis: the name of the horizontal axis.
        instances: for values on that axis, instances of which the sides at the last round are shown; or a single
            instance at the value None, of which all rounds are shown, or all entries if the sides have no rounds.
        entries: labels and indices of the entries that are shown of vectors and matrices, a line for each.
    """

    name: str
    text: str
    axis: str
    instances: Callable[[], Mapping[float | None, Instance]]
    entries: Mapping[str, tuple[int, ...]] = dataclasses.field(default_factory=lambda: {"": ()})

    @property
    def seconds(self) -> float:
        """The expected seconds of a processor, see `_seconds`."""
        return SECONDS.get(self.name, 1.0)

    def measure(self, quick: bool) -> xarray.Dataset:
        """Both sides, and the left one simulated, as a dataset over "line" and "x"; quick is no different from full."""
        import xarray

        theorem, instances, parts, holds = theorems.get(self.name), self.instances(), [], True
        for instance in instances.values():
            exact = theorem.sides(instance)
            holds = holds and theorem.holds(exact)
            estimate, error = jackknife(Batches(instance, seed=0), lambda sampled: theorem.sides(sampled).lhs)
            parts.append({"lhs": exact.lhs, "rhs": exact.rhs, "simulated": estimate, "error": error})
        first = next(iter(instances.values()))
        has_rounds = bool(theorem.sequences(first))
        if None not in instances:
            x = np.array(list(instances), float)
            values = {
                name: self._lines(np.stack([part[name][-1] if has_rounds else part[name] for part in parts], axis=-1))
                for name in parts[0]
            }
        elif has_rounds:
            values = {name: self._lines(np.moveaxis(side, 0, -1)) for name, side in parts[0].items()}
            x = np.arange(first.rounds + 1)[-values["lhs"].shape[1] :]  # some begin at round 1
        else:
            values = {name: side.reshape(1, -1) for name, side in parts[0].items()}
            x = 1 + np.arange(values["lhs"].size)

        # Rounding is no spread: where nothing is random, all runs are the same.
        rounding = 1e-12 * np.abs(values["lhs"]).max()
        values["error"] = np.where(values["error"] > rounding, values["error"], 0.0)
        deviation = deviations(values["simulated"], values["error"], values["lhs"], np.abs(values["lhs"]).max())
        attributes = {
            "theorem": self.name,
            "title": theorem.title,
            "kind": str(theorem.kind),
            "text": self.text,
            "axis": self.axis,
            # Entries are no curve: between them there is nothing.
            "is_curve": int(has_rounds or None not in instances),
            "source": theorem.source,
            "lhs": sp.latex(theorem.statement.lhs, symbol_names=dict(theorem.notation)),
            "statement": sp.pretty(theorem.statement, use_unicode=True, wrap_line=False),
            "repetitions": REPETITIONS,
            "allowed": allowed_deviation(FALSE_ALARM_RATE, deviation.size),
            "false_alarm_rate": FALSE_ALARM_RATE,
            "holds": int(holds),
        }
        return xarray.Dataset(
            {name: (("line", "x"), value) for name, value in (values | {"deviation": deviation}).items()},
            coords={"x": x, "line": list(self.entries)},
            attrs=attributes,
        )

    def figure(self, data: xarray.Dataset) -> matplotlib.figure.Figure:
        """From the data to a figure."""
        return figures.theorem(data)

    def _lines(self, side: np.ndarray) -> np.ndarray:
        """The entries shown, of sides whose last axis is x."""
        return np.stack([side[index] for index in self.entries.values()])


def sides_agree(data: xarray.Dataset) -> bool:
    """Whether simulation agrees with the exact left side everywhere."""
    return bool(data.deviation.max() <= data.attrs["allowed"])


def picture_caption(data: xarray.Dataset) -> str:
    """What is drawn, what was run, and how well the sides agree."""
    sides = {
        "exact": "Line: right side. Crosses: left side, exact.",
        "upper": "Line: right side, the bound. Dotted: left side, exact. Below: left over right, the tightness.",
        "refuted": "Dashed: right side, as claimed. Dotted: left side, exact, which refutes it.",
    }[data.attrs["kind"]]
    simulated = (
        f" Dots: left side from {data.attrs['repetitions']} simulated runs; the largest deviation is "
        f"{float(data.deviation.max()):.1f} standard errors, {data.attrs['allowed']:.1f} are allowed."
        if bool((data.error > 0).any())
        else " Nothing in it is random."
    )
    verdict = "" if sides_agree(data) else " DISAGREEMENT between simulation and the exact left side."
    return f"{data.attrs['text']} {sides}{simulated}{verdict}"
