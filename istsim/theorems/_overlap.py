from __future__ import annotations

from typing import ClassVar

import numpy as np
import scipy.linalg
import sympy as sp

from istsim import verify
from istsim.methods import IST
from istsim.problems import Quadratic
from istsim.sketches._sketch import are_other_holders_independent
from istsim.theorems._instance import Instance
from istsim.theorems._premises import BEYOND, method_is, with_changes
from istsim.theorems._scale_equivalence import ist
from istsim.theorems._theorem import Kind, Premise, Theorem
from istsim.verify._all_or_one import AllOrOne

r, mu = sp.symbols("r mu")
bias, largest_bias = sp.symbols("bias bias_0")


class OverlapReducesBias(Theorem):
    """The more a worker's coordinates are held together, the nearer IST tends to the minimizer.

    With r the probability that a worker that holds one coordinate holds another given one, the expected iterate tends
    to `[(1 - r) Dbar + r Lbar]^-1 bbar`. In the basis that makes Dbar the identity and Lbar diagonal, with entries
    lambda, each component's error is `(1 - r) / (1 - r + r lambda)` times that at r = 0, and falls with r. So the
    bias falls with r whatever the problem, from that of single coordinates to none at r = 1.
    """

    name = "overlap-reduces-bias"
    title = "Overlapping subnetworks have less bias"
    kind = Kind.UPPER
    source = "new here"

    notation: ClassVar = {
        bias: r"(f(x_\infty)-f_\star)",
        largest_bias: r"(f(\bar D^{-1}\bar b)-f_\star)",
        mu: r"\lambda_{\min}(\bar D^{-1/2}\bar L\bar D^{-1/2})",
    }

    @property
    def statement(self):
        """The bias, against that of workers that hold single coordinates, or single groups of them."""
        return sp.Le(bias, ((1 - r) / (1 - r + r * mu)) ** 2 * largest_bias, evaluate=False)

    @property
    def premises(self):
        """IST at forward scale 1, and weights in the merge that do not depend on what else a worker holds.

        They may depend on it: where all workers hold everything with some probability, and else one coordinate each, a
        coordinate that is held together with others has more holders, and the merge "owners" divides it by more.
        """
        return (
            method_is(
                "IST with an exchangeable sketch, forward scale 1, merge mean or owners, one local step, no weights",
                lambda method: (
                    isinstance(method, IST)
                    and method.sketch.exchangeable
                    and bool(method.forward_scale == 1)
                    and method.merge in ("mean", "owners")
                    and method.local_steps == 1
                    and method.weights is None
                ),
                with_changes(forward_scale=1 + BEYOND, merge="mean"),
            ),
            Premise(
                "the weight of a coordinate in the merge does not depend on what else its worker holds: merge mean, "
                "workers that draw independently or single coordinates, or equally many holders of every coordinate",
                _weight_depends,
                break_just=_make_it_depend,
            ),
        )

    def draw(self, draw):
        """Any problem and sketch."""
        problem = draw(verify.strategies.integer_problems())
        sketch = draw(verify.strategies.sketches(problem.num_workers, problem.dim))
        merge = ("mean", "owners")[draw(verify.strategies.indices(2))]
        return draw(verify.strategies.instances(problem, IST(sketch, forward_scale=1.0, merge=merge)))

    def constants(self, instance):
        """The bias of the fixed point, and that at r = 0."""
        problem, sketch = instance.problem, ist(instance.method).sketch
        # Coordinates of one group are always held together: Dbar has the groups' blocks.
        together = sketch.labels[:, None] == sketch.labels
        Dbar, bbar = np.where(together, instance.Lbar, 0.0), np.asarray(problem.b).mean(axis=0)
        one, two = (sketch.inclusion_probability(size) for size in (1, 2))
        if together.all():
            two = one  # there is no other group
        return {
            r: float(two / one),
            mu: float(scipy.linalg.eigh(instance.Lbar, Dbar, eigvals_only=True)[0]),
            bias: float(problem.objective_gap(instance.fixed_point)),
            largest_bias: float(problem.objective_gap(np.linalg.solve(Dbar, bbar))),
        }


def _make_it_depend(instance: Instance) -> Instance:
    problem = Quadratic.from_diagonals(np.ones((2, 2)), np.ones((2, 2)))
    method = IST(AllOrOne(2, 2, BEYOND), forward_scale=1.0, merge="owners")
    return instance.changed(problem=problem, method=method, x0=np.ones(2))


def _weight_depends(instance: Instance) -> str:
    method = ist(instance.method)
    if method.merge == "mean" or are_other_holders_independent(method.sketch):
        return ""
    return f"under the merge owners the numbers of holders under {method.sketch!r} may depend on it"
