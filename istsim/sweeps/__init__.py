"""Grids of runs: stored cell by cell, resumed where they were killed, and read as one dataset."""

from istsim.sweeps._batch_scaling import BatchScaling as BatchScaling
from istsim.sweeps._batch_scaling import fit_batch_scaling as fit_batch_scaling
from istsim.sweeps._grid import Grid as Grid
from istsim.sweeps._step_sizes import StepSizes as StepSizes
from istsim.sweeps._step_sizes import compare_step_sizes as compare_step_sizes
from istsim.sweeps._sweep import sweep as sweep
from istsim.sweeps._swept import Swept as Swept
