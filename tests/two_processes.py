"""One of two processes of a run, started by test_distributed.py: `python two_processes.py PORT PROCESS FOLDER`.

Without a process number it is the same run in one process, on one device.
"""

import pathlib
import sys

import jax

MESHES = {"default": None, "workers": (1, 4), "both": (2, 2)}


def start(port: str, process: int) -> None:
    jax.config.update("jax_num_cpu_devices", 2)
    jax.config.update("jax_disable_most_optimizations", True)
    jax.distributed.initialize(f"localhost:{port}", num_processes=2, process_id=process, heartbeat_timeout_seconds=10)
    assert (len(jax.devices()), len(jax.local_devices())) == (4, 2)


def simulated(rounds: int = 9, **where):
    import istsim

    problem = istsim.random_quadratic(
        0, 5, 10, condition_number=5.0, matrix_heterogeneity=0.5, vector_heterogeneity=1.0
    )
    return istsim.simulate(
        problem,
        istsim.IST(istsim.Permutation(5, 10)),
        step_size=[0.02, 0.05],
        rounds=rounds,
        record_every=4,
        repetitions=3,
        key=3,
        **where,
    )


def main(port: str, process: int, folder: pathlib.Path) -> None:
    import numpy as np

    start(port, process)
    for name, mesh_shape in MESHES.items():
        solution = simulated(backend="shard_map", mesh_shape=mesh_shape)
        np.savez(folder / f"{name}-{process}.npz", x=solution.x, **solution.metrics)


def endless(port: str, process: int) -> None:
    """More rounds than anyone waits for, after a line that says that they have begun."""
    start(port, process)
    simulated(backend="shard_map", mesh_shape=(1, 4))
    print("begun", flush=True)
    simulated(10**7, backend="shard_map", mesh_shape=(1, 4))


if __name__ == "__main__":
    if sys.argv[3:]:
        main(sys.argv[1], int(sys.argv[2]), pathlib.Path(sys.argv[3]))
    else:
        endless(sys.argv[1], int(sys.argv[2]))
