from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from istsim.simulation._metrics import METRICS
from istsim.sweeps._cell import Cell, attributes_of, method_of, problem_of
from istsim.sweeps._fitted_rate import first_fitted, fitted_rate
from istsim.sweeps._grid import Grid
from istsim.sweeps._least import least_over_step_sizes
from istsim.theory._law_of import dynamics_of

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

FAILED = "failed"


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Swept:
    """What `sweep` returns.

    Attributes:
        grid: what was run.
        dataset: the metrics over problem, algorithm, sketch, forward_scale, gradient_scale, seed, step_size, repetition
            and round; `status` of each trajectory; `reason` why a cell failed, else "".
        names: the user's own.
        unstored: how many cells were run and are not in the store, because it could not be written or was removed.
    """

    grid: Grid
    dataset: xarray.Dataset = dataclasses.field(repr=False)
    names: Mapping[str, Any] = dataclasses.field(repr=False)
    unstored: int = 0

    def best(self) -> xarray.Dataset:
        """The step size with the least mean objective gap at the last round, for each combination of the others.

        The mean is over seeds and repetitions; step sizes at which one of them diverged are out of the question.

        Returns:
            A dataset of `best_step_size`, its `objective_gap` and `standard_error`, and `at_end`: whether it is the
            first or last of the grid, so that a better one may lie beyond. NaN, and False, where none is left.
        """
        gap = self.dataset.objective_gap.isel(round=-1)
        mean = gap.mean(("seed", "repetition"), skipna=False)
        error = gap.std(("seed", "repetition"), skipna=False, ddof=1) / np.sqrt(gap.seed.size * gap.repetition.size)
        least = least_over_step_sizes(mean)
        found = np.isfinite(least.best_step_size)
        values = {"objective_gap": mean, "standard_error": error}
        return type(self.dataset)(
            {
                "best_step_size": least.best_step_size,
                **{
                    name: each.isel(step_size=least.place).drop_vars("step_size").where(found)
                    for name, each in values.items()
                },
                "at_end": least.at_end,
            }
        )

    def table(self) -> Any:
        """What the command line prints, for any grid: a row for each combination of all choices but seeds.

        Returns:
            A pandas DataFrame of the choices of which there are several (or the sketch, if there are none),
            `best_step_size`, `objective_gap`, `standard_error` and `at_end` as in `best`, the share of runs that
            `diverged`, and the `reason` why a combination could not be run, else "".

        Example:
            >>> import concurrent.futures, tempfile, istsim
            >>> grid = istsim.Grid(problems=["real_quadratic('diabetes', 5)"], step_sizes=[0.1, 80.0], rounds=400,
            ...                    sketches=["Permutation", "RandK(k=99)"], repetitions=5, record_every=400)
            >>> with tempfile.TemporaryDirectory() as store, concurrent.futures.ThreadPoolExecutor(1) as executor:
            ...     swept = istsim.sweep(grid, store=store, executor=executor, progress=False)
            >>> swept.table()[["sketch", "best_step_size", "at_end", "diverged"]]
                    sketch  best_step_size  at_end  diverged
            0  Permutation             0.1    True       0.5
            1  RandK(k=99)             NaN   False       0.0
        """
        import pandas

        from istsim.sweeps import _table

        found = _table.rows(self)
        columns = [*_table.telling(found), *list(found[0])[len(self._dims()) :]]
        table = pandas.DataFrame(found, columns=columns).astype({name: float for name in _table.NUMBERS})
        return table.assign(at_end=[bool(row["at_end"]) for row in found])

    def rate(self, exact: bool = True) -> xarray.Dataset:
        """The factor by which the mean objective gap approaches its floor a round: fitted, exact, and asymptotic.

        Fitted is `floor + c factor^k`, by least squares on the logarithms of the means over seeds and repetitions, from
        where a quarter of the first gap is left; its 95 % confidence interval is from what each run adds to it, and NaN
        where the runs lie so far apart that rare ones, not seen, may carry the mean.
        `exact` is the same fit, of the same rounds, to the exact expectation, which the interval should hold.
        `asymptotic` is what it tends to: the factor of the squared error, or where the method is biased that of the
        mean if it is slower, because then the mean's error counts once, not squared. It may show only when the floor
        has long hidden it.

        Args:
            exact: whether to compute `exact` and `asymptotic` too; with many coordinates that takes long.

        Returns:
            A dataset of `rate`, `low`, `high`, `exact` and `asymptotic`. NaN where runs diverged or failed, or the
            engine has no exact moments.
        """
        names = ("rate", "low", "high", "exact", "asymptotic")
        fits = np.full((*self._shape(), len(tuple(self.grid.step_sizes)), len(names)), np.nan)
        gap = self.dataset.objective_gap
        for at, cell in self._combinations():
            exact_rates = self._exact_rates(cell) if exact else None
            for s, step_size in enumerate(tuple(self.grid.step_sizes)):
                runs = gap.isel(dict(zip(self._dims(), at, strict=True))).isel(step_size=s)
                values = runs.transpose("seed", "repetition", "round").values.reshape(-1, gap.sizes["round"])
                begin = first_fitted(values) if np.isfinite(values).all() else None
                if begin is not None:
                    fits[(*at, s)][:3] = fitted_rate(gap["round"].values, values, begin)
                if exact_rates is not None and np.isfinite(values[:, 0]).any():
                    fits[(*at, s)][3:] = exact_rates(step_size, begin)
        dims = (*self._dims(), "step_size")
        coordinates = {name: self.dataset[name] for name in dims}
        return type(self.dataset)(
            {name: (dims, fits[..., i]) for i, name in enumerate(names)}, coords=coordinates, attrs={"confidence": 0.95}
        )

    def plot(self) -> Figure:
        """The mean objective gap at the last round against the step size, a line for each combination of the others."""
        from istsim.figures import swept

        return swept(self.dataset)

    def _dims(self) -> tuple[str, ...]:
        return tuple(name for name in self.grid.axes if name != "seed")

    def _shape(self) -> tuple[int, ...]:
        return tuple(len(self.grid.axes[name]) for name in self._dims())

    def _combinations(self) -> Iterator[tuple[tuple[int, ...], Cell]]:
        """Every combination of all choices but the seeds: its place, and its cell of the first seed."""
        axes = self.grid.axes
        for at in np.ndindex(self._shape()):
            choice = {name: axes[name][i] for name, i in zip(self._dims(), at, strict=True)}
            yield at, Cell.of(self.grid, tuple(({**choice, "seed": axes["seed"][0]})[name] for name in axes))

    def _exact_rates(self, cell: Cell) -> Callable[[float, int | None], tuple[float, float]] | None:
        """For a step size the exact rate, fitted from the same round, and the asymptotic one.

        None for a cell that could not be run.
        """
        from istsim import theory

        problem = problem_of(cell.problem, self.names)
        try:
            method = method_of(cell, problem.num_workers, problem.dim, self.names)
        except ValueError:
            return None
        recorded = self.dataset["round"].values

        def rates(step_size: float, begin: int | None) -> tuple[float, float]:
            try:
                moments = theory.exact_moments(problem, method, step_size=step_size, rounds=cell.rounds)
            except theory.NotCoveredError:
                return np.nan, np.nan
            curve = np.asarray(moments.objective_gap)[recorded]
            fitted = fitted_rate(recorded, curve[None], begin)[0] if np.isfinite(curve).all() else np.nan
            return fitted, dynamics_of(problem, method).asymptotic_rates(np.array([step_size]))[0]

        return rates


def assemble(grid: Grid, outcomes: Iterable[tuple[tuple[int, ...], xarray.Dataset | str]]) -> xarray.Dataset:
    """All cells as one dataset.

    Args:
        grid: what was run.
        outcomes: each place on the axes, in any order, and its dataset, or why there is none. None is held longer than
            until the next is asked for.
    """
    import xarray

    axes = grid.axes
    shape = tuple(map(len, axes.values()))
    inner = (len(tuple(grid.step_sizes)), grid.repetitions)
    metrics = {name: np.full((*shape, *inner, grid.num_records), np.nan) for name in METRICS}
    status = np.full((*shape, *inner), FAILED, dtype="<U9")
    reason = np.full(shape, "", dtype=object)
    recorded, attributes = np.append(np.arange(0, grid.rounds, grid.record_every), grid.rounds), {}
    last: tuple[int, ...] = ()
    for at, found in outcomes:
        if isinstance(found, str):
            reason[at] = found
            continue
        for name, values in metrics.items():
            values[at] = found[name].values
        status[at] = found.status.values
        if at >= last:
            last, attributes = at, {name: found.attrs[name] for name in ("istsim", "jax", "numpy", "commit")}
    dims = (*axes, "step_size", "repetition")
    return xarray.Dataset(
        {
            **{name: ((*dims, "round"), values, attributes_of(name)) for name, values in metrics.items()},
            "status": (dims, status),
            "reason": (tuple(axes), reason.astype(str)),
        },
        coords={
            **{name: _labels(choices) for name, choices in axes.items()},
            "step_size": list(grid.step_sizes),
            "repetition": np.arange(grid.repetitions),
            "round": recorded,
        },
        attrs={**attributes, "grid": repr(grid)},
    )


def _labels(choices: tuple[Any, ...]) -> list[Any]:
    """Numbers where all are; else text, None being "default"."""
    if all(isinstance(choice, int | float) for choice in choices):
        return list(choices)
    return ["default" if choice is None else str(choice) for choice in choices]
