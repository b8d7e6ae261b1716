"""A sweep in a process of its own, so that it can be killed: python tests/killed_sweep.py STORE."""

import sys

import istsim


def grid():
    return istsim.Grid(
        problems=[
            "real_quadratic('diabetes', 5)",
            "random_quadratic(1, 5, 10, condition_number=5.0, matrix_heterogeneity=0.5, vector_heterogeneity=0.5)",
        ],
        sketches=["Permutation", "RandK(k=2)", "Bernoulli(p=0.3)", "RandK(k=20)"],
        step_sizes=[0.02, 0.05, 0.1],
        seeds=[0, 1],
        rounds=400,
        repetitions=200,
        record_every=10,
    )


if __name__ == "__main__":
    istsim.sweep(grid(), store=sys.argv[1])
    print("done")
