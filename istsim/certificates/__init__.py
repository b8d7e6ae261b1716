"""Matrix inequalities decided exactly, in rational numbers.

A floating-point eigenvalue of a semidefinite matrix is as likely -1e-17 as 1e-17. Here matrices hold
`fractions.Fraction`, in NumPy arrays of dtype object; whether they are positive semidefinite is decided by a
rational LDL', and what is refuted comes with a vector that shows it. python-flint (`pip install "istsim[certify]"`)
makes this faster and changes no result.
"""

from istsim.certificates._bounds import Bound as Bound
from istsim.certificates._bounds import largest_rate as largest_rate
from istsim.certificates._bounds import least_theta as least_theta
from istsim.certificates._decision import Decision as Decision
from istsim.certificates._decision import decide as decide
from istsim.certificates._definite import LDL as LDL
from istsim.certificates._definite import is_semidefinite as is_semidefinite
from istsim.certificates._definite import ldl as ldl
from istsim.certificates._definite import negative_direction as negative_direction
from istsim.certificates._rational import as_fraction as as_fraction
from istsim.certificates._rational import as_fractions as as_fractions
from istsim.certificates._round import RationalRound as RationalRound
from istsim.certificates._theorem_1 import decide_gradients as decide_gradients
from istsim.certificates._theorem_1 import decide_iterates as decide_iterates
from istsim.certificates._theorem_1 import decide_theta as decide_theta
