"""The exact engine: moments over all sketches, without sampling.

Every method is, on a quadratic, a random affine iteration `x+ = x - step_size (B x - c)` with (B, c)
drawn independently each round; its first and second moments therefore obey closed linear recursions.
"""

from istsim.theory._best import Best as Best
from istsim.theory._best import best as best
from istsim.theory._best import best_step_size as best_step_size
from istsim.theory._contraction import Contraction as Contraction
from istsim.theory._contraction import contraction as contraction
from istsim.theory._errors import NotCoveredError as NotCoveredError
from istsim.theory._exact_moments import ExactMoments as ExactMoments
from istsim.theory._exact_moments import exact_moments as exact_moments
from istsim.theory._exact_moments import second_moment as second_moment
from istsim.theory._fewest_rounds import FewestRounds as FewestRounds
from istsim.theory._fewest_rounds import fewest_rounds as fewest_rounds
from istsim.theory._mean import exact_mean as exact_mean
from istsim.theory._mean import fixed_point as fixed_point
from istsim.theory._mean import mean_operator as mean_operator
from istsim.theory._mean import mean_rate as mean_rate
from istsim.theory._mean import mean_step_size_limit as mean_step_size_limit
from istsim.theory._rates import max_stable_step_size as max_stable_step_size
from istsim.theory._rates import mean_square_rate as mean_square_rate
from istsim.theory._stationary import Stationary as Stationary
from istsim.theory._stationary import stationary as stationary
