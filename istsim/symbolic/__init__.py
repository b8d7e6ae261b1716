"""Formulas: what the methods do on average, in sympy, in n, d, q (or k, p), gamma, alpha, beta."""

from istsim.symbolic._evaluate import evaluate as evaluate
from istsim.symbolic._evaluate import values as values
from istsim.symbolic._expected_iterate import expected_iterate as expected_iterate
from istsim.symbolic._expected_iterate import fixed_point as fixed_point
from istsim.symbolic._expected_iterate import mean_operator as mean_operator
from istsim.symbolic._expected_iterate import round_symbol as round_symbol
from istsim.symbolic._probabilities import inclusion_probability as inclusion_probability
