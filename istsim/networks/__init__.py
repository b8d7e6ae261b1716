"""Independent subnetwork training and subnetwork data parallelism on real networks, in torch."""

from istsim._optional import require as _require

_require("torch", extra="torch")

from istsim.networks._architectures import blocks as blocks  # noqa: E402
from istsim.networks._architectures import neurons as neurons  # noqa: E402
from istsim.networks._checkpoint import Checkpoint as Checkpoint  # noqa: E402
from istsim.networks._checkpoint import newest_checkpoint as newest_checkpoint  # noqa: E402
from istsim.networks._evaluation import Evaluation as Evaluation  # noqa: E402
from istsim.networks._evaluation import evaluate as evaluate  # noqa: E402
from istsim.networks._folder import load_model as load_model  # noqa: E402
from istsim.networks._folder import train_in_folder as train_in_folder  # noqa: E402
from istsim.networks._graph import spectral_gap as spectral_gap  # noqa: E402
from istsim.networks._initialisation import initial_values as initial_values  # noqa: E402
from istsim.networks._initialisation import initialised as initialised  # noqa: E402
from istsim.networks._layout import Blocks as Blocks  # noqa: E402
from istsim.networks._layout import Layout as Layout  # noqa: E402
from istsim.networks._layout import Slice as Slice  # noqa: E402
from istsim.networks._layout import Units as Units  # noqa: E402
from istsim.networks._local_parallelism import LocalParallelism as LocalParallelism  # noqa: E402
from istsim.networks._local_quadratic import local_quadratic as local_quadratic  # noqa: E402
from istsim.networks._local_quadratic import parameter_vector as parameter_vector  # noqa: E402
from istsim.networks._local_quadratic import quadratic_method as quadratic_method  # noqa: E402
from istsim.networks._log import Log as Log  # noqa: E402
from istsim.networks._log import memory_table as memory_table  # noqa: E402
from istsim.networks._memory import Memory as Memory  # noqa: E402
from istsim.networks._memory import predicted_memory as predicted_memory  # noqa: E402
from istsim.networks._methods import IST as IST  # noqa: E402
from istsim.networks._methods import SDP as SDP  # noqa: E402
from istsim.networks._methods import DataParallel as DataParallel  # noqa: E402
from istsim.networks._methods import resist as resist  # noqa: E402
from istsim.networks._one_process import OneProcess as OneProcess  # noqa: E402
from istsim.networks._parameter_sketch import ParameterSketch as ParameterSketch  # noqa: E402
from istsim.networks._parameter_sketch import parameter_sketch as parameter_sketch  # noqa: E402
from istsim.networks._part import Part as Part  # noqa: E402
from istsim.networks._partly_trained import partly_trained as partly_trained  # noqa: E402
from istsim.networks._prediction import compare_with_quadratic as compare_with_quadratic  # noqa: E402
from istsim.networks._sketches import BalancedCoverage as BalancedCoverage  # noqa: E402
from istsim.networks._sketches import PerLayer as PerLayer  # noqa: E402
from istsim.networks._subnetwork import scale_outputs as scale_outputs  # noqa: E402
from istsim.networks._subnetwork import subnetwork as subnetwork  # noqa: E402
from istsim.networks._subnetwork import write_back as write_back  # noqa: E402
from istsim.networks._trainer import cross_entropy as cross_entropy  # noqa: E402
from istsim.networks._training import Round as Round  # noqa: E402
from istsim.networks._training import train as train  # noqa: E402
from istsim.networks._training_run import TrainingRun as TrainingRun  # noqa: E402
from istsim.networks.data import Batches as Batches  # noqa: E402
from istsim.networks.data import Data as Data  # noqa: E402
from istsim.networks.data import cifar10 as cifar10  # noqa: E402
from istsim.networks.data import digits as digits  # noqa: E402
from istsim.networks.data import saved_dataset as saved_dataset  # noqa: E402
from istsim.networks.data import text as text  # noqa: E402
from istsim.networks.models import ResNet as ResNet  # noqa: E402
from istsim.networks.models import Transformer as Transformer  # noqa: E402
from istsim.networks.models import mlp as mlp  # noqa: E402
