"""Formulas: what the methods do on average, in sympy, in n, d, q (or k, p), gamma, alpha, beta."""

from istsim.symbolic._evaluate import evaluate as evaluate
from istsim.symbolic._evaluate import values as values
from istsim.symbolic._expected_iterate import expected_iterate as expected_iterate
from istsim.symbolic._expected_iterate import fixed_point as fixed_point
from istsim.symbolic._expected_iterate import round_symbol as round_symbol
from istsim.symbolic._mean import mean_operator as mean_operator
from istsim.symbolic._probabilities import inclusion_probability as inclusion_probability
from istsim.symbolic._probabilities import joint_probability as joint_probability
from istsim.symbolic._probabilities import reported_probability as reported_probability
from istsim.symbolic._rates import best_step_size as best_step_size
from istsim.symbolic._rates import convergence_rate as convergence_rate
from istsim.symbolic._rates import mean_square_rate as mean_square_rate
from istsim.symbolic._second_moment import SecondMoment as SecondMoment
from istsim.symbolic._second_moment import second_moment as second_moment
