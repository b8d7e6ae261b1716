"""Run the derivations of a folder and render them: `python -m istsim.derivations proofs docs/proofs`."""

import argparse

from istsim.derivations._run import render


def main() -> None:
    """Parse the arguments, run and render."""
    parser = argparse.ArgumentParser(prog="python -m istsim.derivations", description=__doc__)
    parser.add_argument("scripts", help="the folder of the scripts")
    parser.add_argument("pages", help="the folder for the pages")
    arguments = parser.parse_args()
    written = render(arguments.scripts, arguments.pages)
    print(f"{len(written)} theorems proved; their pages are in {arguments.pages}")


if __name__ == "__main__":
    main()
