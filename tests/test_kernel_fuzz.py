"""Random compositions of the kernel's rules: no fact that they make is false in numbers, whatever was tried."""

import fuzzing
import pytest

from istsim.derivations import Kernel
from istsim.derivations.kernel import _kernel, _reals


@pytest.fixture(autouse=True)
def quick_z3(monkeypatch, unchecked):
    """What z3 does not see at once is left alone."""
    monkeypatch.setattr(_reals, "RESOURCES", 100_000)


@pytest.mark.parametrize("seed", range(2))
def test_no_composition_of_rules_makes_a_false_fact(seed):
    count = fuzzing.fuzz(seed, 150)
    assert count.false == []
    assert count.made.total() > 30


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("seed", range(100, 108))
def test_no_composition_of_many_makes_a_false_fact(seed):
    count = fuzzing.fuzz(seed, 4000)
    print(dict(count.made))
    assert count.false == []
    assert set(count.made) == {rule.__name__ for rule in fuzzing.Composer.RULES}


BROKEN = {
    "local hypotheses at other rounds": (Kernel, "_check_every_round", lambda self, hypotheses, k: None),
    "identities without a look at what is left": (_kernel, "vanishes", lambda value: True),
    "inequalities without z3": (_kernel, "holds_for_all", lambda claim, given=(): None),
    "expectations that are none": (_kernel, "expect", lambda value, *sources: value),
}


@pytest.mark.slow
@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_the_fuzzer_finds_what_a_broken_kernel_makes(broken, monkeypatch):
    monkeypatch.setattr(*broken)
    assert fuzzing.fuzz(0, 1000).false
