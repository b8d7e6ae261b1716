"""Simulation: what happened, over many repetitions and step sizes at once."""

from istsim.simulation._simulate import simulate as simulate
from istsim.simulation._solution import Solution as Solution
from istsim.simulation._solution import Status as Status
from istsim.simulation._trajectory import trajectory as trajectory
