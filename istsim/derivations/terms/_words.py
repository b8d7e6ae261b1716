"""Polynomials in matrices and vectors, in normal form: two are equal exactly where their difference is 0."""

from __future__ import annotations

import dataclasses
import itertools
import re
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn

import sympy as sp

from istsim.derivations.terms._scalars import is_zero, scalar


@dataclasses.dataclass(frozen=True)
class Letter:
    """A matrix or vector without inner structure.

    Attributes:
        name: its text.
        shape: two labels; products need equal inner ones, and "1" makes a vector.
        symmetric: whether it is its own transpose.
        diagonal: whether it is a diagonal matrix, so that it commutes with other diagonal ones.
        idempotent: whether its square is itself.
        sources: what it is random with, if anything; different sources are independent of each other.
        latex: its LaTeX, if that is not the name.
        transposed: whether this is the transpose.
    """

    name: str
    shape: tuple[str, str] = ("d", "d")
    symmetric: bool = False
    diagonal: bool = False
    idempotent: bool = False
    sources: frozenset[str] = frozenset()
    latex: str = dataclasses.field(default="", compare=False)
    transposed: bool = False

    @property
    def T(self) -> Letter:
        """The transpose."""
        if self.symmetric:
            return self
        return dataclasses.replace(self, shape=(self.shape[1], self.shape[0]), transposed=not self.transposed)

    def __str__(self) -> str:
        return self.name + "'" * self.transposed

    def __lt__(self, other: Letter) -> bool:  # sympy sorts its symbols by what makes them different
        return repr(self) < repr(other)

    def __post_init__(self) -> None:
        if (self.symmetric or self.diagonal or self.idempotent) and self.shape[0] != self.shape[1]:
            raise ValueError(f"only a square matrix is symmetric, diagonal or idempotent; {self.name} has {self.shape}")
        if self.diagonal and not self.symmetric:
            raise ValueError(f"a diagonal matrix is symmetric: say so of {self.name}")

    def to_latex(self) -> str:
        """Its LaTeX."""
        text = self.latex or self.name
        return rf"{{{text}}}^\top" if self.transposed else text

    @property
    def outer(self) -> tuple[Letter, Letter] | None:
        """v and w', if it is the mean of their product: then traces read better as means of quadratic forms."""
        return None


Word = tuple[Letter, ...]

# Names of letters: what is made of others, such as inv(A) or E_round[A], has brackets in its name.
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\^-?1/2)?\+?")


class Trace(sp.Symbol):
    """The trace of a product, or a product that is a number: a real sympy symbol.

    Letters may be moved round in a circle and the whole transposed; the word kept is the canonical one of these.
    """

    word: Word
    sources: frozenset[str]

    def __new__(cls, word: Word) -> Trace:
        """Of a canonical cyclic word."""
        text = " ".join(str(letter) for letter in word)
        trace = sp.Symbol.__xnew__(cls, text if word[0].shape[0] == "1" else f"tr({text})", real=True)
        trace.word, trace.sources = word, sources_of(word)
        return trace

    def _hashable_content(self) -> tuple[Any, ...]:
        return self.name, self.word

    def _latex(self, printer: Any) -> str:
        for i, letter in enumerate(self.word):
            if letter.outer is not None:
                column, row = letter.outer
                return rf"\mathbb{{E}}[{word_latex((row, *self.word[i + 1 :], *self.word[:i], column))}]"
        text = word_latex(self.word)
        return text if self.word[0].shape[0] == "1" else rf"\operatorname{{tr}}\left({text}\right)"


class Polynomial:
    """A sum of words, products of letters, with sympy coefficients.

    Numbers stand for multiples of the identity in sums with square polynomials. A product of shape (1, 1) is
    returned as a sympy expression in `Trace` symbols.

    Example:
        >>> from istsim.derivations import matrix, vector
        >>> A, L, x = matrix("A"), matrix("L", symmetric=True), vector("x")
        >>> (A * L).T
        L A'
        >>> x.T * A * x - x.T * A.T * x
        0
    """

    __array_ufunc__ = None
    shape: tuple[str, str]
    terms: Mapping[Word, sp.Expr]

    def __init__(self, shape: tuple[str, str], terms: Iterable[tuple[Word, sp.Expr]]) -> None:
        collected: dict[Word, sp.Expr] = {}
        for word, coefficient in terms:
            scalar, rest = _normal(word)
            collected[rest] = collected.get(rest, sp.S.Zero) + coefficient * scalar
        expanded = {word: sp.expand(coefficient) for word, coefficient in collected.items()}
        kept = {word: coefficient for word, coefficient in expanded.items() if coefficient != 0}
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "terms", types.MappingProxyType(kept))

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError("a polynomial cannot be changed: facts may be about it")

    @property
    def T(self) -> Polynomial:
        """Words reversed, letters transposed."""
        return Polynomial(
            (self.shape[1], self.shape[0]), ((transposed(word), value) for word, value in self.terms.items())
        )

    def __add__(self, other: Any) -> Polynomial:
        other = self._like(other)
        return Polynomial(self.shape, [*self.terms.items(), *other.terms.items()])

    def __mul__(self, other: Any) -> Any:
        if not isinstance(other, Polynomial):
            return Polynomial(self.shape, ((word, value * scalar(other)) for word, value in self.terms.items()))
        if self.shape[1] != other.shape[0]:
            raise ValueError(f"factors must have equal inner dimensions, got {self.shape} times {other.shape}")
        shape = (self.shape[0], other.shape[1])
        products = [(v + w, a * b) for v, a in self.terms.items() for w, b in other.terms.items()]
        if shape == ("1", "1"):
            return sp.expand(sum((value * trace_of(word) for word, value in products), sp.S.Zero))
        return Polynomial(shape, products)

    def __rmul__(self, other: Any) -> Any:
        return self * other

    def __truediv__(self, other: Any) -> Any:
        return self * (1 / scalar(other))

    def __neg__(self) -> Any:
        return self * -1

    def __sub__(self, other: Any) -> Any:
        return self + -self._like(other)

    def __radd__(self, other: Any) -> Any:
        return self + other

    def __rsub__(self, other: Any) -> Any:
        return -self + other

    def __pow__(self, exponent: int) -> Any:
        if exponent < 0:
            raise ValueError(f"a product of {exponent} factors has no meaning here; there is inverse(A)")
        power = self._like(1)
        for _ in range(exponent):
            power = power * self
        return power

    def __repr__(self) -> str:
        ordered = sorted(self.terms.items(), key=lambda term: word_key(term[0]))
        text = " + ".join(_term(value, " ".join(map(str, word)), str) for word, value in ordered)
        return text.replace("+ -", "- ") or "0"

    def to_latex(self, names: Mapping[sp.Basic, str] | None = None) -> str:
        """The normal form in LaTeX; names gives that of scalar symbols that are not called as they are printed."""
        ordered = sorted(self.terms.items(), key=lambda term: word_key(term[0]))

        def show(coefficient: sp.Expr) -> str:
            return sp.latex(coefficient, symbol_names=dict(names or {}))

        terms = (_term(sp.factor(value), word_latex(word) if word else "I", show) for word, value in ordered)
        return "+".join(terms).replace("+-", "-").replace("+ -", "-") or "0"

    @property
    def is_zero(self) -> bool:
        """Whether every coefficient is 0 as a function of its symbols."""
        return all(is_zero(value) for value in self.terms.values())

    def _like(self, other: Any) -> Polynomial:
        if not isinstance(other, Polynomial):
            other = scalar(other)
            if self.shape[0] != self.shape[1] and other != 0:
                raise ValueError(f"only 0 can be added to a polynomial of shape {self.shape}, got {other}")
            return Polynomial(self.shape, [((), other)])
        if other.shape != self.shape:
            raise ValueError(f"terms must have equal shapes, got {self.shape} and {other.shape}")
        return other


def matrix(name: str, *, shape: tuple[str, str] = ("d", "d"), random: str = "", **properties: Any) -> Polynomial:
    """A matrix.

    Args:
        name: its name, by which two are told apart.
        shape: labels of its dimensions.
        random: its sources of randomness, separated by blanks; different sources are independent.
        properties: of `Letter`: symmetric, diagonal, idempotent, latex.

    Example:
        >>> from istsim.derivations import matrix
        >>> P = matrix("P", diagonal=True, idempotent=True)
        >>> P * P - P
        0
    """
    if not NAME.fullmatch(name):
        raise ValueError(
            f"a name begins with a letter and has letters, digits, _, ^1/2, ^-1/2 and + in it, got {name!r}"
        )
    properties["symmetric"] = properties.get("symmetric", False) or properties.get("diagonal", False)
    letter = Letter(name, shape, sources=frozenset(random.split()), **properties)
    return Polynomial(shape, [((letter,), sp.S.One)])


def vector(name: str, *, dim: str = "d", random: str = "", latex: str = "") -> Polynomial:
    """A column vector; arguments as for `matrix`.

    Example:
        >>> from istsim.derivations import vector
        >>> vector("x").T * vector("y")
        x' y
    """
    return matrix(name, shape=(dim, "1"), random=random, latex=latex)


@dataclasses.dataclass(frozen=True)
class Inverse(Letter):
    """The inverse of another letter: its pseudoinverse, until a proof says that there is an inverse."""

    of: Letter | None = None


@dataclasses.dataclass(frozen=True)
class Power(Letter):
    """A square polynomial that is not random, to a symbolic power: a natural number."""

    base: Any = dataclasses.field(default=None, compare=False, repr=False)
    exponent: sp.Expr = sp.S.One
    terms: frozenset[tuple[Word, sp.Expr]] = dataclasses.field(default=frozenset(), repr=False)  # the base's


def inverse(A: Polynomial) -> Polynomial:
    """The inverse of one letter; that there is one is for a proof to say.

    Example:
        >>> from istsim.derivations import inverse, matrix
        >>> inverse(matrix("T"))
        inv(T)
    """
    if not isinstance(A, Polynomial) or len(A.terms) != 1:
        raise ValueError(f"only a single letter has an inverse here, got {A}")
    (((*letters,), coefficient),) = A.terms.items()
    if len(letters) != 1 or coefficient != 1:
        raise ValueError(f"only a single letter has an inverse here, got {A}")
    (letter,) = letters
    if letter.transposed:
        return inverse(A.T).T
    return product(
        (
            Inverse(
                f"inv({letter})",
                (letter.shape[1], letter.shape[0]),
                symmetric=letter.symmetric,
                diagonal=letter.diagonal,
                sources=letter.sources,
                latex=f"{{{letter.to_latex()}}}^{{-1}}",
                of=letter,
            ),
        )
    )


def power(A: Polynomial, exponent: sp.Expr) -> Polynomial:
    """A symbolic power of a square polynomial that is not random.

    Example:
        >>> import sympy as sp
        >>> from istsim.derivations import matrix, power
        >>> power(1 - matrix("A"), sp.Symbol("k"))
        (1 - A)^(k)
    """
    exponent = sp.expand(scalar(exponent))
    coefficients = (getattr(symbol, "sources", ()) for value in A.terms.values() for symbol in value.free_symbols)
    if A.shape[0] != A.shape[1] or any(sources_of(word) for word in A.terms) or any(coefficients):
        raise ValueError(f"only a square matrix that is not random has powers here, got {A}")
    latex = rf"({A.to_latex()})^{{{sp.latex(exponent)}}}"
    symmetric = (A - A.T).is_zero
    diagonal = all(letter.diagonal for word in A.terms for letter in word)
    letter = Power(
        f"({A})^({exponent})",
        A.shape,
        symmetric=symmetric,
        diagonal=diagonal,
        latex=latex,
        base=A,
        exponent=exponent,
        terms=frozenset(A.terms.items()),
    )
    return product((letter,))


def trace(polynomial: Any) -> sp.Expr:
    """The trace of a square polynomial, or a number itself; that of the identity is the symbol d.

    Raises:
        ValueError: if it is not square.

    Example:
        >>> from istsim.derivations import matrix, trace
        >>> A, B = matrix("A"), matrix("B")
        >>> trace(A * B) - trace(B.T * A.T)
        0
    """
    if not isinstance(polynomial, Polynomial):
        return polynomial
    if polynomial.shape[0] != polynomial.shape[1]:
        raise ValueError(f"only a square matrix has a trace, got shape {polynomial.shape}")
    total = (
        value * (trace_of(word) if word else sp.Symbol(polynomial.shape[0])) for word, value in polynomial.terms.items()
    )
    return sp.expand(sum(total, sp.S.Zero))


def product(word: Word, dim: str = "d") -> Polynomial:
    """A product as a polynomial; the identity of that dimension if there are no letters."""
    shape = (word[0].shape[0], word[-1].shape[1]) if word else (dim, dim)
    return Polynomial(shape, [(word, sp.S.One)])


def tidy(word: Word) -> Word:
    """A product with neighbouring diagonal letters sorted, and repeated idempotent ones dropped."""
    letters: list[Letter] = []
    for letter in word:
        at = len(letters)
        while letter.diagonal and at and letters[at - 1].diagonal and str(letters[at - 1]) > str(letter):
            at -= 1
        if not (letter.idempotent and at and letters[at - 1] == letter):
            letters.insert(at, letter)
    return tuple(letters)


def transposed(word: Word) -> Word:
    """The transpose of a product."""
    return tuple(letter.T for letter in reversed(word))


def sources_of(word: Word) -> frozenset[str]:
    """What a product is random with."""
    return frozenset().union(*(letter.sources for letter in word))


def word_key(word: Word) -> tuple[int, tuple[str, ...]]:
    """Orders words: short ones first."""
    return len(word), tuple(str(letter) for letter in word)


def word_latex(word: Word) -> str:
    """A product in LaTeX."""
    return "".join(f"{{{letter.to_latex()}}}" for letter in word)


def trace_of(word: Word) -> sp.Expr:
    """The trace of a product of letters: a product of canonical `Trace` symbols."""
    # Cut in a circle where a dimension is 1: each piece is a number.
    cuts = [i for i, letter in enumerate(word) if letter.shape[0] == "1"]
    if not cuts:
        return Trace(_least_rotation(word))
    rotated = word[cuts[0] :] + word[: cuts[0]]
    ends = [*(cut - cuts[0] for cut in cuts), len(word)]
    pieces = [tidy(rotated[start:end]) for start, end in itertools.pairwise(ends)]
    return sp.Mul(*(Trace(min(piece, tidy(transposed(piece)), key=word_key)) for piece in pieces))


def _least_rotation(word: Word) -> Word:
    turns = [tidy(turn[i:] + turn[:i]) for turn in (word, transposed(word)) for i in range(len(word))]
    least = min(turns, key=word_key)
    return least if len(least) == len(word) else _least_rotation(least)


def _normal(word: Word) -> tuple[sp.Expr, Word]:
    """A product as a number, what stands between the outermost dimensions 1, times a product."""
    cuts = [i for i, letter in enumerate(word) if letter.shape[0] == "1"]
    if word and word[-1].shape[1] == "1":
        cuts.append(len(word))
    if len(cuts) < 2:
        return sp.S.One, tidy(word)
    inner, outer = word[cuts[0] : cuts[-1]], word[: cuts[0]] + word[cuts[-1] :]
    return trace_of(inner), tidy(outer)


def _term(coefficient: sp.Expr, word: str, show: Callable[[sp.Expr], str]) -> str:
    if not word or coefficient == 1:
        return word or show(coefficient)
    if coefficient == -1:
        return f"-{word}"
    text = show(coefficient)
    return (f"({text})" if coefficient.is_Add else text) + f" {word}"
