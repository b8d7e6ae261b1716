"""Where JAX traces, and where it has no float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import istsim
from istsim.simulation import _numpy

PROBLEM = istsim.random_quadratic(0, 2, 6, condition_number=4.0, matrix_heterogeneity=0.5, vector_heterogeneity=1.0)
METHOD = istsim.IST(istsim.Permutation(2, 6))
ARGUMENTS = {"step_size": 0.1, "rounds": 3, "key": 1}


def run(problem=PROBLEM, method=METHOD, **changes):
    return istsim.simulate(problem, method, **ARGUMENTS | changes).x[0, 0]


TRACED = {
    "jit of a step size": lambda: jax.jit(lambda step_size: run(step_size=step_size))(0.1),
    "jit of a list of them": lambda: jax.jit(lambda step_size: run(step_size=[step_size, 0.2]))(0.1),
    "jit of a schedule": lambda: jax.jit(lambda size: run(step_size=lambda k: size / (k + 1)))(0.1),
    "jit of a problem": lambda: jax.jit(lambda problem: run(problem=problem))(PROBLEM),
    "jit of a method": lambda: jax.jit(lambda method: run(method=method))(METHOD),
    "jit of a key": lambda: jax.jit(lambda key: run(key=key))(jax.random.key(0)),
    "jit of a raw key": lambda: jax.jit(lambda key: run(key=key))(jax.random.PRNGKey(0)),
    "jit of nothing": lambda: jax.jit(run)(),
    "jit around a known key": lambda: jax.jit(lambda: run(key=jax.random.key(0)))(),
    "vmap of starts": lambda: jax.vmap(lambda x0: run(x0=x0))(np.ones((2, 6))),
    "vmap of keys": lambda: jax.vmap(lambda key: run(key=key))(jax.random.split(jax.random.key(0), 2)),
    "grad in a step size": lambda: jax.grad(lambda step_size: run(step_size=step_size)[0])(0.1),
    "grad in a start": lambda: jax.grad(lambda x0: run(x0=x0)[0])(np.ones(6)),
}


@pytest.mark.parametrize("in_numpy", [True, False])
@pytest.mark.parametrize("traced", TRACED.values(), ids=TRACED)
def test_a_traced_simulation_is_refused_and_names_what_can_be_traced(traced, in_numpy, monkeypatch, unchecked):
    monkeypatch.setattr(_numpy, "is_short", lambda run: in_numpy)
    with pytest.raises(ValueError, match=r"istsim\.trajectory"):
        traced()


# Float64 switched off after `import istsim`


def matvec(data, on, values):
    return data * values


MATRIX_FREE = istsim.Quadratic.from_matvec(matvec, np.array([1.0, 2.0]), np.ones((2, 6)))
JAX_POINT = jnp.ones(6)
BY_JAX = {
    "simulate": run,
    "simulate in float32": lambda: run(problem=PROBLEM.astype(np.float32)),
    "trajectory": lambda: istsim.trajectory(PROBLEM, METHOD, **ARGUMENTS),
    "exact_moments": lambda: istsim.theory.exact_moments(PROBLEM, METHOD, step_size=0.1, rounds=3),
    "exact_mean": lambda: istsim.theory.exact_mean(PROBLEM, METHOD, step_size=0.1, rounds=3),
    "second_moment": lambda: istsim.theory.second_moment(PROBLEM, METHOD, np.eye(6), step_size=0.1),
    "random_quadratic": lambda: istsim.random_quadratic(
        0, 2, 3, condition_number=2.0, matrix_heterogeneity=0.0, vector_heterogeneity=0.0
    ),
    "quadratic_with_spectra": lambda: istsim.quadratic_with_spectra(0, [[1.0, 2.0]]),
    "tridiagonal_quadratic": lambda: istsim.tridiagonal_quadratic(0, 2, 3, noise_scale=0.1, smallest_eigenvalue=0.1),
    "split_over_workers": lambda: istsim.split_over_workers(np.arange(4), 2, "random"),
    "a traced problem": lambda: jax.jit(lambda b: istsim.Quadratic(PROBLEM.L, b).minimizer)(PROBLEM.b),
    "a traced value": lambda: jax.jit(PROBLEM.value)(np.ones(6)),
    "a gradient at JAX's array": lambda: PROBLEM.gradient(JAX_POINT),
    "from_matvec": lambda: istsim.Quadratic.from_matvec(matvec, np.array([1.0, 2.0]), np.ones((2, 6))),
    "a matrix-free value": lambda: MATRIX_FREE.value(np.ones(6)),
    "RandK": lambda: istsim.RandK(2, 6, 2).sample(jax.random.key(0)),
    "Bernoulli": lambda: istsim.Bernoulli(2, 6, 0.5).sample(jax.random.key(0)),
    "Coverage": lambda: istsim.Coverage(2, 6, 2).sample(jax.random.key(0)),
    "Permutation": lambda: istsim.Permutation(4, 6).sample(jax.random.key(0)),
    "Grouped": lambda: istsim.Grouped(istsim.RandK(2, 3, 2), [0, 0, 1, 2]).sample(jax.random.key(0)),
    "check_sketch": lambda: istsim.verify.check_sketch(istsim.RandK(2, 6, 2)),
}


@pytest.mark.sample(6)
@pytest.mark.parametrize("compute", BY_JAX.values(), ids=BY_JAX)
def test_what_computes_by_jax_is_refused_where_float64_is_switched_off(compute, unchecked):
    compute()
    jax.config.update("jax_enable_x64", False)
    try:
        with pytest.raises(RuntimeError, match=r'has been switched off .* jax.config.update\("jax_enable_x64", True\)'):
            compute()
    finally:
        jax.config.update("jax_enable_x64", True)
