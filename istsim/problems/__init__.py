"""Problems: quadratics, one part of the objective a worker."""

from istsim.problems._libsvm import load_libsvm as load_libsvm
from istsim.problems._quadratic import Quadratic as Quadratic
from istsim.problems._random_quadratic import random_quadratic as random_quadratic
from istsim.problems._real_data import load_dataset as load_dataset
from istsim.problems._real_data import real_quadratic as real_quadratic
from istsim.problems._real_data import split_over_workers as split_over_workers
