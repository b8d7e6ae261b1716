"""The second judge: numbers in the place of all letters, from instances of the theorem, and no rule of the kernel."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import sympy as sp
from sympy.core.function import AppliedUndef

from istsim.derivations.kernel import Fact, Origin, Relation
from istsim.derivations.terms._entries import DiagonalPart
from istsim.derivations.terms._expectation import Entry, Mean, ScalarMean
from istsim.derivations.terms._words import Inverse, Letter, Polynomial, Power, Trace, Word
from istsim.theorems import Theorem
from istsim.theorems._instance import Instance

MODELS = 20
TOLERANCE = 1e-8


@dataclasses.dataclass(frozen=True)
class Model:
    """Numbers for the letters of a proof, made from an instance of its theorem.

    Iterates, definitions, least numbers and the theorem's own symbols need none: the judge computes them.

    Attributes:
        instance: the instance, inside the theorem's premises.
        k: the round at which steps are looked at, or another natural number of that name.
        dims: the sizes of the dimensions, by their labels in the letters' shapes.
        outcomes: for each source of randomness but the past, the probabilities of its outcomes.
        letters: for each letter by name, its entries, with one leading axis for each of its sources in alphabetical
            order. Vectors are columns.
        numbers: for each scalar symbol by name, its value; for one with indices, an array.
        sequences: for each sequence by name that is not defined in the proof, its value at a round, given the indices.
        indices: for each index by name, how many values it has.
    """

    instance: Instance
    k: int = 0
    dims: Mapping[str, int] = dataclasses.field(default_factory=dict)
    outcomes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    letters: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    numbers: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    sequences: Mapping[str, Callable[[int, Mapping[str, int]], float]] = dataclasses.field(default_factory=dict)
    indices: Mapping[str, int] = dataclasses.field(default_factory=dict)


class Judge:
    """Holds the steps of a proof against numbers.

    Args:
        theorem: what is proved.
        model: makes a model, given a random generator; None for a judge that accepts everything but a conclusion.
    """

    def __init__(self, theorem: Theorem, model: Callable[[Any], Model] | None) -> None:
        self._worlds: list[_World] = []
        if model is None:
            return
        for seed in range(MODELS):
            made = model(np.random.default_rng(seed))
            if failed := theorem.failing_premise(made.instance):
                raise ValueError(f"a model must be inside the theorem's premises; this one fails: {failed}")
            self._worlds.append(_World(made, theorem))

    def iterates(self, rounds: Mapping[Polynomial, tuple[Polynomial, Polynomial]]) -> None:
        """What the iterates are at round 0, and what a round makes of them."""
        for world in self._worlds:
            for x, (start, after) in rounds.items():
                world.iterates[_name(x)] = (start, after)

    def define(self, fact: Fact) -> None:
        """What a new letter, symbol or sequence is."""
        left = fact.left
        if isinstance(left, Polynomial):
            name = _name(left)
        else:
            name = left.name if isinstance(left, sp.Symbol) else str(left.func)
        for world in self._worlds:
            world.definitions[name] = fact.right

    def define_sum(self, total: Any, summand: Any, k: sp.Symbol) -> None:
        """A new sequence, the sum of another one over earlier rounds."""
        for world in self._worlds:
            world.sums[str(total)] = summand(k)

    def uniform_subset(self, mask: Polynomial, size: Any) -> None:
        """Make sure that every subset of that size is drawn with the same probability, whatever the worker.

        Raises:
            ValueError: if it is not.
        """
        for world in self._worlds:
            world.check_uniform(_letter(mask), round(world.at().scalar(sp.sympify(size)).item()))

    def check(self, fact: Fact) -> int:
        """Make sure that a fact is true in every model in which the round is as supposed, and that there is one.

        Returns:
            The number of models in which it is true.

        Raises:
            ValueError: if it is not.
        """
        if not self._worlds:
            return 0
        seen = 0
        for world in self._worlds:
            if all(world.holds(relation) for relation in _about_the_round(fact, world)):
                seen += 1
                if not world.holds(fact.relation):
                    raise ValueError(f"it is false in a model: {world.shown(fact.relation)}")
        if not seen:
            raise ValueError("no model has such a round")
        return seen

    def check_statement(self, where: Mapping[sp.Basic, Any], statement: Any, fact: Fact) -> None:
        """Make sure that the symbols of the statement have the values that the theorem gives them, in all its rounds.

        Raises:
            ValueError: if one has another, if the fact holds in fewer rounds, or there is no model.
        """
        if not self._worlds:
            raise ValueError("a proof without models concludes nothing: Proof(name, model)")
        for world in self._worlds:
            for relation in _about_the_round(fact, world):
                for at in np.ravel(world.sequences.get(world.round_name, [])):
                    if not _holds_at(relation, sp.Symbol(world.round_name), int(at)):
                        raise ValueError(f"the theorem is about round {at}, too, and the proof about {relation}")
            for symbol in statement.free_symbols:
                if isinstance(symbol, sp.Indexed):
                    continue  # its array is another one of the symbols
                expected, found = world.of_theorem(symbol), world.value(where.get(symbol, symbol))
                if expected is not None and not _close(np.asarray(found), np.asarray(expected)):
                    raise ValueError(f"{symbol} is {expected} in an instance of the theorem, and here {found}")


def _about_the_round(fact: Fact, world: _World) -> list[Relation]:
    """The hypotheses about the symbol of the round itself, which hold in some rounds only."""
    k = sp.Symbol(world.round_name)
    return [
        relation
        for hypothesis in fact.hypotheses
        if hypothesis.origin not in (Origin.DEFINED, Origin.SUPPOSED)
        for relation in hypothesis.relations
        if not relation.of_matrices
        # With anything else in it, it would be about that in disguise, as 2 k <= a k is about a.
        and {k} == relation.left.free_symbols | relation.right.free_symbols
        and not any(side.has(AppliedUndef) for side in (relation.left, relation.right))
    ]


def _holds_at(relation: Relation, k: sp.Symbol, at: int) -> bool:
    gap = relation.difference.subs(k, at)
    return bool({"=": gap == 0, "<=": gap >= 0, "<": gap > 0}[relation.sign])


class _World:
    """A model, with what the proof adds to it."""

    round_name = "k"

    def __init__(self, model: Model, theorem: Theorem) -> None:
        self.model = model
        self.iterates: dict[str, tuple[Any, Any]] = {}
        self.definitions: dict[str, Any] = {}
        self.sums: dict[str, Any] = {}
        self.sources = sorted({"past", "round", *model.outcomes})
        self.values: dict[tuple[int, Letter], tuple[np.ndarray, float]] = {}
        self._rounds: dict[int, _Round] = {}
        constants = theorem.constants(model.instance)
        self.constants = {str(symbol): value for symbol, value in constants.items()}
        sequences = theorem.sequences(model.instance)
        self.sequences = {str(symbol): value for symbol, value in sequences.items()}

    def at(self, k: int | None = None, **indices: int) -> _Round:
        k = self.model.k if k is None else k
        if indices:
            return _Round(self, k, indices)
        return self._rounds.setdefault(k, _Round(self, k, {}))

    def of_theorem(self, symbol: sp.Basic) -> Any:
        """The value that the theorem gives a symbol of its statement; None for the round."""
        name = str(symbol)
        if name in self.constants:
            return self.constants[name]
        if name in self.sequences:
            return np.asarray(self.sequences[name])[self._place()]
        return self.model.k if name == self.round_name else None

    def _place(self) -> int:
        """Where the round stands in the theorem's sequences."""
        return list(self.sequences[self.round_name]).index(self.model.k) if self.round_name in self.sequences else 0

    def value(self, term: Any) -> Any:
        """A term that is not random, as an array without axes of outcomes."""
        if isinstance(term, sp.Symbol) and (array := self.array(term.name)) is not None:
            return array
        found = self.at().polynomial(term) if isinstance(term, Polynomial) else self.at().scalar(sp.sympify(term))
        return found.reshape(found.shape[len(self.sources) :])

    def array(self, name: str) -> np.ndarray | None:
        """The entries of a symbol with indices, or all values of an index."""
        if name in self.model.indices:
            return np.arange(self.model.indices[name])
        value = self.model.numbers.get(name, self.constants.get(name))
        return None if np.ndim(value) == 0 else np.asarray(value)

    def holds(self, relation: Relation) -> bool:
        """Whether it is true for all outcomes, indices and coordinates."""
        return all(gap <= TOLERANCE * max(scale, 1e-300) for gap, scale in self._gaps(relation))

    def shown(self, relation: Relation) -> str:
        gap, scale = max(self._gaps(relation), key=lambda found: found[0] / max(found[1], 1e-300))
        return f"{relation} fails by {gap:.3g}, where terms are as large as {scale:.3g}, at round {self.model.k}"

    def _gaps(self, relation: Relation) -> list[tuple[float, float]]:
        """By how much it fails, at most 0 where it holds, and the size of its terms, at every place."""
        found = []
        for coordinates, indices in self._places(relation):
            here = dataclasses.replace(self.at(**indices), coordinates=coordinates)
            compute = here.polynomial if relation.of_matrices else here.scalar
            left, right = compute(relation.left), compute(relation.right)
            scale = max(float(np.abs(left).max()), float(np.abs(right).max()), here.scale, 1e-12)
            if not (np.isfinite(left).all() and np.isfinite(right).all()):
                found.append((math.inf, 1.0))
            elif relation.sign == "=":
                found.append((float(np.abs(left - right).max()), scale))
            elif relation.of_matrices:
                difference = right - left
                symmetric = (difference + np.swapaxes(difference, -1, -2)) / 2
                asymmetric = np.abs(difference - symmetric).max()
                found.append((max(float(asymmetric), -float(np.linalg.eigvalsh(symmetric).min())), scale))
            else:
                # A strict one fails where both sides agree to rounding.
                strict = 2 * TOLERANCE * scale if relation.sign == "<" else 0.0
                found.append((float((left - right).max()) + strict, scale))
        return found

    def _places(self, relation: Relation) -> list[tuple[dict[str, int], dict[str, int]]]:
        """Different coordinates for the names of entries, and all values of free indices."""
        if relation.of_matrices:
            return [({}, {})]
        names: dict[str, dict[str, None]] = {}  # by dimension, in order
        indices: dict[str, int] = {}
        for side in (relation.left, relation.right):
            for atom in _deep_atoms(side):
                if isinstance(atom, Entry):
                    for at, label in zip(atom.at, atom.letter.shape, strict=False):
                        names.setdefault(label, {})[at] = None
                elif isinstance(atom, sp.Indexed | AppliedUndef):
                    indices |= {
                        str(i): self.model.indices[str(i)] for i in _free_indices(side) if str(i) in self.model.indices
                    }
        if any(
            isinstance(atom, AppliedUndef) and str(atom.func) in self.model.sequences
            for side in (relation.left, relation.right)
            for atom in side.atoms(AppliedUndef)
        ):
            indices |= self.model.indices
        chosen_in = (itertools.permutations(range(self.model.dims[label]), len(at)) for label, at in names.items())
        every = [at for found in names.values() for at in found]
        if len(set(every)) < len(every):
            raise ValueError(f"coordinates of different dimensions need names of their own, got {sorted(every)}")
        places = [dict(zip(every, itertools.chain(*chosen), strict=True)) for chosen in itertools.product(*chosen_in)]
        numbers = [
            dict(zip(indices, chosen, strict=True)) for chosen in itertools.product(*map(range, indices.values()))
        ]
        return list(itertools.product(places or [{}], numbers or [{}]))

    def check_uniform(self, letter: Letter, size: int) -> None:
        values = self.at().letter(letter)
        diagonal = np.diagonal(values, axis1=-2, axis2=-1)
        source = "round" if "round" in letter.sources else min(letter.sources)
        axis = self.sources.index(source)
        weights = np.asarray(self.model.outcomes[source], float)
        drawn = np.moveaxis(diagonal, axis, 0).reshape(len(weights), -1, diagonal.shape[-1])
        subsets = list(itertools.combinations(range(drawn.shape[-1]), size))
        for worker in range(drawn.shape[1]):
            held = [tuple(np.flatnonzero(draw > 0.5)) for draw in drawn[:, worker]]
            for subset in subsets:
                chance = sum(weight for weight, each in zip(weights, held, strict=True) if each == subset)
                if abs(chance - 1 / len(subsets)) > 1e-12:
                    raise ValueError(f"{letter} holds {subset} with probability {chance:.6g}, not 1/{len(subsets)}")


@dataclasses.dataclass
class _Round:
    """The values at a round: arrays with one leading axis for each source, of length 1 where nothing depends on it."""

    world: _World
    k: int
    indices: dict[str, int]
    coordinates: dict[str, int] = dataclasses.field(default_factory=dict)
    scale: float = 0.0

    @functools.cached_property
    def past(self) -> np.ndarray:
        """The probabilities of all that can have been drawn before."""
        round_weights = np.asarray(self.world.model.outcomes.get("round", [1.0]), float)
        return functools.reduce(np.kron, [round_weights] * self.k, np.ones(1))

    def polynomial(self, value: Polynomial) -> np.ndarray:
        sizes = [self._size(label) for label in value.shape]
        total = np.zeros([1] * len(self.world.sources) + sizes)
        for word, number in value.terms.items():
            factor = self.scalar(number)[..., None, None]
            term = factor * (self.word(word) if word else np.eye(sizes[0]))
            self.scale = max(self.scale, float(np.abs(term).max()))
            total = total + term
        return total

    def word(self, word: Word) -> np.ndarray:
        return functools.reduce(np.matmul, map(self.letter, word))

    def letter(self, letter: Letter) -> np.ndarray:
        """Its value, which is computed once a round, and the size of the terms that it is made of."""
        known = self.world.values
        if (self.k, letter) not in known:
            place = dataclasses.replace(self, scale=0.0)
            known[self.k, letter] = place._letter(letter), place.scale
        value, scale = known[self.k, letter]
        self.scale = max(self.scale, scale)
        return value

    def _letter(self, letter: Letter) -> np.ndarray:
        if letter.transposed:
            return np.swapaxes(self.letter(letter.T), -1, -2)
        match letter:
            case Mean():
                return self._mean(self.word(letter.word), letter.source)
            case DiagonalPart(of=Letter() as inner):
                full = self.letter(inner)
                return full * np.eye(full.shape[-1])
            case Inverse(of=Letter() as inner):
                return np.linalg.inv(self.letter(inner))
            case Power():
                exponent = round(self.scalar(letter.exponent).item())
                return np.linalg.matrix_power(self.polynomial(letter.base), exponent)
        value = self._named(letter)
        for source, size in zip(self.world.sources, value.shape[:-2], strict=True):
            if size > 1 and source not in letter.sources:
                raise ValueError(f"{letter} is random with {source}, which it does not say")
        for name, value_is in (
            ("symmetric", letter.symmetric),
            ("diagonal", letter.diagonal),
            ("idempotent", letter.idempotent),
        ):
            if value_is and not _has_property(value, name):
                raise ValueError(f"{letter} is not {name}")
        return value

    def _named(self, letter: Letter) -> np.ndarray:
        world, name = self.world, letter.name
        if name in world.iterates:
            return self._iterate(name)
        if name in world.definitions:
            return self.polynomial(world.definitions[name])
        if name not in world.model.letters:
            raise ValueError(f"the model has no value for {letter}")
        array = np.asarray(world.model.letters[name], float)
        own = sorted(letter.sources)
        if array.ndim != len(own) + 2:
            raise ValueError(f"{letter} needs {len(own)} axes of outcomes and two, got {array.shape}")
        if array.shape[-2:] != (sizes := tuple(self._size(label) for label in letter.shape)):
            raise ValueError(f"{letter} has {sizes[0]} rows and {sizes[1]} columns, got {array.shape[-2:]}")
        shape = [array.shape[own.index(source)] if source in own else 1 for source in world.sources]
        return array.reshape(*shape, *array.shape[-2:])

    def _iterate(self, name: str) -> np.ndarray:
        start, after = self.world.iterates[name]
        if self.k == 0:
            return self.polynomial(start)
        before = self.world.at(self.k - 1)
        value = before.polynomial(after)
        # What was drawn before and in this round is the past of the next one.
        past, now = (self.world.sources.index(source) for source in ("past", "round"))
        rounds = len(self.world.model.outcomes.get("round", [1.0]))
        target = list(value.shape)
        target[past], target[now] = len(before.past), rounds
        value = np.broadcast_to(value, target)
        value = np.moveaxis(np.moveaxis(value, past, 0), now if now > past else now + 1, 1)
        value = value.reshape(len(before.past) * rounds, *value.shape[2:])
        return np.expand_dims(np.moveaxis(value, 0, past - (past > now)), now)

    def _mean(self, value: np.ndarray, source: str) -> np.ndarray:
        axis = self.world.sources.index(source)
        if value.shape[axis] == 1:
            return value
        weights = self.past if source == "past" else np.asarray(self.world.model.outcomes[source], float)
        return np.expand_dims(np.tensordot(weights, value, (0, axis)), axis)

    def scalar(self, expression: sp.Expr) -> np.ndarray:
        """With one axis for each source."""
        flat = [1] * len(self.world.sources)
        match expression:
            case sp.Rational():
                return np.full(flat, float(expression))
            case Trace():
                return np.trace(self.word(expression.word), axis1=-2, axis2=-1)
            case ScalarMean():
                return self._mean(self.scalar(expression.of), expression.source)
            case Entry():
                at = [self.coordinates[name] for name in expression.at]
                value = self.letter(expression.letter)
                return value[..., at[0], at[-1] if len(at) == 2 else 0]
            case sp.Add():
                terms = [self.scalar(argument) for argument in expression.args]
                self.scale = max(self.scale, *(float(np.abs(term).max()) for term in terms))
                return sum(terms[1:], terms[0])
            case sp.Mul():
                return functools.reduce(np.multiply, map(self.scalar, expression.args))
            case sp.Pow():
                with np.errstate(all="ignore"):
                    return self.scalar(expression.base) ** self.scalar(expression.exp)
            case sp.Abs():
                return np.abs(self.scalar(expression.args[0]))
            case AppliedUndef():
                return np.full(flat, self._sequence(expression))
            case sp.Indexed():
                at = tuple(self._index(index) for index in expression.indices)
                array = self.world.array(str(expression.base))
                if array is None:
                    raise ValueError(f"the model has no value for {expression}")
                return np.full(flat, float(array[at]))
            case sp.Sum():
                index, low, high = expression.limits[0]
                ends = [round(self.scalar(end).item()) for end in (low, high)]
                places = (
                    dataclasses.replace(self, indices={**self.indices, str(index): i})
                    for i in range(ends[0], ends[1] + 1)
                )
                return sum((place.scalar(expression.function) for place in places), np.zeros(flat))
            case sp.Symbol():
                return self._symbol(expression.name, flat)
        raise ValueError(f"no number for {expression}")

    def _symbol(self, name: str, flat: list[int]) -> np.ndarray:
        world = self.world
        if name == world.round_name and name not in world.model.numbers:
            return np.full(flat, float(self.k))
        if name in world.definitions:
            return self.scalar(world.definitions[name])
        for known in (world.model.numbers, world.model.dims, world.constants):
            if name in known:
                return np.full(flat, float(known[name]))
        raise ValueError(f"the model has no value for {name}")

    def _index(self, index: sp.Expr) -> int:
        return self.indices[str(index)] if str(index) in self.indices else int(index)

    def _sequence(self, value: Any) -> float:
        world, name = self.world, str(value.func)
        k = round(self.scalar(value.args[0]).item())
        if name in world.model.sequences:
            return float(world.model.sequences[name](k, self.indices))
        if name in world.sums:
            return sum(world.at(j).scalar(world.sums[name]).item() for j in range(k))
        if name in world.definitions:
            return world.at(k).scalar(world.definitions[name]).item()
        raise ValueError(f"the model has no value for {value}")

    def _size(self, label: str) -> int:
        return 1 if label == "1" else self.world.model.dims[label]


def _letter(polynomial: Polynomial) -> Letter:
    (((letter,), _),) = polynomial.terms.items()
    return letter


def _name(polynomial: Polynomial) -> str:
    return _letter(polynomial).name


def _deep_atoms(expression: sp.Expr) -> set[Any]:
    """The atoms, also within averages."""
    found = expression.atoms(Entry, ScalarMean, sp.Indexed, AppliedUndef)
    return found.union(*(_deep_atoms(atom.of) for atom in found if isinstance(atom, ScalarMean)))


def _free_indices(expression: sp.Expr) -> set[sp.Symbol]:
    return {symbol for symbol in expression.free_symbols if symbol.is_integer}


def _has_property(value: np.ndarray, name: str) -> bool:
    other = {
        "symmetric": lambda: np.swapaxes(value, -1, -2),
        "diagonal": lambda: value * np.eye(value.shape[-1]),
        "idempotent": lambda: value @ value,
    }[name]()
    return bool(np.abs(value - other).max() <= TOLERANCE * max(1.0, float(np.abs(value).max())))


def _close(found: np.ndarray, expected: np.ndarray) -> bool:
    found, expected = found.reshape(-1), expected.reshape(-1)
    scale = max(1e-12, *(float(np.abs(each).max(initial=0)) for each in (found, expected)))
    return found.shape == expected.shape and bool(np.abs(found - expected).max() <= 1e-6 * scale)
