"""What a derivation is made of: steps, each with where it comes from."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
from collections.abc import Iterator

from istsim.derivations._rewriting import Relation


class Status(enum.StrEnum):
    """Where a step's relations come from."""

    SETTING = "setting"
    """What a problem and a method are, by definition."""
    PREMISE = "premise"
    """A premise of the theorem, in formulas."""
    DEFINED = "defined"
    """A new name for something."""
    CITED = "cited"
    """A textbook theorem."""
    ASSUMED = "ASSUMED"
    """Not shown, so that a proof with such a step proves nothing."""
    CHECKED = "checked"
    """Shown by machine from earlier steps."""


class StepFailedError(SystemExit):
    """Raised at the first step that does not hold, so that a script ends there with its message."""


@dataclasses.dataclass(frozen=True)
class Step:
    """A step of a proof.

    Attributes:
        status: where its relations come from.
        text: what it says, for people.
        relations: what it says, in formulas.
        how: how it was checked, if it was.
    """

    status: Status
    text: str
    relations: tuple[Relation, ...]
    how: str = ""


@contextlib.contextmanager
def checking(text: str) -> Iterator[None]:
    """Turn what a check raises into the failure of its step."""
    try:
        yield
    except ValueError as error:
        raise StepFailedError(f"FAILED: {text}: {error}") from error
