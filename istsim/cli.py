"""The command line: `istsim` and `python -m istsim`."""

from __future__ import annotations

import sys
from pathlib import Path

from istsim._optional import require


def reproduce(out: Path = Path("results"), only: tuple[str, ...] = (), quick: bool = False) -> None:
    """Run the convergence experiments and write figures (SVG, PNG), their data (netCDF) and report.html.

    Exits with 1 if a simulated mean lies more than five standard errors from its exact value.

    Args:
        out: Folder to write to; made if missing.
        only: Names of experiments; a wrong one lists those there are.
        quick: Fewer repetitions.
    """
    from istsim.experiments import DisagreementError
    from istsim.experiments import reproduce as run

    try:
        paths = run(out, only, quick)
    except DisagreementError as error:
        print(f"istsim: {error}", file=sys.stderr)
        sys.exit(1)
    for path in paths:
        print(path)


def theorems(names: tuple[str, ...] = ()) -> None:
    """List the theorems, or show those named: statement, premises, source, and what refutes them.

    Args:
        names: Theorems to show in full.
    """
    from istsim import theorems as registry
    from istsim.theorems import as_text

    if names:
        print("\n\n".join(as_text(registry.get(name)) for name in names))
        return
    width = max(map(len, registry.names()))
    for name in registry.names():
        theorem = registry.get(name)
        print(f"{name:<{width}}  {theorem.kind:<7}  {theorem.title}")


def main() -> None:
    """Run the command line; exit codes are 0, 1 for a result that is wrong, 2 for wrong input."""
    try:
        tyro = require("tyro", extra="cli")
        # Set here because tyro is imported only now.
        theorems.__annotations__["names"] = tyro.conf.Positional[tuple[str, ...]]
        tyro.extras.subcommand_cli_from_dict(
            {"reproduce": reproduce, "theorems": theorems},
            prog="istsim",
            description="What happens when each worker trains only a random part of the model?",
        )
    except (ValueError, ImportError, OSError) as error:
        print(f"istsim: {error}", file=sys.stderr)
        sys.exit(2)
