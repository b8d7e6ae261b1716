"""The command line: `istsim` and `python -m istsim`."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from istsim._optional import require
from istsim.sweeps import Grid


def reproduce(out: Path = Path("results"), only: tuple[str, ...] = (), quick: bool = False) -> None:
    """Run the convergence experiments and write figures (SVG, PNG), their data (netCDF) and report.html.

    Exits with 1 if a simulated mean lies more than five standard errors from its exact value.

    Example: istsim reproduce --quick --only bias rate --out figures

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

    Example: istsim theorems theorem-1-iterates

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

    Example: istsim verify theorem-2 --examples 100

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


def sweep(
    grid: Grid,
    store: Path = Path("sweep"),
    load: tuple[Path, ...] = (),
    out: Path | None = None,
    figure: Path | None = None,
    json: bool = False,
) -> None:
    """Run all combinations of problems, methods, sketches, scales, seeds and step sizes; go on where a run was killed.

    Each combination is stored as soon as it has ended. Prints the best step size of each.

    Example: istsim sweep --problems "real_quadratic('diabetes', 5)" --sketches Permutation "RandK(k=2)" --step-sizes
    0.05 0.1 0.2 0.4 --rounds 200 --figure sweep.svg

    Args:
        grid: What to run.
        store: Folder of the results; made if missing.
        load: Python files whose classes and functions may be named in the grid.
        out: File for all results as one dataset (netCDF).
        figure: File for the figure (SVG, PNG or PDF).
        json: Print the table as JSON.
    """
    from istsim._files import written_whole
    from istsim.figures import save
    from istsim.sweeps import _table, sweep

    names = {name: value for path in load for name, value in _names_in(path).items()}
    swept = sweep(grid, store=store, names=names)
    rows = _table.rows(swept)
    print(_table.as_json(rows) if json else _table.as_text(rows))
    if out is not None:
        with written_whole(out) as part:
            swept.dataset.to_netcdf(part, engine="h5netcdf")
    if figure is not None:
        save(swept.plot(), figure)


def bench(quick: bool = False, json: Path | None = None) -> None:
    """Time simulated rounds beside NumPy's, torch's and what memory allows; then how the time of a run grows.

    All are timed in turn; the table says how many times slower than istsim the others are. It takes 20 minutes.

    Example: istsim bench --quick

    Args:
        quick: The smallest problem only.
        json: File for the results.
    """
    from istsim.benchmark import run_benchmark, write_json

    result = run_benchmark(quick, report=lambda line: print(line, flush=True))
    if json is not None:
        write_json(json, result)


def _names_in(path: Path) -> dict[str, Any]:
    """The public names of a Python file, whose classes other processes get with the objects made of them."""
    import importlib.util

    import cloudpickle

    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    cloudpickle.register_pickle_by_value(module)
    return {name: value for name, value in vars(module).items() if not name.startswith("_")}


def doctor(json: bool = False) -> None:
    """Tell versions, devices and precision, and which extras are missing, with the command that installs them.

    Example: istsim doctor

    Args:
        json: Print it as JSON.
    """
    from json import dumps

    from istsim import _doctor

    found = _doctor.examine()
    print(dumps(found, indent=2) if json else _doctor.as_text(found))


_DESCRIPTION = """What happens when each worker trains only a random part of the model?

Exit codes: 0 done; 1 a result is wrong; 2 wrong input, or something missing; 3 a fault of istsim's; 130 interrupted.
With --debug errors show where they come from."""


def main() -> None:
    """Run the command line; its exit codes are in its help."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        tyro = require("tyro", extra="cli")
        # Set here because tyro is imported only now.
        for command in (theorems, verify):
            command.__annotations__["names"] = tyro.conf.Positional[tuple[str, ...]]
        sweep.__annotations__["grid"] = tyro.conf.OmitArgPrefixes[Grid]
        Grid.__annotations__["step_sizes"] = Sequence[float]  # arrays are for Python
        commands = (reproduce, verify, sweep, theorems, bench, doctor)
        tyro.extras.subcommand_cli_from_dict(
            {command.__name__: command for command in commands},
            prog="istsim",
            description=_DESCRIPTION,
            args=arguments,
        )
    except (Exception, KeyboardInterrupt) as error:
        if "--debug" in sys.argv:
            raise
        if isinstance(error, KeyboardInterrupt):
            print("istsim: interrupted", file=sys.stderr)
            sys.exit(130)
        if isinstance(error, ValueError | ImportError | OSError | RuntimeError):
            print(f"istsim: {error}", file=sys.stderr)
            sys.exit(2)
        print(f"istsim: a fault of istsim's: {type(error).__name__}: {error} (--debug shows where)", file=sys.stderr)
        sys.exit(3)
