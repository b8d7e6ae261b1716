"""The statement at the end of a run, in runs of pytest of its own."""

import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import false_alarms
import pytest

# Both tests of the second file depend on one comparison with a rate of its own, made once.
FILES = {
    "test_first.py": """
        import pytest

        @pytest.mark.parametrize("method", ["one", "two", "failing"])
        def test_statistical(method, false_alarm_rate):
            assert false_alarm_rate == 1e-6
            assert method != "failing"

        def test_exact():
            pass
    """,
    "test_second.py": """
        import pytest

        @pytest.fixture(scope="module")
        def shared(count_false_alarm_rate):
            count_false_alarm_rate(2.5e-7)

        def test_shared(shared):
            pass

        def test_shared_as_well(shared, false_alarm_rate):
            pass
    """,
}


def summary_of(folder, *arguments):
    for name, text in FILES.items():
        (folder / name).write_text(re.sub("^ {8}", "", text, flags=re.MULTILINE))
    finished = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "false_alarms", "-p", "no:cacheprovider", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        # Other plugins, which take longer to import than these tests to run, have no part in it.
        env={"PYTHONPATH": str(Path(false_alarms.__file__).parent), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        check=False,
    )
    assert re.search(r"\d passed", finished.stdout), finished.stdout + finished.stderr
    return re.findall(r"(\d+) statistical tests: .* is at most (\S+)\. ", finished.stdout)


@pytest.mark.parametrize(
    "processes", [[], ["-p", "xdist", "-n", "2", "--dist", "loadfile"]], ids=["one process", "two processes"]
)
def test_the_stated_probability_is_the_sum_of_what_the_tests_allow(processes, tmp_path):
    # Four tests with 1e-6 each, passed or failed, and a comparison with 2.5e-7.
    assert summary_of(tmp_path, *processes) == [("5", "4.25e-06")]


def test_only_what_is_run_counts(tmp_path):
    assert summary_of(tmp_path, "-k", "one or shared") == [("3", "2.25e-06")]
    assert summary_of(tmp_path, "-k", "exact") == []


@pytest.mark.parametrize(("module", "function"), [("_conformance", "check_sketch"), ("_statistics", "compare_means")])
def test_examples_in_docstrings_are_counted(module, function):
    name = f"istsim.verify.{module}.{function}"
    assert ">>> istsim.verify." in pkgutil.resolve_name(name).__doc__
    (rate,) = false_alarms.rates_of_doctest(name)
    assert 0 < rate < 1e-5
