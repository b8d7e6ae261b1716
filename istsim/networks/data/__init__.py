"""Data that torch networks are trained on by n workers, all of them played by one process."""

from istsim.networks.data._batches import Batches as Batches
from istsim.networks.data._cifar10 import cifar10 as cifar10
from istsim.networks.data._data import Data as Data
from istsim.networks.data._digits import digits as digits
from istsim.networks.data._saved_dataset import saved_dataset as saved_dataset
from istsim.networks.data._text import text as text
