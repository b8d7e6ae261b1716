from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp
from jaxtyping import Float

from istsim._types import Numbers
from istsim.methods._method import Method, SketchedMethod
from istsim.problems._quadratic import Quadratic
from istsim.sketches._bernoulli import Bernoulli
from istsim.sketches._rand_k import RandK
from istsim.symbolic import _symbols as s


def values(problem: Quadratic, method: Method) -> dict[str, Any]:
    """The numbers and matrices that the symbols stand for, by the symbol's name.

    Vectors have shape (d, 1). Where n does not divide d, q is their quotient.

    Example:
        >>> import istsim
        >>> problem = istsim.random_quadratic(0, 2, 4, condition_number=5.0,
        ...                                   matrix_heterogeneity=0.1, vector_heterogeneity=1.0)
        >>> istsim.symbolic.values(problem, istsim.IST(istsim.Permutation(2, 4)))["q"]
        2.0
    """
    n, d = problem.num_workers, problem.dim
    labels = method.sketch_for(problem).labels
    Lbar = np.asarray(problem.mean_hessian, float)
    found = {
        "n": n,
        "d": d,
        "q": d / n,
        "alpha": method.forward_scale,
        "beta": method.gradient_scale,
        "Lbar": Lbar,
        "Dbar": np.where(labels[:, None] == labels, Lbar, 0.0),
        "bbar": np.asarray(problem.b, float).mean(axis=0)[:, None],
    }
    sketch = method.sketch if isinstance(method, SketchedMethod) else None
    if isinstance(sketch, RandK):
        found["k"] = sketch.k
    elif isinstance(sketch, Bernoulli):
        found["p"] = sketch.p
    if sketch is not None:
        found |= {f"p_{size}": sketch.inclusion_probability(size) for size in (1, 2)}
    return found


def as_function(expression: sp.Basic, dim: int) -> Callable[..., Any]:
    """A NumPy function of an expression, called with its symbols' values by name.

    Args:
        expression: a scalar or matrix expression.
        dim: the number that the symbol d stands for; matrix shapes need it.
    """
    fixed = expression.subs(s.d, dim)
    symbols = sorted(fixed.free_symbols, key=str)
    function = sp.lambdify(symbols, fixed, modules="numpy")
    names = [str(symbol) for symbol in symbols]
    return lambda **values: function(*(values[name] for name in names))


def evaluate(
    expression: sp.Basic, problem: Quadratic, method: Method, **others: Any
) -> Float[np.ndarray, "..."] | float:
    """A formula as numbers, for one problem and method.

    Args:
        expression: such as `expected_iterate(method)`.
        problem, method: give n, d, q, k, p, alpha, beta, Lbar, Dbar and bbar.
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
    known = {**values(problem, method), **others}
    missing = sorted(str(symbol) for symbol in expression.free_symbols if str(symbol) not in known)
    if missing:
        raise ValueError(f"the expression needs values for {', '.join(missing)}; pass them by name")
    return as_function(expression, problem.dim)(**known)


def column(x: Numbers) -> Float[np.ndarray, "d 1"]:
    """A vector as the (d, 1) matrix that matrix expressions work with."""
    return np.asarray(x, float)[:, None]
