import pathlib
import subprocess
import sys

import pytest

PROOFS = sorted((pathlib.Path(__file__).parents[1] / "proofs").glob("*.py"))


def run(path: pathlib.Path) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("path", PROOFS, ids=lambda path: path.stem)
def test_every_step_is_checked(path):
    finished = run(path)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.splitlines()[-1].startswith("proved: ")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("A**rounds * x0 + x_inf", "A**rounds * x0 - x_inf"),
        ("A * claim(k)", "claim(k)"),
        ("(1 - A) / gamma", "(1 - A)"),
        ("claim(k + 1)", "claim(k)"),
    ],
)
def test_an_altered_step_fails(old, new, tmp_path):
    source = (PROOFS[0].parent / "expected_iterate.py").read_text()
    assert source.count(old) == 1
    altered = tmp_path / "altered.py"
    altered.write_text(source.replace(old, new))
    finished = run(altered)
    assert finished.returncode != 0
    assert "FAILED" in finished.stderr
