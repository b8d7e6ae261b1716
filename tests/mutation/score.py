"""The mutation score: changes small things in the source, one at a time, and counts how many the fast tests notice.

`make mutation` runs it whole. Of the tests that execute the changed line the fastest run first, until one fails.
What is written: `build/mutation` keeps which tests execute what and how each mutant ended; `tests/mutation/score.md`
is what the documentation shows.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import math
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mutants import PACKAGES, Mutant, between, sample

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
KEPT = ROOT / "build" / "mutation"
SIZE = 300
LEAST = 95.0  # percent
# Those that exercise the packages in the process they run in, in about a minute at most.
TESTS = [
    "backends",
    "best",
    "certificates",
    "compared_step_sizes",
    "compiled",
    "conformance",
    "degenerate_cases",
    "dependent_holders",
    "diagonal_problems",
    "exact_engine",
    "fitted_rate",
    "forms",
    "identity_of_code",
    "ill_conditioned",
    "libsvm",
    "local_updates",
    "masked_arrays",
    "matrix_free",
    "methods",
    "no_compilation",
    "numpy_rounds",
    "overflow",
    "own_methods",
    "own_sketches",
    "problems",
    "progress",
    "rates_and_limits",
    "real_data",
    "simulation",
    "sketch_laws",
    "sketches",
    "steps_to_result",
    "sweep",
    "symbolic",
    "theorems",
    "theory",
    "traced_runs",
    "verify",
]
SECONDS = 30.0  # of tests for a mutant, as recorded; survivors get more
PATIENCE = 4  # a mutant is killed that takes so many times what its tests take, and STARTING
STARTING = 30.0
KILLERS = 10  # tests that killed others run first
COPIED = ("istsim", "tests", "proofs", "README.md", "pyproject.toml")


def main() -> None:
    """Record which tests execute what, run the mutants, write the score; exit with 1 where it is too low."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=SIZE, help="how many places are drawn")
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 1) - 1), help="runs at a time")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of tests for a mutant")
    parser.add_argument("--only", default="", help="only files whose name has this in it")
    parser.add_argument("--tests", default="", help="only tests whose name has this in it")
    parser.add_argument("--by-hand", action="store_true", help="only the mistakes in by_hand.toml")
    parser.add_argument("--rest", action="store_true", help="only what the last run left")
    parser.add_argument("--survivors", action="store_true", help="only survivors of the last run, and what it left")
    arguments = parser.parse_args()
    KEPT.mkdir(parents=True, exist_ok=True)
    record()
    if not (arguments.survivors or arguments.rest):
        (KEPT / "results.jsonl").unlink(missing_ok=True)
    known = known_results()
    mutants = by_hand() if arguments.by_hand else [*by_hand(), *drawn(arguments.size)]
    listed = tomllib.loads((HERE / "equivalent.toml").read_text())["mutants"]
    equivalent = {one["mutant"]: one["reason"] for one in listed}
    run = [
        mutant
        for mutant in mutants
        if arguments.only in mutant.file
        and mutant.name not in equivalent
        and not (arguments.survivors and known.get(mutant.name, "survived") != "survived")
        and not (arguments.rest and mutant.name in known)
    ]
    judge(run, arguments.workers, arguments.seconds, arguments.tests)
    known = {**known_results(), **dict.fromkeys(equivalent, "equivalent")}
    if arguments.by_hand or arguments.only:
        return
    if missing := [mutant.name for mutant in mutants if mutant.name not in known]:
        print(f"{len(missing)} of {len(mutants)} mutants have not been run; the score is not written")
        return
    for name in equivalent.keys() - {mutant.name for mutant in mutants}:
        print(f"no longer among the mutants, remove it from equivalent.toml: {name}")
    check_killers({how for mutant in mutants if is_test(how := known[mutant.name])})
    score = summary(mutants, known, equivalent)
    (HERE / "score.md").write_text(as_markdown(score), encoding="utf-8")
    print(as_markdown(score))
    sys.exit(score["packages"][-1]["score"] < LEAST)


def known_results() -> dict[str, str]:
    """How mutants ended that have been run, by name."""
    file = KEPT / "results.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    ended = [(one["mutant"], one["ended"]) for one in map(json.loads, lines)]
    # A mutant that some tests killed is killed, though others were run as well.
    return {**dict(ended), **{mutant: how for mutant, how in ended if how != "survived"}}


def by_hand() -> list[Mutant]:
    """The mistakes in `by_hand.toml`, which no exchange of single operators makes."""
    found = []
    for one in tomllib.loads((HERE / "by_hand.toml").read_text())["mutants"]:
        source = (ROOT / one["file"]).read_text(encoding="utf-8")
        if source.count(one["before"]) != 1:
            sys.exit(f"by_hand.toml: {one['file']} has {source.count(one['before'])} times, not once: {one['before']}")
        line = source[: source.index(one["before"])].count("\n") + 1
        found.append(between(one["file"], source, source.replace(one["before"], one["after"]), line))
    return found


def drawn(size: int) -> list[Mutant]:
    """The sample, which takes a minute to draw, kept until the source changes."""
    sources = [(ROOT / "istsim" / package).rglob("*.py") for package in PACKAGES]
    read = [HERE / "mutants.py", *sorted(file for files in sources for file in files)]
    version = hashlib.sha256(b"".join([str(size).encode(), *(file.read_bytes() for file in read)])).hexdigest()
    kept = KEPT / "drawn.json"
    if not kept.exists() or json.loads(kept.read_text())["version"] != version:
        mutants = [dataclasses.asdict(mutant) for mutant in sample(ROOT, size)]
        kept.write_text(json.dumps({"version": version, "mutants": mutants}))
    return [Mutant(**one) for one in json.loads(kept.read_text())["mutants"]]


def record() -> None:
    """Which tests execute which lines, and how long each takes, of files of tests that have changed since."""
    packages = [f"istsim/{package}" for package in PACKAGES]
    files = [*packages, *(f"tests/test_{name}.py" for name in TESTS)]
    kept = KEPT / "tests.json"
    recorded = json.loads(kept.read_text()) if kept.exists() else {}
    recorded = {file: found for file, found in recorded.items() if file in files}
    for file in files:
        version = _version(file)
        if recorded.get(file, {}).get("version") == version:
            continue
        (KEPT / "lines").unlink(missing_ok=True)
        environment = {"MUTATION_LINES": str(KEPT / "lines"), "MUTATION_SECONDS": str(KEPT / "seconds")}
        options = [
            "-p",
            "no:xdist",
            "-p",
            "no:cacheprovider",
            "-p",
            "recorder",
            "-q",
            "-o",
            "addopts=--doctest-modules",
        ]
        ended = subprocess.run(
            [sys.executable, "-m", "pytest", *options, "-m", "not slow", file],
            cwd=ROOT,
            env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE)])},
            capture_output=True,
            text=True,
            check=False,
        )
        print(f"{file}: {last_line(ended.stdout)}", flush=True)
        recorded[file] = {"version": version, **_recorded_of(KEPT / "lines", KEPT / "seconds")}
        kept.write_text(json.dumps(recorded))


def _version(file: str) -> str:
    """A hash of a file, or of a package whose docstrings have examples."""
    path = ROOT / file
    read = sorted(path.glob("*.py")) if path.is_dir() else [path]
    return hashlib.sha256(b"".join(file.read_bytes() for file in read)).hexdigest()


def _recorded_of(lines: Path, seconds: Path) -> dict:
    """From what the plugin wrote, the tests by file and text of a line, and their seconds."""
    import coverage

    took = json.loads(seconds.read_text())
    # Those that fail or are skipped say nothing of a mutant.
    useful = {test: duration for test, duration in took.items() if not math.isnan(duration)}
    data = coverage.CoverageData(str(lines))
    data.read()
    tests: dict[str, dict[str, list[str]]] = {}
    for path in data.measured_files():
        name = os.path.relpath(path, ROOT)
        text = Path(path).read_text(encoding="utf-8").splitlines()
        found: dict[str, set[str]] = defaultdict(set)
        for number, contexts in data.contexts_by_lineno(path).items():
            found[text[number - 1].strip()] |= useful.keys() & set(contexts)
        tests[name] = {line: sorted(found[line]) for line in sorted(found)}
    return {"tests": tests, "seconds": useful}


class Recorded:
    """Which tests execute which lines, by their text, and how long each takes."""

    def __init__(self, by_file: dict[str, dict], killers: Iterable[str], part_of_name: str):
        self.kills = Counter(killers)
        self.seconds: dict[str, float] = {}
        self._lines: dict[str, int] = defaultdict(int)
        self._tests: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for found in by_file.values():
            self.seconds |= found["seconds"]
            for name, tests in found["tests"].items():
                for line, of_line in tests.items():
                    self._tests[name][line] |= {test for test in of_line if part_of_name in test}
                    for test in of_line:
                        self._lines[test] += 1

    def tests_of(self, mutant: Mutant, limit: float) -> list[str]:
        """Tests that execute the line, for `limit` seconds, fastest files first.

        From every file of tests those are taken in turn that execute the fewest lines: they are about these, and files
        check different things. Where a line runs as the module is imported or in what an earlier test compiled, the
        other tests that execute the module follow.
        """
        tests = self._tests[mutant.file]
        text = (ROOT / mutant.file).read_text(encoding="utf-8").splitlines()[mutant.line - 1].strip()
        direct = tests.get(text, set())
        # What killed others is likely to kill this one.
        killers = sorted(
            direct & self.kills.keys(), key=lambda test: (-self.kills[test] / (0.1 + self.seconds[test]), test)
        )
        chosen: dict[str, None] = {}
        for test in (*killers[:KILLERS], *self._in_turn(direct), *self._in_turn(set().union(*tests.values()) - direct)):
            if not chosen or sum(map(self.seconds.__getitem__, {**chosen, test: None})) <= limit:
                chosen[test] = None
        first = [test for test in chosen if test in killers[:KILLERS]]
        by_file: dict[str, list[str]] = defaultdict(list)
        for test in chosen.keys() - set(first):
            by_file[test.partition("::")[0]].append(test)
        cost = {file: sum(self.seconds[test] for test in tests) for file, tests in by_file.items()}
        return first + [test for file in sorted(by_file, key=cost.__getitem__) for test in sorted(by_file[file])]

    def _in_turn(self, tests: set[str]) -> list[str]:
        place: dict[str, int] = defaultdict(int)
        ranked = []
        for test in sorted(tests, key=lambda test: (self._lines[test], test)):
            file = test.partition("::")[0]
            ranked.append((place[file], self._lines[test], test))
            place[file] += 1
        return [test for *_, test in sorted(ranked)]


def judge(mutants: list[Mutant], workers: int, seconds: float, part_of_name: str) -> None:
    """Keep how each mutant ended: the test that failed, another sign of it, or "survived"."""
    by_file = json.loads((KEPT / "tests.json").read_text())
    recorded = Recorded(by_file, filter(is_test, known_results().values()), part_of_name)
    runners: queue.Queue[Runner] = queue.Queue()
    for _ in range(workers):
        copy = Path(tempfile.mkdtemp(prefix="mutation-"))
        for name in COPIED:
            (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, copy / name)
        runners.put(Runner(copy))

    def one(mutant: Mutant) -> None:
        runner = runners.get()
        file, original = runner.where / mutant.file, (ROOT / mutant.file).read_text(encoding="utf-8")
        file.write_text(mutant.source, encoding="utf-8")
        ended = verdict(runner, recorded, mutant, seconds)
        file.write_text(original, encoding="utf-8")
        runners.put(runner)
        recorded.kills.update(filter(is_test, [ended]))
        with (KEPT / "results.jsonl").open("a", encoding="utf-8") as results:
            results.write(json.dumps({"mutant": mutant.name, "line": mutant.line, "ended": ended}) + "\n")
        print(f"{'SURVIVED' if ended == 'survived' else 'killed'}  {mutant.name[:200]}  [{ended}]", flush=True)

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(one, mutants))  # raises what a thread raised
    while not runners.empty():
        runner = runners.get()
        runner.close()
        shutil.rmtree(runner.where)


def verdict(runner: Runner, recorded: Recorded, mutant: Mutant, seconds: float) -> str:
    """The test that failed, another sign that the mutant was noticed, or "survived"."""
    tests = recorded.tests_of(mutant, seconds)
    if not tests:
        return "survived"
    expected = sum(recorded.seconds[test] for test in tests)
    status, output = runner.pytest(["-x", "-rfE", "--tb=no", *tests], STARTING + PATIENCE * expected)
    if status == 0:
        return "survived"
    if status < 0:
        return f"ended by signal {-status}"
    if "ERROR: not found" in output:
        # Either there is no such test any more, or the mutant names it otherwise, which says nothing of results.
        return "survived"
    failed = re.search(r"^(?:FAILED|ERROR) (.*?)(?: - |$)", output, re.MULTILINE)
    return failed[1] if failed and "::" in failed[1] else f"not imported: {last_line(output)}"[:200]


def is_test(ended: str) -> bool:
    """Whether a mutant ended by a test that failed."""
    return "::" in ended


def check_killers(tests: set[str]) -> None:
    """Every test that failed with a mutant passes without one."""
    runner = Runner(ROOT)
    status, output = runner.pytest(["-rfE", "--tb=no", *sorted(tests)])
    runner.close()
    print(f"the tests that failed with a mutant, without one: {last_line(output)}")
    if status:
        sys.exit(output[-3000:])


class Runner:
    """A process that runs pytest in a folder, again and again; see `forked.py`."""

    def __init__(self, where: Path):
        self.where = where
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(where), str(HERE)]),
            "PYTHONDONTWRITEBYTECODE": "1",
            # Threads are not forked; what JAX reads when it is imported, the tests set too late.
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
        }
        self._process = subprocess.Popen(
            [sys.executable, HERE / "forked.py"],
            cwd=where,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # an interrupt is for this process; Linux shares its time among sessions
        )

    def pytest(self, arguments: list[str], seconds: float = 3600.0) -> tuple[int, str]:
        """The exit status, negative for a signal, and the output; killed after so many seconds of the processor."""
        # What is imported already cannot be rewritten to explain its assertions, which pytest would complain about.
        options = [
            "-p",
            "no:xdist",
            "-p",
            "no:cacheprovider",
            "--assert=plain",
            "-q",
            "-o",
            "addopts=--doctest-modules",
        ]
        asked = {"arguments": [*options, "-m", "not slow", *arguments], "seconds": math.ceil(seconds)}
        print(json.dumps(asked), file=self._process.stdin, flush=True)
        return tuple(json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


def last_line(text: str) -> str:
    return ([line for line in text.splitlines() if line.strip()] or ["no output"])[-1].strip()


def summary(mutants: list[Mutant], ended: dict[str, str], equivalent: dict[str, str]) -> dict:
    """The numbers by package, the mutants that survived, and the equivalent ones with their reasons."""
    of: dict[str, list[str]] = defaultdict(list)
    for mutant in mutants:
        of[mutant.file.split("/")[1]].append(ended[mutant.name])
    of = {package: of[package] for package in PACKAGES}
    of["all"] = [how for package in PACKAGES for how in of[package]]
    rows = []
    for package, hows in of.items():
        survived, alike = hows.count("survived"), hows.count("equivalent")
        killed = len(hows) - survived - alike
        row = {"package": package, "mutants": len(hows), "killed": killed, "equivalent": alike, "survived": survived}
        rows.append({**row, "score": round(100 * killed / max(1, len(hows) - alike), 1)})
    listed = {mutant.name for mutant in mutants}
    return {
        "packages": rows,
        "survived": sorted(name for name in listed if ended[name] == "survived"),
        "equivalent": {name: reason for name, reason in sorted(equivalent.items()) if name in listed},
    }


def as_markdown(score: dict) -> str:
    """The table and the lists, for the documentation."""
    text = ["| Package | Mutants | Killed | Equivalent | Survived | Score |", "|---|---:|---:|---:|---:|---:|"]
    for row in score["packages"]:
        text.append("| {package} | {mutants} | {killed} | {equivalent} | {survived} | {score} % |".format(**row))
    for title, names in (
        ("Survived", {name: "" for name in score["survived"]}),
        ("Equivalent", score["equivalent"]),
    ):
        if names:
            text += ["", f"{title}:", "", *(f"- `{name}`{reason and f': {reason}'}" for name, reason in names.items())]
    return "\n".join(text) + "\n"


if __name__ == "__main__":
    main()
