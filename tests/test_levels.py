"""A process that simulates problems of ever new sizes needs no more memory, files and memory maps in the end."""

import json
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import istsim
from istsim.simulation import _programs

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux tells")

# Few programs are kept, so that they are forgotten several times, and most runs are NumPy's, as they are for users.
SCRIPT = """
import concurrent.futures, json, os, sys, tempfile
import numpy as np, istsim
from istsim.simulation import _programs
from istsim.verify import _run

_programs._MOST = 6
executor, draw = concurrent.futures.ThreadPoolExecutor(1), np.random.default_rng(0)
levels = []

def do(i):
    n, d, rounds = int(draw.integers(2, 8)), int(draw.integers(2, 12)), int(draw.integers(5, 60))
    L, b = np.eye(d) * draw.uniform(1, 2, (n, d, 1)) + 0.1, draw.normal(size=(n, d))
    problem, method = istsim.Quadratic(L, b), istsim.IST(istsim.RandK(n, d, 1))
    run = {"step_size": 0.1, "rounds": rounds}
    istsim.simulate(problem, method, repetitions=3, key=i, **run)
    istsim.theory.exact_moments(problem, method, **run)
    if i % 3 == 0:
        istsim.simulate(problem, method, repetitions=3, key=i, backend="shard_map", mesh_shape=(1, 1), **run)
    if i % 5 == 1:
        grid = istsim.Grid(problems=["p"], sketches=["RandK(k=1)"], step_sizes=[0.1], rounds=rounds, repetitions=3)
        with tempfile.TemporaryDirectory() as store:
            istsim.sweep(grid, store=store, names={"p": problem}, executor=executor, progress=False)
    if i % 10 == 2:
        list(_run.verify_theorems(("theorem-1-iterates",), examples=1, simulations=1, false_alarm_rate=1e-6, seed=i))

for i in range(int(sys.argv[1])):
    do(i)
    with open("/proc/self/statm") as statm, open("/proc/self/maps") as maps:
        pages, num_maps = int(statm.read().split()[1]), sum(1 for _ in maps)
    levels.append([pages * os.sysconf("SC_PAGE_SIZE") / 1e6, len(os.listdir("/proc/self/fd")), num_maps])
print(json.dumps(levels))
"""


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize(("runs", "megabytes"), [(40, 60), (500, 40)])
def test_memory_files_and_maps_level_off_over_runs_of_all_shapes(runs, megabytes):
    command = [sys.executable, "-c", SCRIPT, str(runs)]
    levels = np.array(json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout))
    early, late = (np.median(levels[at : at + runs // 5], axis=0) for at in (runs // 5 + 2, runs - runs // 5))
    print(early, late)
    assert late[0] < early[0] + megabytes
    assert late[1] == early[1]
    assert late[2] < early[2] + 600


@pytest.mark.slow
def test_all_programs_that_are_kept_fit_into_a_process():
    def count():
        return len(Path("/proc/self/maps").read_text().splitlines())

    def compile_programs():
        for d in range(20, 26):
            problem = istsim.Quadratic(np.tile(np.eye(d), (2, 1, 1)), np.ones((2, d)))
            method = istsim.IST(istsim.RandK(2, d, 1))
            run = {"step_size": 0.1, "rounds": 3, "repetitions": 2, "key": 0}
            istsim.simulate(problem, method, **run, backend="shard_map", mesh_shape=(1, 1))

    jax.clear_caches()
    before, num_before = count(), _programs._compiled
    compile_programs()
    per_program = (count() - before) / (_programs._compiled - num_before)
    assert _programs._MOST * per_program < 65530 / 2
