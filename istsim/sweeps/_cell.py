"""One combination of a grid's choices, run with all step sizes at once."""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import istsim
from istsim.methods import Method
from istsim.problems import Quadratic
from istsim.simulation import Solution, simulate
from istsim.simulation._metrics import METRICS
from istsim.sketches import Sketch
from istsim.sweeps._expressions import evaluate
from istsim.sweeps._grid import Grid
from istsim.sweeps._identity import as_json, content, identity

if TYPE_CHECKING:
    import xarray

_TRIED_ROUNDS = 8
_PACKAGES = ("istsim", "jax", "numpy")


@dataclasses.dataclass(frozen=True)
class Cell:
    """What one call of `simulate` needs, as text and numbers, so that it can be sent to another process.

    Attributes:
        problem, method, sketch: expressions, see `Grid`.
        forward_scale, gradient_scale: None for the method's own.
        seed: the key.
        step_sizes, rounds, repetitions, record_every: of the run.
    """

    problem: str
    method: str
    sketch: str
    forward_scale: Any
    gradient_scale: Any
    seed: int
    step_sizes: tuple[float, ...]
    rounds: int
    repetitions: int
    record_every: int

    @classmethod
    def of(cls, grid: Grid, choice: tuple[Any, ...]) -> Cell:
        """The grid's cell for one choice on every axis."""
        problem, method, sketch, forward_scale, gradient_scale, seed = choice
        return cls(
            problem=problem,
            method=method,
            sketch=sketch,
            forward_scale=forward_scale,
            gradient_scale=gradient_scale,
            seed=seed,
            step_sizes=tuple(grid.step_sizes),
            rounds=grid.rounds,
            repetitions=grid.repetitions,
            record_every=grid.record_every,
        )


def problem_of(text: str, names: Mapping[str, Any]) -> Quadratic:
    """The problem of an expression.

    Raises:
        ValueError: if it gives anything else.
    """
    return _checked(evaluate(text, _known() | dict(names)), Quadratic, "problem", text)


def method_of(cell: Cell, n: int, d: int, names: Mapping[str, Any]) -> Method:
    """The method of a cell, with its sketch and scales, for a problem with n workers and d coordinates.

    Raises:
        ValueError: if the expressions give anything else, or the method has no such scale.
    """
    known = _known() | dict(names)
    sketch = _checked(evaluate(cell.sketch, known, {"n": n, "d": d}), Sketch, "sketch", cell.sketch)
    scales = {
        name: value
        for name, value in (("forward_scale", cell.forward_scale), ("gradient_scale", cell.gradient_scale))
        if value is not None
    }
    method = _checked(evaluate(cell.method, known, {"sketch": sketch, **scales}), Method, "method", cell.method)
    fields = getattr(method, "__dataclass_fields__", {})
    for name, value in scales.items():
        found = getattr(method, name)
        if name not in fields or (value != "unbiased" and found != value):
            raise ValueError(f"{cell.method} does not take {name}={value!r}")
    return method


def identity_of(cell: Cell, problem: Any, method: Method) -> tuple[str, str]:
    """Which run it is, by content: the same for cells that run the same, and another once anything changes.

    Args:
        cell: the run's numbers.
        problem: the content of the problem.
        method: the method.

    Returns:
        Its hash, and as JSON what is hashed.
    """
    run = {
        "problem": problem,
        "method": content(method),
        "seed": cell.seed,
        "step_sizes": list(cell.step_sizes),
        "rounds": cell.rounds,
        "repetitions": cell.repetitions,
        "record_every": cell.record_every,
        "istsim": importlib.metadata.version("istsim"),
    }
    text = as_json(run)
    return identity(text), text


def run_cell(cell: Cell, packed_names: bytes) -> xarray.Dataset:
    """The metrics of all its trajectories, and how they ended.

    Args:
        cell: what to run.
        packed_names: the user's names, pickled by cloudpickle, which knows classes defined in notebooks.
    """
    solution = _simulated(cell, packed_names, cell.rounds)
    found = solution.dataset.assign(
        status=(("step_size", "repetition"), solution.status.astype(str)),
    )
    for name in METRICS:
        found[name].attrs = attributes_of(name)
    found.attrs = {name: importlib.metadata.version(name) for name in _PACKAGES}
    found.attrs |= {"problem": repr(solution.problem), "method": repr(solution.method)}
    return found


def attributes_of(metric: str) -> dict[str, str]:
    """What is stored beside its numbers."""
    return {"long_name": METRICS[metric], "units": "1", "source": "simulated by istsim.simulate"}


def seconds_of(cell: Cell, packed_names: bytes) -> float:
    """About how long `run_cell` takes, from a few rounds."""

    def timed() -> float:
        start = time.perf_counter()
        _simulated(cell, packed_names, min(_TRIED_ROUNDS, cell.rounds))
        return time.perf_counter() - start

    return timed() + timed() * cell.rounds / min(_TRIED_ROUNDS, cell.rounds)  # first, what compiling takes


def _simulated(cell: Cell, packed_names: bytes, rounds: int) -> Solution:
    problem = _problem_here(cell.problem, packed_names)
    method = method_of(cell, problem.num_workers, problem.dim, _unpacked(packed_names))
    return simulate(
        problem,
        method,
        step_size=list(cell.step_sizes),
        rounds=rounds,
        repetitions=cell.repetitions,
        record_every=cell.record_every,
        key=cell.seed,
    )


def _known() -> dict[str, Any]:
    """What istsim makes problems, sketches, methods and noise with."""
    return {
        name: value
        for name, value in vars(istsim).items()
        if not name.startswith("_")
        and (
            (isinstance(value, type) and issubclass(value, Sketch | Method | istsim.GaussianNoise | istsim.RowSampling))
            or name.endswith("_quadratic")
            or name == "quadratic_with_spectra"
        )
    }


@functools.lru_cache(maxsize=1)
def _problem_here(text: str, packed_names: bytes) -> Quadratic:
    """Kept for the next cell, which mostly has the same problem."""
    return problem_of(text, _unpacked(packed_names))


@functools.lru_cache(maxsize=1)
def _unpacked(packed_names: bytes) -> Mapping[str, Any]:
    import cloudpickle

    return cloudpickle.loads(packed_names)


def _checked(value: Any, kind: type, what: str, text: str) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"the {what} {text!r} must give an istsim.{kind.__name__}, got {value!r}")
    return value
