import subprocess
import sys

import pytest

HEAVY = ("torch", "sympy", "scipy.optimize", "numba", "xarray", "matplotlib", "sklearn", "hypothesis", "tqdm")


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def after_import() -> list[str]:
    code = f"""
import sys, jax
before = jax.config.jax_enable_x64
import istsim
print(before, jax.config.jax_enable_x64)
print(*(name for name in {HEAVY!r} if name in sys.modules))
"""
    return run(code).splitlines()


def test_importing_istsim_imports_no_package_that_only_parts_of_it_need(after_import):
    assert after_import[1] == ""


def test_importing_istsim_switches_float64_on(after_import):
    assert after_import[0] == "False True"
