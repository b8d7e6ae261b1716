"""What a step of training costs by each kind of parallelism: memory, bytes, operations, waiting, convergence."""

from typing import Any as _Any

from istsim.costs._cluster import Cluster as Cluster
from istsim.costs._cluster import Training as Training
from istsim.costs._compare import Comparison as Comparison
from istsim.costs._compare import compare as compare
from istsim.costs._compare import label as label
from istsim.costs._data_parallel import DataParallel as DataParallel
from istsim.costs._data_parallel import FullySharded as FullySharded
from istsim.costs._ist import IndependentSubnetworks as IndependentSubnetworks
from istsim.costs._local import LocalParallel as LocalParallel
from istsim.costs._model import Amount as Amount
from istsim.costs._model import Block as Block
from istsim.costs._model import ModelSizes as ModelSizes
from istsim.costs._named import llama as llama
from istsim.costs._named import named as named
from istsim.costs._named import resnet as resnet
from istsim.costs._parallelism import Convergence as Convergence
from istsim.costs._parallelism import Cost as Cost
from istsim.costs._parallelism import Parallelism as Parallelism
from istsim.costs._pipeline import Pipeline as Pipeline
from istsim.costs._sdp import SubnetworkDataParallel as SubnetworkDataParallel
from istsim.costs._table import as_csv as as_csv
from istsim.costs._table import as_json as as_json
from istsim.costs._table import as_text as as_text
from istsim.costs._tensor_parallel import TensorParallel as TensorParallel
from istsim.costs._traffic import Traffic as Traffic
from istsim.costs._units import quantity as quantity


def __getattr__(name: str) -> _Any:
    if name == "sizes_of":  # which needs torch
        from istsim.costs._of_model import sizes_of

        return sizes_of
    raise AttributeError(f"module 'istsim.costs' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), "sizes_of"])
