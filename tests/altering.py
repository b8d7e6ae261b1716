"""Scripts of proofs with one step altered, or one operator or number, and which of the two judges refuses them."""

import ast
import contextlib
import copy
import io
import pathlib
import shutil
import unittest.mock
from collections.abc import Iterator
from typing import Any

from istsim.derivations import Judge, Kernel, Origin, Proof, StepFailedError, _proof, at_most, run

PROOFS = pathlib.Path(__file__).parents[1] / "proofs"
SCRIPTS = sorted(PROOFS.glob("[!_]*.py"))
SHARED = sorted(PROOFS.glob("_*.py"))

# Put beside the altered script: adds to the right side of a relation, or to one side of an identity. For the kernel
# that is something new; the judge has no number for what is new, and would refuse it for that alone.
ALTERED = """
import sympy as sp
from istsim.derivations import Polynomial, Relation, matrix

def altered(claim):
    if isinstance(claim, Relation):
        return Relation(claim.left, claim.sign, altered(claim.right))
    if isinstance(claim, Polynomial):
        return claim + matrix("altered", shape=claim.shape)
    return claim + sp.Symbol("altered")
"""
ALTERED_IN_NUMBERS = """
from istsim.derivations import Polynomial, Relation

def altered(claim):
    if isinstance(claim, Relation):
        return Relation(claim.left, claim.sign, altered(claim.right))
    if isinstance(claim, Polynomial) and claim.shape[0] != claim.shape[1]:
        return 2 * claim
    return claim - 1000
"""


class AcceptsAll(Judge):
    """A second judge that accepts everything, so that the kernel alone decides."""

    def __init__(self, theorem: Any, model: Any) -> None:
        super().__init__(theorem, None)

    def check_statement(self, where: Any, statement: Any, fact: Any) -> None:
        """Whatever the symbols mean."""


class MakesAll(Kernel):
    """A kernel that makes a fact of every claim whose names are used as they must be: the judge alone decides."""

    def identity(self, relation: Any, *, using: Any = (), adding: Any = ()) -> Any:
        """Whatever the normal forms."""
        return self._make(relation, "identity", *using, *adding)

    def entries(self, relation: Any, *, using: Any = ()) -> Any:
        """Whatever the entries."""
        return self._make(relation, "entries", *using)

    def inequality(self, relation: Any, *, using: Any = ()) -> Any:
        """Whatever z3 says."""
        return self._make(relation, "inequality", *using)

    def loewner(self, relation: Any, certificate: Any, *, using: Any = ()) -> Any:
        """Whatever the certificate."""
        return self._make(relation, "loewner", *using, *(fact for _, fact in certificate))

    def induction(self, text: str, claim: Any, k: Any, base: Any, step: Any) -> Any:
        """Whatever its parts show, which are made all the same."""
        step(self._make(claim, "hypothesis"))
        return self._make(claim, "induction")

    def least_is_at_most(self, symbol: Any, number: Any, witness: Any) -> Any:
        """Whatever the witness."""
        return self._make(at_most(symbol, number), "least", witness)

    def _shown(self, sign: str, value: Any) -> frozenset[Any]:
        return frozenset()

    def _check_every_round(self, hypotheses: Any, k: Any) -> None:
        pass


# Who decides: what stands for the kernel and the second judge, and what an altered claim is.
DECIDES = {
    "both": (Kernel, Judge, ALTERED),
    "the kernel alone": (Kernel, AcceptsAll, ALTERED),
    "the judge alone": (MakesAll, Judge, ALTERED_IN_NUMBERS),
}

# Which arguments of a step are its claim. Closed forms and limits are found, not claimed.
CLAIMS = {
    "setting": slice(1, None),
    "premise": slice(1, None),
    "define": slice(1, 2),
    "cite": slice(1, None),
    "identity": slice(1, 2),
    "entries": slice(1, 2),
    "inequality": slice(1, 2),
    "loewner": slice(1, 2),
    "induction": slice(1, 2),
    "least": slice(2, 3),
}


def with_altered_steps(source: str) -> dict[str, str]:
    """By place, the script with something added to one claim of one step."""
    tree, found = ast.parse(source), {}
    for number, call in enumerate(_steps(tree)):
        for position in range(len(call.args))[CLAIMS[call.func.attr]]:
            other = copy.deepcopy(tree)
            arguments = _steps(other)[number].args
            arguments[position] = _altered(arguments[position])
            place = f"{call.func.attr} in line {call.lineno}, claim {position}"
            found[place] = "from _altered import altered\n" + ast.unparse(other)
    return found


def with_altered_operators(source: str) -> dict[str, str]:
    """By place, the script with - for +, + for - or *, a number one larger, or two compared sides exchanged."""
    tree, found = ast.parse(source), {}
    for number, node in enumerate(_operators(tree)):
        other = copy.deepcopy(tree)
        match _operators(other)[number]:
            case ast.BinOp(op=ast.Add()) as twin:
                twin.op = ast.Sub()
            case ast.BinOp() as twin:
                twin.op = ast.Add()
            case ast.UnaryOp() as twin:
                twin.op = ast.UAdd()
            case ast.Constant() as twin:
                twin.value += 1
            case ast.Call() as twin:
                twin.args.reverse()
        found[f"line {node.lineno}, column {node.col_offset}: {ast.unparse(node)}"] = ast.unparse(other)
    return found


def survivors(
    script: pathlib.Path,
    alterations: dict[str, str],
    folder: pathlib.Path,
    *,
    decides: str = "both",
    may_grant_more: bool = False,
) -> Iterator[tuple[str, str]]:
    """Alterations after which a derivation that has the altered part still reaches its conclusion.

    Arguments as for `verdicts`, and:

    Args:
        may_grant_more: pass over those that take something else for granted. A stronger premise can leave all
            steps true, but is on record, for everyone to see.

    Yields:
        The place of the alteration, and what proves its theorem all the same.
    """
    for place, name, verdict in verdicts(script, alterations, folder, decides=decides):
        if verdict in ("proved", "unchanged") or (verdict == "granted" and not may_grant_more):
            yield place, name


def verdicts(
    script: pathlib.Path, alterations: dict[str, str], folder: pathlib.Path, *, decides: str = "both"
) -> Iterator[tuple[str, str, str]]:
    """What becomes of a derivation that has the altered part.

    Args:
        script: a script, or what several share.
        alterations: by place, its altered source.
        folder: an empty one.
        decides: a key of `DECIDES`.

    Yields:
        The place of the alteration, the script, and "refused", "proved", "granted" where it is proved from something
        else, or for all scripts together "unchanged", if all steps of all are what they were.
    """
    for path in PROOFS.glob("*.py"):
        shutil.copy(path, folder)
    (folder / "_altered.py").write_text(DECIDES[decides][2])
    users = [other.name for other in SCRIPTS if script == other or uses(other, script)]
    records = {name: record(_quietly(folder / name, decides)) for name in users}
    for place, source in alterations.items():
        (folder / script.name).write_text(source)
        reached = False
        for name in users:
            try:
                found = record(_quietly(folder / name, decides))
            except (StepFailedError, Exception):
                reached = True
                yield place, name, "refused"
                continue
            if found != records[name]:
                reached = True
                yield place, name, "proved" if granted(found) == granted(records[name]) else "granted"
        if not reached:
            yield place, "all", "unchanged"
    shutil.copy(script, folder)


def _quietly(script: pathlib.Path, decides: str) -> Proof:
    kernel, judge, _ = DECIDES[decides]
    with (
        contextlib.redirect_stdout(io.StringIO()),
        unittest.mock.patch.object(_proof, "Kernel", kernel),
        unittest.mock.patch.object(_proof, "Judge", judge),
    ):
        return run(script)


def uses(script: pathlib.Path, module: pathlib.Path) -> bool:
    """Whether a script imports a module, directly or not."""
    names = [node.module for node in ast.walk(ast.parse(script.read_text())) if isinstance(node, ast.ImportFrom)]
    return module.stem in names or any(uses(other, module) for other in SHARED if other.stem in names)


def record(proof: Proof) -> list[tuple[str, ...]]:
    """What a derivation says, step by step, and what its statement's symbols mean."""
    steps = [(step.origin or "", step.text, step.how, *map(str, step.relations)) for step in proof.steps]
    return [*steps, ("where", *(f"{symbol}: {meaning}" for symbol, meaning in proof.where.items()))]


def granted(steps: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The part of a record that no machine has checked."""
    return [step for step in steps if step[0] not in ("", Origin.DEFINED)]


def _steps(tree: ast.AST) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in CLAIMS
        and getattr(node.func.value, "id", "") == "proof"
    ]


def _altered(argument: ast.expr) -> ast.expr:
    several = isinstance(argument, ast.Starred)
    source = f"*map(altered, {ast.unparse(argument.value)})" if several else f"altered({ast.unparse(argument)})"
    return ast.parse(f"f({source})", mode="eval").body.args[0]


def _operators(tree: ast.AST) -> list:
    # Numbers in subscripts pick relations, and those in the cases of a counting step may be any.
    skipped = [node.slice for node in ast.walk(tree) if isinstance(node, ast.Subscript)]
    skipped += [value for node in ast.walk(tree) if isinstance(node, ast.Dict) for value in node.values]
    # What makes numbers for the letters may make others.
    skipped += [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and _is_of_numbers(node)]
    passed_over = {id(part) for node in skipped for part in ast.walk(node)}
    return [node for node in ast.walk(tree) if id(node) not in passed_over and _is_operator(node)]


def _is_operator(node: ast.AST) -> bool:
    match node:
        case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult()) | ast.UnaryOp(op=ast.USub()):
            return True
        case ast.Constant(value=value):
            return type(value) is int
        case ast.Call(func=ast.Name(id=name)):
            return name in ("less", "at_most")
    return False


def _is_of_numbers(function: ast.FunctionDef) -> bool:
    return any(argument.arg == "rng" for argument in function.args.args)
