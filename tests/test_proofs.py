import re
import shutil
import subprocess
import sys

import altering
import pytest

from istsim import theorems
from istsim.derivations import Origin, StepFailedError, run
from istsim.derivations.__main__ import main
from istsim.theorems import Kind

# Alterations without effect, by their place's text: how many sets a sketch draws besides the first, which is counted.
EQUIVALENT = {"participation_second_moment": ["1"]}


@pytest.mark.parametrize("path", altering.SCRIPTS, ids=lambda path: path.stem)
def test_every_script_proves_the_theorem_it_is_named_after(path):
    proof = run(path)
    assert proof.theorem.name == path.stem.replace("_", "-")
    assert proof.proved
    assert not [step for step in proof.steps if step.origin is Origin.ASSUMED]
    assert sum(step.on_trust for step in proof.steps) <= len(proof.steps) / 3
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
    assert [step.partition(":")[0] for step in steps] == ["setting", "premise", "defined", *["checked"] * 5]


def test_the_scripts_of_a_folder_are_rendered(tmp_path, monkeypatch, capsys):
    scripts, pages = tmp_path / "scripts", tmp_path / "pages"
    scripts.mkdir()
    for name in ("expected_iterate", "scale_equivalence", "_scales", "_models"):
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
    with pytest.raises(StepFailedError, match="FAILED: a round moves both alike"):
        main()


@pytest.mark.parametrize("decides", altering.DECIDES)
def test_an_altered_step_of_a_script_fails(decides, tmp_path):
    path = altering.PROOFS / "expected_iterate.py"
    alterations = altering.with_altered_steps(path.read_text())
    assert len(alterations) > 5
    # A definition holds whatever it says.
    found = [place for place, _ in altering.survivors(path, alterations, tmp_path, decides=decides)]
    assert [place for place in found if not place.startswith("define")] == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("path", [*altering.SHARED, *altering.SCRIPTS], ids=lambda path: path.stem)
def test_an_altered_step_fails(path, tmp_path):
    alterations = altering.with_altered_steps(path.read_text())
    assert list(altering.survivors(path, alterations, tmp_path)) == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("path", [*altering.SHARED, *altering.SCRIPTS], ids=lambda path: path.stem)
def test_an_altered_operator_or_number_fails_or_is_on_record(path, tmp_path):
    alterations = altering.with_altered_operators(path.read_text())
    found = altering.survivors(path, alterations, tmp_path, may_grant_more=True)
    assert [place.partition(": ")[2] for place, _ in found] == EQUIVALENT.get(path.stem, [])


@pytest.mark.slow
@pytest.mark.timeout(36000)
@pytest.mark.parametrize("decides", ["the kernel alone", "the judge alone"])
def test_each_judge_alone_refuses_nearly_all_that_is_altered(decides, tmp_path):
    found = []
    for path in altering.SCRIPTS:
        source, folder = path.read_text(), tmp_path / path.stem
        folder.mkdir()
        alterations = altering.with_altered_steps(source) | altering.with_altered_operators(source)
        found += [verdict for _, _, verdict in altering.verdicts(path, alterations, folder, decides=decides)]
    # What is granted is on record. Where all claims are as before, and only why they are true is altered, the judge has
    # nothing to refuse: it does not look at that.
    passed_over = ["granted"] if decides == "the kernel alone" else ["granted", "unchanged"]
    altered = [verdict for verdict in found if verdict not in passed_over]
    assert altered.count("refused") >= 0.95 * len(altered)
