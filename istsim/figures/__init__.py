"""Figures: each a function from data to a matplotlib figure."""

from istsim.figures._convergence import comparison as comparison
from istsim.figures._convergence import interpolation as interpolation
from istsim.figures._convergence import local_updates as local_updates
from istsim.figures._convergence import neighbourhood as neighbourhood
from istsim.figures._parallelism import parallelism as parallelism
from istsim.figures._prediction import prediction as prediction
from istsim.figures._scan import bias as bias
from istsim.figures._scan import forward_scale as forward_scale
from istsim.figures._scan import phase_diagram as phase_diagram
from istsim.figures._scan import rate as rate
from istsim.figures._scan import stationary as stationary
from istsim.figures._step_sizes import step_sizes as step_sizes
from istsim.figures._steps import steps_study as steps_study
from istsim.figures._steps import steps_to_gap as steps_to_gap
from istsim.figures._studies import bias_study as bias_study
from istsim.figures._studies import cost_study as cost_study
from istsim.figures._studies import coverage_study as coverage_study
from istsim.figures._studies import local_study as local_study
from istsim.figures._studies import memory_study as memory_study
from istsim.figures._style import METHOD_COLORS as METHOD_COLORS
from istsim.figures._style import column_figure as column_figure
from istsim.figures._style import paper_style as paper_style
from istsim.figures._style import save as save
from istsim.figures._swept import swept as swept
from istsim.figures._theorem import theorem as theorem
from istsim.figures._training import training_curves as training_curves
