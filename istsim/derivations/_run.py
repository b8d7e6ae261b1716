"""Scripts of derivations, run and rendered."""

from __future__ import annotations

import contextlib
import io
import pathlib
import runpy
import sys

from istsim._files import make_folder, written_whole
from istsim.derivations._proof import Proof


def run(script: str | pathlib.Path) -> Proof:
    """Run a script and return its derivation. Modules beside it whose names begin with "_" are run afresh, too.

    Raises:
        StepFailedError: at the first step that does not hold.
        ValueError: if the script ends without a conclusion.
    """
    path = pathlib.Path(script).resolve()
    with _modules_of(path.parent):
        values = runpy.run_path(str(path)).values()
    proofs = [value for value in values if isinstance(value, Proof)]
    if len(proofs) != 1 or not proofs[0].proved:
        raise ValueError(f"{path.name} must hold one Proof that reaches its conclusion, got {len(proofs)}")
    return proofs[0]


def render(scripts: str | pathlib.Path, pages: str | pathlib.Path) -> list[pathlib.Path]:
    """Run every script of a folder, and write a page of Markdown for each into another, made if need be.

    Scripts whose names begin with "_" are parts of others.

    Returns:
        The pages.

    Raises:
        StepFailedError: at the first step of any that does not hold.
    """
    pages = pathlib.Path(pages)
    make_folder(pages)
    written = []
    for path in sorted(pathlib.Path(scripts).glob("[!_]*.py")):
        with contextlib.redirect_stdout(io.StringIO()):
            proof = run(path)
        page = pages / f"{proof.theorem.name}.md"
        with written_whole(page) as part:
            part.write_text(proof.to_markdown(), encoding="utf-8")
        written.append(page)
        print(f"proved: {proof.theorem.name} ({len(proof.steps)} steps)")
    return written


@contextlib.contextmanager
def _modules_of(folder: pathlib.Path):
    """Let scripts import their neighbours, and forget these afterwards: another folder may have the same names."""
    names = [path.stem for path in folder.glob("_*.py")]
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in names:
            sys.modules.pop(name, None)
