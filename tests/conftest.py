"""What all tests share. Annotations are checked in what they call: the hook must come before istsim is imported."""

import collections
import gc
import os
import zlib
from importlib.metadata import version

import hypothesis
import jaxtyping
import pytest
import typecheck

typecheck.install()

# Expressions and programs are many small objects that live long; looking for garbage takes a twentieth of the time.
gc.set_threshold(50_000)

# The tests compile much and compute little: without what makes programs fast they take two thirds of the time.
# In the environment, so that the processes that tests start compile so as well.
if version("jaxlib").startswith("0.10."):  # later ones do not know it, and end the process
    os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_use_fusion_emitters=false"
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
os.environ["ISTSIM_COMPILATION_CACHE"] = "0"

import jax  # noqa: E402

import istsim  # noqa: E402, F401
from istsim.simulation import _compiled  # noqa: E402

# JAX compiles inside examples, which a deadline would time. Derandomised, the suite draws the same examples everywhere.
# Examples are numbers, not structures: shrinking them takes minutes and says nothing.
hypothesis.settings.register_profile(
    "istsim",
    deadline=None,
    derandomize=True,
    max_examples=20,
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
)
hypothesis.settings.load_profile("istsim")

pytest_plugins = ["false_alarms"]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items) -> None:
    """Of a test marked `sample(n)`, `make test` runs n cases, and `make test-slow` the others."""
    cases = collections.defaultdict(list)
    for item in items:
        if marker := item.get_closest_marker("sample"):
            cases[item.parent, item.originalname, *marker.args].append(item)
    for (*_, number), test in cases.items():
        for left_out in without_sample(test, number):
            left_out.add_marker("slow")


def without_sample(test: list, number: int) -> list:
    """The cases of a test without `number` of them: those chosen have as many different parameters as can be."""
    rest, seen = list(test), collections.Counter()
    for _ in range(min(number, len(test))):
        new = max(rest, key=lambda item: -sum(seen[parameter] for parameter in enumerate(item.callspec._idlist)))
        rest.remove(new)
        seen.update(enumerate(new.callspec._idlist))
    return rest


def pytest_runtest_setup() -> None:
    typecheck.begin_test()


@pytest.fixture
def seed(request) -> int:
    """A seed of the test's own, the same in every run; pytest shows it where the test fails."""
    value = zlib.crc32(request.node.nodeid.encode())
    print(f"seed = {value}")
    return value


@pytest.fixture
def key(seed):
    return jax.random.key(seed)


@pytest.fixture(autouse=True, scope="module")
def _forget_compiled_programs():
    """After each file: a process may map only so many (Linux: 65530 memory maps), and crashes beyond."""
    yield
    jax.clear_caches()


@pytest.fixture(autouse=True, scope="module")
def _by_xla_where_the_loops_are_not_the_subject(request):
    """numba compiles for seconds what most tests run for milliseconds."""
    with pytest.MonkeyPatch.context() as patched:
        if "test_compiled" not in request.node.name:
            patched.setattr(_compiled, "covers", lambda problem, method: False)
        yield


@pytest.fixture
def without_curves(request, monkeypatch):
    """Drawing takes most of the time of a short training run: only tests named after curves draw them."""
    if "curves" not in request.node.name:
        paths = ("log.csv", "log.json")
        monkeypatch.setattr("istsim.networks._log.Log.draw", lambda log: [log.folder / path for path in paths])


@pytest.fixture
def unchecked():
    """Types unchecked, as for users, so that a bad argument meets istsim's own checks."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def registry_of_its_own(monkeypatch):
    """What a test registers among the theorems is forgotten after it."""
    from istsim.theorems import _registry

    monkeypatch.setattr(_registry, "_THEOREMS", dict(_registry._THEOREMS))
