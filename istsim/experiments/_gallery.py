"""The experiments that `istsim reproduce` runs."""

from istsim.experiments._batch_size import BATCH_SIZE
from istsim.experiments._convergence import CONVERGENCE
from istsim.experiments._scans import SCANS

EXPERIMENTS = (*CONVERGENCE, *SCANS, BATCH_SIZE)
