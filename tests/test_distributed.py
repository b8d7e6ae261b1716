"""Two processes of two simulated devices each."""

import pathlib
import socket
import subprocess
import sys

import numpy as np
import pytest
import two_processes

import istsim


def start(*arguments):
    script = pathlib.Path(__file__).with_name("two_processes.py")
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    return [
        subprocess.Popen(
            [sys.executable, str(script), str(port), str(process), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for process in (0, 1)
    ]


def test_two_processes_give_the_run_of_one(tmp_path):
    expected = two_processes.simulated()
    for process in start(str(tmp_path)):
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    for name in two_processes.MESHES:
        for process in (0, 1):
            found = np.load(tmp_path / f"{name}-{process}.npz")
            np.testing.assert_allclose(found["x"], expected.x, rtol=1e-12)
            for metric, values in expected.metrics.items():
                np.testing.assert_allclose(found[metric], values, rtol=1e-11, atol=1e-13)


@pytest.mark.slow
def test_a_dead_process_ends_the_run_with_a_message():
    first, second = start()
    try:
        for process in (first, second):
            assert "begun\n" in iter(process.stdout.readline, "")  # after lines of JAX's own
        second.kill()
        _, errors = first.communicate(timeout=60)
    finally:
        for process in (first, second):
            process.kill()
            process.communicate()
    assert first.returncode != 0
    assert "process 0 of 2 has lost another one" in errors


def test_several_processes_need_shard_map(monkeypatch):
    monkeypatch.setattr("jax.process_count", lambda: 2)
    with pytest.raises(ValueError, match="several processes need backend='shard_map', got 'pmap'"):
        two_processes.simulated(backend="pmap")


@pytest.mark.parametrize("mesh_shape", [(2, 2), (1, 0), (1,), "ab", 3])
def test_a_mesh_that_the_devices_do_not_make_is_refused(mesh_shape, unchecked):
    with pytest.raises(ValueError, match=r"mesh_shape must be \(trajectories, workers\)"):
        two_processes.simulated(backend="shard_map", mesh_shape=mesh_shape)


def test_one_device_is_no_mesh():
    with pytest.raises(ValueError, match="mesh_shape needs several devices"):
        two_processes.simulated(mesh_shape=(1, 1))
    assert isinstance(two_processes.simulated(backend="shard_map", mesh_shape=(1, 1)), istsim.Solution)
