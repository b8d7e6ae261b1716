"""Networks trained by several processes, each of which plays one worker."""

from istsim.networks.distributed._group import Group as Group
from istsim.networks.distributed._group import WorkerLostError as WorkerLostError
from istsim.networks.distributed._group import is_started_by_torchrun as is_started_by_torchrun
from istsim.networks.distributed._local_pipeline import LocalPipeline as LocalPipeline
from istsim.networks.distributed._one_of_many import OneOfMany as OneOfMany
