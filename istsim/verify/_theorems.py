"""Theorems held against the exact engine and against simulation, with a machine that looks for counterexamples."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from hypothesis import HealthCheck, Phase, find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample, Unsatisfiable

from istsim._validation import finite_number, natural_number, positive_int
from istsim.theorems._instance import Instance
from istsim.theorems._theorem import ROUNDING, Kind, Theorem, TheoremCheck
from istsim.verify._code import as_code
from istsim.verify._neighbours import neighbours
from istsim.verify._sampled import REPETITIONS, Batches, allowed_deviation, deviations, jackknife

# How many instances at most are simulated besides those wanted, because nothing in them is random.
PLAIN = 4

PHASES = (Phase.generate, Phase.shrink)

# The numbers in the instances drawn are of the order of 1: what is smaller is the rounding of 0.
ZERO = 1e-20


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verification:
    """What came of looking for a counterexample.

    Attributes:
        name, kind: the theorem's.
        passed: for a refuted statement, whether it is refuted; for others, whether nothing was found.
        examples: how many instances were drawn inside the premises.
        nearby: how many neighbours of theirs were found inside, such as those where a premise only just holds.
        simulated: how many of those that were simulated had something random in them.
        outside: how many were changed so that a premise just fails, and refused for that.
        tightness: the largest left side over right side seen; None for statements that are not bounds.
        deviation: the largest distance of the simulated left side from the exact one, in standard errors.
        allowed: the most that was allowed.
        found: what is wrong, or how the statement is refuted; "" if nothing was found.
        code: Python that shows it.
    """

    name: str
    kind: str
    passed: bool
    examples: int
    nearby: int
    outside: int
    simulated: int
    tightness: float | None
    deviation: float
    allowed: float
    found: str = ""
    code: str = ""


def verify_theorem(
    theorem: Theorem,
    *,
    examples: int = 10,
    simulations: int = 1,
    false_alarm_rate: float = 1e-6,
    seed: int = 0,
) -> Verification:
    """Look for a counterexample to a theorem, with hypothesis, the exact engine and simulation.

    Instances are drawn inside the premises, where the theorem must apply and hold, and changed so that one premise just
    fails, where it must say so. Neighbours of each are looked at too: where a premise only just holds, where one term
    is larger than the others, and where the method has another sketch, merge, number of reports or noise, as far as
    the premises let it in. For the first few, the expectations on the left side are estimated from simulated
    runs, which must agree with the exact ones. What fails is shrunk to the plainest instance that fails. A refuted
    statement must apply to its counterexample, and fail there by both routes.

    Args:
        theorem: one of istsim's, or your own.
        examples: how many instances to draw, at least 1.
        simulations: how many to simulate in which something is random, if there are such, at least 0.
        false_alarm_rate: between 0 and 1, the probability that simulation finds fault with a true theorem, if means
            over batches of runs are normal: Student's t bound, summed over all that is compared.
        seed: for the draws and the runs.

    Raises:
        ValueError: for an option outside its range, or if no instance inside the premises is found.

    Example:
        >>> import istsim
        >>> found = istsim.verify.verify_theorem(istsim.theorems.get("gradient-masking-unbiased"), examples=2)
        >>> found.passed, found.examples
        (True, 2)
    """
    check_options(examples=examples, simulations=simulations, false_alarm_rate=false_alarm_rate)
    if theorem.kind is Kind.REFUTED:
        return _verify_refutation(theorem, false_alarm_rate, seed)
    seen = _Seen()
    rate = false_alarm_rate / (simulations + PLAIN)

    def fault(instance: Instance) -> Fault | None:
        checked = theorem.check_instance(instance)
        seen.add(theorem, checked)
        if not checked.applicable:
            return Fault(f"not applicable where its premises hold: {checked.reason}", instance)
        return _contradiction(checked, instance) or _fault_nearby(theorem, instance, seen)

    def fault_in_simulation(instance: Instance) -> Fault | None:
        return None if seen.simulated >= simulations else _compare(theorem, instance, rate, seed, seen)

    # Hypothesis begins with plain instances, in which nothing may be random: these do not count.
    for look, count in ((fault, examples), (fault_in_simulation, simulations + PLAIN if simulations else 0)):
        if (instance := _find(theorem, look, count, seed)) and (found := look(instance)):
            code = as_code(theorem.name, found.instance)
            return seen.result(theorem, passed=False, found=found.text, code=code)
    return seen.result(theorem, passed=True)


def assert_theorem(theorem: Theorem, **options: Any) -> None:
    """For a test of your own: fail, with the plainest counterexample found as code, unless the theorem passes.

    Args:
        theorem: one of istsim's, or your own.
        options: those of `verify_theorem`.

    Raises:
        ValueError: for an option outside its range.
        AssertionError: if it does not pass.

    Example:
        >>> import istsim
        >>> istsim.verify.assert_theorem(istsim.theorems.get("gradient-masking-unbiased"), examples=2)
    """
    result = verify_theorem(theorem, **options)
    if not result.passed:
        raise AssertionError(f"{result.name} {result.found}\n\n{result.code}")


def check_options(*, examples: Any, simulations: Any, false_alarm_rate: Any) -> None:
    """Refuse options with which nothing is looked for, or nothing could be found.

    Raises:
        ValueError: with the name of the option in Python.
    """
    positive_int("examples", examples)
    natural_number("simulations", simulations)
    rate = finite_number("false_alarm_rate", false_alarm_rate)
    if not 0 < rate < 1:
        raise ValueError(f"false_alarm_rate must be a probability above 0 and below 1, such as 1e-6, got {rate}")


class Fault(NamedTuple):
    """What is wrong with a theorem, and where."""

    text: str
    instance: Instance


@dataclasses.dataclass
class _Seen:
    """What has been seen so far."""

    simulated: int = 0
    examples: int = 0
    nearby: int = 0
    outside: int = 0
    tightness: float | None = None
    deviation: float = 0.0
    allowed: float = 0.0

    def add(self, theorem: Theorem, checked: TheoremCheck, *, nearby: bool = False) -> None:
        self.nearby += nearby
        self.examples += not nearby
        if theorem.kind is Kind.UPPER and checked.applicable:
            # Where both sides are 0 but for rounding, their ratio says nothing.
            ratios = checked.tightness[checked.rhs > ZERO]
            self.tightness = max(self.tightness or 0.0, float(ratios.max(initial=0.0)))

    def result(self, theorem: Theorem, **outcome: Any) -> Verification:
        return Verification(name=theorem.name, kind=str(theorem.kind), **dataclasses.asdict(self), **outcome)


def _find(theorem: Theorem, look: Callable[[Instance], Fault | None], count: int, seed: int) -> Instance | None:
    """The plainest instance at fault, if `count` draws show one."""
    if count == 0:
        return None
    drawn = st.composite(theorem.draw)()
    run = settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=PHASES,
        suppress_health_check=(HealthCheck.filter_too_much, HealthCheck.too_slow, HealthCheck.data_too_large),
    )
    try:
        return find(drawn, lambda instance: bool(look(instance)), settings=run, random=random.Random(seed))
    except NoSuchExample:
        return None
    except Unsatisfiable:
        raise ValueError(
            f"{theorem.name}: the premises held for none of the instances drawn; define the theorem's `draw`, so that "
            "it draws from its own setting"
        ) from None


def _contradiction(checked: TheoremCheck, instance: Instance) -> Fault | None:
    if checked.holds:
        return None
    return Fault(f"does not hold: the sides are {_short(checked.lhs)} and {_short(checked.rhs)}", instance)


def _fault_nearby(theorem: Theorem, instance: Instance, seen: _Seen) -> Fault | None:
    """What is wrong where premises end, on either side, or at another neighbour."""
    if found := _fault_outside(theorem, instance, seen):
        return found
    for premise in theorem.premises:
        if premise.keep_just is None:
            continue
        edge = premise.keep_just(instance)
        if reason := theorem.failing_premise(edge):
            return Fault(f"refuses an instance changed so that this premise only just holds: {reason}", edge)
    for neighbour in neighbours(theorem, instance):
        checked = theorem.check_instance(neighbour)
        if checked.applicable:
            seen.add(theorem, checked, nearby=True)
            if found := _contradiction(checked, neighbour):
                return found
    return None


def _fault_outside(theorem: Theorem, instance: Instance, seen: _Seen) -> Fault | None:
    for premise in theorem.premises:
        if premise.break_just is None:
            continue
        broken = premise.break_just(instance)
        checked = theorem.check_instance(broken)
        seen.outside += 1
        if checked.applicable or premise.text not in checked.reason:
            text = f"does not refuse an instance changed so that this premise just fails: {premise.text}"
            return Fault(text, broken)
    return None


def _compare(theorem: Theorem, instance: Instance, rate: float, seed: int, seen: _Seen) -> Fault | None:
    """The left side of exact expectations against that of simulated runs."""
    exact = theorem.sides(instance)
    estimate, error = jackknife(Batches(instance, seed), lambda sampled: theorem.sides(sampled).lhs)
    size = max(np.abs(exact.lhs).max(), exact.size.max())
    allowed = allowed_deviation(rate, exact.lhs.size)
    largest = float(deviations(estimate, error, exact.lhs, size).max())
    seen.simulated += bool(np.any(error > ROUNDING * size))
    seen.deviation, seen.allowed = max(seen.deviation, largest), max(seen.allowed, allowed)
    if largest <= allowed:
        return None
    text = (
        f"disagrees with simulation: over {REPETITIONS} runs the left side lies {largest:.1f} standard errors "
        f"from the exact one, {allowed:.1f} are allowed"
    )
    return Fault(text, instance)


def _verify_refutation(theorem: Theorem, rate: float, seed: int) -> Verification:
    seen = _Seen()
    problem, method, arguments = theorem.counterexample()
    parameters = {name: arguments.pop(name, default) for name, default in theorem.parameters.items()}
    instance = Instance.of(problem, method, **arguments, parameters=parameters)
    code = as_code(theorem.name, instance)
    checked = theorem.check_instance(instance)
    seen.add(theorem, checked)
    if not checked.applicable or checked.holds:
        found = checked.reason if not checked.applicable else "the statement holds at its counterexample"
        return seen.result(theorem, passed=False, found=found, code=code)
    if fault := _fault_outside(theorem, instance, seen) or _compare(theorem, instance, rate, seed, seen):
        return seen.result(theorem, passed=False, found=fault.text, code=as_code(theorem.name, fault.instance))
    worst = np.argmax(np.abs(checked.margin) / np.maximum(np.abs(checked.rhs), 1e-300))
    lhs, rhs = checked.lhs.flat[worst], checked.rhs.flat[worst]
    return seen.result(theorem, passed=True, found=f"refuted: the sides are {lhs:.6g} and {rhs:.6g}", code=code)


def _short(side: np.ndarray) -> str:
    return np.array2string(np.asarray(side), precision=6, threshold=12)
