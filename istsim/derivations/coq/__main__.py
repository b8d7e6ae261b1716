"""Write the files of Coq for scripts: `python -m istsim.derivations.coq proofs/coq/generated proofs/NAME.py ...`."""

import argparse
import contextlib
import io
import pathlib

from istsim._files import make_folder, written_whole
from istsim.derivations._run import run
from istsim.derivations.coq import coq_file


def main() -> None:
    """Parse the arguments, run the scripts and write."""
    parser = argparse.ArgumentParser(prog="python -m istsim.derivations.coq", description=__doc__)
    parser.add_argument("folder", help="where the files go")
    parser.add_argument("scripts", nargs="+", help="the scripts of the proofs")
    arguments = parser.parse_args()
    folder = pathlib.Path(arguments.folder)
    make_folder(folder)
    for script in arguments.scripts:
        with contextlib.redirect_stdout(io.StringIO()):
            proof = run(script)
        path = folder / f"{pathlib.Path(script).stem}.v"
        with written_whole(path) as part:
            part.write_text(coq_file(proof), encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
