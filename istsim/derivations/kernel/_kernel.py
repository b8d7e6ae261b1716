"""The rules: nothing else makes facts, and each says where it may be used."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn

import sympy as sp
from sympy.core.function import AppliedUndef, UndefinedFunction

from istsim.derivations.kernel._fact import SEAL, Derivation, Fact, Hypothesis, Origin
from istsim.derivations.kernel._language import is_index, parts, places
from istsim.derivations.kernel._reals import follows, holds_for_all
from istsim.derivations.kernel._relations import Relation, at_most, equal, less, vanishes
from istsim.derivations.kernel._rewriting import reduce
from istsim.derivations.kernel._substitution import AnotherRound
from istsim.derivations.terms._entries import Entry, entry
from istsim.derivations.terms._expectation import expect, scalar_sources
from istsim.derivations.terms._scalars import is_natural, power_of, scalar, split_powers
from istsim.derivations.terms._words import Letter, Polynomial, power, sources_of


class Kernel:
    """The facts of one proof, and the rules by which they are made.

    A term is defined only where its denominators are not 0 and its roots are of numbers that are not negative: every
    rule has the kernel show that, from the facts between numbers that are known already. What holds for an iterate and
    for the sequences e(k) holds in every round; a hypothesis about the symbol k itself, such as k > 0, does not, and no
    induction over k may rest on it. What holds for an index, as in D[i, j], or for coordinates of different names holds
    for all of them; there is an index, and there are as many coordinates as have names in a proof.

    Args:
        naturals: the symbols that are natural numbers, 0 among them. No other may be an exponent, an argument of a
            sequence or the variable of an induction.

    Example:
        >>> from istsim.derivations import Kernel, Origin, equal, matrix, vector
        >>> kernel, T, x, b = Kernel(), matrix("T"), vector("x"), vector("b")
        >>> fixed = kernel.assume(Origin.SETTING, "x is a fixed point", equal(T * x, b))
        >>> print(kernel.identity(equal(T * (x - b), b - T * b), using=[fixed]))
        -T b + T x = b - T b
    """

    def __init__(self, naturals: Iterable[sp.Symbol] = ()) -> None:
        self.naturals = frozenset(map(scalar, naturals))
        self.hypotheses: list[Hypothesis] = []
        # What each fact said when it was made.
        self._facts: weakref.WeakKeyDictionary[Fact, tuple[Relation, frozenset[Hypothesis]]]
        self._facts = weakref.WeakKeyDictionary()
        self._numbers: list[Fact] = []  # between numbers, to show where terms are defined
        self._defined: dict[tuple[str, sp.Expr], frozenset[Hypothesis]] = {}
        self._names: dict[str, Any] = {k.name: k for k in self.naturals}
        self._new: set[str] = set()  # names that the proof has given a meaning
        self._iteration: dict[Letter, tuple[Polynomial, Polynomial]] = {}
        self._round: tuple[sp.Symbol, Hypothesis] | None = None
        self._by_iterates: dict[Any, Any] = {}  # what is defined by them, and how
        self._least: dict[sp.Symbol, tuple[Relation, Hypothesis]] = {}
        self._subsets: dict[Letter, tuple[sp.Expr, Hypothesis]] = {}

    # Hypotheses and definitions.

    def assume(self, origin: Origin, text: str, relation: Relation) -> Fact:
        """A hypothesis: everything that is shown by it rests on it."""
        _check_origin(origin)
        return self._hypothesis(origin, text, relation)

    def define(self, text: str, relation: Relation) -> Fact:
        """A new name, the left side: a letter, a symbol, or the value e(k) of a new sequence, in every round k."""
        left, right = relation.left, relation.right
        self._check_names(parts(right))
        new = self._new_name(left, right)
        if relation.sign != "=":
            raise ValueError(f"a definition is an equality, got {relation}")
        if isinstance(new, Letter):
            if new.diagonal or new.idempotent or (new.symmetric and not vanishes(right - right.T)):
                raise ValueError(f"{new} has properties that {right} is not known to have")
            if not _sources(right) <= new.sources:
                raise ValueError(f"{right} is random with what {new} is not")
        elif _sources(right):
            raise ValueError(f"a number that is random has no name here, got {right}")
        # What depends on the round has a value in each, which a sequence says, and a name that is no sequence does not.
        of_round, sequence = self._depends_on_round(right), isinstance(left, AppliedUndef)
        at = set(left.args) if sequence else {k for k in self._of_round() if of_round}
        if not self._naturals_in(right) <= at or (of_round and not at & self._of_round() and not _is_past(right)):
            raise ValueError(f"{right} depends on more natural numbers than {left}")
        if of_round and sequence and not at & self._of_round():
            raise ValueError(f"{right} depends on the round, and {left} does not")
        fact = self._hypothesis(Origin.DEFINED, text, relation)
        if of_round and not sequence:
            self._by_iterates[new] = right
        return self._named(new, fact)

    def define_sum(self, text: str, total: Any, summand: Any, k: sp.Symbol) -> tuple[Fact, Fact]:
        """A new sequence `total(k)` that adds up `summand(j)` over j < k: what it is at 0, and at k + 1."""
        self._check_natural(k)
        if not isinstance(total, UndefinedFunction):
            raise ValueError(f"a sum has the name of a new sequence, got {total}")
        added = scalar(summand(k))
        self._check_names(parts(added))
        new = self._new_name(total(k), added)
        if scalar_sources(added):
            raise ValueError(f"a number that is random has no name here, got {added}")
        if not self._naturals_in(added) <= {k} or (self._depends_on_round(added) and k not in self._of_round()):
            raise ValueError(f"{added} depends on more than {k}")
        empty = self._hypothesis(Origin.DEFINED, text, equal(total(0), 0))
        return empty, self._named(new, self._hypothesis(Origin.DEFINED, text, equal(total(k + 1), total(k) + added)))

    def iterate(
        self, origin: Origin, text: str, k: sp.Symbol, rounds: Mapping[Polynomial, tuple[Polynomial, Polynomial]]
    ) -> None:
        """What letters are: iterates, which start somewhere and become something in every round.

        Args:
            origin, text: as for `assume`.
            k: the round.
            rounds: for each iterate, a plain letter, what it is at round 0, which is not random, and what it becomes.
        """
        _check_origin(origin)
        self._check_natural(k)
        if self._round is not None:
            raise ValueError("the iterates of a proof are introduced together")
        iteration: dict[Letter, tuple[Polynomial, Polynomial]] = {}
        for iterate, (start, after) in rounds.items():
            letter = _letter_of(iterate)
            if letter.symmetric or letter.idempotent or letter.transposed or not letter.sources <= {"past"}:
                raise ValueError(
                    f"an iterate is a letter without properties, random with nothing but the past: {letter}"
                )
            if letter.name in self._names:
                raise ValueError(f"{letter} has been used before it is said to be an iterate")
            drawn = letter.sources and letter.sources | {"round"}
            if _sources(start) or not _sources(after) <= drawn or start.shape != iterate.shape:
                raise ValueError(f"{letter} starts at {start} and becomes {after}: more random than {letter}")
            self._check_names(parts(iterate, start, after))
            iteration[letter] = (start, after)
        for start, _ in iteration.values():
            if self._moves(start) or parts(start).letters & set(iteration) or places(start):
                raise ValueError(f"{start} depends on the round, and no iterate starts there")
        self._iteration = iteration
        hypothesis = Hypothesis(origin, text)
        self.hypotheses.append(hypothesis)
        self._round = (k, hypothesis)

    def define_least(self, text: str, symbol: sp.Symbol, relation: Relation) -> Fact:
        """A new symbol for the least number with which a relation holds: that it holds; there must be such a number."""
        if relation.sign != "<=" or symbol not in parts(relation).symbols or not symbol.is_Symbol:
            raise ValueError(f"{symbol} must be the least number with X <= Y, got {relation}")
        if symbol.name in self._names:
            raise ValueError(f"{symbol} has a meaning already")
        if self._moves(relation):
            raise ValueError(f"the least number with {relation} is another one in every round")
        if symbol in parts(_with(relation, symbol, sp.S.One)).symbols:
            raise ValueError(f"{symbol} stands within an average or a power of a matrix in {relation}")
        fact = self._hypothesis(Origin.SETTING, text, relation)
        self._least[symbol] = (relation, self.hypotheses[-1])
        return self._named(symbol, fact)

    def uniform_subset(self, text: str, mask: Polynomial, size: Any) -> None:
        """A diagonal idempotent letter, drawn anew in every round, is 1 on a uniform subset of `size` coordinates."""
        letter = _letter_of(mask)
        if not (letter.diagonal and letter.idempotent and letter.sources):
            raise ValueError(f"a mask is diagonal, idempotent and random, got {letter}")
        if letter in self._subsets:
            raise ValueError(f"the size of {letter} is known already")
        size = scalar(size)
        self._check_names(parts(mask, size))
        if _sources(size) or self._moves(size) or places(size) or (size.is_number and not is_natural(size)):
            raise ValueError(f"the subsets of {letter} have one size, a natural number, got {size}")
        hypothesis = Hypothesis(Origin.SETTING, text)
        self.hypotheses.append(hypothesis)
        self._subsets[letter] = (size, hypothesis)

    # Equalities.

    def identity(self, relation: Relation, *, using: Sequence[Fact] = (), adding: Sequence[Fact] = ()) -> Fact:
        """Two sides have the same normal form, after rewriting by `using` and less the differences of `adding`."""
        self._check(using, adding)
        parts(relation)
        if any(fact.sign != "=" for fact in (relation, *using, *adding)):
            raise ValueError("an identity follows from equalities, and is one")
        difference = relation.left - relation.right
        for fact in adding:
            difference = difference - (fact.left - fact.right)
        rest = reduce(difference, [fact.relation for fact in using])
        if not vanishes(rest):
            raise ValueError(f"the sides differ by {rest}")
        return self._make(relation, "identity", *using, *adding, arguments=(len(using),))

    def entries(self, relation: Relation, *, using: Sequence[Fact] = ()) -> Fact:
        """Two matrices or vectors agree in every entry: in row a and columns a and b, a and b different."""
        self._check(using)
        parts(relation)
        shape = relation.left.shape if relation.of_matrices else ()
        if relation.sign != "=" or not shape or shape[1] not in (shape[0], "1"):
            raise ValueError(f"entry by entry, vectors and square matrices are compared, got {relation}")
        rules = [fact.relation for fact in using if fact.relation.of_matrices]
        between_numbers = [fact.relation for fact in using if not fact.relation.of_matrices]
        difference = reduce(relation.left - relation.right, rules)
        for place in [("a",)] if shape[1] == "1" else [("a", "a"), ("a", "b")]:
            rest = reduce(entry(difference, *place), between_numbers)
            if not vanishes(rest):
                raise ValueError(f"entries {place} differ by {rest}")
        return self._make(relation, "entries", *using)

    def times(self, fact: Fact, left: Any = 1, right: Any = 1) -> Fact:
        """An equality, multiplied on both sides."""
        self._check([fact])
        if fact.sign != "=":
            raise ValueError(f"only an equality may be multiplied by anything, got {fact}")
        factors = [value if isinstance(value, Polynomial) else scalar(value) for value in (left, right)]
        grounds = self._grounds(*factors)  # before what is 0 / 0 cancels
        relation = equal(left * fact.left * right, left * fact.right * right)
        return self._make(relation, "times", fact, arguments=(left, right), grounds=grounds)

    def chance(self, mask: Polynomial, *coordinates: str) -> Fact:
        """The probability that a uniform subset holds some different coordinates."""
        letter = _letter_of(mask)
        if letter not in self._subsets or len(set(coordinates)) != len(coordinates) or not coordinates:
            raise ValueError(f"{letter} must be the mask of a uniform subset, and coordinates different: {coordinates}")
        size, hypothesis = self._subsets[letter]
        dim, probability = sp.Symbol(letter.shape[0]), sp.S.One
        for i, _ in enumerate(coordinates):
            probability = probability * (size - i) / (dim - i)
        held = sp.Mul(*(Entry(letter, at, at) for at in coordinates))
        source = "round" if "round" in letter.sources else min(letter.sources)
        relation = equal(expect(held, source), probability)
        return self._make(relation, "chance", grounds=frozenset({hypothesis}))

    # Inequalities.

    def inequality(self, relation: Relation, *, using: Sequence[Fact] = ()) -> Fact:
        """A relation between numbers that follows from others for all real values, by z3."""
        self._check(using)
        parts(relation)
        rules = [fact.relation for fact in using if fact.relation.of_matrices]
        given = [_reduced(fact.relation, rules) for fact in using if not fact.relation.of_matrices]
        holds_for_all(_reduced(relation, rules), given)
        return self._make(relation, "inequality", *using)

    def total(self, fact: Fact, i: sp.Symbol, count: sp.Symbol, *, some: Fact | None = None) -> Fact:
        """A relation between numbers, which holds for every index i, added up over i = 0..count - 1.

        Args:
            fact: the relation.
            i: the index, which stands in the indices of numbered symbols such as D[i, j] alone.
            count: a natural number.
            some: that it is positive, which a strict relation needs.
        """
        self._check([fact], [] if some is None else [some])
        self._check_natural(count)
        if fact.relation.of_matrices or not is_index(i) or i in self.naturals:
            raise ValueError(f"relations between numbers are added up over an index, got {fact} over {i}")
        if fact.sign == "<" and (some is None or not some.relation.is_same(less(0, count))):
            raise ValueError(f"a sum of none is not less than another: show that {count} is positive")
        left, right = (
            sp.Sum(side, (i, 0, count - 1)) if i in places(side) else side * count for side in (fact.left, fact.right)
        )
        facts = [fact] if some is None else [fact, some]
        return self._make(Relation(left, fact.sign, right), "total", *facts, arguments=(i, count))

    def loewner(
        self, relation: Relation, certificate: Sequence[tuple[Any, Fact]], *, using: Sequence[Fact] = ()
    ) -> Fact:
        """`X <= Y` between matrices: `Y - X` is a sum of numbers, none negative, times matrices that are PSD."""
        self._check(using, [fact for _, fact in certificate])
        parts(relation)
        if relation.sign != "<=" or not relation.of_matrices:
            raise ValueError(f"a certificate shows X <= Y between matrices, got {relation}")
        rules = [fact.relation for fact in using if fact.relation.of_matrices]
        given = [fact.relation for fact in using if not fact.relation.of_matrices]
        rest, grounds = relation.difference, frozenset()
        for coefficient, fact in certificate:
            if fact.sign != "<=":
                raise ValueError(f"a certificate is made of X <= Y, got {fact}")
            if scalar_sources(scalar(coefficient)):
                raise ValueError(f"a coefficient of a certificate is not random, got {coefficient}")
            grounds |= self._grounds(scalar(coefficient))
            holds_for_all(at_most(0, coefficient), given)
            rest = rest - coefficient * fact.relation.difference
        named = [fact for fact in given if fact.sign == "=" and fact.left.is_Symbol]
        rest = reduce(rest, [*rules, *named])
        if not vanishes(rest):
            raise ValueError(f"the certificate misses {rest}")
        shown = [fact for _, fact in certificate]
        coefficients = tuple(coefficient for coefficient, _ in certificate)
        return self._make(relation, "loewner", *using, *shown, arguments=coefficients, grounds=grounds)

    def square(self, root: Polynomial) -> Fact:
        """`0 <= M' M`, in expectation over what M is random with: true of every matrix."""
        _check_polynomial(root)
        value = expect(root.T * root, *sorted(_sources(root)))
        return self._make(at_most(0, value), "square", arguments=(root,))

    def congruence(self, fact: Fact, by: Polynomial) -> Fact:
        """`M' X M <= M' Y M`, in expectation over what M is random with; between numbers if M is a vector."""
        self._check([fact])
        if fact.sign != "<=" or not fact.relation.of_matrices:
            raise ValueError(f"a congruence needs X <= Y between matrices, got {fact}")
        _check_polynomial(by)
        left, right = (expect(by.T * (side * by), *sorted(_sources(by))) for side in (fact.left, fact.right))
        return self._make(at_most(left, right), "congruence", fact, arguments=(by,))

    def least_is_at_most(self, symbol: sp.Symbol, number: Any, witness: Fact) -> Fact:
        """The least number with a property is at most another one that has it."""
        self._check([witness])
        if symbol not in self._least:
            raise ValueError(f"{symbol} is not defined as the least number")
        relation, hypothesis = self._least[symbol]
        # The relation says something for all outcomes, coordinates and indices: its least number is one for all.
        if scalar_sources(scalar(number)) or places(scalar(number)):
            raise ValueError(f"{symbol} is one number for all outcomes and coordinates, got {number}")
        if not _with(relation, symbol, scalar(number)).is_same(witness.relation):
            raise ValueError(f"{witness} is not {relation} with {number} for {symbol}")
        return self._make(at_most(symbol, number), "least", witness, grounds=frozenset({hypothesis}))

    # Rounds.

    def next_round(self, fact: Fact) -> Fact:
        """The fact at round k + 1: what holds in every round holds in the next."""
        k = self._check_round([fact])
        return self._make(self._at(fact.relation, k, k + 1), "next round", fact, grounds=self._ground_of_round())

    def at_start(self, fact: Fact) -> Fact:
        """The fact at round 0."""
        k = self._check_round([fact])
        return self._make(self._at(fact.relation, k, sp.S.Zero), "start", fact, grounds=self._ground_of_round())

    def induction(self, text: str, claim: Relation, k: sp.Symbol, base: Fact, step: Callable[[Fact], Fact]) -> Fact:
        """What holds at round 0, and at round k + 1 wherever it holds at round k, holds in every round.

        Args:
            text: what is claimed, for people.
            claim: the relation at round k.
            k: the symbol of the round, or another natural number that no iterate depends on.
            base: the relation at round 0.
            step: makes, from the relation at round k, the one at round k + 1.
        """
        self._check_natural(k)
        hypothesis = Hypothesis(Origin.SUPPOSED, text, (claim,))
        supposed = self._make(claim, "hypothesis", arguments=(hypothesis,), grounds=frozenset({hypothesis}))
        shown = step(supposed)
        self._check([base, shown])
        for fact, to in ((base, sp.S.Zero), (shown, k + 1)):
            if not fact.relation.is_same(self._at(claim, k, to)):
                raise ValueError(f"{claim} is at {k} = {to}: {self._at(claim, k, to)}; shown was {fact}")
        rest = (base.hypotheses | shown.hypotheses) - {hypothesis}
        self._check_every_round(rest, k)
        grounds = rest | self._ground_of_round()
        # Neither part is handed on as it stands: the second one rests on the claim at round k.
        return self._make(claim, "induction", arguments=(k, hypothesis, base, shown), grounds=grounds)

    def power_commutes(self, A: Polynomial, k: sp.Symbol) -> Fact:
        """`A^k A = A A^k`."""
        self._check_natural(k)
        return self._make(equal(power(A, k) * A, A * power(A, k)), "power commutes")

    def limit(self, text: str, symbol: sp.Symbol, fact: Fact, k: sp.Symbol, *, using: Sequence[Fact] = ()) -> Fact:
        """A new name for the limit of a sequence e(k) whose closed form is a sum of multiples of powers of numbers."""
        self._check_natural(k)
        self._check([fact], using)
        if fact.sign != "=" or not isinstance(fact.left, AppliedUndef) or fact.left.args != (k,):
            raise ValueError(f"only a sequence with a closed form has a known limit, got {fact}")
        self._check_every_round(fact.hypotheses.union(*(given.hypotheses for given in using)), k)
        if type(symbol) is not sp.Symbol:
            raise ValueError(f"a limit is a number with the name of a symbol, got {symbol}")
        self._new_name(symbol, fact.right)
        limit = split_powers(fact.right)
        powers = {
            part: sp.Dummy(str(part))
            for part in limit.atoms(AppliedUndef)
            if part.func == power_of and part.args[1] == k and not self._moves(part.args[0])
        }
        above, below = sp.cancel(limit.xreplace(powers)).as_numer_denom()
        try:
            factors = sp.Poly(above, *powers.values()).coeffs() if powers else [above]
        except sp.PolynomialError as error:
            raise ValueError(f"the limit of {fact.right} is not clear: {error}") from None
        if any(below.has(part) for part in powers.values()) or any(map(self._moves, (*factors, below))):
            raise ValueError(f"the limit of {fact.right} is not clear: what is beside its powers moves with the round")
        for part in powers:
            holds_for_all(less(sp.Abs(part.args[0]), 1), [given.relation for given in using])
        limit = sp.cancel((above / below).subs(dict.fromkeys(powers.values(), 0)))
        defined = Hypothesis(Origin.DEFINED, text, (equal(symbol, limit),))
        self.hypotheses.append(defined)
        return self._named(
            symbol, self._make(equal(symbol, limit), "limit", fact, *using, grounds=frozenset({defined}))
        )

    # What the rules share.

    def knows(self, fact: Any) -> bool:
        """Whether a rule of this kernel made it."""
        if type(fact) is not Fact:
            return False
        relation, hypotheses = self._facts.get(fact, (None, None))
        return relation is not None and relation is fact.relation and hypotheses is fact.hypotheses

    def __reduce__(self) -> NoReturn:
        raise TypeError("a kernel cannot be copied: the copy would know its facts, and not what they rest on")

    def _make(
        self,
        relation: Relation,
        rule: str,
        *facts: Fact,
        arguments: tuple[Any, ...] = (),
        grounds: frozenset[Hypothesis] = frozenset(),
    ) -> Fact:
        """The one place where facts are made."""
        self._check_names(parts(relation))
        grounds = grounds.union(*(fact.hypotheses for fact in facts)) | self._grounds(relation)
        fact = Fact(SEAL, relation, grounds, Derivation(rule, facts, arguments))
        self._facts[fact] = (fact.relation, fact.hypotheses)
        if not relation.of_matrices and not any(ground.origin is Origin.SUPPOSED for ground in grounds):
            self._numbers.append(fact)
        return fact

    def _hypothesis(self, origin: Origin, text: str, relation: Relation) -> Fact:
        hypothesis = Hypothesis(origin, text, (relation,))
        fact = self._make(relation, "hypothesis", arguments=(hypothesis,), grounds=frozenset({hypothesis}))
        self.hypotheses.append(hypothesis)
        return fact

    def _check(self, *facts: Iterable[Fact]) -> None:
        for fact in (fact for several in facts for fact in several):
            if not self.knows(fact):
                raise ValueError(f"no rule of this kernel has made {fact}")

    def _grounds(self, *terms: Any) -> frozenset[Hypothesis]:
        """What it rests on that the terms are defined."""
        grounds: frozenset[Hypothesis] = frozenset()
        for condition in sorted(parts(*terms).conditions, key=str):
            if condition not in self._defined:
                self._defined[condition] = self._shown(*condition)
            grounds |= self._defined[condition]
        return grounds

    def _shown(self, sign: str, value: sp.Expr) -> frozenset[Hypothesis]:
        near: list[Fact] = []
        names = parts(value).names | value.free_symbols | {value}
        for _ in range(3):
            near = [fact for fact in self._numbers if _atoms(fact.relation) & names][-40:]
            if follows(sign, value, [fact.relation for fact in near]):
                return frozenset().union(*(fact.hypotheses for fact in near))
            names = names.union(*(_atoms(fact.relation) for fact in near))
        raise ValueError(f"nothing shows that {value} is {'not 0' if sign == '!=' else 'not negative'}")

    def _check_names(self, found: Any) -> None:
        """One meaning a name, and natural numbers where natural numbers are needed."""
        if clash := found.dimensions & (self._new | {k.name for k in self.naturals}):
            raise ValueError(f"{sorted(clash)} have meanings already, and are no dimensions")
        for name in found.names | {sp.Symbol(label) for label in found.dimensions}:
            text = name.name if isinstance(name, Letter | sp.Symbol) else str(name)
            if self._names.setdefault(text, name) != name:
                raise ValueError(f"{text} has two meanings: {self._names[text]!r} and {name!r}")
        if unnatural := {one for one in found.arguments | found.exponents if one not in self.naturals}:
            raise ValueError(f"{sorted(map(str, unnatural))} must be natural numbers: say so to the kernel")

    def _check_natural(self, k: sp.Symbol) -> None:
        if k not in self.naturals:
            raise ValueError(f"{k} is not known to be a natural number")

    def _new_name(self, left: Any, right: Any) -> Any:
        """The one name in the left side, which must be new."""
        new: Any = _letter_of(left) if isinstance(left, Polynomial) else left
        if isinstance(new, AppliedUndef):
            if new.args[0] not in self.naturals:
                raise ValueError(f"a sequence is defined at every round, by its value at k, got {new}")
            name, new = str(new.func), new.func
        elif type(new) is sp.Symbol or (type(new) is Letter and not new.transposed):
            name = new.name
        else:
            raise ValueError(f"a definition gives one new name, got {left}")
        if name in self._names or any(str(each) == name for each in parts(right).names):
            raise ValueError(f"{name} has a meaning already")
        if at := places(right):
            raise ValueError(f"{name} would be one thing for all of {sorted(map(str, at))}: {right} may depend on them")
        return new

    def _named(self, new: Any, fact: Fact) -> Fact:
        self._new.add(str(new))
        return fact

    def _depends_on_round(self, term: Any) -> bool:
        found = parts(term)
        names = {*self._iteration, *self._by_iterates, *self._of_round()}
        return _is_past(term) or bool(names & (found.letters | found.symbols | found.arguments | found.exponents))

    def _of_round(self) -> set[sp.Symbol]:
        return set() if self._round is None else {self._round[0]}

    def _naturals_in(self, term: Any) -> frozenset[sp.Symbol]:
        found = parts(term)
        return self.naturals & (found.symbols | found.arguments | found.exponents)

    def _moves(self, term: Any) -> bool:
        """Whether a term may have different values for different natural numbers."""
        return bool(self._naturals_in(term)) or self._depends_on_round(term)

    def _check_round(self, facts: Sequence[Fact]) -> sp.Symbol:
        self._check(facts)
        if self._round is None:
            raise ValueError("there are no iterates, so that nothing is known of the next round")
        self._check_every_round(frozenset().union(*(fact.hypotheses for fact in facts)), self._round[0])
        return self._round[0]

    def _check_every_round(self, hypotheses: Iterable[Hypothesis], k: sp.Symbol) -> None:
        for hypothesis in hypotheses:
            found = parts(*hypothesis.relations)
            local = k in found.symbols | found.exponents and hypothesis.origin is not Origin.DEFINED
            if local or hypothesis.origin is Origin.SUPPOSED:
                raise ValueError(
                    f"this does not hold in every round, and nothing that does may rest on it: {hypothesis}"
                )

    def _ground_of_round(self) -> frozenset[Hypothesis]:
        return frozenset() if self._round is None else frozenset({self._round[1]})

    def _at(self, relation: Relation, k: sp.Symbol, to: sp.Expr) -> Relation:
        """The relation at another round."""
        letters: dict[Letter, Any] = {}
        symbols: dict[sp.Symbol, Any] = {}
        if self._round is None or k == self._round[0]:
            for letter, (start, after) in self._iteration.items():
                letters[letter] = start if to == 0 else after
            there = AnotherRound(k, to, letters, symbols)
            for name, value in self._by_iterates.items():  # in the order of their definitions
                known = letters if isinstance(name, Letter) else symbols
                try:
                    known[name] = there.of(value)
                except ValueError:
                    known[name] = None
        there = AnotherRound(k, to, letters, symbols)
        return Relation(there.of(relation.left), relation.sign, there.of(relation.right))


def _letter_of(polynomial: Polynomial) -> Letter:
    """The letter that a polynomial is."""
    terms = list(polynomial.terms.items()) if isinstance(polynomial, Polynomial) else []
    if len(terms) != 1 or len(terms[0][0]) != 1 or terms[0][1] != 1:
        raise ValueError(f"expected one letter, got {polynomial}")
    return terms[0][0][0]


def _sources(term: Any) -> frozenset[str]:
    """What a term is random with."""
    if not isinstance(term, Polynomial):
        return scalar_sources(term)
    return frozenset().union(*(sources_of(word) | scalar_sources(value) for word, value in term.terms.items()))


def _reduced(relation: Relation, rules: Sequence[Relation]) -> Relation:
    return Relation(reduce(relation.left, rules), relation.sign, reduce(relation.right, rules))


def _atoms(relation: Relation) -> set[Any]:
    return {atom for side in (relation.left, relation.right) for atom in side.free_symbols | side.atoms(AppliedUndef)}


def _with(relation: Relation, symbol: sp.Symbol, number: sp.Expr) -> Relation:
    """A relation with a number in the place of a symbol."""

    def changed(side: Any) -> Any:
        if not isinstance(side, Polynomial):
            return side.subs(symbol, number)
        return Polynomial(side.shape, [(word, factor.subs(symbol, number)) for word, factor in side.terms.items()])

    return Relation(changed(relation.left), relation.sign, changed(relation.right))


def _is_past(term: Any) -> bool:
    """Whether a letter in it is random with the past, so that it is another one in every round."""
    return any("past" in letter.sources for letter in parts(term).letters)


def _check_origin(origin: Origin) -> None:
    if type(origin) is not Origin or origin in (Origin.DEFINED, Origin.SUPPOSED):
        raise ValueError(f"what is {origin} has rules of its own")


def _check_polynomial(value: Any) -> None:
    if not isinstance(value, Polynomial):
        raise ValueError(f"expected a matrix or a vector, got {value!r}")
    parts(value)
