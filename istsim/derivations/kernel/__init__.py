"""The kernel: the only place where facts are made."""

from istsim.derivations.kernel._fact import Derivation as Derivation
from istsim.derivations.kernel._fact import Fact as Fact
from istsim.derivations.kernel._fact import Hypothesis as Hypothesis
from istsim.derivations.kernel._fact import Origin as Origin
from istsim.derivations.kernel._kernel import Kernel as Kernel
from istsim.derivations.kernel._reals import CounterexampleError as CounterexampleError
from istsim.derivations.kernel._reals import holds_for_all as holds_for_all
from istsim.derivations.kernel._relations import Relation as Relation
from istsim.derivations.kernel._relations import at_most as at_most
from istsim.derivations.kernel._relations import equal as equal
from istsim.derivations.kernel._relations import less as less
from istsim.derivations.kernel._relations import to_latex as to_latex
from istsim.derivations.kernel._relations import vanishes as vanishes
from istsim.derivations.kernel._rewriting import reduce as reduce
