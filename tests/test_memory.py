"""Memory is bounded by what is recorded, not by the number of rounds."""

import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
import numpy as np, istsim

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

d = 5000
problem = istsim.Quadratic.from_diagonals(np.ones((2, d)), np.ones((2, d)))
where = {"backend": "shard_map", "mesh_shape": (1, 1)} if sys.argv[1] == "xla" else {}
run = lambda rounds: istsim.simulate(problem, istsim.IST(istsim.RandK(2, d, 5)), step_size=0.1, rounds=rounds, key=0,
                                     record_every=rounds // 4, **where)
run(4096)
before = peak()
run(16384)  # all iterates would be 625 MiB
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.parametrize("path", ["as it chooses", "xla"])
def test_four_times_the_rounds_need_no_more_memory(path):
    pytest.importorskip("resource", reason="peak memory is known on Unix only")
    finished = subprocess.run([sys.executable, "-c", SCRIPT, path], capture_output=True, text=True, check=True)
    assert int(finished.stdout) < 32  # MiB
