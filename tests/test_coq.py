"""Proofs that Coq, another kernel, accepts."""

import contextlib
import io
import pathlib
import shutil

import pytest
import sympy as sp

from istsim.derivations import coq
from istsim.derivations._run import run
from istsim.derivations.coq._certificates import Known, refute

ROOT = pathlib.Path(__file__).parent.parent
ACCEPTED = ("expected_iterate", "theorem_1_iterates", "theorem_1_gradients", "sharper_theorem_2")
needs_coq = pytest.mark.skipif(bool(coq.missing()), reason=coq.missing())


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("coq")
    for path in (ROOT / "proofs/coq").glob("*.v"):
        shutil.copy(path, folder)
    coq.prepare(folder)
    return folder


def proof_of(name):
    with contextlib.redirect_stdout(io.StringIO()):
        return run(ROOT / f"proofs/{name}.py")


@needs_coq
@pytest.mark.sample(1)
@pytest.mark.parametrize("name", ACCEPTED)
def test_coq_accepts_a_proof_without_axioms(name, library):
    """What it prints ends with that, and begins with the theorem's name."""
    said = coq.verdict(proof_of(name), library)
    assert said.startswith(f"{name}\n")
    assert "Axioms" not in said
    assert ("of_vectors" in said) == (name == "expected_iterate")
    assert ("not checked by Coq" in said) == (name == "sharper_theorem_2")


@needs_coq
@pytest.mark.slow
def test_coq_refuses_another_claim(library):
    """The file with one sign changed in a step is not accepted: nothing rests on what wrote it."""
    text = coq.coq_file(proof_of("expected_iterate"))
    lines = text.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("Theorem"))
    for wrong in (lines[at].replace("(- gamma)", "gamma", 1), lines[at].replace("* x_0", "* x_inf", 1)):
        assert wrong != lines[at]
        path = library / "wrong.v"
        path.write_text("\n".join([*lines[:at], wrong, *lines[at + 1 :]]), encoding="utf-8")
        with pytest.raises(ValueError, match="does not accept"):
            coq._check._coqc(path, library)


def test_a_certificate_adds_up():
    """Of x > 0 and x y >= 0 against y < 0: the products and the equalities add up to 0, and one is positive."""
    x, y, z = sp.symbols("x y z")
    known = [Known(-y, True, "opposite"), Known(x, True, "x"), Known(x * z, False, "xz")]
    found = refute(known, [Known(z - y, False, "z")])
    total = sum(one.multiplier * one.factors[-1].value for one in found.products)
    total += sum(times * one.value for times, one in found.equalities)
    assert sp.expand(total) == 0
    assert any(all(one.strict for one in each.factors) for each in found.products)


def test_there_is_no_certificate_of_what_may_be_true():
    x, y = sp.symbols("x y")
    with pytest.raises(coq.UnsupportedError, match="no certificate"):
        refute([Known(-y, True, "opposite"), Known(x, False, "x"), Known(x * y, False, "xy")], [])
