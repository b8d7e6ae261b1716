from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import scipy.special
import sympy as sp
from jaxtyping import Float

from istsim.methods._local_updates import LocalUpdates
from istsim.methods._method import Method
from istsim.problems._quadratic import Quadratic
from istsim.simulation._rounds import check_problem_and_method
from istsim.sketches._bernoulli import Bernoulli
from istsim.sketches._grouped import Grouped
from istsim.sketches._rand_k import RandK
from istsim.symbolic import _symbols as s

# What sympy would not write in NumPy, or would write by the name gamma, which is the step size here.
_FUNCTIONS: dict[str, Any] = {"HadamardPower": np.power, "binomial": scipy.special.binom}


def values(problem: Quadratic, method: Method) -> dict[str, Any]:
    """The numbers and matrices that the symbols stand for, by the symbol's name.

    Vectors have shape (d, 1). q is c d/n rounded down, c being the holders of each coordinate or 1, and d the number of
    groups where there are any.

    Example:
        >>> import istsim
        >>> problem = istsim.random_quadratic(0, 2, 4, condition_number=5.0,
        ...                                   matrix_heterogeneity=0.1, vector_heterogeneity=1.0)
        >>> istsim.symbolic.values(problem, istsim.IST(istsim.Permutation(2, 4)))["q"]
        2
    """
    return {name: value() for name, value in _values(problem, method).items()}


def as_function(expression: sp.Basic, dim: int) -> Callable[..., Any]:
    """A NumPy function of an expression, called with its symbols' values by name.

    Args:
        expression: a scalar or matrix expression.
        dim: the number that the symbol d stands for; matrix shapes need it.
    """
    fixed = expression.subs(s.d, dim)
    symbols = sorted(fixed.free_symbols, key=str)
    function = sp.lambdify(symbols, fixed, modules=[_FUNCTIONS, "numpy"])
    names = [str(symbol) for symbol in symbols]
    return lambda **values: function(*(values[name] for name in names))


def evaluate(
    expression: sp.Basic, problem: Quadratic, method: Method, **others: Any
) -> Float[np.ndarray, "..."] | float:
    """A formula as numbers, for one problem and method.

    Args:
        expression: such as `expected_iterate(method)`.
        problem, method: give what `values` lists, n, d, alpha, Lbar and others.
        others: values of further symbols by name, such as `gamma=0.1, k=20, x_0=numpy.ones((d, 1))`.

    Raises:
        ValueError: if a symbol is left without a value.

    Example:
        >>> import numpy as np, istsim
        >>> problem = istsim.Quadratic(L=np.eye(2)[None], b=np.zeros((1, 2)))
        >>> method = istsim.GradientDescent()
        >>> expression = istsim.symbolic.expected_iterate(method)
        >>> istsim.symbolic.evaluate(expression, problem, method, gamma=0.5, k=3, x_0=np.ones((2, 1)))
        array([[0.125],
               [0.125]])
    """
    if not isinstance(expression, sp.Basic | sp.MatrixBase):
        raise ValueError(f"expression must be one of sympy's, such as expected_iterate(method), got {expression!r}")
    known = known_values(expression.free_symbols, problem, method, **others)
    return as_function(expression, problem.dim)(**known)


def known_values(symbols: Iterable[Any], problem: Quadratic, method: Method, **others: Any) -> dict[str, Any]:
    """The values of these symbols by name, the others given first.

    Raises:
        ValueError: if a symbol is left without a value.
    """
    names, known = sorted(map(str, symbols)), _values(problem, method)
    if missing := [name for name in names if name not in known and name not in others]:
        raise ValueError(f"the expression needs values for {', '.join(missing)}; pass them by name")
    return {name: others[name] if name in others else known[name]() for name in names}


def _values(problem: Quadratic, method: Method) -> dict[str, Callable[[], Any]]:
    """How to compute each value; not all are known of every sketch, nor cheap."""
    check_problem_and_method(problem, method)
    n, d, sketch = problem.num_workers, problem.dim, method.sketch_for(problem)
    ungrouped, same = sketch, sketch.labels[:, None] == sketch.labels
    while isinstance(ungrouped, Grouped):
        ungrouped = ungrouped.sketch
    Lbar = np.asarray(problem.mean_hessian, float)
    b = np.asarray(problem.b, float)[:, :, None]

    def hessians() -> tuple[Any, Any]:
        """The L_i and their diagonals, shapes (n, d, d)."""
        L = np.asarray(problem.L, float)
        return L, np.where(same, L, 0.0)

    def mean_product(left: int, right: int) -> Any:
        return (hessians()[left] @ hessians()[right]).mean(axis=0)

    found: dict[str, Callable[[], Any]] = {
        "n": lambda: n,
        "d": lambda: d,
        "G": lambda: ungrouped.d,
        "q": lambda: (sketch.holders or 1) * ungrouped.d // n,
        "m": lambda: method.num_reports(n),
        "alpha": lambda: method.forward_scale,
        "beta": lambda: method.gradient_scale,
        "Lbar": lambda: Lbar,
        "Dbar": lambda: np.where(same, Lbar, 0.0),
        "LLbar": lambda: mean_product(0, 0),
        "DLbar": lambda: mean_product(1, 0),
        "DDbar": lambda: mean_product(1, 1),
        "E": lambda: same.astype(float),
        "bbar": lambda: b.mean(axis=0),
        "Lbbar": lambda: (hessians()[0] @ b).mean(axis=0),
        "Dbbar": lambda: (hessians()[1] @ b).mean(axis=0),
        "p_m": lambda: sketch.reported_probability(method.num_reports(n)),
    }
    if not (isinstance(method, LocalUpdates) and method.mode == "overlapping"):
        found["lambda_min"] = lambda: _eigenvalues(problem, method)[0]
        found["lambda_max"] = lambda: _eigenvalues(problem, method)[-1]
    if isinstance(ungrouped, RandK):
        found["k"] = lambda: ungrouped.k
    if isinstance(ungrouped, Bernoulli):
        found["p"] = lambda: ungrouped.p
    if sketch.holders is not None:
        found["c"] = lambda: sketch.holders
    if isinstance(method, LocalUpdates):
        found["T"] = lambda: method.mask * Lbar
        found["N"] = lambda: np.diag(method.losses)
    for size, symbol in enumerate(s.inclusion, start=1):
        found[str(symbol)] = functools.partial(sketch.inclusion_probability, size)
    for held, symbol in s.joint.items():
        found[str(symbol)] = functools.partial(sketch.joint_probability, *held)
    return found


def _eigenvalues(problem: Quadratic, method: Method) -> Float[np.ndarray, " d"]:
    """Of the matrix that `convergence_rate` is about, in ascending order."""
    Lbar, sketch = np.asarray(problem.mean_hessian, float), method.sketch_for(problem)
    if isinstance(method, LocalUpdates):
        # T is block triangular: its eigenvalues are those of its symmetric diagonal blocks.
        mutual = (method.mask > 0) & (method.mask > 0).T
        return np.linalg.eigvalsh(np.where(mutual, Lbar, 0.0))
    if not (method.masks_model and method.masks_gradient):
        return np.linalg.eigvalsh(Lbar)
    labels = sketch.labels
    r = sketch.inclusion_probability(2) / sketch.inclusion_probability(1)
    return np.linalg.eigvalsh(np.where(labels[:, None] == labels, Lbar, r * Lbar))
