"""The exact engine: moments over all sketches, without sampling.

Every method is, on a quadratic, a random affine iteration `x+ = x - step_size (B x - c)` with (B, c)
drawn independently each round; its first and second moments therefore obey closed linear recursions.
"""

from istsim.theory._affine import NotCoveredError as NotCoveredError
from istsim.theory._best_step_size import best_step_size as best_step_size
from istsim.theory._contraction import Contraction as Contraction
from istsim.theory._contraction import contraction as contraction
from istsim.theory._exact_moments import ExactMoments as ExactMoments
from istsim.theory._exact_moments import exact_moments as exact_moments
from istsim.theory._exact_moments import second_moment as second_moment
from istsim.theory._mean import exact_mean as exact_mean
from istsim.theory._mean import fixed_point as fixed_point
from istsim.theory._mean import mean_operator as mean_operator
from istsim.theory._mean import mean_step_size_limit as mean_step_size_limit
