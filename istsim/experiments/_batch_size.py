"""Rounds to an objective gap against the batch size, with masks of several sizes."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from istsim import figures, theory
from istsim.experiments._curve import Curve
from istsim.experiments._experiment import Experiment
from istsim.experiments._setting import KEY, usual_repetitions
from istsim.methods import IST, CompressedGradient, GaussianNoise, Method
from istsim.problems import Quadratic, random_quadratic
from istsim.sketches import Coverage

if TYPE_CHECKING:
    import xarray

_N, _D = 4, 8
_COPIES = (4, 2, 1)  # workers that hold a coordinate
_BATCH_SIZES = tuple(2**power for power in range(2, 14))  # from one example of each worker
_SIMULATED = (16, 128, 1024)  # a batch size for each number of copies
_ROUNDS = 400  # of simulations: more than any of these takes
_OF_ONE = 0.5  # the covariance of an example's gradient, by the Hessian
_SHARE = 0.01  # of the first gap, that is the goal


@dataclasses.dataclass(frozen=True)
class _Setting:
    """What is masked, and whether workers have different minimizers."""

    method: type[CompressedGradient] | type[IST]
    vector_heterogeneity: float

    @property
    def problem(self) -> Quadratic:
        """The same matrices in all settings."""
        return random_quadratic(
            KEY,
            _N,
            _D,
            condition_number=20.0,
            matrix_heterogeneity=0.5,
            vector_heterogeneity=self.vector_heterogeneity,
            interpolation=not self.vector_heterogeneity,
        )

    @property
    def x0(self) -> np.ndarray:
        """At a distance of 1 from the minimizer in every coordinate, so that all settings begin with the same gap."""
        return np.asarray(self.problem.minimizer) + 1.0

    @property
    def gap(self) -> float:
        """The goal."""
        return _SHARE * float(self.problem.objective_gap(self.x0))

    def sketched(self, copies: int, batch_size: int) -> Method:
        """With batches of so many examples over all workers."""
        noise = GaussianNoise(_OF_ONE * np.asarray(self.problem.mean_hessian) * _N / batch_size)
        return self.method(Coverage(_N, _D, copies), merge="owners", noise=noise)


_SETTINGS = {
    "gradients masked": _Setting(CompressedGradient, 0.0),
    "the same, workers differ": _Setting(CompressedGradient, 0.1),
    "IST": _Setting(IST, 0.0),
}


@functools.cache
def _fewest(setting: _Setting, copies: int, batch_size: int) -> theory.FewestRounds:
    return theory.fewest_rounds(setting.problem, setting.sketched(copies, batch_size), setting.gap, x0=setting.x0)


def _curves(quick: bool) -> Sequence[Curve]:
    return [
        Curve(
            label=f"C = {copies / _N:g}, B = {batch_size}",
            group=name,
            x=batch_size,
            problem=setting.problem,
            method=setting.sketched(copies, batch_size),
            step_size=_fewest(setting, copies, batch_size).step_size,
            rounds=_ROUNDS,
            repetitions=usual_repetitions(quick),
            x0=setting.x0,
        )
        for name, setting in _SETTINGS.items()
        for copies, batch_size in zip(_COPIES, _SIMULATED, strict=True)
    ]


def _lines() -> xarray.Dataset:
    import xarray

    lines = [(name, setting, copies) for name, setting in _SETTINGS.items() for copies in _COPIES]
    found = np.array([[_fewest(setting, copies, size) for size in _BATCH_SIZES] for _, setting, copies in lines])
    return xarray.Dataset(
        {
            "line_x": (("line", "point"), np.tile(np.array(_BATCH_SIZES, float), (len(lines), 1))),
            "line_y": (("line", "point"), found[..., 0]),
            "line_step_size": (("line", "point"), found[..., 1]),
            "line_group": ("line", [name for name, *_ in lines]),
            "line_kept": ("line", [copies / _N for *_, copies in lines]),
            # The curves come in the same order, one for each line.
            "dot_kept": ("curve", [copies / _N for *_, copies in lines]),
            "goal": ("curve", [setting.gap for _, setting, _ in lines]),
        }
    )


BATCH_SIZE = Experiment(
    "batch-size",
    "Rounds to a gap against the batch size",
    f"{_N} workers, {_D} coordinates, of which a worker holds the fraction C; gradients have the noise of batches of B "
    "examples over all workers. Above: the fewest rounds to a hundredth of the first gap, below: the step size that "
    "takes so few. Dashed: the law c1/B + c2; dotted: linear scaling. While batches are small, twice the batch "
    "halves the rounds, later it changes nothing. Where gradients are masked and workers hold half as much, every "
    "coordinate is averaged over half as many examples: with small batches there are twice as many rounds. With large "
    "ones there are hardly more, unless workers have different minimizers: then masks themselves are a noise, which "
    "larger batches do not lessen. IST's mean operator is better conditioned than the Hessian, and with large batches "
    "it takes fewer rounds (with a common minimizer at 0, for else it is biased and does not get there).",
    _curves,
    figures.steps_to_gap,
    _lines,
)
