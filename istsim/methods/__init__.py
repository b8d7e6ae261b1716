"""Methods: what is masked and how the workers' updates are merged."""

from istsim.methods._compressed_gradient import CompressedGradient as CompressedGradient
from istsim.methods._compressed_iterates import CompressedIterates as CompressedIterates
from istsim.methods._gradient_descent import GradientDescent as GradientDescent
from istsim.methods._ist import IST as IST
from istsim.methods._local_updates import LocalUpdates as LocalUpdates
from istsim.methods._method import Method as Method
from istsim.methods._noise import GaussianNoise as GaussianNoise
from istsim.methods._noise import RowSampling as RowSampling
