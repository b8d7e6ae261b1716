"""Relations between polynomials, and rewriting by those that are equalities."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import sympy as sp

from istsim.derivations._expectation import Mean, ScalarMean, canonical_trace, expect
from istsim.derivations._scalars import is_zero, scalar
from istsim.derivations._words import Polynomial, Trace, Word, product, trace, transposed

LIMIT = 200


@dataclasses.dataclass(frozen=True, eq=False)
class Relation:
    """`left = right`, `left <= right` or `left < right`; between matrices `<=` means that the difference is PSD.

    Attributes:
        left, right: polynomials of one shape, or sympy expressions.
        sign: "=", "<=" or "<".
        origin: the relation that this one follows from by a sound operation, if it was made so.
    """

    left: Any
    sign: str
    right: Any
    origin: Relation | None = None

    def __post_init__(self) -> None:
        for name in ("left", "right"):
            object.__setattr__(self, name, _side(getattr(self, name)))

    @property
    def difference(self) -> Any:
        """`right - left`."""
        return self.right - self.left

    def times(self, left: Any = 1, right: Any = 1) -> Relation:
        """An equality, multiplied on both sides, where the factors are defined.

        Raises:
            ValueError: for an inequality.
        """
        if self.sign != "=":
            raise ValueError(f"only an equality may be multiplied by anything, got {self}")
        return Relation(left * self.left * right, "=", left * self.right * right, self)

    def congruence(self, by: Polynomial) -> Relation:
        """`M' left M <= M' right M`, in expectation over what M is random with; numbers if M is a vector.

        Raises:
            ValueError: unless it is an inequality between matrices.
        """
        if self.sign != "<=" or not isinstance(self.difference, Polynomial):
            raise ValueError(f"a congruence needs X <= Y between matrices, got {self}")
        sources = sorted(frozenset().union(*(letter.sources for word in by.terms for letter in word)))
        sides = ((side * by if isinstance(side, Polynomial) else by * side) for side in (self.left, self.right))
        left, right = (expect(by.T * side, *sources) for side in sides)
        return Relation(left, "<=", right, self)

    def __str__(self) -> str:
        return f"{self.left} {self.sign} {self.right}"

    def to_latex(self, names: Mapping[sp.Basic, str] | None = None) -> str:
        """As LaTeX; names gives that of scalar symbols that are not called as they are printed."""
        matrices = isinstance(self.difference, Polynomial) and self.sign != "="
        sign = {"=": "=", "<=": r"\preceq" if matrices else r"\le", "<": r"\prec" if matrices else "<"}[self.sign]
        return f"{to_latex(self.left, names)} {sign} {to_latex(self.right, names)}"


def _side(value: Any) -> Any:
    return value if isinstance(value, Polynomial) else scalar(value)


def equal(left: Any, right: Any) -> Relation:
    """`left = right`."""
    return _relation(left, "=", right)


def at_most(left: Any, right: Any) -> Relation:
    """`left <= right`: between matrices, `right - left` is positive semidefinite."""
    return _relation(left, "<=", right)


def less(left: Any, right: Any) -> Relation:
    """`left < right`."""
    return _relation(left, "<", right)


def square(root: Polynomial) -> Relation:
    """`0 <= M' M`, in expectation over what M is random with: true of every matrix.

    Example:
        >>> from istsim.derivations import matrix, square
        >>> print(square(matrix("M")))
        0 <= M' M
    """
    size = root.shape[0]
    # The identity of that size is positive semidefinite, whatever is proved.
    return Relation(sp.S.Zero, "<=", Polynomial((size, size), [((), sp.S.One)]), AXIOM).congruence(root)


AXIOM = Relation(sp.S.Zero, "=", sp.S.Zero)


def to_latex(value: Any, names: Mapping[sp.Basic, str] | None = None) -> str:
    """A polynomial or an expression in LaTeX."""
    return value.to_latex(names) if isinstance(value, Polynomial) else sp.latex(value, symbol_names=dict(names or {}))


def vanishes(value: Any) -> bool:
    """Whether a polynomial or an expression is 0 identically."""
    return value.is_zero if isinstance(value, Polynomial) else is_zero(value)


def reduce(value: Any, rules: Iterable[Relation]) -> Any:
    """Rewrite left sides of equalities by their right ones until none is left.

    A left side must be one product of letters with a number as coefficient, or a product of scalar symbols. The result
    equals the value wherever the equalities hold; whether equal values reach the same result depends on the rules.

    Args:
        value: a polynomial or a sympy expression.
        rules: equalities.

    Raises:
        ValueError: for a rule of another form, or rules that go round in circles.

    Example:
        >>> from istsim.derivations import equal, matrix, reduce, vector
        >>> L, inverse, b = matrix("L", symmetric=True), matrix("K", symmetric=True), vector("b")
        >>> reduce(b.T * inverse * L * b, [equal(inverse * L, L**0)])
        b' b
    """
    words: dict[Word, Polynomial] = {}
    symbols: dict[sp.Expr, sp.Expr] = {}
    for rule in rules:
        _orient(rule, words, symbols)
    for _ in range(LIMIT):
        rewritten = _rewrite(value, words, symbols)
        if _same(rewritten, value):
            return value
        value = rewritten
    raise ValueError(f"the rules go on for ever: after {LIMIT} passes there is {value}")


def substitute(polynomial: Polynomial, change: Mapping[Polynomial, Any]) -> Polynomial:
    """Put polynomials in the place of letters, once."""
    letters = {letter: new for old, new in change.items() for (letter,) in old.terms}
    total = polynomial * 0
    for word, coefficient in polynomial.terms.items():
        term = product((), polynomial.shape[0]) * coefficient
        for letter in word:
            new = letters.get(letter.T if letter.transposed else letter, product((letter,)))
            term = term * (new.T if letter.transposed and new.shape != letter.shape else new)
        total = total + term
    return total


def _relation(left: Any, sign: str, right: Any) -> Relation:
    left, right = _side(left), _side(right)
    # A number beside a matrix is that multiple of the identity; this also refuses unequal shapes.
    difference = right - left
    if isinstance(difference, Polynomial):
        zero = difference * 0
        left, right = zero + left, zero + right
    return Relation(left, sign, right)


def _orient(rule: Relation, words: dict[Word, Polynomial], symbols: dict[sp.Expr, sp.Expr]) -> None:
    if rule.sign != "=":
        raise ValueError(f"only equalities rewrite, got {rule}")
    if not isinstance(rule.left, Polynomial):
        if not all(factor.is_Symbol or factor.is_Function for factor in sp.Mul.make_args(rule.left)):
            raise ValueError(f"the left side of a scalar rule must be a product of symbols, got {rule}")
        symbols[rule.left] = rule.right
        return
    terms = list(rule.left.terms.items())
    if len(terms) != 1 or not terms[0][0] or not terms[0][1].is_number:
        raise ValueError(f"the left side of a rule must be one product of letters, got {rule}")
    ((word, number),) = terms
    words[transposed(word)] = rule.right.T / number
    words[word] = rule.right / number


def _rewrite(value: Any, words: dict[Word, Polynomial], symbols: dict[sp.Expr, sp.Expr]) -> Any:
    if isinstance(value, Polynomial):
        total = Polynomial(value.shape, [])
        for word, coefficient in value.terms.items():
            total = total + _rewrite_word(word, value.shape, words) * _rewrite(coefficient, words, symbols)
        return total
    atoms = {symbol: _rewrite_trace(symbol, words) for symbol in value.atoms(Trace)}
    atoms |= {mean: expect(_rewrite(mean.of, words, symbols), mean.source) for mean in value.atoms(ScalarMean)}
    changed = {symbol: new for symbol, new in atoms.items() if new != symbol}
    # Products are replaced one by one, after single symbols.
    single = {symbol: new for symbol, new in symbols.items() if not symbol.is_Mul and value.has(symbol)}
    value = sp.expand(value.xreplace(changed | single)) if changed or single else value
    for several in (symbol for symbol in symbols if symbol.is_Mul):
        value = value.subs(several, symbols[several])
    return value


def _rewrite_word(word: Word, shape: tuple[str, str], words: dict[Word, Polynomial]) -> Polynomial:
    for start in range(len(word)):
        length, replacement = _rewrite_here(word[start:], words)
        if length:
            before, after = word[:start], word[start + length :]
            return product(before, replacement.shape[0]) * replacement * product(after, replacement.shape[1])
    return Polynomial(shape, [(word, sp.S.One)])


def _rewrite_trace(symbol: Trace, words: dict[Word, Polynomial]) -> sp.Expr:
    for start in range(len(symbol.word)):
        turn = symbol.word[start:] + symbol.word[:start]
        length, replacement = _rewrite_here(turn, words)
        if length:
            return trace(replacement * product(turn[length:], replacement.shape[1]))
    return canonical_trace(symbol)


def _rewrite_here(word: Word, words: dict[Word, Polynomial]) -> tuple[int, Polynomial]:
    """How many letters at the start of a product are rewritten, and to what."""
    for pattern, replacement in words.items():
        if word[: len(pattern)] == pattern:
            return len(pattern), replacement
    unchanged = product(word[:1])
    if not isinstance(word[0], Mean):
        return 0, unchanged
    mean: Any = word[0].T if word[0].transposed else word[0]
    inner = _rewrite_word(mean.word, mean.shape, words)
    outer = expect(inner, mean.source)
    outer = outer.T if word[0].transposed else outer
    return (0, unchanged) if outer.terms == unchanged.terms else (1, outer)


def _same(first: Any, second: Any) -> bool:
    return first.terms == second.terms if isinstance(first, Polynomial) else first == second
