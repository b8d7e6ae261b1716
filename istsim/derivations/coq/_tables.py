"""What letters and numbers are in Coq: variables, definitions, and what becomes of them from round to round."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef

from istsim.derivations.coq._syntax import (
    CONSTRUCTORS,
    SOURCES,
    Place,
    Tree,
    UnsupportedError,
    computed,
    coq_name,
    inverse_of,
    read,
    scalar_tree,
    tree_of,
)
from istsim.derivations.kernel import Hypothesis, Kernel, Origin, Relation, equal
from istsim.derivations.terms._expectation import Mean
from istsim.derivations.terms._scalars import power_of
from istsim.derivations.terms._words import Inverse, Letter, Polynomial, Power, product

HERE = Place()
# The outcomes of all sources, at a place that is in no mean.
EVERYWHERE = Place("k", {"past": "o.1.1.1", "round": "o.1.1.2", "worker": "o.1.2", "reports": "o.2"})


class Tables:
    """The letters and numbers of one file, by their indices."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.k = kernel._round[0] if kernel._round else sp.Symbol("k")
        self.letters: dict[Letter, int] = {}
        self.numbers: dict[sp.Expr, int] = {}
        # What is defined, by letter, symbol or function.
        self.defined: dict[Any, Any] = {}
        for hypothesis in kernel.hypotheses:
            if hypothesis.origin is Origin.DEFINED:
                (relation,) = hypothesis.relations
                self.defined[_new(relation)] = relation.right

    # Indices, which are given on demand.

    def letter(self, letter: Letter) -> int:
        """The index of a letter."""
        if letter.diagonal or letter.idempotent:
            raise UnsupportedError(f"a diagonal matrix: {letter}")
        return self.letters.setdefault(letter, len(self.letters))

    def number(self, number: sp.Expr) -> int:
        """The index of a number."""
        return self.numbers.setdefault(number, len(self.numbers))

    def keep(self, used: set[int]) -> None:
        """Forget the definitions that are not used: these names may then mean anything."""
        for hypothesis in self.kernel.hypotheses:
            if hypothesis.origin is Origin.DEFINED and id(hypothesis) not in used:
                new = _new(hypothesis.relations[0])
                kept = any(
                    id(one) in used and one.origin is Origin.DEFINED and _new(one.relations[0]) == new
                    for one in self.kernel.hypotheses
                )
                if not kept and new not in self.kernel._by_iterates:
                    self.defined.pop(new, None)

    def complete(self) -> None:
        """Give an index to what the others become, too."""
        before = -1
        while before != len(self.letters) + len(self.numbers):
            before = len(self.letters) + len(self.numbers)
            self.moves()
            for relation, _ in self.starts():
                self.of(tree_of(relation.right))
            for letter in list(self.letters):
                if letter in self.defined and letter.symmetric:
                    self.of(tree_of(self.defined[letter]))

    def of(self, tree: Tree) -> str:
        """What computes."""
        return computed(tree, self.letter, self.number)

    # What is read.

    def text(self, value: Any, place: Place = HERE) -> str:
        """The formula of a polynomial or a number."""
        return self.read(tree_of(value), place)

    def read(self, tree: Tree, place: Place) -> str:
        """The formula of a tree."""
        return read(tree, self.letter_text, self.number_text, place)

    def letter_text(self, letter: Letter, place: Place) -> str:
        """The formula of a letter."""
        if isinstance(letter, Inverse) and letter.of is not None:
            return f"({self.text(product((letter.of,)), place)}^-1)"
        if isinstance(letter, Power):
            return f"({self.text(letter.base, place)} ^+ {place.k})"
        arguments = [place.k] * self.varies(letter)
        arguments += [place.outcomes[source] for source in SOURCES if source in letter.sources]
        return f"({' '.join([coq_name(letter.name), *arguments])})" if arguments else coq_name(letter.name)

    def number_text(self, number: sp.Expr, place: Place) -> str:
        """The formula of a number that has an index."""
        if number == self.k:
            return f"({place.k}%:R)"
        if isinstance(number, AppliedUndef):
            if number.func == inverse_of:
                return f"({self.read(scalar_tree(number.args[0]), place)}^-1)"
            if number.func == power_of:
                return f"({self.read(scalar_tree(number.args[0]), place)} ^+ {place.k})"
            at = {self.k: place.k, self.k + 1: f"{place.k}.+1"}.get(number.args[0], str(number.args[0]))
            return f"({coq_name(str(number.func))} {at})"
        name = coq_name(str(number))
        return f"({name} {place.k})" if number in self.kernel._by_iterates else name

    def varies(self, letter: Letter) -> bool:
        """Whether a letter is another one in every round."""
        return self.kernel._depends_on_round(product((letter,)))

    # What stands before the lemmas.

    def declarations(self, premise: Callable[[Hypothesis], str | None]) -> str:
        """Variables, and what is used of the definitions and hypotheses."""
        names = sorted(self.kernel._names.values(), key=str)
        letters = [name for name in names if type(name) is Letter]
        sources = {source for letter in letters for source in letter.sources} | {"round"}
        spaces = {source: Place().space(source) for source in ("round", "worker", "reports")}
        lines = [f"Variable {spaces[source]} : chances field." for source in spaces if source in sources]
        process = " ".join(spaces[source] if source in sources else "(nothing field)" for source in spaces)
        lines.append(f"Definition draws : process field := Process {process}.\n")
        for letter in letters:
            if letter not in self.kernel._iteration and letter not in self.defined:
                domain = "".join(f"points {spaces[source]} -> " for source in SOURCES if source in letter.sources)
                name = coq_name(letter.name)
                lines.append(f"Variable {name} : {domain}matrix.")
                if letter.symmetric:
                    quantified = " ".join(self.quantified(letter.sources, False))
                    start = f"forall {quantified}, " * bool(quantified)
                    text = self.letter_text(letter, Place())
                    lines.append(f"Hypothesis {name}_symmetric : {start}{text}^T = {text}.")
        for name in names:
            if type(name) is sp.Symbol and name not in self.defined and name != self.k:
                lines.append(f"Variable {coq_name(name.name)} : field.")
        lines.append("")
        for hypothesis in self.kernel.hypotheses:
            if self.kernel._round and hypothesis is self.kernel._round[1]:
                lines.append(f"(* {hypothesis.origin}: {hypothesis.text} *)\n{self.iterates()}")
            elif hypothesis.origin is Origin.DEFINED:
                if _new(hypothesis.relations[0]) not in self.defined:
                    continue
                lines.append(
                    f"(* {hypothesis.origin}: {hypothesis.text} *)\n{self.definition(hypothesis.relations[0])}"
                )
            else:
                lines.append(premise(hypothesis) or "")
        return "\n".join(line for line in lines if line)

    def quantified(self, sources: Any, varies: bool) -> list[str]:
        """What a formula with these sources is quantified over."""
        found = [f"({SOURCES[one]} : points {Place().space(one)})" for one in SOURCES if one in sources]
        return ["(k : nat)"] * (varies or "past" in sources) + found

    def iterates(self) -> str:
        """The iterates, which are defined by recursion over the round."""
        place = Place("k'", {**SOURCES, "past": "o.1", "round": "o.2"})
        parts = []
        for letter, (start, after) in self.kernel._iteration.items():
            parts.append(
                f"{coq_name(letter.name)} k : points (past round k) -> matrix :=\n"
                f"  if k is k'.+1 then fun o : (points (past round k') * points round)%type =>\n"
                f"    {self.text(after, place)}\n  else fun=> {self.text(start)}"
            )
        return "Fixpoint " + "\nwith ".join(parts) + ".\n"

    def definition(self, relation: Relation) -> str:
        """A definition."""
        left, text = relation.left, self.text(relation.right)
        if isinstance(left, Polynomial):
            letter = _new(relation)
            arguments = "".join(f" {one}" for one in self.quantified(letter.sources, self.varies(letter)))
            return f"Definition {coq_name(letter.name)}{arguments} : matrix := {text}.\n"
        if isinstance(left, AppliedUndef):
            if left.args[0] == self.k:
                return f"Definition {coq_name(str(left.func))} (k : nat) : field := {text}.\n"
            if left.args[0] == 0:
                return ""
            name = coq_name(str(left.func))
            return f"Fixpoint {name} (k : nat) : field := if k is k'.+1 then let k := k' in {text} else 0.\n"
        varies = left in self.kernel._by_iterates
        return f"Definition {coq_name(str(left))}{' (k : nat)' * varies} : field := {text}.\n"

    def definitions(self) -> str:
        """The tables, and what is known of them."""
        letters, numbers = list(self.letters), list(self.numbers)
        moves, number_moves = self.moves()
        texts = [self.letter_text(letter, EVERYWHERE) for letter in letters]
        sources = ["[:: " + "; ".join(CONSTRUCTORS[one] for one in sorted(letter.sources)) + "]" for letter in letters]
        given = [
            letter.symmetric and not {letter, getattr(letter, "of", None)} & set(self.defined) for letter in letters
        ]
        every = [letter.symmetric for letter in letters]
        lines = [
            "(* The letters and numbers of the words, by their indices. *)",
            "Definition letters (k : nat) (i : nat) (o : outcome (fun s => points (drawn draws k s))) : matrix :=",
            _cases("i", texts, "0"),
            "Definition numbers (k j : nat) : field :=",
            _cases("j", [self.number_text(number, Place()) for number in numbers], "0"),
            "Definition random (i : nat) : seq source :=",
            _cases("i", [one.replace(":: ]", "::]") for one in sources], "[::]"),
            "Definition moves (i : nat) : move term :=",
            _cases("i", moves, "Stays"),
            "Definition number_moves (j : nat) : move scalar :=",
            _cases("j", number_moves, "Stays"),
        ]
        lines += self.signature("given", given)
        for letter in letters:
            if letter.symmetric and letter in self.defined:
                right = self.of(tree_of(self.defined[letter]))
                zero = "some_outcome draws k"
                text = self.letter_text(letter, Place())
                lines.append(f"Lemma {coq_name(letter.name)}_symmetric (k : nat) : {text}^T = {text}.")
                lines.append(
                    f"Proof. by apply: (identity (m := at_given k) (a := Tr {right}) (b := {right}) "
                    f"(zs := [::]) _ ({zero})); vm_compute. Qed.\n"
                )
        lines += self.signature("", every)
        lines.append(
            "Lemma moved_ k : moved numbers letters_free letters_symmetric moves number_moves k.\n"
            "Proof.\nsplit=> [i|j]."
        )
        lines += [f"  case: i => [|i]; first by {self.shift(letter)}." for letter in letters]
        lines += [
            "  by [].",
            *(f"case: j => [|j]; first {self.number_shift(number)}." for number in numbers),
            "by [].\nQed.\n",
        ]
        for relation, term in self.starts():
            kind, sides = (
                ("Eq" if relation.of_matrices else "NEq"),
                (self.of(tree_of(x)) for x in (relation.left, relation.right)),
            )
            lines.append(f"Lemma {term} : holds (at_ 0) ({kind} {' '.join(sides)}).\nProof. by move=> o. Qed.\n")
        return "\n".join(lines)

    def signature(self, suffix: str, symmetric: list[bool]) -> list[str]:
        """The model at round k, in which the letters are symmetric as said."""
        end = f"_{suffix}" * bool(suffix)
        letters = list(self.letters)
        lines = [
            f"Definition symmetric_letters{end} (i : nat) : bool :=",
            _cases("i", [str(x).lower() for x in symmetric], "false"),
        ]
        lines.append(f"Definition signature{end} := Signature random symmetric_letters{end}.\n")
        lines.append(
            f"Lemma letters_free{end} k s i : s \\notin sources_of signature{end} i -> free_of s (letters k i).\nProof."
        )
        lines += ["case: i => [|i]; first by case: s." for _ in letters]
        lines.append("by [].\nQed.\n")
        lines.append(
            f"Lemma letters_symmetric{end} k i o :\n"
            f"  symmetric signature{end} i -> (letters k i o)^T = letters k i o.\nProof."
        )
        for letter, one in zip(letters, symmetric, strict=True):
            how = "by move=> _; " + self.symmetric(letter) if one else "by []"
            lines.append(f"case: i => [|i]; first {how}.")
        lines.append("by [].\nQed.\n")
        at = f"at_{suffix}"
        lines.append(f"Definition {at} (k : nat) := at_round numbers letters_free{end} letters_symmetric{end} k.\n")
        return lines

    def symmetric(self, letter: Letter) -> str:
        """Why a letter is symmetric."""
        if isinstance(letter, Inverse) and letter.of is not None:
            return f"rewrite /= trmx_inv {coq_name(letter.of.name)}_symmetric"
        if isinstance(letter, Power | Mean):
            raise UnsupportedError(f"that {letter} is symmetric")
        return f"exact: {coq_name(letter.name)}_symmetric"

    # From round to round.

    def moves(self) -> tuple[list[str], list[str]]:
        """What becomes of every letter, and of every number."""
        letters = [self.move(letter) for letter in list(self.letters)]
        return letters, [self.number_move(number) for number in list(self.numbers)]

    def move(self, letter: Letter) -> str:
        """What becomes of a letter."""
        if letter in self.kernel._iteration or letter in self.kernel._by_iterates:
            return f"Becomes {self.of(self.next(('letter', letter)))}"
        if isinstance(letter, Power):
            if letter.exponent != self.k:
                raise UnsupportedError(f"the power {letter}")
            return f"Becomes (Mul {self.of(tree_of(letter.base))} (Let {self.letter(letter)}))"
        return "Unknown" if "past" in letter.sources or self.varies(letter) else "Stays"

    def next(self, tree: Tree) -> Tree:
        """What becomes of a tree by what becomes of the iterates."""
        kind, *parts = tree
        if kind == "letter":
            if parts[0] in self.kernel._iteration:
                return tree_of(self.kernel._iteration[parts[0]][1])
            return self.next(tree_of(self.defined[parts[0]])) if parts[0] in self.kernel._by_iterates else tree
        if kind == "mean" and parts[0] == "past":
            return ("mean", "past", ("mean", "round", self.next(parts[1])))
        return (kind, *(self.next(part) if isinstance(part, tuple) else part for part in parts))

    def shift(self, letter: Letter) -> str:
        """Why a letter becomes what it is said to become."""
        return "move=> p r r' w v; rewrite /= exprS" if isinstance(letter, Power) else "[]"

    def number_shift(self, number: sp.Expr) -> str:
        """Why a number becomes what it is said to become."""
        if number == self.k:
            return "exact: mulrSr"
        return "exact: exprS" if isinstance(number, AppliedUndef) and number.func == power_of else "by []"

    def number_move(self, number: sp.Expr) -> str:
        """What becomes of a number."""
        if number == self.k:
            return f"Becomes (SAdd (SVar {self.number(number)}) (SNat 1))"
        if isinstance(number, AppliedUndef) and number.func == power_of:
            return f"Becomes (SMul {self.of(scalar_tree(number.args[0]))} (SVar {self.number(number)}))"
        if isinstance(number, AppliedUndef) and number.func == inverse_of:
            return "Unknown" if self.kernel._depends_on_round(number.args[0]) else "Stays"
        if isinstance(number, AppliedUndef):
            later = {self.k: number.func(self.k + 1)}.get(number.args[0])
            return f"Becomes (SVar {self.number(later)})" if later else "Unknown" if number.has(self.k) else "Stays"
        return "Unknown" if number.has(self.k) or self.kernel._depends_on_round(number) else "Stays"

    def starts(self) -> list[tuple[Relation, str]]:
        """What letters and numbers are at round 0, and the lemmas that say so."""
        found = []
        for letter in self.letters:
            if letter in self.kernel._iteration:
                found.append(equal(product((letter,)), self.kernel._iteration[letter][0]))
            elif isinstance(letter, Power):
                found.append(equal(product((letter,)), letter.base**0))
        for number in self.numbers:
            if isinstance(number, AppliedUndef) and number.func == power_of:
                found.append(equal(number, 1))
            elif isinstance(number, AppliedUndef) and number.args[0] == self.k and number.func != inverse_of:
                found.append(equal(number, number.func(0)))
            elif number == self.k:
                found.append(equal(number, 0))
        return [(relation, f"start_{i + 1}") for i, relation in enumerate(found)]


def _new(relation: Relation) -> Any:
    """What a definition is of."""
    left = relation.left
    if isinstance(left, Polynomial):
        (((letter,), _),) = left.terms.items()
        return letter
    return left.func if isinstance(left, AppliedUndef) else left


def _cases(variable: str, values: list[str], otherwise: str) -> str:
    """The cases of a definition over indices."""
    cases = "\n".join(f"  | {i} => {value}" for i, value in enumerate(values))
    return f"  match {variable} with\n{cases}\n  | _ => {otherwise}\n  end.\n"
