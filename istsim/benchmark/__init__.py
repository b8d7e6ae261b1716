"""How fast `istsim.simulate` is, beside what a researcher would write and what memory allows."""

from istsim.benchmark._memory import bytes_of_round as bytes_of_round
from istsim.benchmark._memory import read_speed as read_speed
from istsim.benchmark._run import Timing as Timing
from istsim.benchmark._run import time_rounds as time_rounds
