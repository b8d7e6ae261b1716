"""Studies: questions about networks, answered by training runs."""

from istsim.studies._bias import ForwardMaskingBias as ForwardMaskingBias
from istsim.studies._ist import IndependentSubnetworkTraining as IndependentSubnetworkTraining
from istsim.studies._local import LocalUpdateFindings as LocalUpdateFindings
from istsim.studies._local import local_claims as local_claims
from istsim.studies._memory import MeasuredLocalUpdates as MeasuredLocalUpdates
from istsim.studies._memory import MeasuredMemory as MeasuredMemory
from istsim.studies._sdp import SubnetworkDataParallelism as SubnetworkDataParallelism
from istsim.studies._sdp import claims as claims
from istsim.studies._steps import StepsToResult as StepsToResult
from istsim.studies._study import Study as Study
from istsim.studies._study import stored as stored

STUDIES: tuple[Study, ...] = (
    IndependentSubnetworkTraining(),
    SubnetworkDataParallelism(),
    MeasuredMemory(),
    ForwardMaskingBias(),
    MeasuredLocalUpdates(),
    LocalUpdateFindings(),
    StepsToResult(),
)
