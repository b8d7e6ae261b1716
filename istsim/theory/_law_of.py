from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from istsim._arrays import as_known
from istsim._validation import is_concrete, one_of
from istsim.methods._local_updates import LocalUpdates
from istsim.methods._method import Method, SketchedMethod
from istsim.problems._diagonal import DiagonalHessians
from istsim.problems._quadratic import Quadratic
from istsim.simulation._rounds import check_problem_and_method
from istsim.theory._affine import AffineLaw
from istsim.theory._diagonal_dynamics import DiagonalDynamics
from istsim.theory._diagonal_law import DiagonalLaw
from istsim.theory._dynamics import Dynamics
from istsim.theory._enumerated_law import EnumeratedLaw
from istsim.theory._errors import NotCoveredError
from istsim.theory._fixed_law import FixedLaw
from istsim.theory._local_steps_law import LocalStepsLaw
from istsim.theory._sketched_law import SketchedLaw

ROUTES = ("formula", "enumeration")


def law_of(problem: Quadratic, method: Method, route: str = "formula", *others: Any) -> AffineLaw:
    """The law of a method's round on a problem, centred at the minimizer.

    Args:
        problem: The quadratic.
        method: The method.
        route: "formula" or "enumeration".
        others: What the law is to be combined with. Where JAX traces something in it, in the problem or in the method,
            the law's arrays are JAX's, else NumPy's.

    Raises:
        ValueError: if they do not go together, or for an unknown route.
        NotCoveredError: where the route does not reach.
    """
    check_problem_and_method(problem, method)
    wide, method = as_known((problem.astype(np.float64), method))
    if not is_concrete(problem, method, others):
        wide = jax.tree.map(jnp.asarray, wide)
    if one_of("route", route, ROUTES) == "enumeration":
        return EnumeratedLaw.of_outcomes(wide, method)
    if (changed := _own_parts(method)) is not None:
        raise NotCoveredError(
            f"formulas are for the rounds of the library's methods, but {type(method).__name__} defines {changed} of "
            "its own; enumerate its outcomes (route='enumeration') at small d, or simulate"
        )
    sketch = method.sketch_for(wide)
    if not sketch.exchangeable:
        raise NotCoveredError(
            f"formulas are for exchangeable sketches, whose workers and coordinates are all alike, but {sketch!r} says "
            "that it is not; enumerate its outcomes (route='enumeration') at small d, or simulate"
        )
    if isinstance(method, LocalUpdates):
        return FixedLaw(wide, method, wide.minimizer)
    if isinstance(method, SketchedMethod) and method.local_steps > 1:
        law = LocalStepsLaw(wide, method, wide.minimizer)
        law.check_means()
        return law
    law = DiagonalLaw if isinstance(wide.hessians, DiagonalHessians) else SketchedLaw
    return law(wide, method, wide.minimizer)


def dynamics_of(problem: Quadratic, method: Method, route: str = "formula", *others: Any) -> Dynamics:
    """The moments of a method's rounds on a problem.

    Raises:
        ValueError: if they do not go together, or for an unknown route.
        NotCoveredError: where the route does not reach, or second moments are not known.
    """
    law = law_of(problem, method, route, *others)
    return DiagonalDynamics(law) if isinstance(law, DiagonalLaw) else Dynamics(law)


def _own_parts(method: Method) -> str | None:
    """A function of the library's methods that a user's class defines anew, if it does."""
    for cls in type(method).__mro__:
        if cls.__module__.partition(".")[0] == "istsim":
            return None
        for name, value in vars(cls).items():
            if callable(value) and not name.startswith("__") and any(hasattr(base, name) for base in cls.__bases__):
                return name
    return None
