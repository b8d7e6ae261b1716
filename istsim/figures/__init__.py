"""Figures: each a function from data to a matplotlib figure."""

from istsim.figures._convergence import comparison as comparison
from istsim.figures._convergence import interpolation as interpolation
from istsim.figures._convergence import neighbourhood as neighbourhood
from istsim.figures._style import METHOD_COLORS as METHOD_COLORS
from istsim.figures._style import save as save
