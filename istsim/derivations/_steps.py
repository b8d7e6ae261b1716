"""What a proof is made of: steps, each with where it comes from and how it was checked."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator

from istsim.derivations.kernel import Fact, Origin, Relation
from istsim.derivations.terms._words import Polynomial


class StepFailedError(SystemExit):
    """Raised at the first step that does not hold, so that a script ends there with its message."""


@dataclasses.dataclass(frozen=True)
class Step:
    """A step of a proof.

    Attributes:
        origin: why it is taken for granted; None if it was shown.
        text: what it says, for people.
        relations: what it says, in formulas.
        how: how it was checked, if it was.
        fact: what the kernel made of it; None for hypotheses of several relations.
        models: in how many models the second judge found it true; None where there is nothing to find.
        iterates: of each iterate, its letter, what it is at the start and what a round makes of it.
    """

    origin: Origin | None
    text: str
    relations: tuple[Relation, ...]
    how: str = ""
    fact: Fact | None = None
    models: int | None = None
    iterates: tuple[tuple[Polynomial, Polynomial, Polynomial], ...] = ()

    @property
    def on_trust(self) -> bool:
        """Whether it is a hypothesis that is not a definition, which could not be wrong."""
        return self.origin not in (None, Origin.DEFINED)


@contextlib.contextmanager
def checking(text: str) -> Iterator[None]:
    """Turn what a check raises into the failure of its step."""
    try:
        yield
    except ValueError as error:
        raise StepFailedError(f"FAILED: {text}: {error}") from error
