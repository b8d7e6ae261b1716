"""The probability of a false alarm: what the statistical tests of a run allow, added up and stated at its end.

A false alarm is a comparison of random results with exact ones that finds fault although nothing is wrong. A test that
compares so asks for `false_alarm_rate` and divides it among all its comparisons; what has a rate of its own is counted
with `count_false_alarm_rate`. The sum bounds the probability of any false alarm, whatever the tests share.
"""

import math

import pytest

RATES = pytest.StashKey[list[float]]()


def pytest_configure(config):
    config.stash[RATES] = []


@pytest.fixture(scope="session")
def count_false_alarm_rate(request):
    """A function that counts a rate which what is tested states itself. Call it before what may fail."""
    return request.config.stash[RATES].append


@pytest.fixture
def false_alarm_rate(count_false_alarm_rate) -> float:
    """The probability with which a test may fail by chance, over all its comparisons."""
    rate = 1e-6
    count_false_alarm_rate(rate)
    return rate


def pytest_runtest_setup(item):
    item.config.stash[RATES].extend(rates_of_doctest(item.name))


def rates_of_doctest(name: str) -> list[float]:
    """What the examples in a docstring allow: they cannot ask without showing it to the reader."""
    if name == "istsim.verify._conformance.check_sketch":
        from istsim.verify._conformance import FALSE_ALARM_RATE

        return [FALSE_ALARM_RATE]
    if name == "istsim.verify._statistics.compare_means":
        import numpy as np

        from istsim.verify import compare_means

        # The rate depends on the shapes alone.
        return [compare_means(np.ones((1000, 3)), np.ones(3)).false_alarm_rate]
    return []


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):  # in a process that pytest-xdist started
        session.config.workeroutput["false_alarm_rates"] = session.config.stash[RATES]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    # A process that crashed hands over nothing, and fails the run.
    node.config.stash[RATES].extend(getattr(node, "workeroutput", {}).get("false_alarm_rates", []))


def pytest_terminal_summary(terminalreporter, config):
    if rates := config.stash[RATES]:
        terminalreporter.write_line(
            f"{len(rates)} statistical tests: if all is as it should be, and means over many runs are normal, the "
            f"probability of a false alarm, over fresh seeds, is at most {math.fsum(rates):.3g}. "
            "(Seeds are fixed, so that the verdict is the same in every run.)"
        )
