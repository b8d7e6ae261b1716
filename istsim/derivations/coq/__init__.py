"""Proofs for another kernel: the trace of each as a file of Coq, which `coqc` accepts or not."""

from istsim.derivations.coq._check import missing as missing
from istsim.derivations.coq._check import prepare as prepare
from istsim.derivations.coq._check import verdict as verdict
from istsim.derivations.coq._file import coq_file as coq_file
from istsim.derivations.coq._syntax import UnsupportedError as UnsupportedError
