"""A derivation: steps that are checked when they are written, and a conclusion that is the theorem."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

import sympy as sp

from istsim import theorems
from istsim.derivations._counting import check_count, check_outcomes
from istsim.derivations._entries import entry
from istsim.derivations._inequalities import holds_for_all
from istsim.derivations._names import check_definition, names_in
from istsim.derivations._pages import page
from istsim.derivations._recurrences import check_induction, limit_of, solve_linear, solve_recurrence
from istsim.derivations._rewriting import AXIOM, Relation, equal, reduce, substitute, vanishes
from istsim.derivations._scalars import scalar
from istsim.derivations._statement import power, translate
from istsim.derivations._steps import Status, Step, StepFailedError, checking
from istsim.derivations._words import Polynomial
from istsim.sketches import Sketch


class Proof:
    """A derivation of one of `istsim.theorems`, checked step by step as it is written.

    Every method that adds a step prints it and returns what it established. Later steps may use only that: a relation
    made by hand is refused. What is not checked is said by its status, `Status`.

    Args:
        theorem: its name, or a theorem of your own.

    Example:
        >>> from istsim.derivations import Proof, equal, matrix, vector
        >>> proof = Proof("local-updates-fixed-point")
        proof of local-updates-fixed-point: The bias of local updates
        >>> T, x, b = matrix("T"), vector("x"), vector("b")
        >>> fixed = proof.setting("the iteration stops where its gradient is 0", equal(T * x, b))
        setting: the iteration stops where its gradient is 0
        >>> _ = proof.identity("that is nowhere else", T * x - b, 0 * b, using=[fixed])
        checked: that is nowhere else  [normal form]
        >>> proof.identity("the fixed point is b", x, b, using=[fixed])
        Traceback (most recent call last):
            ...
        istsim.derivations._steps.StepFailedError: FAILED: the fixed point is b: the sides differ by -b + x
    """

    def __init__(self, theorem: str | theorems.Theorem) -> None:
        self.theorem = theorems.get(theorem) if isinstance(theorem, str) else theorem
        self.steps: list[Step] = []
        self.where: dict[sp.Basic, Any] = {}
        self.proved = False
        print(f"proof of {self.theorem.name}: {self.theorem.title}")

    def setting(self, text: str, *relations: Relation) -> Any:
        """What a problem or a method is. Returns the relations."""
        return self._record(Status.SETTING, text, relations)

    def premise(self, text: str, *relations: Relation) -> Any:
        """A premise of the theorem, named by its text, in formulas. Returns the relations."""
        known = [premise.text for premise in self.theorem.premises]
        if text not in known:
            self._fail(text, f"the theorem's premises are {known}")
        return self._record(Status.PREMISE, text, relations)

    def define(self, text: str, relation: Relation) -> Any:
        """A new name: the left side is one letter or symbol that no step has used. Returns the relation."""
        with checking(text):
            check_definition(relation, self._names())
        return self._record(Status.DEFINED, text, (relation,))

    def cite(self, text: str, *relations: Relation) -> Any:
        """A textbook theorem that is not about this field. Returns what it says here."""
        return self._record(Status.CITED, text, relations)

    def assume(self, text: str, *relations: Relation) -> Any:
        """Something not shown: with it, nothing can be concluded. Returns the relations."""
        return self._record(Status.ASSUMED, text, relations)

    def identity(
        self, text: str, left: Any, right: Any, *, using: Sequence[Relation] = (), adding: Sequence[Relation] = ()
    ) -> Relation:
        """Two sides have the same normal form, after rewriting by equalities.

        Args:
            text: what the step says.
            left, right: polynomials, sympy expressions or sympy matrices.
            using: equalities to rewrite with, see `reduce`.
            adding: equalities whose sum, each as `left - right`, is that of this one.
        """
        using, adding = self._established(text, using), self._established(text, adding)
        if any(relation.sign != "=" for relation in (*using, *adding)):
            self._fail(text, "an identity follows from equalities only")
        with checking(text):
            difference = left - right - sum((fact.left - fact.right for fact in adding), start=0 * (left - right))
            for number in difference if isinstance(difference, sp.MatrixBase) else [difference]:
                rest = reduce(number, using)
                if not vanishes(rest):
                    raise ValueError(f"the sides differ by {rest}")
        how = "normal form" if isinstance(difference, Polynomial) else "algebra"
        return self._check(text, how, Relation(left, "=", right))

    def entries(self, text: str, left: Polynomial, right: Polynomial, *, using: Sequence[Relation] = ()) -> Relation:
        """Two matrices or vectors agree in every entry: in row a and columns a and b, a and b different.

        Args:
            text: what the step says.
            left, right: polynomials whose products have at most one letter that is not diagonal.
            using: equalities to rewrite with.
        """
        rules, given = _split(self._established(text, using))
        places = [("a",)] if left.shape[1] == "1" else [("a", "a"), ("a", "b")]
        with checking(text):
            difference = reduce(left - right, rules)
            for place in places:
                rest = reduce(entry(difference, *place), given)
                if not vanishes(rest):
                    raise ValueError(f"entries {place} differ by {rest}")
        return self._check(text, "entry by entry, on and off the diagonal", Relation(left, "=", right))

    def inequality(self, text: str, relation: Relation, *, using: Sequence[Relation] = ()) -> Relation:
        """A relation between numbers that follows from others for all values, by z3.

        Args:
            text: what the step says.
            relation: an inequality or equality between scalars.
            using: relations between numbers, and equalities between matrices to rewrite traces with.
        """
        rules, given = _split(self._established(text, using))
        with checking(text):
            holds_for_all(_reduced(relation, rules), [_reduced(fact, rules) for fact in given])
        return self._check(text, "z3, for all values", relation)

    def loewner(
        self,
        text: str,
        relation: Relation,
        certificate: Sequence[tuple[Any, Relation]],
        *,
        using: Sequence[Relation] = (),
    ) -> Relation:
        """`X <= Y` between matrices, because `Y - X` is a sum of coefficients, none negative, times PSD matrices.

        Args:
            text: what the step says.
            relation: `X <= Y`.
            certificate: pairs of a coefficient and a relation that is established (or a congruence of such a one, or a
                `square`); the differences, so weighted, must sum to `Y - X`.
            using: equalities to rewrite with, and relations between numbers from which z3 shows the coefficients'
                signs.
        """
        rules, given = _split(self._established(text, using))
        self._established(text, [fact for _, fact in certificate])
        with checking(text):
            rest = relation.difference
            for coefficient, fact in certificate:
                if fact.sign != "<=":
                    raise ValueError(f"a certificate is made of X <= Y, got {fact}")
                holds_for_all(Relation(sp.S.Zero, "<=", coefficient), given)
                rest = rest - coefficient * fact.difference
            rest = reduce(rest, [*rules, *(fact for fact in given if fact.sign == "=" and fact.left.is_Symbol)])
            if not vanishes(rest):
                raise ValueError(f"the certificate misses {rest}")
        return self._check(text, "certificate in normal form, signs by z3", relation)

    def recurrence(self, text: str, step: Relation, sequence: Any, k: sp.Symbol, *, using: Any = ()) -> Relation:
        """The closed form, or bound, of e(k) that a recurrence gives. See `solve_recurrence`.

        Args:
            text: what the step says.
            step: `e(k+1) = a e(k) + b`, or `<=`.
            sequence: the sympy function e.
            k: the round.
            using: relations between numbers from which a is not negative, if the step is an inequality.
        """
        step, *given = self._established(text, [step, *using])
        with checking(text):
            found = solve_recurrence(step, sequence, k, given)
        return self._check(text, "closed form by rsolve, checked by substitution", found)

    def linear_recurrence(
        self,
        text: str,
        step: Relation,
        now: Polynomial,
        start: Polynomial,
        closed: Callable[[Any], Any],
        k: sp.Symbol,
    ) -> Relation:
        """The closed form of a vector with `next = A now + v`, checked at round 0 and from each round to the next.

        Args:
            text: what the step says.
            step: the recurrence.
            now: the vector at round k, one letter.
            start: the vector at round 0.
            closed: the closed form, as a function of `A^k`.
            k: the round.
        """
        (step,) = self._established(text, [step])
        with checking(text):
            A = solve_linear(step, now, start, closed)
        return self._check(text, "induction, both parts in normal form", equal(now, closed(power(A, k))))

    def invariant(
        self,
        text: str,
        claim: Relation,
        *,
        start: Mapping[Polynomial, Any],
        after: Mapping[Polynomial, Any],
        using: Sequence[Relation] = (),
    ) -> Relation:
        """An equality that holds at the start and that every round keeps, on every path.

        Args:
            text: what the step says.
            claim: an equality `letter = polynomial` between iterates.
            start: what the iterates, each one letter, are at round 0.
            after: what they are after a round.
            using: equalities to rewrite with.
        """
        using = self._established(text, using)
        with checking(text):
            for change, rules in ((start, using), (after, [*using, claim])):
                rest = reduce(substitute(claim.left - claim.right, change), rules)
                if not vanishes(rest):
                    raise ValueError(f"the sides differ by {rest}")
        return self._check(text, "induction, both parts in normal form", claim)

    def induction(self, text: str, claim: Relation, k: sp.Symbol, *, using: Sequence[Relation] = ()) -> Relation:
        """A relation between numbers for all rounds k = 0, 1, ...; both parts by z3.

        Args:
            text: what the step says.
            claim: the relation at round k.
            k: the round.
            using: relations between numbers, which hold at every k.
        """
        given = self._established(text, using)
        with checking(text):
            check_induction(claim, k, given)
        return self._check(text, "induction, both parts by z3", claim)

    def limit(
        self, text: str, symbol: sp.Symbol, relation: Relation, k: sp.Symbol, *, using: Sequence[Relation] = ()
    ) -> Relation:
        """The limit of a closed form, a sum of multiples of `ratio**k`, as k grows, under a new name.

        Args:
            text: what the step says.
            symbol: the limit's name.
            relation: the closed form.
            k: the round.
            using: relations between numbers from which z3 shows that the ratios lie between -1 and 1.
        """
        relation, *given = self._established(text, [relation, *using])
        if relation.sign != "=":
            self._fail(text, f"only a closed form has a known limit, got {relation}")
        with checking(text):
            if symbol in self._names():
                raise ValueError(f"{symbol} already has a meaning")
            value = limit_of(relation.right, k, given)
        return self._check(text, "powers of ratios below 1 vanish, the ratios by z3", equal(symbol, value))

    def least(self, text: str, relation: Relation, defining: Relation, witness: Relation) -> Relation:
        """An upper bound on the least number that satisfies a relation, by another number that does.

        Args:
            text: what the step says.
            relation: `symbol <= number`.
            defining: an established relation that says of which numbers the symbol is the least.
            witness: the same relation, established with the number in place of the symbol.
        """
        defining, witness = self._established(text, [defining, witness])
        with checking(text):
            rest = _substituted(defining.difference, relation.left, relation.right) - witness.difference
            if relation.sign != "<=" or defining.sign != witness.sign or not vanishes(rest):
                raise ValueError(f"{witness} is not {defining} with {relation.right} for {relation.left}")
        return self._check(text, "the same relation with another number", relation)

    def counting(
        self,
        text: str,
        relation: Relation,
        *,
        favourable: sp.Expr,
        outcomes: sp.Expr,
        sketch: Callable[..., Sketch],
        cases: Iterable[Mapping[str, int]],
        using: Sequence[Relation] = (),
    ) -> Relation:
        """A probability by counting with symbols, and by listing every outcome of the sketch in small cases.

        The list is gone through for every worker and all coordinates.

        Args:
            text: what the step says.
            relation: the expectation of a product of one mask's diagonal entries `=` its value.
            favourable: the number of outcomes in which the product is 1.
            outcomes: the number of all.
            sketch: gives the sketch, by the symbols' names.
            cases: values of the symbols.
            using: equalities between numbers, such as d = n q.
        """
        rules, cases = self._established(text, using), list(cases)
        with checking(text):
            check_count(relation, favourable, outcomes, rules)
            check_outcomes(relation, sketch, cases, rules)
        shown = "; ".join(", ".join(f"{name} = {value}" for name, value in case.items()) for case in cases)
        return self._check(text, f"counting with symbols, and every outcome listed at {shown}", relation)

    def conclude(self, relation: Relation, where: Mapping[str, Any] | None = None) -> None:
        """The relation is the theorem's statement, and no step was assumed.

        Args:
            relation: an established one.
            where: by name, what the statement's symbols mean here, where that is not a scalar symbol of the same name.
        """
        text = "this is the theorem"
        (relation,) = self._established(text, [relation])
        if assumed := [step.text for step in self.steps if step.status is Status.ASSUMED]:
            self._fail(text, f"assumed, not shown: {'; '.join(assumed)}")
        statement = self.theorem.statement
        symbols = {str(symbol): symbol for symbol in statement.free_symbols}
        with checking(text):
            if unknown := set(where or {}) - set(symbols):
                raise ValueError(f"the statement has the symbols {sorted(symbols)}, got {sorted(unknown)}")
            self.where = {symbols[name]: meaning for name, meaning in (where or {}).items()}
            if relation.sign != {sp.Eq: "=", sp.Le: "<="}[type(statement)]:
                raise ValueError(f"the theorem says {statement}, derived was {relation}")
            for side, derived in ((statement.lhs, relation.left), (statement.rhs, relation.right)):
                difference = translate(side, self.where) - derived
                if not vanishes(difference):
                    raise ValueError(f"the theorem says {side}, derived was {derived}")
        self._check(text, "both sides have the normal form of the statement's", relation)
        self.proved = True
        print(f"proved: {self.theorem.name}")

    def to_markdown(self) -> str:
        """A page: the statement, its premises, and every step with its formulas and how it was checked."""
        return page(self.theorem, self.steps, self.where)

    def _record(self, status: Status, text: str, relations: tuple[Relation, ...], how: str = "") -> Any:
        self.steps.append(Step(status, text, relations, how))
        print(f"{status}: {text}" + f"  [{how}]" * bool(how))
        return relations[0] if len(relations) == 1 else relations

    def _check(self, text: str, how: str, relation: Relation) -> Relation:
        return self._record(Status.CHECKED, text, (relation,), how)

    def _relations(self) -> Iterator[Relation]:
        return itertools.chain.from_iterable(step.relations for step in self.steps)

    def _names(self) -> set[Any]:
        return set().union(*(names_in(side) for old in self._relations() for side in (old.left, old.right)))

    def _established(self, text: str, relations: Iterable[Relation]) -> list[Relation]:
        """Refuse what no step of this proof has established."""
        relations, known = list(relations), [AXIOM, *self._relations()]
        for relation in relations:
            root = relation
            while root.origin is not None:
                root = root.origin
            if not any(root is old for old in known):
                self._fail(text, f"no step has established {relation}")
        return relations

    def _fail(self, text: str, why: str) -> NoReturn:
        raise StepFailedError(f"FAILED: {text}: {why}")


def _split(relations: Iterable[Relation]) -> tuple[list[Relation], list[Relation]]:
    """Equalities between matrices, and relations between numbers."""
    rules, given = [], []
    for relation in relations:
        (rules if isinstance(relation.left, Polynomial) else given).append(relation)
    return rules, given


def _reduced(relation: Relation, rules: Sequence[Relation]) -> Relation:
    return Relation(reduce(relation.left, rules), relation.sign, reduce(relation.right, rules))


def _substituted(value: Any, symbol: sp.Expr, number: sp.Expr) -> Any:
    symbol, number = scalar(symbol), scalar(number)
    if not isinstance(value, Polynomial):
        return value.subs(symbol, number)
    return Polynomial(value.shape, [(word, factor.subs(symbol, number)) for word, factor in value.terms.items()])
