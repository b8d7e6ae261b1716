"""Sketches of a user's own that draw what no round can run on."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import istsim
from istsim.simulation import _compiled, _numpy

PROBLEM = istsim.random_quadratic(0, 2, 6, condition_number=4.0, matrix_heterogeneity=0.5, vector_heterogeneity=1.0)


@dataclasses.dataclass(frozen=True)
class Lists(istsim.Sketch):
    """Two coordinates a worker."""

    @property
    def size(self):
        return 2

    def sample_indices(self, key):
        return jnp.argsort(jax.random.uniform(key, (self.d,)))[: 2 * self.n].reshape(self.n, 2)

    def inclusion_probability(self, size):
        return 1 / 3

    def joint_probability(self, left, right, shared):
        raise NotImplementedError


class TooLarge(Lists):
    def sample_indices(self, key):
        return super().sample_indices(key) + 1_000_000


class Negative(Lists):
    def sample_indices(self, key):
        return super().sample_indices(key) - 7


class Repeated(Lists):
    def sample_indices(self, key):
        return jnp.broadcast_to(super().sample_indices(key)[:, :1], (self.n, 2))


class TooLong(Lists):
    def sample_indices(self, key):
        return jnp.tile(jnp.arange(3), (self.n, 1))


class Fractions(Lists):
    def sample_indices(self, key):
        return super().sample_indices(key) / 1.0


class NoArray(Lists):
    def sample_indices(self, key):
        return [[0, 1]] * self.n


class Masks(Lists):
    @property
    def size(self):
        return None

    def sample(self, key):
        return jax.random.uniform(key, (self.n, self.d)) < 1 / 3


class Weights(Masks):
    def sample(self, key):
        return jnp.where(super().sample(key), 3.0, 0.0)


class Numbers(Masks):
    def sample(self, key):
        return super().sample(key).astype(int)


class Narrow(Masks):
    def sample(self, key):
        return super().sample(key)[:, 1:]


class WrongCut(istsim.RandK):
    """Drawn by the library, but for the cut."""

    def cut(self, order):
        return super().cut(order) + 1_000_000


class LaterTooLarge(Lists):
    """Wrong in one round of some two hundred."""

    def sample_indices(self, key):
        rare = jax.random.uniform(jax.random.fold_in(key, 1)) < 1 / 200
        return super().sample_indices(key) + jnp.where(rare, 1_000_000, 0)


WRONG = [
    (TooLarge(2, 6), r"TooLarge.sample_indices must give coordinates from 0 to d - 1 = 5, but gave 100000\d"),
    (Negative(2, 6), r"Negative.sample_indices must give coordinates from 0 to d - 1 = 5, but gave -\d"),
    (Repeated(2, 6), "Repeated.sample_indices must give distinct coordinates"),
    (TooLong(2, 6), r"TooLong.sample_indices must give integers .* = \(2, 2\), but gave int64 of shape \(2, 3\)"),
    (Fractions(2, 6), "Fractions.sample_indices must give integers .*, but gave float64"),
    (NoArray(2, 6), "NoArray.sample_indices must give integers .*, but gave a list"),
    (Weights(2, 6), "Weights.sample must give booleans .*, but gave float64"),
    (Numbers(2, 6), "Numbers.sample must give booleans .*, but gave int64"),
    (Narrow(2, 6), r"Narrow.sample must give booleans .* = \(2, 6\), but gave bool of shape \(2, 5\)"),
    (WrongCut(2, 6, 2), "WrongCut.sample_indices must give coordinates"),
]


@pytest.fixture(params=["numpy", "loops", "xla", "trajectory"])
def run(request, monkeypatch):
    """A run by each engine."""

    def start(sketch, rounds=5, method=istsim.IST):
        arguments = {"step_size": 0.1, "rounds": rounds, "key": 1}
        if request.param == "trajectory":
            return istsim.trajectory(PROBLEM, method(sketch), **arguments)
        return istsim.simulate(PROBLEM, method(sketch), **arguments)

    if request.param == "loops":
        pytest.importorskip("numba")

    monkeypatch.setattr(_numpy, "is_short", lambda run: request.param == "numpy")
    loops = request.param == "loops"
    monkeypatch.setattr(_compiled, "covers", lambda problem, method: loops)
    return start


@pytest.mark.sample(14)
@pytest.mark.parametrize(("sketch", "message"), WRONG, ids=lambda value: type(value).__name__)
def test_a_sketch_of_ones_own_that_draws_what_no_round_can_run_on_is_refused(sketch, message, run, unchecked):
    with pytest.raises(ValueError, match=message):
        run(sketch)


@pytest.mark.sample(3)
@pytest.mark.parametrize("sketch", [Lists(2, 6), Masks(2, 6)], ids=repr)
def test_a_sketch_of_ones_own_that_draws_sets_runs(sketch, run):
    run(sketch)


@pytest.mark.parametrize("method", [istsim.CompressedGradient, istsim.CompressedIterates])
def test_lists_are_checked_for_every_method(method, run):
    with pytest.raises(ValueError, match=r"TooLarge\.sample_indices must give coordinates"):
        run(TooLarge(2, 6), method=method)


def test_the_loops_check_every_list_they_are_given(monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setattr(_numpy, "is_short", lambda run: False)
    monkeypatch.setattr(_compiled, "covers", lambda problem, method: True)
    with pytest.raises(ValueError, match=r"LaterTooLarge\.sample_indices must give coordinates"):
        istsim.simulate(PROBLEM, istsim.IST(LaterTooLarge(2, 6)), step_size=0.1, rounds=5000, key=1)


def test_only_the_form_is_checked_where_jax_traces(unchecked):
    def last(step_size, sketch):
        return istsim.trajectory(PROBLEM, istsim.IST(sketch), step_size=step_size, rounds=3, key=1)[-1]

    assert np.isfinite(jax.jit(last)(0.1, Lists(2, 6))).all()
    with pytest.raises(ValueError, match=r"Weights\.sample must give booleans"):
        jax.jit(last)(0.1, Weights(2, 6))
