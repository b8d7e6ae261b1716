import dataclasses
import itertools
import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from listed import SharedBlock
from windows import Window

import istsim
from istsim.verify import check_sketch
from istsim.verify._conformance import FALSE_ALARM_RATE


@pytest.mark.sample(3)
@pytest.mark.parametrize(
    "sketch",
    [
        istsim.Identity(2, 3),
        istsim.Permutation(2, 4),
        istsim.Permutation(3, 4),
        istsim.Permutation(4, 3),
        istsim.RandK(2, 4, 2),
        istsim.Bernoulli(2, 3, 0.3),
        istsim.Coverage(4, 4, 3),
        istsim.Grouped(istsim.RandK(2, 3, 2), [0, 0, 1, 2]),
        istsim.RandK(3, 40, 11),  # its outcomes are too many to list
    ],
    ids=repr,
)
def test_every_sketch_conforms(sketch, count_false_alarm_rate):
    count_false_alarm_rate(FALSE_ALARM_RATE)
    check_sketch(sketch)


class SharedBlockWithOutcomes(SharedBlock):
    def outcomes(self):
        for block in itertools.combinations(range(self.d), self.k):
            mask = np.zeros((self.n, self.d), bool)
            mask[:, list(block)] = True
            yield mask, 1 / math.comb(self.d, self.k)


class WrongInclusion(SharedBlockWithOutcomes):
    def inclusion_probability(self, size):
        return (self.k / self.d) ** size


class WrongJoint(SharedBlockWithOutcomes):
    def joint_probability(self, left, right, shared):
        return self.inclusion_probability(left) * self.inclusion_probability(right)


class FirstCoordinatesFirst(SharedBlockWithOutcomes):
    def sample(self, key):
        held = jnp.arange(self.d) < self.k
        return jnp.broadcast_to(held, (self.n, self.d))


class FirstWorkerIdle(SharedBlockWithOutcomes):
    def sample(self, key):
        return super().sample(key).at[0].set(False)


class WrongShape(SharedBlockWithOutcomes):
    def sample(self, key):
        return super().sample(key)[:, 1:]


class WrongSize(SharedBlockWithOutcomes):
    @property
    def size(self):
        return self.k + 1


class WrongOutcomes(SharedBlockWithOutcomes):
    def outcomes(self):
        for mask, probability in super().outcomes():
            yield mask, probability / 2


class Needless(SharedBlock):
    """Nobody ever holds anything."""

    def sample(self, key):
        return jnp.zeros((self.n, self.d), bool)

    def inclusion_probability(self, size):
        return float(size == 0)


def test_a_users_own_sketch_conforms(count_false_alarm_rate):
    count_false_alarm_rate(FALSE_ALARM_RATE)
    check_sketch(SharedBlockWithOutcomes(3, 5, 2))


@pytest.mark.sample(4)
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (WrongInclusion, "worker 0 holds 0 and 1 in"),
        (WrongJoint, "workers 0 and 1 hold 0 in"),
        (FirstCoordinatesFirst, "worker 0 holds 0 in 1.0000 of the draws, but with stated probability 0.4000"),
        (FirstWorkerIdle, "worker 0 holds 0 in 0.0000 of the draws"),
        (WrongShape, r"masks of shape \(n, d\) = \(3, 5\), got bool of \(3, 4\)"),
        (WrongSize, "size says that every worker holds 3 coordinates"),
        (WrongOutcomes, "the outcomes' probabilities add up to 0.5"),
        (Needless, r"inclusion_probability\(1\) must be positive, since unbiased scales divide by it, got 0"),
    ],
)
def test_a_sketch_that_does_not_conform_is_told_why(kind, message):
    with pytest.raises(AssertionError, match=message):
        check_sketch(kind(3, 5, 2))


class WrongInOrderThree(SharedBlock):
    """Wrong for three coordinates alone; a worker holds up to four of five."""

    order = 3

    def inclusion_probability(self, size):
        return super().inclusion_probability(size) * (0.7 if size == self.order else 1)

    def joint_probability(self, left, right, shared):
        return SharedBlock(self.n, self.d, self.k).joint_probability(left, right, shared)


class WrongInOrderFour(WrongInOrderThree):
    order = 4


@dataclasses.dataclass(frozen=True)
class WrongJointly(SharedBlock):
    """Wrong for two workers in one order alone."""

    order: tuple[int, int, int]

    def joint_probability(self, left, right, shared):
        stated = super().joint_probability(left, right, shared)
        return 0.6 * stated if (left, right, shared) == self.order else stated


@pytest.mark.sample(3)
@pytest.mark.parametrize(
    ("sketch", "message"),
    [
        (WrongInOrderThree(2, 5, 4), r"holds 0, 1 and 2 in 0\.\d* of the draws, but with stated probability 0\.2800"),
        (WrongInOrderFour(2, 5, 4), r"holds 0, 1, 2 and 3 in 0\.\d* of the draws, but with stated probability 0\.1400"),
        *[
            (WrongJointly(2, 5, 4, order), f"worker 0 holds {ours} and 1 holds {theirs} in")
            for order, ours, theirs in [
                ((2, 1, 0), "0 and 1", "2"),
                ((1, 2, 0), "0", "1 and 2"),
                ((2, 1, 1), "0 and 1", "1"),
                ((1, 2, 1), "0", "0 and 1"),
                ((2, 2, 0), "0 and 1", "2 and 3"),
                ((2, 2, 1), "0 and 1", "1 and 2"),
                ((2, 2, 2), "0 and 1", "0 and 1"),
            ]
        ],
    ],
    ids=repr,
)
def test_a_probability_that_is_wrong_in_one_high_order_alone_is_found(sketch, message):
    with pytest.raises(AssertionError, match=message) as caught:
        check_sketch(sketch)
    assert "not exchangeable" not in str(caught.value)


def test_a_probability_that_is_wrong_by_little_in_one_high_order_is_found_by_the_outcomes():
    class Slightly(SharedBlockWithOutcomes):
        def joint_probability(self, left, right, shared):
            off = 1e-6 if (left, right, shared) == (2, 2, 1) else 0.0
            return super().joint_probability(left, right, shared) + off

    with pytest.raises(AssertionError, match=r"joint_probability\(2, 2, 1\) is .*, but .* by the outcomes"):
        check_sketch(Slightly(2, 5, 4))


def test_a_probability_that_is_wrong_by_little_is_found_by_the_stated_size():
    class Slightly(istsim.RandK):
        def inclusion_probability(self, size):
            return super().inclusion_probability(size) + 1e-6 * (size == 3)

    with pytest.raises(AssertionError, match=r"inclusion_probability\(3\) is .* where every worker holds 11 of 40"):
        check_sketch(Slightly(3, 40, 11))


def test_to_hold_no_coordinates_is_certain():
    class Forgetful(SharedBlock):
        def joint_probability(self, left, right, shared):
            return super().joint_probability(left, right, shared) if left and right else 0.0

    with pytest.raises(
        AssertionError, match=r"joint_probability\(1, 0, 0\) is 0, but to hold no coordinates is certain"
    ):
        check_sketch(Forgetful(2, 5, 4))


def test_orders_that_a_sketch_does_not_know_are_left_out(count_false_alarm_rate):
    class UpToTwo(SharedBlock):
        def inclusion_probability(self, size):
            if size > 2:
                raise NotImplementedError("derived for two coordinates only")
            return super().inclusion_probability(size)

    count_false_alarm_rate(FALSE_ALARM_RATE)
    check_sketch(UpToTwo(2, 5, 4))


def test_too_few_draws_are_refused():
    with pytest.raises(ValueError, match="draws must be at least 1000"):
        check_sketch(istsim.Identity(1, 2), draws=100)


class Uneven(istsim.Sketch):
    """Worker 0 holds the first coordinate and perhaps the second, the others the rest."""

    exchangeable = False

    def sample(self, key):
        second = jax.random.bernoulli(key)
        mask = jnp.zeros((self.n, self.d), bool).at[0, 0].set(True).at[0, 1].set(second)
        return mask.at[1:, 2:].set(True)

    def inclusion_probability(self, size):
        raise NotImplementedError("it depends on which coordinates they are")

    def joint_probability(self, left, right, shared):
        raise AssertionError("a sketch that is not exchangeable has no such number")

    def outcomes(self):
        for second in (False, True):
            mask = np.zeros((self.n, self.d), bool)
            mask[0, :2], mask[1:, 2:] = (True, second), True
            yield mask, 0.5


def test_a_sketch_that_is_not_exchangeable_is_simulated_and_enumerated_but_has_no_formulas(
    count_false_alarm_rate,
):
    problem = istsim.random_quadratic(0, 3, 4, condition_number=5.0, matrix_heterogeneity=0.5, vector_heterogeneity=1.0)
    sketch = Uneven(3, 4)
    method = istsim.IST(sketch, forward_scale=1.0, gradient_scale=1.0)
    count_false_alarm_rate(FALSE_ALARM_RATE)
    check_sketch(sketch)
    with pytest.raises(istsim.theory.NotCoveredError, match=r"formulas are for exchangeable sketches.*enumerat"):
        istsim.theory.exact_moments(problem, method, step_size=0.1, rounds=2)
    exact = istsim.theory.exact_moments(problem, method, step_size=0.1, rounds=6, route="enumeration")
    runs = istsim.simulate(problem, method, step_size=0.1, rounds=6, key=1, repetitions=4000)
    agreement = istsim.verify.compare_means(runs.metrics["objective_gap"][0], exact.objective_gap)
    count_false_alarm_rate(agreement.false_alarm_rate)
    assert agreement.agrees


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"holders": 2}, "holders says that every coordinate has 2"),
        ({"independent_workers": True}, "independent_workers says so, but joint_probability"),
    ],
)
def test_false_facts_are_found(change, words):
    base = istsim.RandK if "holders" in change else istsim.Permutation
    sketch = type("Claiming", (base,), change)(*((2, 4, 2) if base is istsim.RandK else (2, 4)))
    with pytest.raises(AssertionError, match=words):
        check_sketch(sketch)


def test_wrong_outcomes_of_a_sketch_that_is_not_exchangeable_are_found():
    class Wrong(Uneven):
        def outcomes(self):
            return ((mask, p) for (mask, _), p in zip(super().outcomes(), (0.3, 0.7), strict=True))

    with pytest.raises(AssertionError, match="worker 0 holds 1 in"):
        check_sketch(Wrong(3, 4))


class ForgetfulWindow(Window):
    """The same by someone who did not think of exchangeability."""

    exchangeable = True

    def inclusion_probability(self, size):
        return math.perm(self.k, size) / math.perm(self.d, size)

    def joint_probability(self, left, right, shared):
        return self.inclusion_probability(left) * self.inclusion_probability(right)


def test_without_outcomes_the_stated_probability_of_one_coordinate_is_compared(count_false_alarm_rate):
    class Optimistic(Window):
        def inclusion_probability(self, size):
            return (self.k + 1) / self.d

    count_false_alarm_rate(FALSE_ALARM_RATE)
    check_sketch(Window(2, 6, 3))
    message = "worker 0 holds 0 in 0.[45].* of the draws, but with stated probability 0.6667"
    with pytest.raises(AssertionError, match=message) as caught:
        check_sketch(Optimistic(2, 6, 3))
    assert str(caught.value).endswith("- and 7 more such frequencies")  # of 12, 5 are told


@pytest.mark.parametrize("k", [0, 7])
def test_a_stated_size_that_no_worker_can_hold_is_found(k):
    with pytest.raises(AssertionError, match=f"from 1 to d = 6, got {k}"):
        check_sketch(Window(2, 6, k))


def test_a_sketch_that_is_not_exchangeable_and_does_not_say_so_is_told_what_that_means():
    with pytest.raises(AssertionError) as caught:
        check_sketch(ForgetfulWindow(2, 6, 3))
    _, first, *others, last = str(caught.value).splitlines()
    assert first.startswith("- frequencies differ between pairs of coordinates: the sketch is not exchangeable")
    assert "define `exchangeable` as False" in first
    assert all("- worker 0 holds" in line for line in others)
    assert len(others) == 5
    assert re.fullmatch(r"- and \d+ more such frequencies", last)


def test_a_wrong_probability_is_not_taken_for_a_lack_of_exchangeability():
    with pytest.raises(AssertionError) as caught:
        check_sketch(WrongJoint(3, 5, 2))
    assert "exchangeable" not in str(caught.value)
