"""What greedy and chunked local updates see, and where they stop."""

import dataclasses

from _local_updates import METHODS, T, b, limit
from _local_updates import model as any_model

from istsim.derivations import Fact, Proof, equal, matrix, vector
from istsim.theorems import _local_updates

L = matrix("Lbar", symmetric=True, latex=r"\bar L")
U, D = matrix("U"), matrix("D", symmetric=True)
minimizer = vector("x_star", latex=r"x_\star")


def model(rng):
    """Greedy or chunked updates, with what they see of Lbar and what they do not."""
    made = any_model(rng, METHODS[:2])
    made.letters.update(
        {"D": _local_updates.diagonal_blocks(made.instance), "U": made.letters["Lbar"] - made.letters["T"]}
    )
    return made


@dataclasses.dataclass
class Greedy:
    """What the first steps establish."""

    whole: Fact  # Lbar by its diagonal blocks and what is above them
    visible: Fact  # T by the same
    fixed: Fact
    solution: Fact


def greedy(proof: Proof) -> Greedy:
    """Lbar is D and U above and U' below; the blocks see D and U'."""
    whole, visible, fixed = proof.premise(
        "greedy or chunked LocalUpdates",
        equal(L, D + U + U.T),
        equal(T, D + U.T),
        equal(T * limit, b),
    )
    solution = proof.setting("x_star minimizes f", equal(L * minimizer, b))
    return Greedy(whole, visible, fixed, solution)
