"""The command line: `istsim` and `python -m istsim`."""

from __future__ import annotations

import runpy
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


def verify(
    names: tuple[str, ...] = (),
    examples: int = 10,
    simulations: int = 1,
    false_alarm_rate: float = 1e-6,
    seed: int = 0,
    load: tuple[Path, ...] = (),
    json: Path | None = None,
) -> None:
    """Look for counterexamples to theorems, and refute what is refuted.

    Instances are drawn inside the premises, and changed so that one just fails; both sides are compared by the exact
    engine, and the left one with simulated runs. What fails is shrunk and printed as code. Exits with 1 if any fails.

    Args:
        names: Theorems; all if none is named.
        examples: Instances to draw for each theorem.
        simulations: How many of them to simulate as well.
        false_alarm_rate: The probability that simulation finds fault with any, if all are true.
        seed: For the draws and the runs.
        load: Python files that register theorems of your own.
        json: File for the results.
    """
    require("hypothesis", extra="verify")
    for path in load:
        runpy.run_path(str(path))

    from istsim.verify import _run as run

    print(run.as_line(run.COLUMNS))
    results = []
    options = {"examples": examples, "simulations": simulations, "false_alarm_rate": false_alarm_rate, "seed": seed}
    for result in run.verify_theorems(names, **options):
        results.append(result)
        print(run.as_line(run.row_of(result)), flush=True)
    for result in results:
        if result.found:
            print(f"\n{result.name} {result.found}\n\n{result.code}")
    failed = sum(not result.passed for result in results)
    print(
        f"\n{len(results) - failed} of {len(results)} passed. If all are true, simulation finds fault with any of them "
        f"with a probability of at most {false_alarm_rate:g}, as far as means over batches of runs are normal."
    )
    if json is not None:
        run.write_json(json, results, false_alarm_rate=false_alarm_rate)
    if failed:
        sys.exit(1)


def bench(quick: bool = False, json: Path | None = None) -> None:
    """Time simulated rounds beside NumPy's, torch's and what memory allows; then how the time of a run grows.

    All are timed in turn; the table says how many times slower than istsim the others are. It takes about ten minutes.

    Args:
        quick: The smallest problem only.
        json: File for the results.
    """
    from istsim.benchmark import run_benchmark, write_json

    result = run_benchmark(quick, report=lambda line: print(line, flush=True))
    if json is not None:
        write_json(json, result)


def main() -> None:
    """Run the command line; exit codes are 0, 1 for a result that is wrong, 2 for wrong input."""
    try:
        tyro = require("tyro", extra="cli")
        # Set here because tyro is imported only now.
        for command in (theorems, verify):
            command.__annotations__["names"] = tyro.conf.Positional[tuple[str, ...]]
        tyro.extras.subcommand_cli_from_dict(
            {"reproduce": reproduce, "theorems": theorems, "verify": verify, "bench": bench},
            prog="istsim",
            description="What happens when each worker trains only a random part of the model?",
        )
    except (ValueError, ImportError, OSError) as error:
        print(f"istsim: {error}", file=sys.stderr)
        sys.exit(2)
