"""Problems: quadratics, one part of the objective a worker."""

from istsim.problems._libsvm import load_libsvm as load_libsvm
from istsim.problems._quadratic import Quadratic as Quadratic
from istsim.problems._random_quadratic import random_quadratic as random_quadratic
from istsim.problems._real_data import load_dataset as load_dataset
from istsim.problems._real_data import real_quadratic as real_quadratic
from istsim.problems._real_data import split_over_workers as split_over_workers
from istsim.problems._remark_1 import remark_1_quadratic as remark_1_quadratic
from istsim.problems._spectra import quadratic_with_spectra as quadratic_with_spectra
from istsim.problems._tridiagonal_quadratic import tridiagonal_quadratic as tridiagonal_quadratic
