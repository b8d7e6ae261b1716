"""Terms of a proof as terms of Coq: as those of `proofs/coq/Words.v`, which compute, and as formulas that people read.

Both are made from one tree, so that the first kind means the second by definition.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef

from istsim.derivations.kernel import Relation
from istsim.derivations.terms._expectation import Mean
from istsim.derivations.terms._scalars import power_of, split_powers
from istsim.derivations.terms._words import Letter, Polynomial, Trace

Tree = tuple[Any, ...]

# Stands for 1 / b: that b times it is 1 is a fact like others.
inverse_of = sp.Function("inverse_of")

# The sources of randomness that the library has, and what their outcomes are called.
SOURCES = {"past": "p", "round": "r", "worker": "w", "reports": "v"}
CONSTRUCTORS = {"past": "Past", "round": "Round", "worker": "Worker", "reports": "Report"}

# What computes, and what is read, for every kind of tree.
FORMS = {
    "zero": ("Zero", "0"),
    "one": ("One", "1"),
    "hole": ("Hole", "?"),
    "scale": ("(Scale {} {})", "({} *: {})"),
    "add": ("(Add {} {})", "({} + {})"),
    "mul": ("(Mul {} {})", "({} * {})"),
    "opp": ("(Opp {})", "(- {})"),
    "tr": ("(Tr {})", "({}^T)"),
    "nat": ("(SNat {})", "{}%:R"),
    "inv": ("(SInv {})", "({}%:R^-1)"),
    "sadd": ("(SAdd {} {})", "({} + {})"),
    "smul": ("(SMul {} {})", "({} * {})"),
    "sopp": ("(SOpp {})", "(- {})"),
    "trace": ("(Trace {})", r"(\tr {})"),
    "scalar": ("(Scalar {})", "{}"),
    "nadd": ("(NAdd {} {})", "({} + {})"),
    "nscale": ("(NScale {} {})", "({} * {})"),
    "nopp": ("(NOpp {})", "(- {})"),
}
RELATIONS = {("=", True): "Eq", ("<=", True): "Psd", ("=", False): "NEq", ("<=", False): "NLe", ("<", False): "NLt"}
SIGNS = {"Eq": "=", "Psd": "<<=", "NEq": "=", "NLe": "<=", "NLt": "<"}


class UnsupportedError(ValueError):
    """Raised for a term or a rule that has no counterpart in the library."""


def coq_name(name: str) -> str:
    """A name of a proof as one of Coq."""
    name = name.replace("^1/2", "_root").replace("^-1/2", "_inverse_root").replace("+", "_next")
    if not re.fullmatch(r"[A-Za-z]\w*", name):
        raise UnsupportedError(f"{name} is no name in Coq")
    taken = {
        "as",
        "at",
        "in",
        "fun",
        "let",
        "if",
        "then",
        "else",
        "forall",
        "k",
        "E",
        "R",
        "S",
        "size",
        "draws",
        "field",
    }
    return f"{name}_" if name in {*taken, *SOURCES, *SOURCES.values()} else name


def tree_of(value: Any) -> Tree:
    """The tree of a polynomial, or of a number."""
    if not isinstance(value, Polynomial):
        return number_tree(value)
    terms = [scaled(coefficient, word_tree(word)) for word, coefficient in value.terms.items()]
    return folded("add", terms, ("zero",))


def word_tree(word: tuple[Letter, ...]) -> Tree:
    """The tree of a product of letters."""
    return folded("mul", [letter_tree(letter) for letter in word], ("one",))


def letter_tree(letter: Letter) -> Tree:
    """The tree of a letter, of a mean among them."""
    if letter.transposed:
        return ("tr", letter_tree(letter.T))
    return ("mean", letter.source, word_tree(letter.word)) if isinstance(letter, Mean) else ("letter", letter)


def scaled(coefficient: sp.Expr, tree: Tree, scale: str = "scale", opp: str = "opp") -> Tree:
    """A multiple of a tree."""
    if coefficient == 1:
        return tree
    return (opp, tree) if coefficient == -1 else (scale, scalar_tree(coefficient), tree)


def folded(kind: str, trees: list[Tree], empty: Tree) -> Tree:
    """A sum or a product."""
    result = trees[0] if trees else empty
    for tree in trees[1:]:
        result = (kind, result, tree)
    return result


def number_tree(value: sp.Expr) -> Tree:
    """The tree of a number: a sum of multiples of traces, and of a scalar."""
    trees, scalar = [], sp.S.Zero
    for term in sp.Add.make_args(sp.expand(value)):
        traces = [factor for factor in sp.Mul.make_args(term) if isinstance(factor, Trace)]
        if not term.atoms(Trace):
            scalar += term
        elif len(traces) == 1 and not (term / traces[0]).atoms(Trace):
            trees.append(scaled(term / traces[0], ("trace", word_tree(traces[0].word)), "nscale", "nopp"))
        else:
            raise UnsupportedError(f"a product of traces: {term}")
    if scalar != 0 or not trees:
        trees.append(("scalar", scalar_tree(scalar)))
    return folded("nadd", trees, ("zero",))


def scalar_tree(value: sp.Expr) -> Tree:
    """The tree of a scalar without traces."""
    return _scalar_tree(without_quotients(split_powers(sp.expand(value))))


def without_quotients(value: sp.Expr) -> sp.Expr:
    """The number with names for inverses of others."""
    return value.replace(
        lambda part: part.is_Pow and part.exp.is_Integer and part.exp < 0,
        lambda part: inverse_of(part.base) ** -part.exp,
    )


def _scalar_tree(value: sp.Expr) -> Tree:
    if isinstance(value, sp.Rational):
        whole: Tree = ("nat", abs(int(value.p)))
        tree = whole if value.q == 1 else ("inv", int(value.q)) if value.p == 1 else ("smul", whole, ("inv", value.q))
        return ("sopp", tree) if value.p < 0 else tree
    if isinstance(value, sp.Add):
        return folded("sadd", [_scalar_tree(part) for part in value.args], ("nat", 0))
    if isinstance(value, sp.Mul):
        if value.args[0] == -1:
            return ("sopp", _scalar_tree(sp.Mul(*value.args[1:])))
        return folded("smul", [_scalar_tree(part) for part in value.args], ("nat", 1))
    if isinstance(value, sp.Pow) and value.exp.is_Integer and value.exp > 0:
        return folded("smul", [_scalar_tree(value.base)] * int(value.exp), ("nat", 1))
    if type(value) is sp.Symbol or (
        isinstance(value, AppliedUndef) and (len(value.args) == 1 or value.func == power_of)
    ):
        return ("var", value)
    raise UnsupportedError(f"{type(value).__name__}: {value}")


def computed(tree: Tree, letter: Callable[[Letter], int], number: Callable[[sp.Expr], int]) -> str:
    """What computes; letters and numbers are told apart by their indices."""
    kind, *parts = tree
    if kind == "letter":
        return f"(Let {letter(parts[0])})"
    if kind == "var":
        return f"(SVar {number(parts[0])})"
    if kind == "mean":
        return f"(Mean {CONSTRUCTORS[parts[0]]} {computed(parts[1], letter, number)})"
    texts = [computed(part, letter, number) if isinstance(part, tuple) else str(part) for part in parts]
    return FORMS[kind][0].format(*texts)


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a formula is read: in which round, and what the outcomes of the sources are called there."""

    k: str = "k"
    outcomes: Mapping[str, str] = dataclasses.field(default_factory=lambda: SOURCES)

    def within(self, source: str) -> Place:
        """Within a mean over a source."""
        return Place(self.k, {**self.outcomes, source: SOURCES[source]})

    def space(self, source: str) -> str:
        """The space of a source."""
        return f"(past round {self.k})" if source == "past" else {"reports": "report"}.get(source, source)


def read(
    tree: Tree, letter: Callable[[Letter, Place], str], number: Callable[[sp.Expr, Place], str], place: Place
) -> str:
    """The formula."""
    kind, *parts = tree
    if kind in ("letter", "var"):
        return (letter if kind == "letter" else number)(parts[0], place)
    if kind == "mean":
        inner = read(parts[1], letter, number, place.within(parts[0]))
        return rf"(\E_({SOURCES[parts[0]]} <- {place.space(parts[0])}) {inner})"
    texts = [read(part, letter, number, place) if isinstance(part, tuple) else str(part) for part in parts]
    return FORMS[kind][1].format(*texts)


def kind_of(relation: Relation) -> str:
    """The library's name of a relation."""
    return RELATIONS[relation.sign, relation.of_matrices]
