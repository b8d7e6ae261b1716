from __future__ import annotations

from typing import ClassVar

import numpy as np
import scipy.linalg
import sympy as sp

from istsim import verify
from istsim.problems import Quadratic
from istsim.theorems._instance import Instance
from istsim.theorems._local_updates import any_local_updates, draw_local_updates, local_updates, seen
from istsim.theorems._premises import BEYOND, SLACK, gamma
from istsim.theorems._theorem import Kind, Premise, Theorem, rounds_of

k, constant, mu = sp.symbols("k vartheta mu")
error, initial = sp.symbols("error initial_error")


class LocalUpdatesContraction(Theorem):
    """Where what the blocks see is positive definite, local updates with short steps have no transient.

    With N and T as in local-updates-fixed-point, and `S = (N^-1 T + T' N^-1)/2` definite, let vartheta be the least
    number with `T' N^-1 T <= vartheta S` and mu the smallest eigenvalue of `N^1/2 S N^1/2`. Then every round shrinks
    the distance to the fixed point in the norm of N^-1. For greedy and chunked updates 2 S is Lbar plus its diagonal
    blocks, hence always definite. For overlapping ones S is definite if the smallest eigenvalue of Lbar exceeds
    the norm of what is not seen, `Lbar - N^-1 T`; without a condition they may be unstable at every step size:
    overlapping-stability. Beyond 2/vartheta there may be a transient, see greedy-transient, although the iteration may
    still be stable.
    """

    name = "local-updates-contraction"
    title = "Local updates with short steps approach their fixed point in every round"
    kind = Kind.UPPER
    source = "new here"

    notation: ClassVar = {
        constant: r"\vartheta",
        error: r"\|x_k-x_\infty\|_{N^{-1}}^2",
        initial: r"\|x_0-x_\infty\|_{N^{-1}}^2",
        mu: r"\lambda_{\min}(N^{1/2}SN^{1/2})",
    }

    @property
    def statement(self):
        """The squared distance at round k."""
        return sp.Le(error, (1 - gamma * (2 - gamma * constant) * mu) ** k * initial, evaluate=False)

    @property
    def premises(self):
        """A definite symmetric part, and the step size."""
        return (
            any_local_updates(),
            Premise("N^-1 T + T' N^-1 is positive definite", _indefinite, None, _make_indefinite, _nearly_indefinite),
            Premise("step size at most 2/vartheta", _too_long, sp.Le(gamma, 2 / constant), _too_long_just, _longest),
        )

    def draw(self, draw):
        """Any mode, if it is stable, and step sizes up to the longest allowed."""
        import hypothesis

        instance = draw_local_updates(draw)
        hypothesis.assume(_smallest(instance) > 1e-3 * np.abs(instance.Lbar).max())
        return instance.changed(step_size=draw(verify.strategies.numbers(0.05, 2.0)) / least_constant(instance))

    def constants(self, instance):
        """From T and N."""
        counts = local_updates(instance).losses
        return {
            gamma: instance.step_size,
            constant: least_constant(instance),
            mu: float(scipy.linalg.eigh(_symmetric_part(instance), np.diag(1 / counts), eigvals_only=True)[0]),
            initial: float(_squared(instance, instance.x0[None])[0]),
        }

    def sequences(self, instance):
        """The run, for k = 0..K."""
        return {k: rounds_of(instance), error: _squared(instance, instance.mean)}


def least_constant(instance: Instance) -> float:
    """The least vartheta with `T' N^-1 T <= vartheta S`, for S definite."""
    T, counts = seen(instance), local_updates(instance).losses
    return float(scipy.linalg.eigh(T.T @ (T / counts[:, None]), _symmetric_part(instance), eigvals_only=True)[-1])


def _symmetric_part(instance: Instance) -> np.ndarray:
    share = seen(instance) / local_updates(instance).losses[:, None]
    return (share + share.T) / 2


def _smallest(instance: Instance) -> float:
    return float(np.linalg.eigvalsh(_symmetric_part(instance))[0])


def _squared(instance: Instance, points: np.ndarray) -> np.ndarray:
    return ((points - instance.fixed_point) ** 2 / local_updates(instance).losses).sum(axis=-1)


def _indefinite(instance: Instance) -> str:
    smallest = _smallest(instance)
    # Singular ones have no vartheta either.
    return "" if smallest > SLACK * np.abs(instance.Lbar).max() else f"its smallest eigenvalue is {2 * smallest:.6g}"


def _make_indefinite(instance: Instance, beyond: float = BEYOND) -> Instance:
    """The counterexample of overlapping-stability, with as much of its coupling as the premise allows, and more."""
    from istsim.theorems._overlapping_stability import UNSTABLE, WINDOWS

    unstable = instance.changed(problem=Quadratic(UNSTABLE, np.zeros((1, 3))), method=WINDOWS, x0=np.ones(3))
    S, L = _symmetric_part(unstable), unstable.Lbar
    D = np.diag(np.diag(L))
    allowed = 1 / -scipy.linalg.eigh(S - D, D, eigvals_only=True)[0]
    coupled = D + (1 + beyond) * allowed * (L - D)
    return unstable.changed(problem=Quadratic(coupled[None], np.zeros((1, 3))))


def _nearly_indefinite(instance: Instance) -> Instance:
    return _longest(_make_indefinite(instance, -BEYOND))


def _too_long(instance: Instance) -> str:
    longest = 2 / least_constant(instance)
    if instance.step_size <= longest * (1 + SLACK):
        return ""
    return f"it is {instance.step_size:.6g}, and 2/vartheta is {longest:.6g}"


def _longest(instance: Instance) -> Instance:
    return instance.changed(step_size=2 / least_constant(instance))


def _too_long_just(instance: Instance) -> Instance:
    return instance.changed(step_size=(1 + BEYOND) * 2 / least_constant(instance))
