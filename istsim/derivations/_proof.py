"""A derivation: steps that two judges check when they are written, and a conclusion that is the theorem."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sympy as sp

from istsim import theorems
from istsim.derivations._judge import Judge, Model
from istsim.derivations._pages import page
from istsim.derivations._statement import check_meanings, translate
from istsim.derivations._steps import Step, StepFailedError, checking
from istsim.derivations.kernel import Fact, Kernel, Origin, Relation, equal, vanishes
from istsim.derivations.terms._words import Polynomial


class Proof:
    """A derivation of one of `istsim.theorems`, checked step by step as it is written.

    Two judges look at every step. The kernel (`Kernel`) makes a fact of it by one of its rules, or refuses. The other
    one puts numbers in the place of the letters: `model` gives them, with instances of the theorem, and every step must
    hold there, the hypotheses among them. Facts are the only things that later steps accept.

    Args:
        theorem: its name, or a theorem of your own.
        model: makes numbers for the letters, given a random generator; None for none, with which nothing is concluded.
        naturals: the symbols that are natural numbers, as the round k.

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

    def __init__(
        self,
        theorem: str | theorems.Theorem,
        model: Callable[[Any], Model] | None = None,
        *,
        naturals: Sequence[sp.Symbol] = (sp.Symbol("k"),),
    ) -> None:
        self.theorem = theorems.get(theorem) if isinstance(theorem, str) else theorem
        self.kernel = Kernel(naturals)
        self.judge = Judge(self.theorem, model)
        self.steps: list[Step] = []
        self.where: dict[sp.Basic, Any] = {}
        self.conclusion: Fact | None = None
        self.proved = False
        print(f"proof of {self.theorem.name}: {self.theorem.title}")

    # What is taken for granted.

    def setting(self, text: str, *relations: Relation) -> Any:
        """What a problem or a method is. Returns the facts, or the only one."""
        return self._assume(Origin.SETTING, text, relations)

    def premise(self, text: str, *relations: Relation) -> Any:
        """A premise of the theorem, named by its text, in formulas. Returns the facts, or the only one."""
        self._check_premise(text)
        return self._assume(Origin.PREMISE, text, relations)

    def cite(self, text: str, *relations: Relation) -> Any:
        """A textbook theorem that is not about this field. Returns what it says here."""
        return self._assume(Origin.CITED, text, relations)

    def assume(self, text: str, *relations: Relation) -> Any:
        """Something not shown: with it, nothing can be concluded. Returns the facts, or the only one."""
        return self._assume(Origin.ASSUMED, text, relations)

    def iterates(
        self,
        text: str,
        rounds: Mapping[Polynomial, tuple[Polynomial, Polynomial]],
        *,
        k: sp.Symbol | None = None,
        premise: bool = False,
    ) -> None:
        """What the iterates are: for each letter, where it starts and what a round makes of it.

        Args:
            text: what it says; a premise of the theorem, if `premise` is true.
            rounds: the iterates.
            k: the round; by default the symbol k.
            premise: whether it is a premise.
        """
        if premise:
            self._check_premise(text)
        origin = Origin.PREMISE if premise else Origin.SETTING
        with checking(text):
            self.kernel.iterate(origin, text, sp.Symbol("k") if k is None else k, rounds)
            self.judge.iterates(rounds)
        self._record(Step(origin, text, (), iterates=tuple((x, *both) for x, both in rounds.items())))

    def uniform_subset(self, text: str, mask: Polynomial, size: Any, *, premise: bool = False) -> None:
        """A mask is 1 on a uniform subset of `size` coordinates. Arguments as for `iterates`."""
        if premise:
            self._check_premise(text)
        with checking(text):
            self.kernel.uniform_subset(text, mask, size)
            self.judge.uniform_subset(mask, size)
        self._record(Step(Origin.PREMISE if premise else Origin.SETTING, text, ()))

    def define(self, text: str, relation: Relation) -> Fact:
        """A new name: the left side is a letter, a symbol or the value e(k) of a sequence that no step has used."""
        with checking(text):
            return self._fact(text, self.kernel.define(text, relation), "", Origin.DEFINED)

    def define_sum(self, text: str, total: Any, summand: Any, k: sp.Symbol) -> tuple[Fact, Fact]:
        """A new sequence `total(k)`, the sum of `summand(j)` over j < k: what it is at 0, and at k + 1."""
        with checking(text):
            facts = self.kernel.define_sum(text, total, summand, k)
            self.judge.define_sum(total, summand, k)
        self._record(Step(Origin.DEFINED, text, tuple(fact.relation for fact in facts)))
        return facts

    def least(self, text: str, symbol: sp.Symbol, relation: Relation) -> Fact:
        """What a symbol is: the least number with which a relation holds. Returns that it holds."""
        with checking(text):
            return self._fact(text, self.kernel.define_least(text, symbol, relation), "", Origin.SETTING)

    # What is shown.

    def identity(
        self, text: str, left: Any, right: Any, *, using: Sequence[Fact] = (), adding: Sequence[Fact] = ()
    ) -> Fact:
        """Two sides have the same normal form, after rewriting by equalities.

        Args:
            text: what the step says.
            left, right: polynomials or sympy expressions.
            using: equalities to rewrite with, see `reduce`.
            adding: equalities whose sum, each as `left - right`, is that of this one.
        """
        with checking(text):
            fact = self.kernel.identity(equal(left, right), using=using, adding=adding)
        return self._fact(text, fact, "normal form" if fact.relation.of_matrices else "algebra")

    def entries(self, text: str, left: Polynomial, right: Polynomial, *, using: Sequence[Fact] = ()) -> Fact:
        """Two matrices or vectors agree in every entry: in row a and columns a and b, a and b different.

        Args:
            text: what the step says.
            left, right: polynomials whose products have at most one letter that is not diagonal.
            using: equalities to rewrite with.
        """
        with checking(text):
            fact = self.kernel.entries(equal(left, right), using=using)
        return self._fact(text, fact, "entry by entry, on and off the diagonal")

    def inequality(self, text: str, relation: Relation, *, using: Sequence[Fact] = ()) -> Fact:
        """A relation between numbers that follows from others for all values, by z3.

        Args:
            text: what the step says.
            relation: an inequality or equality between scalars.
            using: relations between numbers, and equalities between matrices to rewrite traces with.
        """
        with checking(text):
            return self._fact(text, self.kernel.inequality(relation, using=using), "z3, for all values")

    def total(self, text: str, fact: Fact, i: sp.Symbol, count: sp.Symbol, *, some: Fact | None = None) -> Fact:
        """A relation between numbers, which holds for every index i, added up over i = 0..count - 1.

        Args:
            text: what the step says.
            fact: the relation.
            i: an index, as in D[i, j].
            count: a natural number.
            some: that it is positive, which a strict relation needs.
        """
        with checking(text):
            return self._fact(text, self.kernel.total(fact, i, count, some=some), "added up over the index")

    def loewner(
        self,
        text: str,
        relation: Relation,
        certificate: Sequence[tuple[Any, Fact]],
        *,
        using: Sequence[Fact] = (),
    ) -> Fact:
        """`X <= Y` between matrices, because `Y - X` is a sum of coefficients, none negative, times PSD matrices.

        Args:
            text: what the step says.
            relation: `X <= Y`.
            certificate: pairs of a coefficient and a fact `X <= Y`, also made by `congruence` or `square`; the
                differences, so weighted, must sum to `Y - X`.
            using: equalities to rewrite with, and relations between numbers from which z3 shows the coefficients'
                signs.
        """
        with checking(text):
            fact = self.kernel.loewner(relation, certificate, using=using)
        return self._fact(text, fact, "certificate in normal form, signs by z3")

    def recurrence(self, text: str, step: Fact, sequence: Any, k: sp.Symbol, *, using: Sequence[Fact] = ()) -> Fact:
        """The closed form, or bound, of e(k) that a recurrence `e(k+1) = a e(k) + b`, or `<=`, gives.

        sympy's rsolve proposes it, and it is shown by induction.

        Args:
            text: what the step says.
            step: `e(k+1) = a e(k) + b`, or `<=`.
            sequence: the sympy function e.
            k: the round.
            using: relations between numbers from which a is not negative, if the step is an inequality.
        """
        with checking(text):
            if step.left != sequence(k + 1):
                raise ValueError(f"a recurrence must give {sequence(k + 1)}, got {step}")
            now, start = sequence(k), sp.Dummy("start")
            found = sp.rsolve(sequence(k + 1) - step.right, now, {sequence(0): start})
            if found is None:
                raise ValueError(f"no closed form found for {step}")
            claim = Relation(now, step.sign, sp.simplify(found).subs(start, sequence(0)))
            base = self.kernel.identity(equal(sequence(0), sequence(0)))
            if step.sign != "=":
                base = self.kernel.inequality(Relation(sequence(0), step.sign, sequence(0)))

            def next_round(supposed: Fact) -> Fact:
                later = Relation(claim.left.subs(k, k + 1), claim.sign, claim.right.subs(k, k + 1))
                if claim.sign == "=":
                    return self.kernel.identity(later, using=[step, supposed])
                return self.kernel.inequality(later, using=[step, supposed, *using])

            fact = self.kernel.induction(text, claim, k, base, next_round)
        return self._fact(text, fact, "closed form by rsolve, shown by induction")

    def induction(
        self,
        text: str,
        claim: Relation,
        k: sp.Symbol,
        *,
        using: Sequence[Fact] = (),
        base: Fact | None = None,
        step: Callable[[Fact], Fact] | None = None,
    ) -> Fact:
        """What holds at round 0 and is kept by every round.

        Args:
            text: what the step says.
            claim: the relation at round k.
            k: the round.
            using: between numbers, from which z3 shows both parts.
            base, step: for other claims, the fact at round 0, and what makes the fact at round k + 1 of that at k.
        """
        how = "induction" if step else "induction, both parts by z3"

        def by_z3(supposed: Fact) -> Fact:
            later = Relation(claim.left.subs(k, k + 1), claim.sign, claim.right.subs(k, k + 1))
            return self.kernel.inequality(later, using=[*using, supposed])

        with checking(text):
            if base is None:
                first = Relation(claim.left.subs(k, 0), claim.sign, claim.right.subs(k, 0))
                base = self.kernel.inequality(first, using=using)
            fact = self.kernel.induction(text, claim, k, base, step or by_z3)
        return self._fact(text, fact, how)

    def limit(self, text: str, symbol: sp.Symbol, fact: Fact, k: sp.Symbol, *, using: Sequence[Fact] = ()) -> Fact:
        """The limit of a closed form, a sum of multiples of `ratio**k`, as k grows, under a new name.

        Args:
            text: what the step says.
            symbol: the limit's name.
            fact: the closed form of a sequence.
            k: the round.
            using: relations between numbers from which z3 shows that the ratios lie between -1 and 1.
        """
        with checking(text):
            found = self.kernel.limit(text, symbol, fact, k, using=using)
        return self._fact(text, found, "powers of ratios below 1 vanish, the ratios by z3")

    def least_is_at_most(self, text: str, symbol: sp.Symbol, number: Any, witness: Fact) -> Fact:
        """The least number with a property, see `least`, is at most another number with it, the witness's."""
        with checking(text):
            fact = self.kernel.least_is_at_most(symbol, number, witness)
        return self._fact(text, fact, "the same relation with another number")

    def chance(self, text: str, mask: Polynomial, *coordinates: str) -> Fact:
        """The probability that a uniform subset, see `uniform_subset`, holds some different coordinates."""
        with checking(text):
            return self._fact(text, self.kernel.chance(mask, *coordinates), "subsets counted")

    def next_round(self, text: str, fact: Fact) -> Fact:
        """What a fact, which holds in every round, says of the next round."""
        with checking(text):
            return self._fact(text, self.kernel.next_round(fact), "what the iterates are in the next round")

    def at_start(self, text: str, fact: Fact) -> Fact:
        """What a fact, which holds in every round, says of round 0."""
        with checking(text):
            return self._fact(text, self.kernel.at_start(fact), "what the iterates are at round 0")

    # Rules whose results are parts of steps.

    def times(self, fact: Fact, left: Any = 1, right: Any = 1) -> Fact:
        """An equality, multiplied on both sides."""
        with checking(f"{fact}, multiplied by {left} and {right}"):
            return self._quietly(self.kernel.times(fact, left, right))

    def congruence(self, fact: Fact, by: Polynomial) -> Fact:
        """`M' X M <= M' Y M` of a fact `X <= Y`, in expectation over what M is random with."""
        with checking(f"{fact}, between {by}"):
            return self._quietly(self.kernel.congruence(fact, by))

    def square(self, root: Polynomial) -> Fact:
        """`0 <= M' M`, in expectation over what M is random with."""
        return self._quietly(self.kernel.square(root))

    # The conclusion.

    def conclude(self, fact: Fact, where: Mapping[str, Any] | None = None) -> None:
        """The fact is the theorem's statement, and nothing that it rests on was assumed.

        Args:
            fact: what was shown.
            where: by name, what the statement's symbols mean here, where that is not a scalar symbol of the same name:
                different terms that are a letter, an average, a sequence's value. The numbers must be the theorem's.
        """
        text = "this is the theorem"
        statement = self.theorem.statement
        with checking(text):
            if not self.kernel.knows(fact):
                raise ValueError(f"no rule of this kernel has made {fact}")
            for ground in fact.hypotheses:
                if ground.origin in (Origin.ASSUMED, Origin.SUPPOSED):
                    raise ValueError(f"{ground.origin}, not shown: {ground}")
            self.where = check_meanings(statement, where or {})
            if fact.sign != {sp.Eq: "=", sp.Le: "<="}[type(statement)]:
                raise ValueError(f"the theorem says {statement}, derived was {fact}")
            for side, derived in ((statement.lhs, fact.left), (statement.rhs, fact.right)):
                if not vanishes(translate(side, self.where) - derived):
                    raise ValueError(f"the theorem says {side}, derived was {derived}")
            self.judge.check_statement(self.where, statement, fact)
        self._fact(text, fact, "both sides have the normal form of the statement's")
        self.conclusion = fact
        self.proved = True
        print(f"proved: {self.theorem.name}")

    def to_markdown(self) -> str:
        """A page: the statement, its premises, and every step with its formulas and how it was checked."""
        return page(self)

    def _check_premise(self, text: str) -> None:
        known = [premise.text for premise in self.theorem.premises]
        if text not in known:
            raise StepFailedError(f"FAILED: {text}: the theorem's premises are {known}")

    def _assume(self, origin: Origin, text: str, relations: Sequence[Relation]) -> Any:
        with checking(text):
            facts = [self.kernel.assume(origin, text, relation) for relation in relations]
            models = min((self.judge.check(fact) for fact in facts), default=None)
        self._record(Step(origin, text, tuple(relations), models=models))
        return facts[0] if len(facts) == 1 else tuple(facts)

    def _fact(self, text: str, fact: Fact, how: str, origin: Origin | None = None) -> Fact:
        with checking(text):
            if origin is Origin.DEFINED:
                self.judge.define(fact)
            models = self.judge.check(fact)
        self._record(Step(origin, text, (fact.relation,), how, fact, models))
        return fact

    def _quietly(self, fact: Fact) -> Fact:
        self.judge.check(fact)
        return fact

    def _record(self, step: Step) -> None:
        self.steps.append(step)
        print(f"{step.origin or 'checked'}: {step.text}" + f"  [{step.how}]" * bool(step.how))
