"""A plugin of pytest that records which tests execute which lines, and how long each takes.

`-p recorder` where this folder is importable, with the names of the two files to write in the environment.
"""

import json
import os
import time
from collections import defaultdict

import pytest

SECONDS: dict[str, float] = defaultdict(float)


def pytest_configure(config):
    import coverage  # first where it is needed: all files of the tests are imported to look for examples

    config.coverage = coverage.Coverage(
        data_file=os.environ["MUTATION_LINES"], include=[os.path.join(str(config.rootpath), "istsim", "*")]
    )
    config.coverage.start()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    # Once for all phases: what a fixture of a file executes counts for the first test that asks for it.
    item.config.coverage.switch_context(item.nodeid)
    before = time.process_time()
    try:
        return (yield)
    finally:
        SECONDS[item.nodeid] += time.process_time() - before


def pytest_runtest_logreport(report):
    if report.failed or report.skipped:
        SECONDS[report.nodeid] = float("nan")


def pytest_sessionfinish(session):
    session.config.coverage.stop()
    session.config.coverage.save()
    with open(os.environ["MUTATION_SECONDS"], "w") as file:
        json.dump(SECONDS, file)
