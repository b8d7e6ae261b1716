"""Proofs for another kernel: the trace of each as a file of Coq."""

from istsim.derivations.coq._file import coq_file as coq_file
from istsim.derivations.coq._syntax import UnsupportedError as UnsupportedError
