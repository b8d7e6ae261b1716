"""Check proofs by Coq: `python -m istsim.derivations.coq proofs/coq proofs/expected_iterate.py ...`."""

import argparse
import contextlib
import io
import sys

from istsim.derivations._run import run
from istsim.derivations.coq import missing, prepare, verdict


def main() -> None:
    """Parse the arguments, run the scripts, and have Coq check what they prove."""
    parser = argparse.ArgumentParser(prog="python -m istsim.derivations.coq", description=__doc__)
    parser.add_argument("library", help="the folder of Words.v; the files are written into generated/ below it")
    parser.add_argument("scripts", nargs="+", help="the scripts of the proofs")
    arguments = parser.parse_args()
    if reason := missing():
        sys.exit(reason)
    prepare(arguments.library)
    for script in arguments.scripts:
        with contextlib.redirect_stdout(io.StringIO()):
            proof = run(script)
        print(f"accepted by Coq: {proof.theorem.name}\n{verdict(proof, arguments.library)}", flush=True)


if __name__ == "__main__":
    main()
