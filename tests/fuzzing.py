"""Random applications of the kernel's rules to true facts, many of them wrong, and what comes out in numbers."""

import collections
import dataclasses
import itertools
from typing import ClassVar

import numpy as np
import scipy.linalg
import sympy as sp

from istsim.derivations import (
    Judge,
    Kernel,
    Model,
    Origin,
    Polynomial,
    Relation,
    at_most,
    diagonal_of,
    entry,
    equal,
    expect,
    inverse,
    less,
    matrix,
    power,
    reduce,
    trace,
    vector,
)
from istsim.derivations._judge import _World
from istsim.derivations.kernel._language import places

a, b, c, d, k, n, gamma, zero = sp.symbols("a b c d k n gamma zero")
e, g = sp.Function("e"), sp.Function("g")
i = sp.Symbol("i", integer=True)
D = sp.IndexedBase("D")[i]
A, B = matrix("A"), matrix("B", random="round")
S, M = matrix("S", symmetric=True), matrix("M", symmetric=True)
P = matrix("P", diagonal=True, idempotent=True, random="round")
R = matrix("R", shape=("d", "m"))
v, y, x, x0 = vector("v"), vector("y"), vector("x", random="past"), vector("x_0")
APPLICATIONS = 40  # in one world


class NoTheorem:
    """Nothing but what the model gives."""

    def constants(self, instance):
        return {}

    def sequences(self, instance):
        return {}


class World(_World):
    """The judge's, which looks at all coordinates and indices also of what stands before matrices."""

    def _places(self, relation):
        found = sorted(places(relation.left) | places(relation.right), key=str)
        names, numbers = ([at for at in found if isinstance(at, str) is kind] for kind in (True, False))
        coordinates = itertools.permutations(range(self.model.dims["d"]), len(names))
        indices = itertools.product(range(self.model.indices["i"]), repeat=len(numbers))
        return [
            (dict(zip(names, one, strict=True)), dict(zip(map(str, numbers), two, strict=True)))
            for one, two in itertools.product(coordinates, list(indices))
        ]


@dataclasses.dataclass
class Count:
    """How many facts each rule has made, and those that are false."""

    tried: int = 0
    made: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    false: list = dataclasses.field(default_factory=list)


class Composer:
    """A world, a kernel with true hypotheses about it, and random applications of its rules.

    Args:
        rng: decides everything.
        count: where facts are counted.
    """

    def __init__(self, rng, count):
        self.rng, self.count = rng, count
        size = int(rng.integers(2, 4))
        held = int(rng.integers(1, size))
        subsets = list(itertools.combinations(range(size), held))
        roots = rng.standard_normal((2, size, size))
        small = roots[0] @ roots[0].T + 0.2 * np.eye(size)
        factor, base, growth = rng.uniform(0.1, 0.9), rng.standard_normal(), rng.uniform(0.1, 2)
        slack = rng.uniform(0, 1, 50)
        worlds = Model(
            instance=None,
            dims={"d": size, "m": 2},
            outcomes={"round": [1 / len(subsets)] * len(subsets)},
            letters={
                "A": rng.standard_normal((size, size)),
                "B": rng.standard_normal((len(subsets), size, size)),
                "P": np.array([np.diag([float(at in subset) for at in range(size)]) for subset in subsets]),
                "S": small,
                "M": small + roots[1] @ roots[1].T,
                "R": rng.standard_normal((size, 2)),
                "v": rng.standard_normal((size, 1)),
                "y": rng.standard_normal((size, 1)),
                "x_0": rng.standard_normal((size, 1)),
            },
            numbers={
                "a": rng.choice([0, 1, -2, *rng.standard_normal(2)]),
                "b": growth,
                "gamma": factor,
                "zero": 0.0,
                "n": 3,
                "D": rng.uniform(0.5, 2, 3),
            },
            sequences={
                "e": lambda at, _: factor**at * base + growth * (1 - factor**at) / (1 - factor),
                "g": lambda at, _: base**2 * factor**at * float(np.prod(slack[:at])),
            },
            indices={"i": 3},
        )
        self.model = worlds
        self.worlds = [World(dataclasses.replace(worlds, k=at), NoTheorem()) for at in range(3)]
        self.judge = Judge(NoTheorem(), None)
        self.judge._worlds = self.worlds
        self.kernel = Kernel([k, n])
        self.facts, self.letters, self.symbols, self.defined = [], [A, S, M, B, P], [a, b, gamma, zero, e(k), e(0)], 0
        self.begin(size, held)

    # What is random.

    def pick(self, values):
        return values[int(self.rng.integers(len(values)))]

    def often(self, probability=0.5):
        return self.rng.random() < probability

    def square(self, depth=2):
        """A square matrix."""
        kinds = ["sum", "product", "product", "transpose", "mean", "scaled", "letter"] if depth else ["letter", "outer"]
        match self.pick(kinds):
            case "letter":
                choices = [*self.letters, diagonal_of(A), diagonal_of(S), power(A, k), inverse(S), A**0, R * R.T]
                return self.pick(choices)
            case "outer":
                return self.vector(0) * self.vector(0).T
            case "sum":
                return self.square(depth - 1) + self.pick([1, -1, 2]) * self.square(depth - 1)
            case "product":
                return self.square(depth - 1) * self.square(depth - 1)
            case "transpose":
                return self.square(depth - 1).T
            case "mean":
                return expect(self.square(depth - 1), self.pick(["round", "past"]))
            case _:
                return self.scalar(0) * self.square(depth - 1)

    def vector(self, depth=1):
        """A column."""
        if not depth:
            return self.pick([v, y, x, x0])
        return self.pick([lambda: self.square(1) * self.vector(0), lambda: self.vector(0) - self.vector(0)])()

    def scalar(self, depth=1):
        """A number."""
        if not depth:
            held = entry(P, "a", "a")
            return self.pick(
                [
                    *self.symbols,
                    gamma**k,
                    a**k,
                    1 / gamma,
                    1 / b,
                    sp.sqrt(b),
                    k,
                    D,
                    sp.Integer(2),
                    held,
                    sp.Abs(a),
                    entry(A, "a", "b"),
                    e(k + 1),
                    g(k),
                    sp.Sum(D, (i, 0, n - 1)),
                    1 / (1 + k),
                    gamma ** (k + 1),
                ]
            )
        kind = self.pick(["sum", "product", "form", "trace", "mean"])
        if kind == "form":
            return self.vector(1).T * self.vector(0)
        if kind == "trace":
            return trace(self.square(1))
        if kind == "mean":
            return expect(self.scalar(depth - 1), self.pick(["round", "past"]))
        one, two = self.scalar(depth - 1), self.scalar(depth - 1)
        return one + self.pick([1, -1, 2]) * two if kind == "sum" else sp.expand(one * two)

    def term(self):
        return self.pick([self.square, self.vector, self.scalar])()

    def known(self, test, most=3):
        """Some of the facts with a property."""
        facts = [fact for fact in self.facts[-60:] if test(fact)]
        return [self.pick(facts) for _ in range(int(self.rng.integers(most + 1)))] if facts else []

    def spoiled(self, term):
        """Something else, in most cases, that a careless rule might take for the same."""
        if not isinstance(term, Polynomial):
            return self.pick([term, term + self.pick([a, 1, e(k)]), -term, term * 2, sp.Abs(term), term * gamma])
        word = [
            (tuple(self.rng.permutation(np.array(letters, dtype=object))), value)
            for letters, value in term.terms.items()
        ]
        others = [lambda: 2 * term, lambda: term + 0 * term, lambda: -term, lambda: expect(term, "round")]
        if term.shape[0] == term.shape[1]:
            others += [lambda: term.T, lambda: term + 1, lambda: Polynomial(term.shape, word)]
        return self.pick(others)()

    # Rules: each makes a fact, or raises ValueError.

    def begin(self, size, held):
        """The hypotheses, which are true."""
        kernel = self.kernel
        after = self.pick([x - gamma * (B * x - y), A * x + y, B * x, P * x + gamma * v])
        kernel.iterate(Origin.SETTING, "the round", k, {x: (x0, after)})
        self.judge.iterates({x: (x0, after)})
        hypotheses = [
            less(0, gamma), less(gamma, 1), less(0, b), equal(zero, 0), less(1, d), equal(d, size), equal(n, 3),
            at_most(S, M), at_most(0, S), equal(inverse(S) * S, S**0), equal(S * inverse(S), S**0),
            equal(e(k + 1), gamma * e(k) + b), at_most(g(k + 1), gamma * g(k)), at_most(0, g(k)),
            less(0, D), at_most(0, P), less(0, 1 + k), at_most(0, k), less(0, k), at_most(k, 1), equal(k, 0),
        ]  # fmt: skip
        for relation in hypotheses:
            local = k in relation.left.free_symbols | relation.right.free_symbols if not relation.of_matrices else False
            bare = local and not relation.left.atoms(sp.Function) | relation.right.atoms(sp.Function)
            if self.often(0.15 if bare else 0.85) or relation.is_same(less(0, gamma)):
                self.facts.append(kernel.assume(Origin.SETTING, "so", relation))
        kernel.uniform_subset("subsets", P, held)
        for fact in self.facts:
            self.judge.check(fact)

    def identity(self):
        using = self.known(lambda fact: fact.sign == "=")
        adding = self.known(lambda fact: fact.sign == "=", 1) if self.often(0.3) else []
        left = self.term()
        right = reduce(left, [fact.relation for fact in using])
        for fact in adding:
            left, right = left + fact.left, right + fact.right
        return self.kernel.identity(
            equal(left, self.spoiled(right) if self.often() else right), using=using, adding=adding
        )

    def times(self):
        (fact, *_) = self.known(lambda fact: True) or [None]
        factors = (self.pick([1, self.scalar(0), self.square(0), self.vector(0).T]), self.pick([1, self.square(0)]))
        return self.kernel.times(fact, *factors)

    def square_of(self):
        return self.kernel.square(self.pick([self.square, self.vector])(1))

    def congruence(self):
        (fact, *_) = self.known(lambda fact: fact.sign == "<=" and fact.relation.of_matrices) or [None]
        return self.kernel.congruence(fact, self.pick([self.square, self.vector])(1))

    def loewner(self):
        parts = self.known(lambda fact: fact.sign == "<=" and fact.relation.of_matrices)
        weights = [self.pick([1, 2, gamma, 1 - gamma, a**2, b, a, -1, e(k) ** 2, gamma**k]) for _ in parts]
        using = self.known(lambda fact: not fact.relation.of_matrices)
        left = self.square(1)
        right = left
        for weight, fact in zip(weights, parts, strict=True):
            right = right + weight * fact.relation.difference
        claim = at_most(left, self.spoiled(right) if self.often(0.3) else right)
        return self.kernel.loewner(claim, list(zip(weights, parts, strict=True)), using=using)

    def inequality(self):
        using = self.known(lambda fact: not fact.relation.of_matrices, 4)
        if using and self.often(0.6):
            weights = [self.pick([1, 1, 2, gamma, b, -1, 1 + k]) for _ in using]
            left, right = (
                sum(weight * side for weight, side in zip(weights, sides, strict=True))
                for sides in zip(*((fact.left, fact.right) for fact in using), strict=True)
            )
            extra = self.pick([0, 0, b, a**2, g(k), gamma, a])
            return self.kernel.inequality(
                Relation(left, self.pick(["<=", "<=", "<", "="]), right + extra), using=[*using, *self.facts[:3]]
            )
        sides = [side for fact in using for side in (fact.left, fact.right)] + [self.scalar(), sp.S.Zero]
        one, two = self.pick(sides), self.pick(sides)
        claim = Relation(
            self.pick([one, one + two, one * 2]), self.pick(["<=", "<", "="]), self.pick([two, one + two + b])
        )
        return self.kernel.inequality(claim, using=using)

    def entries(self):
        using = self.known(lambda fact: fact.sign == "=", 2)
        one, two, three = (self.pick([A, S, P, diagonal_of(A), diagonal_of(S), expect(B, "round")]) for _ in range(3))
        left = self.pick(
            [one, P * one, one * P, one + two, P * one * diagonal_of(A), expect(P * A * P, "round"), y, P * y]
        )
        right = self.pick([left, left.T, one, one * P, P * P * left, self.spoiled(left)])
        if self.often(0.2):
            left, right = P * diagonal_of(one) * three, diagonal_of(one) * P * three
        return self.kernel.entries(equal(left, right), using=using)

    def chance(self):
        return self.kernel.chance(P, *self.pick([["a"], ["a", "b"], ["a", "a"], ["b"], ["a", "b", "c"]]))

    def define(self):
        self.defined += 1
        if self.often():
            name = matrix(
                f"N_{self.defined}", random=self.pick(["", "round", "past", "round past"]), symmetric=self.often(0.3)
            )
            fact = self.kernel.define("so", equal(name, self.square(1)))
            self.letters.append(name)
        else:
            name = self.pick([sp.Symbol(f"c_{self.defined}"), sp.Function(f"f_{self.defined}")(k)])
            fact = self.kernel.define("so", equal(name, self.scalar()))
            self.symbols.append(name)
        self.judge.define(fact)
        return fact

    def define_sum(self):
        self.defined += 1
        total, added = sp.Function(f"T_{self.defined}"), self.pick([e(k), g(k), self.scalar()])
        facts = self.kernel.define_sum("so", total, lambda at: added, k)
        self.judge.define_sum(total, lambda at: added, k)
        self.symbols.append(total(k))
        self.facts.append(facts[0])
        return facts[1]

    def next_round(self):
        return self.kernel.next_round(self.pick(self.facts[-30:]))

    def at_start(self):
        return self.kernel.at_start(self.pick(self.facts[-30:]))

    def induction(self):
        kernel, using = self.kernel, self.known(lambda fact: True, 4)
        claims = [
            at_most(0, g(k)), at_most(e(0) - e(0), g(k)), at_most(g(k), g(0)), at_most(g(k), gamma**k * g(0)),
            equal(e(k), gamma**k * e(0) + b * (1 - gamma**k) / (1 - gamma)), equal(e(k), gamma**k * e(0)),
            at_most(e(k), e(0) + k * b), at_most(e(k), k), at_most(k * e(k), 0), at_most(0, k), at_most(k, 0),
            equal(k, 0), at_most(k * self.pick(self.symbols), 0), at_most(k * self.pick(self.symbols), self.scalar(0)),
            equal(power(A, k) * v, v + k * (A * v)), equal(power(A, k) * A, A * power(A, k)),
            Relation(self.scalar(), self.pick(["=", "<="]), self.scalar()),
        ]  # fmt: skip
        claim = self.pick(claims)
        recurrences = [fact for fact in self.facts if str(fact.left) in ("e(k + 1)", "g(k + 1)")]
        numbers = [fact for fact in [*using, *recurrences, *self.facts[:5]] if not fact.relation.of_matrices]
        equalities = [fact for fact in using if fact.sign == "="] + [fact for fact in recurrences if fact.sign == "="]

        def show(relation, supposed):
            if relation.of_matrices or (relation.sign == "=" and self.often()):
                return kernel.identity(relation, using=[*(equalities if supposed else []), *supposed])
            return kernel.inequality(relation, using=[*numbers, *supposed])

        base = show(kernel._at(claim, k, sp.S.Zero), [])

        def step(supposed):
            self.facts.append(supposed)  # it leaks, and must be of no use
            return show(kernel._at(claim, k, k + 1), [supposed])

        return kernel.induction("so", claim, k, base, step)

    def power_commutes(self):
        return self.kernel.power_commutes(self.square(1), k)

    def limit(self):
        self.defined += 1
        closed = self.known(lambda fact: fact.sign == "=" and str(fact.left).endswith("(k)"), 1)
        if not closed or self.often():
            name = sp.Function(f"l_{self.defined}")
            right = self.pick([b + a * gamma**k, gamma**k * gamma ** (2 * k) + 1, a**k, gamma**k * e(k), gamma**k * k])
            closed = [self.kernel.define("so", equal(name(k), right))]
            self.judge.define(closed[0])
        symbol = sp.Symbol(f"limit_{self.defined}")
        fact = self.kernel.limit("so", symbol, closed[0], k, using=self.facts[:5])
        if self.is_about_its_world(fact):
            far = self.worlds[0].at(400).scalar(closed[0].left.subs(k, 400)).item()
            there = self.worlds[0].at().scalar(fact.right).item()
            if abs(far - there) > 1e-6 * max(1, abs(there)):
                self.count.false.append(f"{closed[0]} has the limit {fact.right}: {far} is not {there}")
        self.judge.define(fact)
        self.symbols.append(symbol)
        return fact

    def least(self):
        small, large = self.pick([(S, M), (M, S), (A * A.T, M), (S, S)])
        if c in self.kernel._least:
            number = self.pick([1, 2, b, gamma, a**2, c - 1, c])
            witnesses = self.known(lambda fact: fact.sign == "<=" and fact.relation.of_matrices)
            return self.kernel.least_is_at_most(c, number, self.pick([*witnesses, None]))
        values = [self.worlds[0].value(side) for side in (small, large)]
        self.model.numbers["c"] = float(scipy.linalg.eigvalsh(*values).max())
        return self.kernel.define_least("so", c, at_most(small, c * large))

    def total(self):
        (fact, *_) = self.known(lambda fact: not fact.relation.of_matrices) or [None]
        some = [fact for fact in self.facts if fact.relation.is_same(equal(n, 3))]
        positive = self.kernel.inequality(less(0, n), using=some) if self.often() else None
        return self.kernel.total(fact, i, n, some=positive)

    RULES: ClassVar = {
        identity: 10, times: 4, square_of: 2, congruence: 4, loewner: 5, inequality: 6, entries: 3, chance: 1,
        define: 3, define_sum: 1, next_round: 5, at_start: 4, induction: 4, power_commutes: 1, limit: 1, least: 2,
        total: 1,
    }  # fmt: skip

    def is_about_its_world(self, fact):
        """Whether all that the fact rests on is true in some round of the world: what is supposed need not be."""
        return not any(ground.origin is Origin.SUPPOSED for ground in fact.hypotheses)

    def compose(self):
        """Apply a random rule, and look at what it makes."""
        rules, weights = list(self.RULES), np.array(list(self.RULES.values()), float)
        rule = rules[self.rng.choice(len(rules), p=weights / weights.sum())]
        self.count.tried += 1
        try:
            fact = rule(self)
        except (ValueError, AttributeError, TypeError):
            return
        self.count.made[rule.__name__] += 1
        self.facts.append(fact)
        if not self.is_about_its_world(fact):
            return
        try:
            self.judge.check(fact)
        except ValueError as error:
            if "no model has such a round" not in str(error):
                self.count.false.append(f"{rule.__name__}: {fact}: {error}")
        if fact.relation.is_same(Relation(sp.S.One, "=", sp.S.Zero)):
            self.count.false.append(f"{rule.__name__}: 1 = 0 by {sorted(map(str, fact.hypotheses))}")


def fuzz(seed, compositions):
    """So many random compositions; no fact that they make is false."""
    count, rng = Count(), np.random.default_rng(seed)
    while count.tried < compositions:
        composer = Composer(rng, count)
        for _ in range(min(APPLICATIONS, compositions - count.tried)):
            composer.compose()
    return count
