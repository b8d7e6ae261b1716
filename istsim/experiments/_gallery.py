"""The experiments that `istsim reproduce` runs."""

from istsim.experiments._convergence import CONVERGENCE
from istsim.experiments._scans import SCANS

EXPERIMENTS = (*CONVERGENCE, *SCANS)
