from __future__ import annotations

import dataclasses
import operator
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from istsim._validation import finite_number, positive_int

Scale = float | Literal["unbiased"] | None
"""A forward or gradient scale; None for the method's own default."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Grid:
    """All combinations of problems, methods, sketches, scales, seeds and step sizes, as plain text and numbers.

    Problems, methods and sketches are written as the calls that make them. Sketches need no `n` and `d`, which are the
    problem's, and methods no sketch: `problems=["real_quadratic('diabetes', 5)"]`, `sketches=["RandK(k=2)"]`,
    `methods=["IST(merge='owners')"]`. What has no arguments left needs no brackets: `sketches=["Permutation"]`.

    Attributes:
        problems: calls of istsim's functions that make problems, or names given to `sweep`.
        step_sizes: positive numbers; in one cell all are run, with the same sketches.
        methods: such as "IST", "CompressedGradient" or "GradientDescent".
        sketches: such as "Permutation", "RandK(k=2)" or "Bernoulli(p=0.3)".
        forward_scales: numbers, "unbiased", or None for the method's own.
        gradient_scales: the same.
        seeds: keys of the runs.
        rounds: number of rounds K.
        repetitions: independent runs for each step size and seed.
        record_every: record the metrics at rounds 0, r, 2r, ... and the last.

    Raises:
        ValueError: for an empty or repeated choice, or numbers outside these ranges.

    Example:
        >>> import istsim
        >>> grid = istsim.Grid(problems=["real_quadratic('diabetes', 5)"], step_sizes=[0.1, 0.2],
        ...                    sketches=["Permutation", "RandK(k=2)"], seeds=[0, 1, 2])
        >>> grid.num_cells
        6
    """

    problems: Sequence[str]
    step_sizes: Sequence[float] | np.ndarray
    methods: Sequence[str] = ("IST",)
    sketches: Sequence[str] = ("Permutation",)
    forward_scales: Sequence[Scale] = (None,)
    gradient_scales: Sequence[Scale] = (None,)
    seeds: Sequence[int] = (0,)
    rounds: int = 100
    repetitions: int = 100
    record_every: int = 1

    def __post_init__(self) -> None:
        checks: dict[str, Any] = {
            "problems": _text,
            "step_sizes": _positive,
            "methods": _text,
            "sketches": _text,
            "forward_scales": _scale,
            "gradient_scales": _scale,
            "seeds": _seed,
        }
        for name, check in checks.items():
            object.__setattr__(self, name, _choices(name, getattr(self, name), check))
        for name in ("rounds", "repetitions", "record_every"):
            object.__setattr__(self, name, positive_int(name, getattr(self, name)))

    @property
    def axes(self) -> dict[str, tuple[Any, ...]]:
        """The choices of which a cell has one each, by the name of their dimension.

        The methods' is "algorithm": xarray's `sel` has an option called `method`.
        """
        return {
            "problem": tuple(self.problems),
            "algorithm": tuple(self.methods),
            "sketch": tuple(self.sketches),
            "forward_scale": tuple(self.forward_scales),
            "gradient_scale": tuple(self.gradient_scales),
            "seed": tuple(self.seeds),
        }

    @property
    def num_cells(self) -> int:
        """How many combinations there are, each run with all step sizes."""
        count = 1
        for choices in self.axes.values():
            count *= len(choices)
        return count

    @property
    def num_records(self) -> int:
        """The number of recorded rounds, among them the first, every r-th and the last."""
        return -(-self.rounds // self.record_every) + 1


def _choices(name: str, values: Any, check: Any) -> tuple[Any, ...]:
    if isinstance(values, str):
        raise ValueError(f"{name} must be a list, got the text {values!r}: write [{values!r}]")
    try:
        found = tuple(check(name, value) for value in values)
    except TypeError:
        raise ValueError(f"{name} must be a list, got {values!r}") from None
    if not found:
        raise ValueError(f"{name} must name at least one, got none")
    repeated = next((value for i, value in enumerate(found) if value in found[:i]), None)
    if len(set(found)) < len(found):
        raise ValueError(f"{name} must all differ, got {repeated!r} twice")
    return found


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(
            f"{name} must be given as text, got {value!r}: pass sweep(..., names={{'mine': ...}}) and write 'mine'"
        )
    return value.strip()


def _positive(name: str, value: Any) -> float:
    number = finite_number(name, value)
    if number <= 0:
        raise ValueError(f"{name} must be positive, got {value!r}")
    return number


def _scale(name: str, value: Any) -> Scale:
    return value if value is None or value == "unbiased" else _positive(name, value)


def _seed(name: str, value: Any) -> int:
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise ValueError(f"{name} must be integers, got {value!r}") from None
