import re
import shutil
import subprocess
import sys

import altering
import pytest

from istsim import theorems
from istsim.derivations import Status, StepFailedError, run
from istsim.derivations.__main__ import main
from istsim.theorems import Kind

# Alterations without effect, by their place's text: how many sets a sketch draws besides the first, which is counted.
EQUIVALENT = {"participation_second_moment": ["1"]}


@pytest.mark.parametrize("path", altering.SCRIPTS, ids=lambda path: path.stem)
def test_every_script_proves_the_theorem_it_is_named_after(path):
    proof = run(path)
    assert proof.theorem.name == path.stem.replace("_", "-")
    assert proof.proved
    assert not [step for step in proof.steps if step.status is Status.ASSUMED]
    page = proof.to_markdown()
    assert all(step.text in page for step in proof.steps)
    # TeX refuses a second superscript on one symbol.
    assert not re.search(r"\^(\{[^{}]*\}|\\\w+|\w|\+)\^", page)


def test_every_theorem_that_is_not_refuted_has_a_script():
    names = [name for name in theorems.names() if theorems.get(name).kind is not Kind.REFUTED]
    assert sorted(names) == [path.stem.replace("_", "-") for path in altering.SCRIPTS]


@pytest.mark.slow
def test_a_script_prints_its_steps_and_its_theorem():
    script = altering.PROOFS / "expected_iterate.py"
    finished = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    first, *steps, last = finished.stdout.splitlines()
    assert (first, last) == (
        "proof of expected-iterate: The expected iterate in closed form",
        "proved: expected-iterate",
    )
    assert [step.partition(":")[0] for step in steps] == ["premise", "defined", "checked", "checked", "checked"]


def test_the_scripts_of_a_folder_are_rendered(tmp_path, monkeypatch, capsys):
    scripts, pages = tmp_path / "scripts", tmp_path / "pages"
    scripts.mkdir()
    for name in ("expected_iterate", "scale_equivalence", "_scales"):
        shutil.copy(altering.PROOFS / f"{name}.py", scripts)
    monkeypatch.setattr(sys, "argv", ["derivations", str(scripts), str(pages)])
    main()
    assert sorted(page.name for page in pages.iterdir()) == ["expected-iterate.md", "scale-equivalence.md"]
    first, second, last = capsys.readouterr().out.splitlines()
    assert first.startswith("proved: expected-iterate")
    assert second.startswith("proved: scale-equivalence")
    assert last.startswith("2 theorems proved")
    source = (scripts / "_scales.py").read_text()
    (scripts / "_scales.py").write_text(source.replace("z / alpha", "z"))
    with pytest.raises(StepFailedError, match="FAILED: z = alpha x"):
        main()


# A few of them each time, the others where there is time.
OFTEN = ("perm_q_mean", "overlap_reduces_bias")


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.stem, marks=() if path.stem in OFTEN else pytest.mark.slow)
        for path in (*altering.SHARED, *altering.SCRIPTS)
    ],
)
def test_an_altered_step_fails(path, tmp_path):
    alterations = altering.with_altered_steps(path.read_text())
    assert alterations
    assert list(altering.survivors(path, alterations, tmp_path)) == []


@pytest.mark.slow
@pytest.mark.parametrize("path", [*altering.SHARED, *altering.SCRIPTS], ids=lambda path: path.stem)
def test_an_altered_operator_or_number_fails_or_is_on_record(path, tmp_path):
    alterations = altering.with_altered_operators(path.read_text())
    assert alterations
    found = altering.survivors(path, alterations, tmp_path, may_grant_more=True)
    assert [place.partition(": ")[2] for place, _ in found] == EQUIVALENT.get(path.stem, [])
