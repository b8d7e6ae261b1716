"""Theorems as objects: a statement in sympy, premises that can be run, both sides as numbers."""

from istsim.theorems._instance import Instance as Instance
from istsim.theorems._registry import get as get
from istsim.theorems._registry import names as names
from istsim.theorems._registry import register as register
from istsim.theorems._text import as_text as as_text
from istsim.theorems._theorem import Certificate as Certificate
from istsim.theorems._theorem import Kind as Kind
from istsim.theorems._theorem import Premise as Premise
from istsim.theorems._theorem import Theorem as Theorem
from istsim.theorems._theorem import TheoremCheck as TheoremCheck
