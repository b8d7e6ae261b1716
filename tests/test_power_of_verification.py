"""How much `verify_theorem` finds, at its defaults: every fault that can be put into a theorem in one place."""

import functools
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase
from seeded_faults import faults

from istsim import theorems
from istsim.theorems import Kind
from istsim.verify import _theorems, verify_theorem
from istsim.verify._neighbours import neighbours

CLAIMS = [name for name in theorems.names() if theorems.get(name).kind is not Kind.REFUTED]

SEEDS = range(20)
PAGE = Path(__file__).parents[1] / "docs" / "theorems.md"

NO_THETA, NO_OTHER = "there is no theta then, and no step size is allowed", "other methods have none of its symbols"

# Premises without which a theorem is still true, or cannot be asked about.
NEEDLESS = {
    "theorem-1-gradients: no premise that W = 1/2 E[Lbar B + B' Lbar] is positive semidefinite": NO_THETA,
    "theorem-1-gradients: no premise that some theta has E[B' Lbar B] <= theta W": NO_THETA,
    "theorem-1-iterates: no premise that W = 1/2 E[Lbar B + B' Lbar] is positive semidefinite": NO_THETA,
    "theorem-1-iterates: no premise that some theta has E[B' Lbar B] <= theta W": NO_THETA,
    "theorem-1-long-steps: no premise that W = 1/2 E[Lbar B + B' Lbar] is positive semidefinite": NO_THETA,
    "theorem-1-long-steps: no premise that some theta has E[B' Lbar B] <= theta W": NO_THETA,
    "homogeneous-preconditioning: no premise that all L_i are equal": "as in the paper; the diagonals alone are seen",
    "expected-iterate: no premise that E[B] is invertible": "the engine finds no fixed point then, and says so",
    "overlap-reduces-bias: no premise that the weight of a coordinate in the merge does not depend on what else its "
    "worker holds: merge mean, workers that draw independently or single coordinates, or equally many holders of every "
    "coordinate": "the engine has no formulas then, and says so",
    "theorem-2: no premise that young lies between 0 and 1/2": "no step size is allowed then",
    "local-updates-fixed-point: no premise that LocalUpdates": NO_OTHER,
    "local-updates-contraction: no premise that LocalUpdates": NO_OTHER,
}


# False, but not found: T is singular for so few matrices that none of them is near those that are drawn.
RARE = {"local-updates-fixed-point: no premise that T is invertible"}


@pytest.fixture(autouse=True)
def nothing_is_shrunk(monkeypatch):
    """Whether a fault is found does not depend on it."""
    monkeypatch.setattr(_theorems, "PHASES", (Phase.generate,))


def is_found(theorem, seed):
    with warnings.catch_warnings():  # a fault may divide by 0 where the theorem does not
        warnings.simplefilter("ignore", RuntimeWarning)
        return not verify_theorem(theorem, simulations=0, seed=seed).passed


def is_noticed(fault, seed):
    """Whether it is found, or cannot be computed, as its author would see as well."""
    try:
        return is_found(fault, seed)
    except Exception:
        return True


@functools.cache
def instances(theorem):
    """Those that are looked at with one seed."""
    found = []

    def look(instance):
        found.append(instance)
        found.extend(near for near in neighbours(theorem, instance) if theorem.check_instance(near).applicable)

    _theorems._find(theorem, look, count=10, seed=0)
    return found


def is_harmless(theorem, fault):
    """Whether it is a bound that is nowhere below a true one, such as a sharper theorem's in the same setting."""
    if theorem.kind is not Kind.UPPER or fault.statement == theorem.statement:
        return False
    true = (theorem, theorems.get("sharper-theorem-2")) if theorem.name == "theorem-2" else (theorem,)
    return any(all(is_above(fault, other, instance) for instance in instances(theorem)) for other in true)


def is_above(fault, true, instance):
    sides = true.sides(instance)
    try:
        return np.all(fault.sides(instance).rhs >= sides.rhs - 1e-9 * np.max(sides.size))
    except ZeroDivisionError:
        return False


@pytest.mark.sample(2)
@pytest.mark.parametrize(("name", "term"), [("sharper-theorem-2", "gamma*variance"), ("theorem-2", "gamma*variance")])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_bound_without_its_variance_is_found(name, term, seed):
    assert is_found(faults(theorems.get(name))[f"{name}: no term {term}"], seed)


@pytest.mark.slow
def test_a_missing_premise_is_found():
    text = "theorem-1-iterates: no premise that the gradients are exact"
    assert is_found(faults(theorems.get("theorem-1-iterates"))[text], seed=0)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", CLAIMS)
def test_every_fault_is_found_with_every_seed(name):
    theorem = theorems.get(name)
    assert not is_found(theorem, seed=0)  # nor does it raise an error of its own
    every = faults(theorem)
    false = [text for text in every if text not in {*NEEDLESS, *RARE} and not is_harmless(theorem, every[text])]
    missed = {text: [seed for seed in SEEDS if not is_noticed(every[text], seed)] for text in false}
    assert not {text: seeds for text, seeds in missed.items() if seeds}
    assert f"| `{name}` | {len(every)} | {len(false)} |" in PAGE.read_text()
