"""Run by test_backends.py in a process of its own: `python backends.py NUM_DEVICES`, and `few` for half of it."""

import sys

import jax


def main(num_devices: int, few: bool) -> None:
    # Before any device is used.
    jax.config.update("jax_num_cpu_devices", num_devices)
    jax.config.update("jax_disable_most_optimizations", True)

    import numpy as np

    import istsim

    assert len(jax.devices()) == num_devices

    def check_equal(problem, method, mesh_shape=None):
        run = {"step_size": [0.02, 0.05], "rounds": 9, "record_every": 4, "repetitions": 3, "key": 3}
        expected = istsim.simulate(problem, method, **run)
        for backend in ("pmap", "shard_map"):
            found = istsim.simulate(problem, method, backend=backend, mesh_shape=mesh_shape, **run)
            np.testing.assert_allclose(found.x, expected.x, rtol=1e-12, atol=1e-13)
            for name, values in expected.metrics.items():
                np.testing.assert_allclose(found.metrics[name], values, rtol=1e-11, atol=1e-13)
        where = "any devices" if mesh_shape is None else f"{mesh_shape[0]} x {mesh_shape[1]} devices"
        print(f"n = {problem.num_workers}, {type(method).__name__}: equal on {where}")

    rng = np.random.default_rng(0)
    for n in (2, 5) if few else (2, 3, 5):
        d = 2 * n
        features, targets = rng.standard_normal((n, 6, d)), rng.standard_normal((n, 6))
        dense = istsim.Quadratic.from_least_squares(features, targets, ridge=0.3)
        factored = istsim.Quadratic.from_least_squares(features[:, : n - 1], targets[:, : n - 1], ridge=0.3)
        tridiagonal = istsim.tridiagonal_quadratic(1, n, d, noise_scale=0.1, smallest_eigenvalue=0.2)
        covariance = 0.1 * np.eye(d)
        methods = [
            (dense, istsim.GradientDescent()),
            (factored, istsim.IST(istsim.Permutation(n, d))),
            (tridiagonal, istsim.IST(istsim.Permutation(n, d))),
            (dense, istsim.IST(istsim.RandK(n, d, 2), weights=rng.uniform(0.5, 1.0, (n, d)), merge="literal")),
            (dense, istsim.CompressedGradient(istsim.Coverage(n, d, 2), merge="owners", noise=istsim.RowSampling(3))),
            (
                dense,
                istsim.IST(
                    istsim.Bernoulli(n, d, 0.6),
                    merge="owners",
                    participants=n - 1,
                    local_steps=2,
                    noise=istsim.GaussianNoise(covariance),
                ),
            ),
        ]
        # Everything where workers are padded; where they fit, what is drawn and what is not.
        chosen, fewer = (methods, methods[3:]) if n == 5 else (methods[1::4], methods[1:2])
        if few:
            chosen = fewer
        for problem, method in chosen:
            check_equal(problem, method, (1, num_devices))
        # One of them on every mesh there is: three repetitions, padded where the rows are two or four.
        if n == 5:
            for rows in range(1, num_devices + 1):
                if num_devices % rows == 0:
                    check_equal(*methods[3], (rows, num_devices // rows))
            check_equal(*methods[3])


if __name__ == "__main__":
    main(int(sys.argv[1]), few="few" in sys.argv)
