"""The experiments behind the figures of `istsim reproduce`."""

from istsim.experiments._curve import Curve as Curve
from istsim.experiments._curve import measure as measure
from istsim.experiments._experiment import Experiment as Experiment
from istsim.experiments._experiment import agrees as agrees
from istsim.experiments._experiment import caption as caption
from istsim.experiments._gallery import EXPERIMENTS as EXPERIMENTS
from istsim.experiments._page import as_markdown as as_markdown
from istsim.experiments._reproduce import DisagreementError as DisagreementError
from istsim.experiments._reproduce import reproduce as reproduce
