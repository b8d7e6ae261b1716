"""What is compiled, where it is kept, and what happens where it cannot be."""

import os
import subprocess
import sys

import jax
import numpy as np
import pytest

import istsim
from istsim import _compilation_cache, _doctor, _loops
from istsim._threefry import Threefry
from istsim.simulation import _programs

METHOD = istsim.IST(istsim.Permutation(2, 4))
PROBLEM = istsim.Quadratic(np.tile(np.eye(4), (2, 1, 1)), np.ones((2, 4)))


@pytest.fixture
def asked_anew():
    """Whether numba works is found out anew, and forgotten afterwards."""
    _loops.why_not.cache_clear()
    yield
    _loops.why_not.cache_clear()


def broken(error):
    def import_module(name):
        raise error

    return import_module


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            ImportError("NumPy must be 2.3 or older"),
            "numba does not work here: ImportError: NumPy must be 2.3 or older",
        ),
        (RuntimeError("cannot cache function 'f': no locator available"), "set NUMBA_CACHE_DIR"),
        (SystemError("initialization failed\nmore"), "numba does not work here: SystemError: initialization failed"),
    ],
)
def test_a_numba_that_does_not_work_is_done_without(error, words, monkeypatch, asked_anew):
    monkeypatch.setattr("istsim._loops.import_module", broken(error))
    assert words in _loops.why_not()
    assert "runs are compiled by XLA" in _doctor.as_text(_doctor.examine())
    key, count = jax.random.key(3), 2**20 + 1  # more than NumPy takes on by choice
    expected = np.asarray(jax.random.bits(key, (count,), "uint64"))
    np.testing.assert_array_equal(Threefry.of(key).bits((count,)), expected)


def test_a_numba_that_is_missing_is_done_without(monkeypatch, asked_anew):
    monkeypatch.setattr("istsim._loops.find_spec", lambda name: None)
    assert _loops.why_not() == "numba is not installed: pip install 'istsim[fast]'"


@pytest.mark.slow
def test_a_folder_that_cannot_be_written_to_is_no_error(tmp_path):
    """In a process of its own, whose numba has no folder for what it compiles."""
    script = (
        "import numba.core.caching as caching\n"
        "caching.CacheImpl._locator_classes = []\n"
        "import istsim\n"
        "from istsim._loops import why_not\n"
        "problem = istsim.random_quadratic(0, 2, 4, condition_number=2.0, matrix_heterogeneity=0.1,"
        " vector_heterogeneity=0.1)\n"
        "run = istsim.simulate(problem, istsim.IST(istsim.Permutation(2, 4)), step_size=0.1, rounds=3000, key=0)\n"
        "print(why_not(), run.status[0, 0])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (
        done.stdout.split("\n")[0] == "numba finds no folder that it may write to: set NUMBA_CACHE_DIR to one running"
    )


def test_many_shapes_keep_few_programs(monkeypatch):
    forgotten = []
    monkeypatch.setattr(_programs, "_compiled", 0)
    monkeypatch.setattr(_programs, "_MOST", 8)
    monkeypatch.setattr(
        jax, "clear_caches", lambda clear=jax.clear_caches: forgotten.append(_programs._compiled) or clear()
    )
    for rounds in range(2, 14):
        istsim.trajectory(PROBLEM, METHOD, step_size=0.1, rounds=rounds, key=0)
    assert len(forgotten) >= 1
    assert max(forgotten) < 30  # a run compiles a few


def test_programs_are_never_forgotten_while_jax_traces(monkeypatch):
    monkeypatch.setattr(_programs, "_MOST", -1)
    monkeypatch.setattr(jax, "clear_caches", lambda: pytest.fail("forgot programs that are being traced"))
    jax.make_jaxpr(lambda size: istsim.trajectory(PROBLEM, METHOD, step_size=size, rounds=2, key=0))(0.1)


@pytest.fixture
def no_cache_yet(monkeypatch, tmp_path):
    """A user without any setting, whose home is empty."""
    for name in (_compilation_cache.SWITCH, "JAX_COMPILATION_CACHE_DIR", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    before = jax.config.jax_compilation_cache_dir, jax.config.jax_persistent_cache_min_compile_time_secs
    yield tmp_path
    jax.config.update("jax_compilation_cache_dir", before[0])
    jax.config.update("jax_persistent_cache_min_compile_time_secs", before[1])
    for name in ("JAX_COMPILATION_CACHE_DIR", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"):
        os.environ.pop(name, None)


@pytest.mark.skipif(sys.platform != "linux", reason="other platforms have other folders for caches")
def test_commands_keep_programs_in_the_users_cache(no_cache_yet):
    assert _compilation_cache.folder() == no_cache_yet / "istsim" / "jax"
    _compilation_cache.use()
    assert jax.config.jax_compilation_cache_dir == str(no_cache_yet / "istsim" / "jax")
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == jax.config.jax_compilation_cache_dir


def test_the_cache_can_be_switched_off_or_put_elsewhere(no_cache_yet, monkeypatch):
    monkeypatch.setenv(_compilation_cache.SWITCH, "0")
    _compilation_cache.use()
    assert jax.config.jax_compilation_cache_dir is None
    assert "cache      none" in _doctor.as_text(_doctor.examine())
    monkeypatch.setenv(_compilation_cache.SWITCH, str(no_cache_yet / "elsewhere"))
    assert _compilation_cache.folder() == no_cache_yet / "elsewhere"


def test_a_cache_that_cannot_be_written_is_no_error(no_cache_yet, monkeypatch):
    (no_cache_yet / "file").write_text("")
    monkeypatch.setenv(_compilation_cache.SWITCH, str(no_cache_yet / "file" / "below"))
    _compilation_cache.use()
    assert _compilation_cache.folder() is None
    assert jax.config.jax_compilation_cache_dir is None
