"""Run by test_backends.py in a process of its own: `python backends.py NUM_DEVICES`."""

import sys

import jax


def main(num_devices: int) -> None:
    # Before any device is used.
    jax.config.update("jax_num_cpu_devices", num_devices)
    jax.config.update("jax_disable_most_optimizations", True)

    import numpy as np

    import istsim

    assert len(jax.devices()) == num_devices

    rng = np.random.default_rng(0)
    for n in (2, 3, 5):
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
        chosen = methods if n == 5 else methods[1::4]
        for problem, method in chosen:
            runs = {
                backend: istsim.simulate(
                    problem,
                    method,
                    step_size=[0.02, 0.05],
                    rounds=9,
                    record_every=4,
                    repetitions=2,
                    key=3,
                    backend=backend,
                )
                for backend in ("vmap", "pmap", "shard_map")
            }
            for backend in ("pmap", "shard_map"):
                np.testing.assert_allclose(runs[backend].x, runs["vmap"].x, rtol=1e-12, atol=1e-13)
                for name, values in runs["vmap"].metrics.items():
                    np.testing.assert_allclose(runs[backend].metrics[name], values, rtol=1e-11, atol=1e-13)
            print(f"n = {n}, {type(method).__name__}: equal on {len(jax.devices())} devices")


if __name__ == "__main__":
    main(int(sys.argv[1]))
