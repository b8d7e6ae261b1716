"""Which mutants there are: one change of one operator, number, condition or loop, made by cosmic-ray.

What cosmic-ray would change without changing what is computed is left out: annotations, decorators, messages (`raise`,
f-strings), `__repr__`. So are exchanges that every test notices at once, like a sum for a shift of bits.
"""

import ast
import hashlib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("theory", "methods", "sketches", "problems", "simulation", "certificates", "sweeps")
SEED = "istsim"
# Exchanges within a row are mistakes that one makes; cosmic-ray exchanges any two.
ALIKE = (
    {"Add", "Sub", "Mul", "Div", "FloorDiv", "Mod", "Pow"},
    {"BitOr", "BitAnd", "BitXor"},
    {"RShift", "LShift"},
    {"Eq", "NotEq", "Lt", "LtE", "Gt", "GtE"},
    {"Is", "IsNot"},
)
PUNCTUATION = tuple("()[]{},:.;=")
UNNAMED = ("__repr__", "__str__", "_repr_html_", "_repr_latex_")


@dataclass(frozen=True)
class Mutant:
    """A change of one place in a file."""

    file: str
    line: int
    before: str
    after: str
    source: str  # the whole file, changed

    @property
    def name(self) -> str:
        """The same wherever the line moves, unless the file has the line twice."""
        return f"{self.file}: {self.before}  ->  {self.after}"


def sample(root: Path, size: int) -> list[Mutant]:
    """About `size` places, by package in proportion to its lines of code, each changed in one way.

    Places are drawn by a hash of the line and where in it they are, so that other places stay drawn when the file
    changes elsewhere.
    """
    files = {package: sorted((root / "istsim" / package).rglob("*.py")) for package in PACKAGES}
    lines = {package: sum(_lines_of_code(file) for file in files[package]) for package in PACKAGES}
    drawn = []
    for package in PACKAGES:
        share = -(-size * lines[package] // sum(lines.values()))
        ranked = [(rank, one) for file in files[package] for rank, one in _places(file, str(file.relative_to(root)))]
        drawn += [_changed(root, *one) for _, one in sorted(ranked)[:share]]
    return drawn


def _lines_of_code(file: Path) -> int:
    return sum(1 for line in file.read_text(encoding="utf-8").splitlines() if line.strip())


def _places(file: Path, name: str):
    """Each place that can be changed, as a hash to draw by, with how to change it: file, operator, occurrence, line."""
    from cosmic_ray.ast import ast_nodes, get_ast

    source = file.read_text(encoding="utf-8")
    lines = source.splitlines()
    left_out, binary = _left_out(source)
    at = defaultdict(list)
    # Of the nodes most are names and punctuation, which no operator changes.
    nodes = [
        node
        for node in ast_nodes(get_ast(source))
        if node.type not in ("name", "newline", "string", "endmarker") and getattr(node, "value", "") not in PUNCTUATION
    ]
    for title, operator in _operators():
        occurrence, positions = 0, operator().mutation_positions
        for node in nodes:
            for start, end in positions(node):
                if not any(first <= start and end <= last for first, last in left_out) and (
                    "Binary" not in title or any(first <= start and end <= last for first, last in binary)
                ):
                    at[start, end].append((title, occurrence))
                occurrence += 1
    times: dict[str, int] = defaultdict(int)
    for (start, end), changes in sorted(at.items()):
        line = lines[start[0] - 1].strip()
        identity = f"{name}\n{line}\n{start[1]}\n{end[1]}"
        times[identity] += 1
        drawn = _hash(f"{identity}\n{times[identity]}")
        title, occurrence = min(changes, key=lambda change: _hash(f"{drawn}\n{change[0]}\n{changes.index(change)}"))
        yield drawn, (name, title, occurrence, start[0])


def _changed(root: Path, name: str, title: str, occurrence: int, line: int) -> Mutant:
    from cosmic_ray.mutating import mutate_code

    source = (root / name).read_text(encoding="utf-8")
    changed = mutate_code(source, dict(_operators())[title](), occurrence)
    ast.parse(changed)
    return between(name, source, changed, line)


def between(name: str, source: str, changed: str, line: int) -> Mutant:
    """The mutant of a file of which the text is changed at one line."""
    before, after = source.splitlines(), changed.splitlines()
    first = next(i for i, (old, new) in enumerate(zip(before, after, strict=False)) if old != new)
    tail = next(i for i, (old, new) in enumerate(zip(before[::-1], after[::-1], strict=False)) if old != new)
    old, new = (" ".join(" ".join(text[first : max(len(text) - tail, first + 1)]).split()) for text in (before, after))
    return Mutant(name, line, old, new, changed)


def _operators():
    """The operators of cosmic-ray that are used, by name."""
    from cosmic_ray.operators.provider import OperatorProvider

    provider = OperatorProvider()
    for title in provider:
        kind, *names = title.split("_")
        if kind in ("ReplaceBinaryOperator", "ReplaceComparisonOperator") and not any(
            set(names) <= alike for alike in ALIKE
        ):
            continue
        if kind not in ("RemoveDecorator", "VariableReplacer", "VariableInserter"):
            yield title, provider[title]


def _left_out(source: str):
    """Spans of the text that are left out, and spans between the operands of binary operators."""
    lines = source.splitlines()

    def point(line: int, column: int) -> tuple[int, int]:  # ast counts bytes
        return line, len(lines[line - 1].encode()[:column].decode())

    def span(node) -> tuple:
        return point(node.lineno, node.col_offset), point(node.end_lineno, node.end_col_offset)

    left_out, binary = [], []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.arg, ast.Raise, ast.JoinedStr, ast.Import, ast.ImportFrom)):
            left_out.append(span(node))
        elif isinstance(node, ast.AnnAssign):
            left_out.append(span(node.annotation))
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            left_out.append(span(node))
        elif isinstance(node, ast.BinOp):
            if isinstance(node.op, ast.BitOr) and _is_type(node.right):
                continue
            binary.append((span(node.left)[1], span(node.right)[0]))
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            left_out += map(span, node.decorator_list)
            if node.name in UNNAMED:
                left_out.append(span(node))
        if isinstance(node, ast.FunctionDef) and node.returns is not None:
            left_out.append(span(node.returns))
    return left_out, binary


def _is_type(node) -> bool:
    if isinstance(node, ast.Constant):
        return node.value is None
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    return name in ("int", "float", "str", "bool") or (name[:1].isupper() and len(name) > 1)


def _hash(text: str) -> str:
    return hashlib.sha256(f"{SEED}\n{text}".encode()).hexdigest()
