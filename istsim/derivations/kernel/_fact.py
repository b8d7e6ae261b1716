"""What is known: facts, which only the rules of a kernel make, and what they rest on."""

from __future__ import annotations

import dataclasses
import enum
from typing import Any, NoReturn

from istsim.derivations.kernel._relations import Relation


class Origin(enum.StrEnum):
    """Why a hypothesis is made."""

    SETTING = "setting"
    """What a problem and a method are, by definition."""
    PREMISE = "premise"
    """A premise of the theorem, in formulas."""
    CITED = "cited"
    """A textbook theorem."""
    DEFINED = "defined"
    """A new name for something, which no proof can fail by."""
    SUPPOSED = "supposed"
    """Taken for granted within an induction, until that is complete."""
    ASSUMED = "ASSUMED"
    """Not shown, so that nothing that rests on it is proved."""


@dataclasses.dataclass(frozen=True, eq=False)
class Hypothesis:
    """What facts may rest on.

    Attributes:
        origin: why it is made.
        text: what it says, for people.
        relations: what it says, in formulas; none where only a rule knows what it says, as of the law of a mask.
    """

    origin: Origin
    text: str
    relations: tuple[Relation, ...] = ()

    def __str__(self) -> str:
        return ": ".join([self.text, *map(str, self.relations)])


@dataclasses.dataclass(frozen=True, eq=False)
class Derivation:
    """How a fact was made, for those who check it anew.

    Attributes:
        rule: the name of the kernel's rule.
        facts: what the rule was given.
        arguments: what else it was given, as coefficients of a certificate.
    """

    rule: str
    facts: tuple[Fact, ...] = ()
    arguments: tuple[Any, ...] = ()


SEAL = object()


class Fact:
    """A relation that follows from hypotheses. Only the rules of a `Kernel` make facts, and none can be changed.

    Attributes:
        relation: what is true.
        hypotheses: where it is true: wherever these are.
        derivation: how it was made.
    """

    __slots__ = ("__weakref__", "derivation", "hypotheses", "relation")

    relation: Relation
    hypotheses: frozenset[Hypothesis]
    derivation: Derivation

    def __init__(
        self, seal: object, relation: Relation, hypotheses: frozenset[Hypothesis], derivation: Derivation
    ) -> None:
        if seal is not SEAL or type(self) is not Fact:
            raise TypeError("only the rules of a kernel make facts")
        object.__setattr__(self, "relation", relation)
        object.__setattr__(self, "hypotheses", hypotheses)
        object.__setattr__(self, "derivation", derivation)

    def __init_subclass__(cls) -> NoReturn:
        raise TypeError("there are no other kinds of facts")

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError("a fact cannot be changed")

    __delattr__ = __setattr__  # type: ignore[assignment]

    def __reduce__(self) -> NoReturn:
        raise TypeError("a fact cannot be copied: its kernel would not know the copy")

    @property
    def left(self) -> Any:
        """The left side."""
        return self.relation.left

    @property
    def sign(self) -> str:
        """The sign between the sides."""
        return self.relation.sign

    @property
    def right(self) -> Any:
        """The right side."""
        return self.relation.right

    def __str__(self) -> str:
        return str(self.relation)
