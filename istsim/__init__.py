"""Exact theory and fast simulation of training in which each worker holds a random part of the model.

Importing istsim sets JAX's x64 mode, because exact results need float64; a problem given in float32
is still simulated in float32.
"""

import importlib as _importlib
from typing import Any as _Any

from istsim import _interruption

_interruption.end_at_once_while_starting()

import jax as _jax  # noqa: E402

_jax.config.update("jax_enable_x64", True)

from istsim import theory as theory  # noqa: E402
from istsim.methods import IST as IST  # noqa: E402
from istsim.methods import CompressedGradient as CompressedGradient  # noqa: E402
from istsim.methods import CompressedIterates as CompressedIterates  # noqa: E402
from istsim.methods import GaussianNoise as GaussianNoise  # noqa: E402
from istsim.methods import GradientDescent as GradientDescent  # noqa: E402
from istsim.methods import LocalUpdates as LocalUpdates  # noqa: E402
from istsim.methods import Method as Method  # noqa: E402
from istsim.methods import RowSampling as RowSampling  # noqa: E402
from istsim.problems import Quadratic as Quadratic  # noqa: E402
from istsim.problems import load_dataset as load_dataset  # noqa: E402
from istsim.problems import load_libsvm as load_libsvm  # noqa: E402
from istsim.problems import quadratic_with_spectra as quadratic_with_spectra  # noqa: E402
from istsim.problems import random_quadratic as random_quadratic  # noqa: E402
from istsim.problems import real_quadratic as real_quadratic  # noqa: E402
from istsim.problems import remark_1_quadratic as remark_1_quadratic  # noqa: E402
from istsim.problems import split_over_workers as split_over_workers  # noqa: E402
from istsim.problems import tridiagonal_quadratic as tridiagonal_quadratic  # noqa: E402
from istsim.simulation import Solution as Solution  # noqa: E402
from istsim.simulation import Status as Status  # noqa: E402
from istsim.simulation import simulate as simulate  # noqa: E402
from istsim.simulation import trajectory as trajectory  # noqa: E402
from istsim.sketches import Bernoulli as Bernoulli  # noqa: E402
from istsim.sketches import Coverage as Coverage  # noqa: E402
from istsim.sketches import Grouped as Grouped  # noqa: E402
from istsim.sketches import Identity as Identity  # noqa: E402
from istsim.sketches import Permutation as Permutation  # noqa: E402
from istsim.sketches import RandK as RandK  # noqa: E402
from istsim.sketches import Sketch as Sketch  # noqa: E402
from istsim.sweeps import BatchScaling as BatchScaling  # noqa: E402
from istsim.sweeps import Grid as Grid  # noqa: E402
from istsim.sweeps import StepSizes as StepSizes  # noqa: E402
from istsim.sweeps import Swept as Swept  # noqa: E402
from istsim.sweeps import compare_step_sizes as compare_step_sizes  # noqa: E402
from istsim.sweeps import fit_batch_scaling as fit_batch_scaling  # noqa: E402
from istsim.sweeps import sweep as sweep  # noqa: E402

# Imported when first used, because what they stand on (sympy, xarray, matplotlib, hypothesis) is slow to import.
_ON_USE = ("certificates", "costs", "derivations", "figures", "symbolic", "theorems", "verify")


def __getattr__(name: str) -> _Any:
    if name in _ON_USE:
        return _importlib.import_module(f"istsim.{name}")
    raise AttributeError(f"module 'istsim' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_ON_USE])
