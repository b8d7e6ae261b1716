"""Coq at work: the library, compiled, and what Coq says of a proof."""

from __future__ import annotations

import pathlib
import shutil
import subprocess

from istsim._files import make_folder, written_whole
from istsim.derivations._proof import Proof
from istsim.derivations.coq._file import coq_file
from istsim.derivations.coq._syntax import coq_name
from istsim.derivations.kernel import Origin

SECONDS = 300
CLOSED = "Closed under the global context"
PACKAGES = "Coq 8.16 and Mathematical Components 1.15; on Debian 12: apt install coq libcoq-mathcomp-algebra"


def missing() -> str:
    """What is not there that is needed; nothing if all is."""
    if shutil.which("coqc") is None:
        return f"there is no coqc; this needs {PACKAGES}"
    where = subprocess.run(["coqc", "-where"], capture_output=True, text=True, check=True).stdout.strip()
    version = subprocess.run(["coqc", "-print-version"], capture_output=True, text=True, check=True).stdout
    if not version.startswith("8.16") or not pathlib.Path(where, "user-contrib/mathcomp/algebra").is_dir():
        return f"there is Coq {version.split()[0]}, not all of what this needs: {PACKAGES}"
    return ""


def prepare(library: str | pathlib.Path) -> None:
    """Compile the library, if it is newer than what was compiled."""
    source = pathlib.Path(library, "Words.v")
    compiled = source.with_suffix(".vo")
    if not compiled.exists() or compiled.stat().st_mtime < source.stat().st_mtime:
        _coqc(source, source.parent)


def verdict(proof: Proof, library: str | pathlib.Path) -> str:
    """The theorem that Coq accepted, as Coq prints it, with what it rests on.

    A file beside the library, NAME_of_vectors.v, is checked too: it says the theorem of column vectors.

    Raises:
        UnsupportedError: if the proof has a rule or a term that the library does not have.
        ValueError: if Coq does not accept it, or only with axioms.
    """
    folder = pathlib.Path(library, "generated")
    make_folder(folder)
    path = folder / f"{coq_name(proof.theorem.name.replace('-', '_'))}.v"
    text = coq_file(proof)
    with written_whole(path) as part:
        part.write_text(text, encoding="utf-8")
    said = _closed(_coqc(path, pathlib.Path(library)), proof.theorem.name)
    corollary = pathlib.Path(library, f"{path.stem}_of_vectors.v")
    if corollary.exists():
        said += _closed(_coqc(corollary, pathlib.Path(library)), corollary.stem)
    return said + "".join(f"{line}\n" for line in text.splitlines() if line.startswith(f"(* {Origin.ASSUMED}"))


def _closed(said: str, name: str) -> str:
    if not said.rstrip().endswith(CLOSED):
        raise ValueError(f"{name} rests on axioms: {said}")
    return said


def _coqc(path: pathlib.Path, library: pathlib.Path) -> str:
    command = ["coqc", "-w", "none", "-Q", str(library), "istsim", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode:
        raise ValueError(f"Coq does not accept {path.name}: {done.stderr[-2000:]}")
    return done.stdout
