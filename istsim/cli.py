"""The command line: `istsim` and `python -m istsim`."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import io
import math
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Literal

from istsim import _compilation_cache, _interruption
from istsim._optional import require
from istsim.sweeps import Grid

_OF_TORCHRUN = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_DATASETS = (".nc", ".nc4", ".h5")


def reproduce(
    out: Path = Path("results"),
    only: tuple[str, ...] = (),
    quick: bool = False,
    studies: bool = False,
    networks: bool = False,
) -> None:
    """Run the convergence experiments and write figures (SVG, PNG), their data (netCDF) and report.html.

    Exits with 1 if a simulated mean lies more than five standard errors from its exact value.

    Example: istsim reproduce --quick --only bias rate --out figures

    Args:
        out: Folder to write to; made if missing.
        only: Names of experiments and studies; a wrong one lists those there are.
        quick: Fewer repetitions, and shorter runs of the studies.
        studies: Without --only, also the studies on networks: an hour and a half on two cores. Interrupted, they go
            on where they were.
        networks: Train the networks of the predictions anew, in torch; --studies does so too. Else their data are
            those that come with istsim.
    """
    from istsim.experiments import DisagreementError
    from istsim.experiments import reproduce as run

    try:
        paths = run(out, only, quick, studies, networks)
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
        examples: Instances to draw for each theorem, at least 1.
        simulations: How many of them to simulate as well, at least 0.
        false_alarm_rate: The probability that simulation finds fault with any, if all are true; between 0 and 1.
        seed: For the draws and the runs.
        load: Python files that register theorems of your own.
        json: File for the results.
    """
    require("hypothesis", extra="verify")
    _check_folder("--json", json)
    for path in load:
        _loaded(path)

    from istsim import theorems as registry
    from istsim.verify import _run as run

    limits: dict[str, Any] = {"examples": examples, "simulations": simulations, "false_alarm_rate": false_alarm_rate}
    _checked(run.check_options, SimpleNamespace(**limits), "verify")
    for name in names:
        registry.get(name)  # refuses unknown ones before the table begins
    print(run.as_line(run.COLUMNS))
    results = []
    for result in run.verify_theorems(names, seed=seed, **limits):
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

    Each combination is stored as soon as it has ended. Prints the best step size of each. Exits with 1 if any could not
    be run or stored, after saying why.

    Example: istsim sweep --problems "real_quadratic('diabetes', 5)" --sketches Permutation "RandK(k=2)" --step-sizes
    0.05 0.1 0.2 0.4 --rounds 200 --figure sweep.svg

    Args:
        grid: What to run.
        store: Folder of the results; made if missing.
        load: Python files whose classes and functions may be named in the grid.
        out: File for all results as one dataset (netCDF: .nc, .nc4 or .h5).
        figure: File for the figure (SVG, PNG or PDF).
        json: Print the table as JSON.
    """
    from istsim._files import write_netcdf
    from istsim.sweeps import _table, sweep

    grid = _checked(Grid, grid, "sweep")
    _check_folder("--out", out)
    if out is not None and out.suffix not in _DATASETS:
        raise ValueError(f"--out must end in {' or '.join(_DATASETS)}, got {str(out)!r}")
    if figure is not None:
        from istsim.figures._style import checked_path

        checked_path(figure)
    names = {name: value for path in load for name, value in _names_in(path).items()}
    swept = sweep(grid, store=store, names=names)
    rows = _table.rows(swept)
    print(_table.as_json(rows) if json else _table.as_text(rows))
    if out is not None:
        write_netcdf(out, swept.dataset)
    if figure is not None:
        from istsim.figures import save

        save(swept.plot(), figure)
    if _table.failures(swept) or swept.unstored:  # told by `sweep`
        sys.exit(1)


def costs(
    model: str = "llama-1b",
    devices: int = 8,
    memory: str = "24GiB",
    bandwidth: str = "12.5GB/s",
    latency: str = "10us",
    flops: str = "50TFLOP/s",
    batch_size: int = 8,
    length: int | None = None,
    optimizer: Literal["sgd", "momentum", "adam", "mixed-adam"] = "adam",
    number_bytes: int = 4,
    coverage: float = 0.5,
    local_steps: int = 10,
    microbatches: int | None = None,
    algorithm: Literal["ring", "gloo"] = "ring",
    overlap: bool = False,
    json: bool = False,
    csv: bool = False,
    figure: Path | None = None,
) -> None:
    """Tell what fits, what is fastest, and what it does to convergence, by kind of parallelism: by formulas.

    Each kind in its fastest setting that fits into memory, or else its smallest. The default device is not one of any
    maker's: give the numbers of yours.

    Example: istsim costs --model llama-1b --devices 8 --memory 24GiB

    Args:
        model: Its name; a wrong one lists those there are.
        devices: How many.
        memory: Of each device, such as 24GiB or 80GB.
        bandwidth: That each device can send at, such as 12.5GB/s.
        latency: Until a message begins to arrive, such as 10us.
        flops: Operations that a device really reaches, such as 50TFLOP/s.
        batch_size: Examples of a step for each device.
        length: Tokens of an example, for texts only; 1024 if not given.
        optimizer: What is kept for a parameter; by mixed-adam 12 bytes, which takes --number-bytes 2.
        number_bytes: Of parameters, gradients, activations and, but for mixed-adam, the optimizer's state.
        coverage: C, of SDP.
        local_steps: Of IST, between two rounds.
        microbatches: Of all; any number that divides the examples if not given.
        algorithm: Of collectives; gloo's are those of processes without GPUs.
        overlap: What nothing waits for is sent while devices compute.
        json: Print the table as JSON.
        csv: Print the table as CSV.
        figure: File for the figure (SVG, PNG or PDF).
    """
    from istsim.costs import Cluster, Training, as_csv, as_json, as_text, compare, named, quantity

    if json and csv:
        raise ValueError("--json and --csv are two forms of one table: give one of them")
    if figure is not None:
        from istsim.figures._style import checked_path

        checked_path(figure)
    cluster = Cluster(
        devices,
        quantity("--memory", memory, "B"),
        bandwidth=quantity("--bandwidth", bandwidth, "B/s"),
        latency=quantity("--latency", latency, "s"),
        flops=quantity("--flops", flops, "FLOP/s"),
        algorithm=algorithm,
        overlap=overlap,
    )
    found = compare(
        named(model, length),
        cluster,
        Training(batch_size, optimizer, number_bytes),
        coverage=coverage,
        local_steps=local_steps,
        microbatches=microbatches,
    )
    print((as_json if json else as_csv if csv else as_text)(found))
    if figure is not None:
        from istsim.figures import parallelism, save

        save(parallelism(found), figure)


def bench(quick: bool = False, first_answer: bool = False, json: Path | None = None) -> None:
    """Time simulated rounds beside NumPy's, torch's and what memory allows; then how the time of a run grows.

    All are timed in turn; the table says how many times slower than istsim the others are. It takes 20 minutes.

    Example: istsim bench --quick

    Args:
        quick: The smallest problem only.
        first_answer: Instead, what the first call of the most usual functions costs in a fresh process, and the second,
            beside what one would do without istsim: two minutes or so.
        json: File for the results; of an existing one, what is not measured now stays.
    """
    from istsim.benchmark import read_json, run_benchmark, run_first_answers, write_json

    _check_folder("--json", json)
    if json is not None:
        read_json(json)  # what cannot be added to is refused before anything is measured

    def report(line: str) -> None:
        print(line, flush=True)

    result = run_first_answers(report) if first_answer else run_benchmark(quick, report=report)
    if json is not None:
        write_json(json, result)


def _names_in(path: Path) -> dict[str, Any]:
    """The public names of a Python file, whose classes other processes get with the objects made of them."""
    import cloudpickle

    module = _loaded(path)
    cloudpickle.register_pickle_by_value(module)
    return {
        name: value
        for name, value in vars(module).items()
        if not (name.startswith("_") or isinstance(value, ModuleType))
    }


def _loaded(path: Path) -> ModuleType:
    """A user's Python file as a module, which finds the files beside it, as with `python own.py`.

    Raises:
        ValueError: if there is no such file, or it raises an error, with that.
    """
    if not path.is_file():
        raise ValueError(f"--load {path}: there is no such file")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"--load takes Python files, got {str(path)!r}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever a user's own code may raise
        raise ValueError(
            f"{path} could not be loaded: {type(error).__name__}: {error} (--debug shows where)"
        ) from error
    return module


def _check_folder(option: str, path: Path | None) -> None:
    """Refuse a file that could not be written when all has been computed.

    Raises:
        ValueError: if its folder does not exist, or it is a folder itself.
    """
    if path is not None and path.is_dir():
        raise ValueError(f"{option} {path}: it is a folder, name a file in it")
    if path is not None and not path.parent.is_dir():
        raise ValueError(f"{option} {path}: there is no folder {str(path.parent)!r}: make it first")


def _checked(kind: Any, options: Any, command: str) -> Any:
    """What `kind` makes of the options of the command line, whose parser would name none of them where it refuses some.

    Raises:
        ValueError: for what `kind` refuses, with the name of the option.
    """
    try:
        return kind(**vars(options))
    except ValueError as error:
        name, _, what = str(error).partition(" ")
        raise ValueError(f"--{name.replace('_', '-')} {what} (istsim {command} --help)") from None


class _UncheckedGrid(Grid):
    def __post_init__(self) -> None:
        """Leave it to `_checked`."""


def train(
    run: Any = None,
    out: Path = Path("training"),
    config: Path | None = None,
    resume: bool = False,
    checkpoint_every: int | None = None,
) -> None:
    """Train a network by n workers, each of which holds a part of it (or all).

    One process plays all workers; started by torchrun --nproc-per-node N -m istsim train, each of N processes plays
    one. Writes log.csv, log.json (with the run's options), the newest checkpoint and, with matplotlib, curves.svg and
    curves.png. Interrupted by Ctrl-C it ends after the round. Exits with 1 if a loss is not finite: the checkpoint is
    then the last good one.

    Example: istsim train --method sdp --masking backward --coverage 0.5 --workers 4 --rounds 300

    Args:
        run: What to train, and how.
        out: Folder to write to.
        config: A log.json of another run, or its folder, or a TOML file, with options; those given on the command line
            win.
        resume: Go on with the run in --out from its checkpoint, with its options; --rounds, --workers and
            --evaluate-every may differ. Where there is none, that is said and a new one begins.
        checkpoint_every: Rounds between checkpoints; a twentieth of the rounds if not given.
    """
    from istsim.networks import TrainingRun, distributed

    run = _checked(TrainingRun, run, "train")
    if missing := _missing_of_torchrun():
        print(
            f"istsim: RANK is set but {' and '.join(missing)} not: torchrun sets all of them, so this process trains "
            "alone",
            file=sys.stderr,
        )
    if resume and not (out / "log.json").exists() and _speaks():
        print(f"istsim: there is no run in {out} to go on with: a new one begins", file=sys.stderr)
    with contextlib.ExitStack() as stack:
        group = None
        if distributed.is_started_by_torchrun():
            group = distributed.Group()
            stack.callback(group.leave)
        stop = stack.enter_context(_asked_to_stop(signal.SIGINT, signal.SIGTERM))
        try:
            _train(run, out, resume, checkpoint_every, group, stop)
        except OSError as error:
            raise type(error)(f"{error}; {_kept(out)}") from error
        except distributed.WorkerLostError as error:
            if group is not None and group.speaks_for_all():
                print(f"istsim: {error}; {_kept(out)}", file=sys.stderr, flush=True)
            os._exit(1)  # what torch holds of the others cannot be ended in order


def _kept(out: Path) -> str:
    """What is left of a run that ended before its time."""
    from istsim.networks import newest_checkpoint

    path = newest_checkpoint(out)
    return f"the last whole checkpoint is {path}: go on with --resume" if path else "there is no checkpoint"


def _train(run: Any, out: Path, resume: bool, checkpoint_every: int | None, group: Any, stop: Any) -> None:
    from tqdm import tqdm

    from istsim import networks

    rows = networks.train_in_folder(
        run, out, resume=resume, checkpoint_every=checkpoint_every, group=group, stop=stop.is_set
    )
    speaks, row = group is None or group.rank == 0, None
    with tqdm(total=run.rounds, unit="round", disable=not speaks) as bar:
        for row in rows:
            bar.update(row["round"] - bar.n)
            if not math.isnan(row["accuracy"]):
                bar.set_postfix({name: f"{row[name]:.4g}" for name in ("loss", "test_loss", "accuracy")})
    if not speaks:
        sys.exit(0 if row is None or math.isfinite(row["loss"]) else 1)
    log = networks.Log(out, run)
    log.take_over(run.rounds)
    row, status = log.rows[-1], (log.found or {})["status"]
    for path in log.draw():
        print(path)
    for line in networks.memory_table(log):
        print(line)
    done = f"{row['round']} round{'s' * (row['round'] != 1)}"
    if status == "diverged":
        print(
            f"istsim: the loss of round {row['round']} is not finite; {networks.newest_checkpoint(out)} is the last "
            "good checkpoint: try a smaller --step-size",
            file=sys.stderr,
        )
        sys.exit(1)
    if status == "interrupted":
        print(f"{out}: interrupted after {done}; go on with --resume")
        sys.exit(130)
    print(f"{out}: test accuracy {row['accuracy']:.4f} after {done}")


@contextlib.contextmanager
def _asked_to_stop(*signals: signal.Signals) -> Iterator[threading.Event]:
    """An event that is set when one of these signals comes for the first time; the second has its usual effect."""
    event, before = threading.Event(), {}

    def ask(number: int, _frame: Any) -> None:
        event.set()
        signal.signal(number, before[number])

    for one in signals:
        before[one] = signal.signal(one, ask)
    try:
        yield event
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


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


def _train_with_options(arguments: list[str]) -> Any:
    """`train` with the fields of a `TrainingRun` as options, whose defaults are those of the file in --config."""
    import argparse
    import functools

    from istsim.networks import TrainingRun

    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--out", type=Path, default=Path("training"))
    parser.add_argument("--resume", action="store_true")
    given = parser.parse_known_args(arguments)[0]
    config = given.config
    if given.resume and config is None and (given.out / "log.json").exists():
        config = given.out

    class UncheckedRun(TrainingRun):
        def __post_init__(self) -> None:
            """Leave it to `_checked`."""

    defaults = TrainingRun() if config is None else TrainingRun.read(config)
    train.__annotations__["run"] = require("tyro", extra="cli").conf.OmitArgPrefixes[UncheckedRun]
    return functools.partial(train, run=UncheckedRun(**vars(defaults)))


_DESCRIPTION = """What happens when each worker trains only a random part of the model?

Exit codes: 0 done; 1 a result is wrong, a combination of a sweep could not be run or stored, or training diverged; 2
wrong input, something missing, or a file that cannot be written; 3 a fault of istsim's; 130 interrupted; 143
terminated. With --debug errors show where they come from. --version tells the version."""


def main() -> None:
    """Run the command line; its exit codes are in its help."""
    with _interruption.listening():
        try:
            _prepare_streams()
            try:
                _run([argument for argument in sys.argv[1:] if argument != "--debug"])
            finally:  # here, also after help, whose end is a SystemExit: later nobody handles what is raised
                sys.stdout.flush()
        except BrokenPipeError:  # such as `| head`: nobody reads on, and nothing is left to be flushed
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(128 + signal.SIGPIPE)
        except BaseException as error:
            if "--debug" in sys.argv:
                raise
            sys.exit(_status_after(error))


def _run(arguments: list[str]) -> None:
    if arguments == ["--version"]:
        print(f"istsim {importlib.metadata.version('istsim')}")
        return
    tyro = require("tyro", extra="cli")
    # Set here because tyro is imported only now.
    for command in (theorems, verify):
        command.__annotations__["names"] = tyro.conf.Positional[tuple[str, ...]]
    sweep.__annotations__["grid"] = tyro.conf.OmitArgPrefixes[_UncheckedGrid]
    Grid.__annotations__["step_sizes"] = Sequence[float]  # arrays are for Python
    commands: dict[str, Any] = {
        each.__name__: each for each in (reproduce, verify, sweep, train, theorems, costs, bench, doctor)
    }
    if arguments[:1] == ["train"]:  # else importing torch is not worth while
        commands["train"] = _train_with_options(arguments)
    _compilation_cache.use()
    if arguments and arguments[0] in commands:  # alone, so that errors point to its own help
        tyro.cli(commands[arguments[0]], prog=f"istsim {arguments[0]}", args=arguments[1:])
    else:
        tyro.extras.subcommand_cli_from_dict(commands, prog="istsim", description=_DESCRIPTION, args=arguments)


def _prepare_streams() -> None:
    """What cannot be encoded is written as its number; of closed streams, errors go nowhere and output is refused.

    Raises:
        ValueError: if standard output is closed: the next file would be opened in its place.
    """
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    if sys.stdout is None:
        raise ValueError("standard output is closed: send it to a file, or to /dev/null")
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors in ("strict", "surrogateescape"):
        sys.stdout.reconfigure(errors="backslashreplace")


def _missing_of_torchrun() -> list[str]:
    """What a process that seems to be started by torchrun lacks."""
    return [name for name in _OF_TORCHRUN if name not in os.environ] if "RANK" in os.environ else []


def _speaks() -> bool:
    """Whether this is not one of several processes, or the first of them."""
    rank = os.environ.get("RANK", "0")
    return bool(_missing_of_torchrun()) or not rank.isdecimal() or int(rank) == 0


def _status_after(error: BaseException) -> Any:
    """The exit status, after a line that says why. What an interruption breaks may raise anything."""
    interrupted = ("interrupted", 130) if isinstance(error, KeyboardInterrupt) else None
    if interrupted := _interruption.received() or interrupted:
        words, status = interrupted
        print(f"istsim: {words}", file=sys.stderr)
        return status
    if isinstance(error, SystemExit):
        return error.code
    if isinstance(error, ValueError | ImportError | OSError | RuntimeError):
        if not isinstance(error, ValueError) or _speaks():  # wrong input is said once
            print(f"istsim: {error}", file=sys.stderr)
        return 2
    print(f"istsim: a fault of istsim's: {type(error).__name__}: {error} (--debug shows where)", file=sys.stderr)
    return 3
