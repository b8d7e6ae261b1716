"""Problems far too large for matrices: memory of order n d, never of order d^2."""

import subprocess
import sys
import tracemalloc

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import istsim

# 100 rounds in a process of its own: with or without numba; n, d; how the problem is made. Prints the peak of its
# memory in GiB, and the objective gap at the start and at the end.
RUN = """
import resource, sys

if sys.argv[1] == "without numba":
    sys.modules["numba"] = None

import jax.numpy as jnp
import numpy as np

import istsim

n, d = int(sys.argv[2]), int(sys.argv[3])
if sys.argv[4] == "family":
    problem = istsim.tridiagonal_quadratic(
        0, n, d, noise_scale=0.1, smallest_eigenvalue=1e-2, dtype=jnp.float32
    )
else:
    rng = np.random.default_rng(0)
    diagonals = 2 + rng.random((n, d), dtype=np.float32)
    off_diagonals = 2 * rng.random((n, d - 1), dtype=np.float32) - 1
    b = rng.standard_normal((n, d), dtype=np.float32)
    problem = istsim.Quadratic.from_tridiagonals(diagonals, off_diagonals, b)
assert problem.dtype == np.float32
method = istsim.IST(istsim.Permutation(n, d))
solution = istsim.simulate(problem, method, step_size=0.02 / n, rounds=100, key=0, record_every=10)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)
print(peak, *solution.metrics["objective_gap"][0, 0, [0, -1]])
"""


@pytest.mark.slow
@pytest.mark.parametrize("numba", ["with numba", "without numba"])
@pytest.mark.parametrize("made", ["family", "given"])
@pytest.mark.parametrize(("n", "d"), [(16, 10**6), (1000, 10**5)])
def test_a_huge_tridiagonal_problem_is_built_checked_and_run_in_less_than_4_gib(n, d, made, numba):
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", RUN, numba, str(n), str(d), made],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    peak, first, last = map(float, finished.stdout.split())
    print(f"{peak:.2f} GiB")
    assert peak < 4
    assert last < first / 2


N, D = 4, 5_000  # dense L_i would take 0.8 GiB


def rank_one_and_identity(u, on, values):
    return values + u[on] * (u[on] @ values)


STRUCTURED = {
    "diagonal": lambda rng: istsim.Quadratic.from_diagonals(rng.uniform(1, 2, (N, D)), rng.standard_normal((N, D))),
    "tridiagonal": lambda rng: istsim.Quadratic.from_tridiagonals(
        rng.uniform(2, 3, (N, D)), rng.uniform(-1, 1, (N, D - 1)), rng.standard_normal((N, D))
    ),
    "factored": lambda rng: istsim.Quadratic.from_least_squares(
        rng.standard_normal((N, 2, D)), rng.standard_normal((N, 2)), ridge=0.5
    ),
    "matrix-free": lambda rng: istsim.Quadratic.from_matvec(
        rank_one_and_identity, rng.standard_normal((N, D)), rng.standard_normal((N, D))
    ),
}
METHODS = [
    istsim.IST(istsim.Permutation(N, D)),
    istsim.IST(istsim.Bernoulli(N, D, 0.5)),
    istsim.CompressedGradient(istsim.Permutation(N, D)),
    istsim.CompressedIterates(istsim.Permutation(N, D)),
]


def sizes(jaxpr):
    """Those of all arrays that a program makes."""
    for equation in jaxpr.eqns:
        yield from (variable.aval.size for variable in equation.outvars)
        for value in jax.tree.leaves(list(equation.params.values())):
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                yield from sizes(inner)


def largest(function, *arguments):
    program = jax.make_jaxpr(function)(*arguments)
    return max([*sizes(program.jaxpr), *(np.size(constant) for constant in program.consts)])


@pytest.fixture(params=STRUCTURED)
def built(request, seed):
    """A problem, and how many bytes NumPy took to make and to check it."""
    rng = np.random.default_rng(seed)
    tracemalloc.start()
    problem = STRUCTURED[request.param](rng)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert request.param in repr(problem)
    return problem, peak


@pytest.mark.sample(1)
def test_no_structure_ever_makes_a_matrix(built):
    problem, peak = built
    assert peak < D * D  # an eighth of one matrix
    x = jnp.ones(D)
    programs = [
        lambda problem: problem.astype(jnp.float32).preconditioned(),
        lambda problem: (problem.value(x), problem.gradient(x), problem.objective_gap(x)),
        *(
            lambda problem, method=method: istsim.trajectory(problem, method, step_size=0.1, rounds=2, key=0)
            for method in METHODS
        ),
    ]
    for program in programs:
        assert D <= largest(program, problem) < D * D // 100
    assert largest(lambda problem: problem.mean_hessian, problem) >= D * D  # were it made, it would be seen


def test_no_bands_are_made_into_a_matrix_on_the_way_to_a_problem():
    bands = jnp.ones((N, D)), jnp.zeros((N, D - 1))
    for program in (
        lambda entries, _: istsim.Quadratic.from_diagonals(entries, entries),
        lambda entries, couplings: istsim.Quadratic.from_tridiagonals(entries, couplings, entries),
    ):
        assert N * D <= largest(program, *bands) < D * D // 100
