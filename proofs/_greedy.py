"""What greedy and chunked local updates see, and where they stop."""

import dataclasses

from istsim.derivations import Proof, Relation, equal, matrix, vector

L, b = matrix("Lbar", symmetric=True, latex=r"\bar L"), vector("bbar", latex=r"\bar b")
T, U, D = matrix("T"), matrix("U"), matrix("D", symmetric=True)
limit, minimizer = vector("x_inf", latex=r"x_\infty"), vector("x_star", latex=r"x_\star")


@dataclasses.dataclass
class Greedy:
    """What the first steps establish."""

    whole: Relation  # Lbar by its diagonal blocks and what is above them
    visible: Relation  # T by the same
    fixed: Relation
    solution: Relation


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
