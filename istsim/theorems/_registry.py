from __future__ import annotations

from typing import Any

import sympy as sp

from istsim._validation import did_you_mean
from istsim.theorems._best_forward_scale import BestForwardScale
from istsim.theorems._erratum_17 import Erratum17
from istsim.theorems._erratum_21 import Erratum21
from istsim.theorems._erratum_23 import Erratum23
from istsim.theorems._erratum_gamma_one import ErratumGammaOne
from istsim.theorems._erratum_limit import ErratumLimit
from istsim.theorems._erratum_literal_algorithm import ErratumLiteralAlgorithm
from istsim.theorems._expected_iterate import ExpectedIterate
from istsim.theorems._gradient_masking import GradientMaskingUnbiased
from istsim.theorems._greedy_eigenvalues import GreedyEigenvalues
from istsim.theorems._greedy_loss import GreedyLoss
from istsim.theorems._greedy_rate import GreedyRate
from istsim.theorems._greedy_stages import GreedyStages
from istsim.theorems._greedy_transient import GreedyTransient
from istsim.theorems._heterogeneous_preconditioning import HeterogeneousPreconditioning
from istsim.theorems._homogeneous_preconditioning import HomogeneousPreconditioning
from istsim.theorems._homogeneous_zero_variance import HomogeneousZeroVariance
from istsim.theorems._identity import IdentityIsGradientDescent
from istsim.theorems._local_steps import LocalStepsSingleCoordinates
from istsim.theorems._local_updates_contraction import LocalUpdatesContraction
from istsim.theorems._local_updates_fixed_point import LocalUpdatesFixedPoint
from istsim.theorems._model_masking import ModelMaskingBiased
from istsim.theorems._overlap import OverlapReducesBias
from istsim.theorems._overlapping_stability import OverlappingStability
from istsim.theorems._participation import ParticipationSecondMoment
from istsim.theorems._perm_q_mean import PermQMean
from istsim.theorems._remark_1 import Remark1Indefinite
from istsim.theorems._scale_equivalence import ScaleEquivalence
from istsim.theorems._sharper_theorem_2 import SharperTheorem2
from istsim.theorems._stationary_gradient_norm import StationaryGradientNorm
from istsim.theorems._theorem import Theorem
from istsim.theorems._theorem_1_gradients import Theorem1Gradients
from istsim.theorems._theorem_1_iterates import Theorem1Iterates
from istsim.theorems._theorem_1_long_steps import Theorem1LongSteps
from istsim.theorems._theorem_2 import Theorem2

_OWN = (
    Theorem1Gradients(),
    Theorem1Iterates(),
    Theorem1LongSteps(),
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
    BestForwardScale(),
    OverlapReducesBias(),
    LocalStepsSingleCoordinates(),
    ParticipationSecondMoment(),
    GradientMaskingUnbiased(),
    ModelMaskingBiased(),
    LocalUpdatesFixedPoint(),
    LocalUpdatesContraction(),
    GreedyLoss(),
    GreedyStages(),
    GreedyRate(),
    GreedyEigenvalues(),
    GreedyTransient(),
    Erratum17(),
    Erratum21(),
    Erratum23(),
    ErratumLiteralAlgorithm(),
    ErratumLimit(),
    ErratumGammaOne(),
    OverlappingStability(),
)
_THEOREMS: dict[str, Theorem] = {theorem.name: theorem for theorem in _OWN}


def register(theorem: Any) -> Theorem:
    """Add a theorem of your own, for `get`, `istsim theorems` and `istsim verify`.

    Args:
        theorem: an instance of a subclass of `Theorem`. One of the same name that you registered before is replaced.

    Returns:
        The theorem.

    Raises:
        ValueError: if it is no theorem, its statement no equality or bound, or its name one of istsim's own.

    Example:
        >>> import istsim, sympy as sp
        >>> gap, previous = sp.symbols("gap previous")
        >>> class NeverWorse(istsim.theorems.Theorem):
        ...     '''Gradient descent with a short step never raises the objective.'''
        ...     name, title, source = "never-worse", "Descent", "textbooks"
        ...     kind = istsim.theorems.Kind.UPPER
        ...     statement = sp.Le(gap, previous, evaluate=False)
        ...     premises = (
        ...         istsim.theorems.Premise(
        ...             "gradient descent",
        ...             lambda run: "" if isinstance(run.method, istsim.GradientDescent) else "it is another method",
        ...         ),
        ...         istsim.theorems.Premise(
        ...             "step size at most 2/theta",
        ...             lambda run: "" if run.step_size * run.contraction.theta <= 2 else "it is longer",
        ...         ),
        ...     )
        ...     def sequences(self, run):
        ...         return {gap: run.objective_gap[1:], previous: run.objective_gap[:-1]}
        >>> theorem = NeverWorse()
        >>> problem = istsim.Quadratic(L=[[[1.0]]], b=[[0.0]])
        >>> theorem.check(problem, istsim.GradientDescent(), step_size=1.5, rounds=3).tightness
        array([0.25, 0.25, 0.25])
        >>> istsim.theorems.register(theorem)  # doctest: +SKIP
    """
    if not isinstance(theorem, Theorem):
        raise ValueError(f"theorem must be an instance of a subclass of istsim.theorems.Theorem, got {theorem!r}")
    if not isinstance(theorem.statement, sp.Eq | sp.Le | sp.Ge):
        raise ValueError(f"statement must be a sympy Eq, Le or Ge, got {theorem.statement!r}")
    if theorem.name in (own.name for own in _OWN):
        raise ValueError(f"the name {theorem.name!r} is one of istsim's own theorems; choose another")
    _THEOREMS[theorem.name] = theorem
    return theorem


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
    if not isinstance(name, str) or name not in _THEOREMS:
        near = did_you_mean(name, _THEOREMS)
        raise ValueError(f"there is no theorem {name!r}; {near}the names are {', '.join(_THEOREMS)}")
    return _THEOREMS[name]
