from __future__ import annotations

from istsim.theorems._erratum_17 import Erratum17
from istsim.theorems._erratum_21 import Erratum21
from istsim.theorems._erratum_23 import Erratum23
from istsim.theorems._erratum_gamma_one import ErratumGammaOne
from istsim.theorems._erratum_limit import ErratumLimit
from istsim.theorems._erratum_literal_algorithm import ErratumLiteralAlgorithm
from istsim.theorems._expected_iterate import ExpectedIterate
from istsim.theorems._greedy import GreedyEigenvalues, GreedyFixedPoint
from istsim.theorems._heterogeneous_preconditioning import HeterogeneousPreconditioning
from istsim.theorems._homogeneous_preconditioning import HomogeneousPreconditioning
from istsim.theorems._homogeneous_zero_variance import HomogeneousZeroVariance
from istsim.theorems._identity import IdentityIsGradientDescent
from istsim.theorems._masking import GradientMaskingUnbiased, ModelMaskingBiased
from istsim.theorems._perm_q_mean import PermQMean
from istsim.theorems._remark_1 import Remark1Indefinite
from istsim.theorems._scale_equivalence import ScaleEquivalence
from istsim.theorems._sharper_theorem_2 import SharperTheorem2
from istsim.theorems._stationary_gradient_norm import StationaryGradientNorm
from istsim.theorems._theorem import Theorem
from istsim.theorems._theorem_1_gradients import Theorem1Gradients
from istsim.theorems._theorem_1_iterates import Theorem1Iterates
from istsim.theorems._theorem_2 import Theorem2

_THEOREMS = {
    theorem.name: theorem
    for theorem in (
        Theorem1Gradients(),
        Theorem1Iterates(),
        IdentityIsGradientDescent(),
        Remark1Indefinite(),
        HomogeneousPreconditioning(),
        HeterogeneousPreconditioning(),
        ExpectedIterate(),
        Theorem2(),
        HomogeneousZeroVariance(),
        SharperTheorem2(),
        StationaryGradientNorm(),
        PermQMean(),
        ScaleEquivalence(),
        GradientMaskingUnbiased(),
        ModelMaskingBiased(),
        GreedyFixedPoint(),
        GreedyEigenvalues(),
        Erratum17(),
        Erratum21(),
        Erratum23(),
        ErratumLiteralAlgorithm(),
        ErratumLimit(),
        ErratumGammaOne(),
    )
}


def names() -> list[str]:
    """The names of all theorems.

    Example:
        >>> import istsim
        >>> istsim.theorems.names()[:2]
        ['theorem-1-gradients', 'theorem-1-iterates']
    """
    return list(_THEOREMS)


def get(name: str) -> Theorem:
    """The theorem of that name.

    Raises:
        ValueError: if there is none.

    Example:
        >>> import istsim
        >>> problem = istsim.random_quadratic(0, 4, 8, condition_number=5.0, matrix_heterogeneity=0.2,
        ...                                   vector_heterogeneity=0.0, interpolation=True)
        >>> theorem = istsim.theorems.get("theorem-1-iterates")
        >>> check = theorem.check(problem, istsim.IST(istsim.Permutation(4, 8)), step_size=0.1, rounds=20)
        >>> check.applicable, check.holds, check.lhs.shape
        (True, True, (21,))
        >>> theorem.check(problem, istsim.IST(istsim.Permutation(4, 8)), step_size=2.0, rounds=20).reason
        'premise fails: step size at most 1/theta (it is 2, and 1/theta is 0.318005)'
    """
    if name not in _THEOREMS:
        raise ValueError(f"name must be one of {', '.join(_THEOREMS)}, got {name!r}")
    return _THEOREMS[name]
