"""Sketches: which coordinates each worker holds in a round."""

from istsim.sketches._bernoulli import Bernoulli as Bernoulli
from istsim.sketches._coverage import Coverage as Coverage
from istsim.sketches._grouped import Grouped as Grouped
from istsim.sketches._identity import Identity as Identity
from istsim.sketches._permutation import Permutation as Permutation
from istsim.sketches._rand_k import RandK as RandK
from istsim.sketches._sketch import Sketch as Sketch
