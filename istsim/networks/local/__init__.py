"""Local-update parallelism on real networks: blocks follow losses of their own."""

from istsim.networks._local_parallelism import LocalParallelism as LocalParallelism
from istsim.networks._local_unit import Unit as Unit
from istsim.networks.local._cosines import gradient_cosines as gradient_cosines
from istsim.networks.local._heads import auxiliary_head as auxiliary_head
from istsim.networks.local._memory import predicted_memory_of_stages as predicted_memory_of_stages
from istsim.networks.local._memory import predicted_memory_of_units as predicted_memory_of_units
from istsim.networks.local._one_process import LocalOneProcess as LocalOneProcess
from istsim.networks.local._sizes import flops_of_units as flops_of_units
