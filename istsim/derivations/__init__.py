"""Derivations that a machine checks, step by step, and that end in a theorem of `istsim.theorems`."""

from istsim.derivations._entries import diagonal_of as diagonal_of
from istsim.derivations._entries import entry as entry
from istsim.derivations._evaluate import evaluate as evaluate
from istsim.derivations._expectation import expect as expect
from istsim.derivations._inequalities import CounterexampleError as CounterexampleError
from istsim.derivations._inequalities import holds_for_all as holds_for_all
from istsim.derivations._proof import Proof as Proof
from istsim.derivations._rewriting import Relation as Relation
from istsim.derivations._rewriting import at_most as at_most
from istsim.derivations._rewriting import equal as equal
from istsim.derivations._rewriting import less as less
from istsim.derivations._rewriting import reduce as reduce
from istsim.derivations._rewriting import square as square
from istsim.derivations._run import render as render
from istsim.derivations._run import run as run
from istsim.derivations._steps import Status as Status
from istsim.derivations._steps import Step as Step
from istsim.derivations._steps import StepFailedError as StepFailedError
from istsim.derivations._words import Polynomial as Polynomial
from istsim.derivations._words import inverse as inverse
from istsim.derivations._words import matrix as matrix
from istsim.derivations._words import trace as trace
from istsim.derivations._words import vector as vector
