"""A proof's trace as a file of Coq: every fact a lemma, every rule of the kernel one of `proofs/coq/Words.v`.

Nothing here need be trusted: `coqc` accepts the file, or not.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef

from istsim.derivations._proof import Proof
from istsim.derivations.coq._certificates import HOLE, Known, Product, Rule, Use, refute, rewrite, rules_of
from istsim.derivations.coq._syntax import (
    CONSTRUCTORS,
    SIGNS,
    SOURCES,
    UnsupportedError,
    coq_name,
    inverse_of,
    kind_of,
    scalar_tree,
    scaled,
    tree_of,
    without_quotients,
)
from istsim.derivations.coq._tables import EVERYWHERE, Tables
from istsim.derivations.kernel import Fact, Hypothesis, Origin, Relation, at_most, equal, less
from istsim.derivations.kernel._kernel import _sources
from istsim.derivations.kernel._language import parts
from istsim.derivations.terms._words import Polynomial

HEAD = """(* Made from the trace of the proof of the theorem "{name}". Words.v says what is meant by a vector. *)

From mathcomp Require Import all_ssreflect all_algebra.
From istsim Require Import Words.
Import Order.TTheory GRing.Theory Num.Theory.

Local Open Scope ring_scope.

Section Proof_of_the_theorem.

Variables (field : realFieldType) (size : nat).
Local Notation matrix := 'M[field]_size.+1.
"""


# Rules about entries of matrices: what they show is taken as a hypothesis of the theorem in Coq, and said to be that.
TAKEN = ("entries", "chance")


@dataclasses.dataclass(frozen=True)
class Named:
    """A relation that Coq knows, by the term that proves it."""

    relation: Relation
    term: str


def coq_file(proof: Proof) -> str:
    """The file.

    Raises:
        UnsupportedError: for a rule or a term that the library does not have.
    """
    return _Writer(proof).written()


class _Writer:
    def __init__(self, proof: Proof) -> None:
        self.proof = proof
        self.tables = Tables(proof.kernel)
        self.lemmas: list[str] = []
        self.names: dict[int, str] = {}
        self.hypotheses: dict[int, list[tuple[str, Relation]]] = {}
        self.used: set[int] = set()
        # What Coq is told of steps whose rules the library does not have.
        self.taken: list[Hypothesis] = []

    def written(self) -> str:
        """The whole file."""
        fact = next(step.fact for step in reversed(self.proof.steps) if step.fact is not None)
        last = self.term(fact)
        local = "".join(f" ({name} : {self.formula(one)})" for name, one in self.local(fact).items())
        for name in self.local(fact):
            last = last.replace(f" {name}", f" (fun=> {name})")
        theorem = coq_name(self.proof.theorem.name.replace("-", "_"))
        self.tables.keep(self.used)
        self.tables.complete()
        return "\n".join(
            [
                HEAD.format(name=self.proof.theorem.name),
                self.tables.declarations(self.premise),
                *(self.premise(hypothesis) or "" for hypothesis in self.taken),
                self.tables.definitions(),
                *self.lemmas,
                f"Theorem {theorem} (k : nat){local} : {self.formula(fact.relation)}.",
                f"Proof. exact: ({last} (some_outcome draws k)). Qed.\n",
                "End Proof_of_the_theorem.\n",
                f"Check {theorem}.",
                f"Print Assumptions {theorem}.\n",
            ]
        )

    # Relations and terms.

    def relation(self, relation: Relation) -> str:
        """A relation that computes."""
        sides = (self.tables.of(tree_of(side)) for side in (relation.left, relation.right))
        return f"({kind_of(relation)} {' '.join(sides)})"

    def formula(self, relation: Relation) -> str:
        """A relation that people read."""
        left, right = (self.tables.text(side) for side in (relation.left, relation.right))
        left = left if relation.of_matrices else f"({left} : field)"
        return f"{left} {SIGNS[kind_of(relation)]} {right}"

    def premise(self, hypothesis: Hypothesis) -> str | None:
        """The hypotheses of Coq that one of the proof is, if it is used."""
        lines = [f"(* {hypothesis.origin}: {hypothesis.text} *)"]
        for name, relation in self.hypotheses.get(id(hypothesis), []):
            quantified = " ".join(self.tables.quantified(*self.randomness(relation)))
            start = f"forall {quantified}, " * bool(quantified)
            lines.append(f"Hypothesis {name} : {start}{self.formula(relation)}.\n")
        return "\n".join(lines) if len(lines) > 1 else None

    def randomness(self, relation: Relation) -> tuple[set[str], bool]:
        """What a relation is random with, and whether it is another one in every round."""
        sides = (relation.left, relation.right)
        return set().union(*(_sources(side) for side in sides)), any(map(self.tables.kernel._depends_on_round, sides))

    # Facts.

    def local(self, fact: Fact) -> dict[str, Relation]:
        """What a fact rests on that does not hold in every round, by the names of these suppositions."""
        found = {}
        for i, one in enumerate(self.proof.kernel.hypotheses):
            names = parts(*one.relations)
            local = one.origin is not Origin.DEFINED and self.tables.k in names.symbols | names.exponents
            if local and one in fact.hypotheses:
                found[f"supposed_{i}"] = one.relations[0]
        supposed = [one for one in fact.hypotheses if one.origin is Origin.SUPPOSED]
        if len(supposed) > 1:
            raise UnsupportedError("an induction within another")
        if supposed:
            found["supposed"] = supposed[0].relations[0]
        return found

    def term(self, fact: Fact, k: str = "k") -> str:
        """What proves a fact at some round."""
        local = self.local(fact)
        if fact.derivation.rule == "hypothesis" and local:
            (name,) = local
            return name
        if id(fact) not in self.names:
            script = self.script(fact)
            name = self.names[id(fact)] = f"step_{len(self.names) + 1}"
            given = "".join(f" ({name} : holds (at_ k) {self.relation(one)})" for name, one in local.items())
            self.lemmas.append(
                f"(* {fact.derivation.rule}: {fact} *)\n"
                f"Lemma {name} k{given} : holds (at_ k) {self.relation(fact.relation)}.\nProof.\n{script}\nQed.\n"
            )
        return f"({' '.join([self.names[id(fact)], k, *local])})"

    def script(self, fact: Fact) -> str:
        """The proof of a fact from those that its rule was given."""
        derivation, relation = fact.derivation, fact.relation
        if derivation.rule in TAKEN:
            hypothesis = Hypothesis(
                Origin.ASSUMED, f"not checked by Coq, by the rule {derivation.rule!r}: {fact}", (relation,)
            )
            self.taken.append(hypothesis)
            return self.hypothesis(relation, hypothesis)
        given = [Named(one.relation, self.term(one)) for one in derivation.facts]
        match derivation.rule:
            case "hypothesis":
                return self.hypothesis(relation, derivation.arguments[0])
            case "identity":
                (number,) = derivation.arguments
                return self.equality(relation, given[:number], given[number:])
            case "times":
                return self.times(given[0], *derivation.arguments)
            case "inequality":
                return self.inequality(relation, given)
            case "loewner":
                number = len(given) - len(derivation.arguments)
                return self.loewner(relation, derivation.arguments, given[number:], given[:number])
            case "congruence" | "square":
                return self.congruence(relation, given, derivation.arguments[0])
            case "next round":
                term = self.term(derivation.facts[0], "k.+1")
                return f"by apply: (next_fact (moved_ k) {term}); vm_compute."
            case "induction":
                return self.induction(relation, *derivation.arguments[2:])
        raise UnsupportedError(f"the rule {derivation.rule!r}")

    def hypothesis(self, relation: Relation, hypothesis: Hypothesis) -> str:
        """By a premise of the theorem, or by a definition."""
        if hypothesis.origin is Origin.DEFINED:
            self.used.add(id(hypothesis))
            return "by move=> o."
        names = self.hypotheses.setdefault(id(hypothesis), [])
        names.append((f"premise_{1 + sum(map(len, self.hypotheses.values()))}", relation))
        sources, varies = self.randomness(relation)
        arguments = ["k"] * (varies or "past" in sources)
        arguments += [EVERYWHERE.outcomes[source] for source in SOURCES if source in sources]
        return f"by move=> o; exact: {' '.join([names[-1][0], *arguments])}."

    def equality(self, relation: Relation, using: Sequence[Named], adding: Sequence[Named] = ()) -> str:
        """By equalities in their places."""
        difference = relation.left - relation.right
        for one in adding:
            difference = difference - (one.relation.left - one.relation.right)
        rest, uses = rewrite(difference, _rules(using))
        if relation.of_matrices:
            if not rest.is_zero:
                raise UnsupportedError(f"the equalities leave {rest}")
            zeros = [self.zero(use) for use in [*uses, *(Use(HOLE, one) for one in adding)]]
            return f"by apply: (identity (zs := {_listed(zeros)})); vm_compute."
        zeros = [self.number_zero(use) for use in uses]
        zeros += [f"nuse_number (SNat 1) {one.term}" for one in adding]
        for one in (one for one in using if not one.relation.of_matrices):
            # A number that is defined by others stands for them.
            left = one.relation.left
            times = sp.expand(rest).coeff(left) if left.is_Symbol or isinstance(left, AppliedUndef) else 0
            if times != 0:
                zeros.append(f"nuse_number {self.tables.of(scalar_tree(times))} {one.term}")
                rest, uses = rewrite(rest - times * (one.relation.left - one.relation.right), _rules(using))
                zeros += [self.number_zero(use) for use in uses]
        if rest != 0:
            raise UnsupportedError(f"the equalities leave {rest}")
        return f"by apply: (number_identity (zs := {_listed(zeros)})); vm_compute."

    def zero(self, use: Use) -> str:
        """An equality in its place."""
        return f"use {self.tables.of(use.context)} {use.fact.term}"

    def number_zero(self, use: Use, times: Any = 1) -> str:
        """An equality between matrices in its place in a number, and a multiple of that."""
        return f"nuse {self.tables.of(scaled(sp.sympify(times), use.context, 'nscale', 'nopp'))} {use.fact.term}"

    def times(self, given: Named, left: Any, right: Any) -> str:
        """An equality, multiplied on both sides."""
        if not given.relation.of_matrices:
            zero = f"nuse_number {self.tables.of(scalar_tree(left * right))} {given.term}"
            return f"by apply: (number_identity (zs := [:: {zero}])); vm_compute."
        before, after = (
            tree_of(x) if isinstance(x, Polynomial) else scaled(sp.sympify(x), ("one",)) for x in (left, right)
        )
        zero = self.zero(Use(("mul", ("mul", before, HOLE), after), given))
        return f"by apply: (identity (zs := [:: {zero}])); vm_compute."

    def loewner(
        self, relation: Relation, coefficients: Sequence[Any], shown: Sequence[Named], using: Sequence[Named]
    ) -> str:
        """By a sum of positive semidefinite matrices."""
        rest = relation.difference
        lines, parts = [], []
        for i, (coefficient, one) in enumerate(zip(coefficients, shown, strict=True)):
            rest = rest - coefficient * one.relation.difference
            sign = at_most(0, coefficient)
            lines.append(f"have sign_{i} : holds (at_ k) {self.relation(sign)}.")
            lines.append(f"  {self.inequality(sign, using)}")
            parts.append(f"times_psd sign_{i} {one.term}")
        rest, uses = rewrite(rest, _rules(using))
        if not rest.is_zero:
            raise UnsupportedError(f"the certificate misses {rest}")
        zeros = _listed(self.zero(use) for use in uses)
        return "\n".join([*lines, f"by apply: (loewner (ps := {_listed(parts)}) (zs := {zeros})); vm_compute."])

    def congruence(self, relation: Relation, given: Sequence[Named], by: Polynomial) -> str:
        """A positive semidefinite matrix between M' and M, in expectation."""
        sources = _listed(CONSTRUCTORS[source] for source in sorted(_sources(by), reverse=True))
        root = self.tables.of(tree_of(by))
        shown = f"congruence {sources} {root} {given[0].term}" if given else f"square (m := at_ k) {sources} {root}"
        shown = shown if relation.of_matrices else f"trace_at_most ({shown})"
        return f"by apply: (rewritten ({shown})); vm_compute."

    def inequality(self, relation: Relation, using: Sequence[Named]) -> str:
        """By a contradiction to its opposite."""
        if relation.sign == "=":
            return self.equality(relation, using)
        numbers = [Named(relation, ""), *(one for one in using if not one.relation.of_matrices)]
        known, equalities = [], []
        for one in numbers:
            value, uses = rewrite(one.relation.left - one.relation.right, _rules(using))
            if one.relation.sign == "=":
                equalities.append(Known(value, False, one, tuple(uses)))
            elif one.term:
                known.append(Known(-value, one.relation.sign == "<", one, tuple(replaced(use, -1) for use in uses)))
            else:
                known.append(Known(value, relation.sign == "<=", one, tuple(uses)))
        lines = []
        for i, (inverse, one) in enumerate(self.inverses(numbers)):
            index, base = self.tables.number(inverse), inverse.args[0]
            lines.append(f"have positive_{i} := inverse_gt0 (j := {index}) {one.term} erefl.")
            lines.append(f"have inverse_{i} := inverse_mul (j := {index}) {one.term} erefl.")
            known.append(Known(inverse, True, Named(less(0, inverse), f"positive_{i}")))
            equalities.append(Known(inverse * base - 1, False, Named(equal(inverse * base, 1), f"inverse_{i}")))
        found = refute(known, equalities)
        zeros = [self.number_zero(use, -each.multiplier) for each in found.products for use in each.factors[-1].uses]
        for multiplier, each in found.equalities:
            zeros.append(f"nuse_number {self.tables.of(scalar_tree(multiplier))} {each.fact.term}")
            zeros += [self.number_zero(use, -multiplier) for use in each.uses]
        rule = "at_most" if relation.sign == "<=" else "less"
        products = _listed(self.product(each) for each in found.products)
        why = f"contradiction (ps := {products}) (zs := {_listed(zeros)})"
        lines.append(f"by apply: {rule} => o opposite; apply: ({why}); vm_compute.")
        return "\n  ".join(lines)

    def inverses(self, numbers: Sequence[Named]) -> list[tuple[sp.Expr, Named]]:
        """The inverses in relations, of numbers that one of these relations says to be positive."""
        found = {}
        for one in numbers:
            for side in (one.relation.left, one.relation.right):
                for atom in without_quotients(side).atoms(AppliedUndef):
                    positive = [each for each in numbers[1:] if each.relation.is_same(less(0, atom.args[0]))]
                    if atom.func == inverse_of and positive:
                        found[atom] = positive[0]
        return sorted(found.items(), key=str)

    def product(self, product: Product) -> str:
        """A product of numbers that are not negative."""
        *factors, last = product.factors
        known = {False: "known_le o", True: "known_lt o"}
        text = f"{known[last.strict]} {last.fact.term}" if last.fact.term else "known_at opposite"
        for factor in factors:
            if factor.fact.term:
                sign = f"{'scalar_lt' if factor.strict else 'scalar_le'} o {factor.fact.term}"
            else:
                sides = (
                    self.tables.of(scalar_tree(side))
                    for side in (factor.fact.relation.left, factor.fact.relation.right)
                )
                sign = "scalar_at (o := o) (c := SAdd {} (SOpp {})) opposite".format(*sides)
            text = f"product ({sign}) ({text})"
        for root in product.squares:
            text = f"product (by_square (at_ k) {self.tables.of(scalar_tree(root))}) ({text})"
        return text if product.times == 1 else f"product (by_nat (at_ k) {product.times - 1}) ({text})"

    def induction(self, claim: Relation, base: Fact, shown: Fact) -> str:
        """By what holds at round 0, and is kept."""
        self.relation(claim)
        step = self.term(shown)
        first = Named(base.relation, self.term(base, "0"))
        self.tables.complete()
        starts = [Named(relation, term) for relation, term in self.tables.starts()]
        if not claim.of_matrices:
            start = (
                self.inequality(claim, [*starts, first]) if claim.sign != "=" else self.equality(claim, starts, [first])
            )
        elif claim.sign == "=":
            start = self.equality(claim, starts, [first])
        else:
            start = self.loewner(claim, [1], [first], starts).replace("at_ k", "at_ 0")
        return (
            "elim: k => [|k supposed].\n"
            f"  {start}\n"
            f"by apply: (next_step (moved_ k) {step if step.startswith('(') else f'({step})'}); vm_compute."
        )


def replaced(use: Use, times: int) -> Use:
    """A multiple of a use in a number."""
    return Use(scaled(sp.Integer(times), use.context, "nscale", "nopp"), use.fact)


def _rules(using: Sequence[Named]) -> list[Rule]:
    return rules_of((one, one.relation) for one in using if one.relation.of_matrices and one.relation.sign == "=")


def _listed(texts: Iterable[str]) -> str:
    joined = "; ".join(texts)
    return f"[:: {joined}]" if joined else "[::]"
