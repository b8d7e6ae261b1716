"""Studies: questions about networks, answered by training runs."""

from istsim.studies._sdp import SubnetworkDataParallelism as SubnetworkDataParallelism
from istsim.studies._study import Study as Study
