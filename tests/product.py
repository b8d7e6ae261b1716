"""Run by test_product.py in a process of its own: `python product.py NUM_DEVICES ESTIMATOR FALSE_ALARM_RATE`."""

import sys

import jax

REPETITIONS = 10_000


def main(num_devices: int, chosen_estimator: str, false_alarm_rate: float) -> None:
    # Before any device is used.
    jax.config.update("jax_num_cpu_devices", num_devices)
    jax.config.update("jax_disable_most_optimizations", True)

    import numpy as np
    import scipy.stats
    from test_every_combination import COMBINATIONS, ESTIMATORS, SKETCHES, STEP_SIZE, D, N, X, defined_round, problem_of

    import istsim

    assert len(jax.devices()) == num_devices

    problem = problem_of(N, D)
    outcomes = {name: list(sketch.outcomes()) for name, sketch in SKETCHES.items()}
    chosen = [
        (index, combination) for index, combination in enumerate(COMBINATIONS) if combination[1] == chosen_estimator
    ]
    allowed_errors = scipy.stats.norm.isf(false_alarm_rate / (2 * D * len(chosen)))
    for index, combination in chosen:
        sketch, estimator, merge, local_steps = combination
        name = ", ".join(map(str, combination))
        method = ESTIMATORS[estimator](SKETCHES[sketch], merge=merge, local_steps=local_steps)

        probabilities = np.array([probability for _, probability in outcomes[sketch]])
        rounds = np.array([defined_round(problem, method, mask, X) for mask, _ in outcomes[sketch]])
        mean = probabilities @ rounds
        spread = np.sqrt(probabilities @ (rounds - mean) ** 2)

        runs = {
            backend: istsim.simulate(
                problem,
                method,
                step_size=STEP_SIZE,
                rounds=1,
                key=index,
                repetitions=REPETITIONS,
                x0=X,
                backend=backend,
            ).x[0]
            for backend in ("vmap", "pmap", "shard_map")
        }
        for backend in ("pmap", "shard_map"):
            np.testing.assert_allclose(
                runs[backend], runs["vmap"], rtol=1e-12, atol=1e-13, err_msg=f"{name}: {backend} and vmap"
            )

        # By the enumerated spread, not the sampled one: a simulation that scatters too much is allowed no more for it.
        # Where nothing is random (all spread is rounding), every repetition is the mean.
        random = spread > 1e-12
        deviation = np.where(random, abs(runs["vmap"].mean(axis=0) - mean), abs(runs["vmap"] - mean).max(axis=0))
        allowed = np.where(random, allowed_errors * spread / np.sqrt(REPETITIONS), 1e-12)
        np.testing.assert_array_less(deviation, allowed, err_msg=f"{name}: simulated and enumerated mean")

        exact = istsim.theory.exact_mean(problem, method, step_size=STEP_SIZE, rounds=1, x0=X)[1]
        np.testing.assert_allclose(exact, mean, rtol=1e-12, atol=1e-12, err_msg=f"{name}: exact and enumerated mean")
        print(f"{name}: agree", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
