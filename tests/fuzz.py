"""Random calls of the public functions, drawn by their number: each is a line of Python that repeats it.

What a parameter takes follows from its name and its annotation (fuzz_values.py), so that a new function with known
parameters is called without being listed. A case is valid throughout, or one argument is odd.
"""

import ast
import dataclasses
import enum
import importlib
import inspect
import linecache
import re
import shlex
import typing
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from fuzz_values import FLAG, PARAMETERS, ROUNDS, Kind, Shape, choice, number
from fuzz_values import drawn as text_of

import istsim
from istsim import theory

PREAMBLE = (
    "import collections, concurrent.futures, fractions, jax, numpy as np, sympy, tempfile, istsim; "
    "from istsim import networks, problems, sketches, sweeps, symbolic, theorems, theory"
)
MODULES = ("theory", "problems", "sketches", "methods", "simulation", "sweeps", "verify", "theorems", "certificates")
MODULES += ("symbolic", "costs", "networks")

A_RESULT = "is what functions give back"
OF_TORCH = "takes torch's modules or tensors, or trains"
WITHOUT = {
    "theory": {A_RESULT: "Best Contraction ExactMoments FewestRounds Stationary"},
    "methods": {"is abstract": "Method"},
    "sketches": {"is abstract": "Sketch"},
    "simulation": {A_RESULT: "Solution"},
    "sweeps": {A_RESULT: "BatchScaling StepSizes Swept"},
    "verify": {A_RESULT: "Agreement"},
    "theorems": {
        A_RESULT: "Certificate TheoremCheck",
        "is abstract": "Theorem",
        "is for those who write theorems": "Premise register",
    },
    "certificates": {A_RESULT: "Bound Decision LDL", "is made by `of`, which is called": "RationalRound"},
    "symbolic": {A_RESULT: "SecondMoment"},
    "costs": {A_RESULT: "Comparison Convergence Cost Traffic", "is abstract": "Parallelism"},
    "networks": {
        A_RESULT: "Evaluation Log Memory Round",
        OF_TORCH: "Batches Checkpoint Data OneProcess Part blocks compare_with_quadratic cross_entropy evaluate"
        " initial_values initialised load_model local_quadratic memory_table neurons newest_checkpoint"
        " parameter_sketch parameter_vector partly_trained predicted_memory quadratic_method resist scale_outputs"
        " subnetwork train train_in_folder write_back",
        "reads files or data sets, whose tests are others": "cifar10 digits saved_dataset text",
        "is made from a layout": "Layout ParameterSketch",
    },
}

# Further callables, as they are written, and the members of objects that a case makes first.
CLASS_METHODS = (
    "istsim.Quadratic.from_diagonals",
    "istsim.Quadratic.from_tridiagonals",
    "istsim.Quadratic.from_least_squares",
    "istsim.certificates.RationalRound.of",
)
MEMBERS = {
    "problem": (istsim.Quadratic, "value gradient objective_gap original astype preconditioned"),
    "sketch": (istsim.Sketch, "sample inclusion_probability joint_probability reported_probability outcomes"),
    "method": (istsim.Method, "floats_per_round"),
    "theorem": (istsim.theorems.Theorem, "check"),
}


def public_names(module: str) -> dict[str, object]:
    """What a module of istsim exports: it has no `__all__`, all else in it begins with an underscore."""
    values = vars(importlib.import_module(f"istsim.{module}"))
    return {name: value for name, value in values.items() if name[0] != "_" and not inspect.ismodule(value)}


def reasons(module: str) -> dict[str, str]:
    """By name, why it is not called."""
    found = {name: why for why, names in WITHOUT.get(module, {}).items() for name in names.split()}
    for name, value in public_names(module).items():
        if inspect.isclass(value) and issubclass(value, Exception | enum.Enum):
            found[name] = "is raised or told, not called"
    return found


@dataclasses.dataclass(frozen=True)
class Target:
    """Something to call: how that is written, and what is asked of it."""

    name: str  # such as "theory.stationary", which oracles are listed by
    function: Callable
    receiver: str = ""  # the kind of value whose member it is

    @property
    def parameters(self) -> dict[str, inspect.Parameter]:
        found = inspect.signature(self.function).parameters.values()
        named = (p for p in found if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD))
        return {p.name: p for p in named if not (self.receiver and p.name == "self")}


def targets() -> list[Target]:
    """Everything that cases call, in an order of its own."""
    found = []
    for module in MODULES:
        left_out = reasons(module)
        for name, value in sorted(public_names(module).items()):
            if name not in left_out and callable(value):
                found.append(Target(f"{module}.{name}", value))
    for text in CLASS_METHODS:
        found.append(Target(text.removeprefix("istsim."), eval(text)))
    for kind, (cls, names) in MEMBERS.items():
        found += [Target(f"{cls.__name__}.{name}", getattr(cls, name), kind) for name in names.split()]
    return found


# What an argument is called in messages, where that is the option of the command line.
ALIASES = {("costs.named", "name"): "model", ("costs.quantity", "text"): "--memory"}
# Whose options depend on each other, so that what one error names is the first of several odd ones.
ALONE = ("networks.TrainingRun",)
# What is called with valid arguments only.
OF_AUTHORS = "is defined by authors of sketches, and called by the engine inside its loops"
VALID_ONLY = {f"Sketch.{name}": OF_AUTHORS for name in MEMBERS["sketch"][1].split()}
VALID_ONLY |= {
    "theorems.Instance": "keeps what it is given; `Theorem.check` looks at it first",
}
# No process is started for a sweep, and no bar is drawn.
ALWAYS = {
    "sweeps.sweep": {"executor": "concurrent.futures.ThreadPoolExecutor(1)", "progress": "False"},
    "theory.best": {"candidates": "[0.5, 1.0]"},
}


def kind_of(target: Target, parameter: inspect.Parameter) -> Kind:
    """What a parameter takes, by its name or else its annotation.

    Raises:
        LookupError: if neither tells.
    """
    function = target.name.rpartition(".")[2]
    annotation = str(parameter.annotation).removeprefix("ForwardRef('").removesuffix("')").removesuffix(" | None")
    owner = target.name.partition(".")[0]
    for name in (f"{target.name}.{parameter.name}", f"{function}.{parameter.name}", f"{owner}.{parameter.name}"):
        if name in PARAMETERS:
            return PARAMETERS[name]
    if annotation.startswith("Literal"):
        return choice(*ast.literal_eval(annotation.removeprefix("Literal")))
    if parameter.name in PARAMETERS:
        return PARAMETERS[parameter.name]
    by_annotation = {
        "int": ROUNDS,
        "float": number(0.5, 9),
        "bool": Kind("True; False", "", FLAG),
    }
    if annotation in by_annotation:
        return by_annotation[annotation]
    if annotation in PARAMETERS:
        return PARAMETERS[annotation]
    raise LookupError(
        f"{target.name}: no values for {parameter.name}: {parameter.annotation}; add them in fuzz_values.py"
    )


# Cases.


@dataclasses.dataclass(frozen=True)
class Case:
    """A call: its arguments as text, and which of them is odd: "" if none, and whether it must be refused."""

    target: Target
    receiver: str
    arguments: dict[str, str]
    odd: str = ""
    must_fail: bool = False

    @property
    def call(self) -> str:
        head = (
            f"({self.receiver}).{self.target.name.rpartition('.')[2]}"
            if self.receiver
            else f"istsim.{self.target.name}"
        )
        return f"{head}({', '.join(f'{name}={text}' for name, text in self.arguments.items())})"

    @property
    def reproduction(self) -> str:
        return f"python -W error -c {shlex.quote(f'{PREAMBLE}; print({self.call})')}"


def drawn(number: int, among: list[Target]) -> Case:
    """The case of a number, the same everywhere."""
    rng = np.random.default_rng([2306, number])
    shape = Shape(rng, int(rng.integers(1, 4)), int(rng.integers(1, 5)))
    target = among[rng.integers(len(among))]
    parameters = target.parameters
    kinds = {name: kind_of(target, parameter) for name, parameter in parameters.items()}
    required = {name for name, p in parameters.items() if p.default is p.empty}
    odd = str(rng.choice(list(kinds))) if kinds and target.name not in VALID_ONLY and rng.random() < 0.6 else ""
    receiver = text_of(PARAMETERS[target.receiver].right, shape) if target.receiver else ""
    arguments, must_fail = {}, False
    for name, kind in kinds.items():
        sized = {"n": shape.n, "d": shape.d, "Grid.rounds": 2}.get(name)
        text = str(sized) if sized is not None and (odd or rng.random() < 0.5) else text_of(kind.right, shape)
        if name == odd:
            must_fail = bool(kind.wrong) and (not kind.either or rng.random() < 0.7)
            text = text_of((kind.wrong if must_fail else kind.either) or kind.right, shape)
            if must_fail and text == repr(parameters[name].default):
                odd, must_fail, text = "", False, text_of(kind.right, shape)
        if name in required or name == odd or (rng.random() < 0.3 and not (odd and target.name in ALONE)):
            arguments[name] = text
    for name, text in ALWAYS.get(target.name, {}).items():
        if name != odd:
            arguments[name] = text
    if target.name == "theory.best":
        arguments.pop("candidates" if odd == "bounds" else "bounds", None)
    return Case(target, receiver, arguments, odd, must_fail)


class Refused(Exception):  # noqa: N818
    """A call that ended with an error which is as it should be."""


class FaultError(AssertionError):
    """A call that ended as no call should."""


def run(case: Case) -> tuple[typing.Any, dict]:
    """The value of a case and its arguments.

    Raises:
        Refused: if it is refused clearly.
        FaultError: if it is not, or is not refused although it should.
    """
    names: dict = {}
    exec(PREAMBLE, names)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        arguments = {name: eval(text, names) for name, text in case.arguments.items()}
        arguments = {name: read_only(value) for name, value in arguments.items()}
        try:
            function = case.target.function
            if case.receiver:
                arguments["self"] = eval(case.receiver, names)
                function = getattr(arguments["self"], case.target.name.rpartition(".")[2])
            value = function(**{name: given for name, given in arguments.items() if name != "self"})
            value = list(value) if isinstance(value, Iterator) else value
        except Exception as error:
            if fault := fault_of(case, error):
                raise FaultError(f"{fault}: {type(error).__name__}: {error}") from error
            raise Refused(str(error)) from None
    if case.must_fail:
        raise FaultError(f"{case.odd} was taken: {str(value)[:200]}")
    return value, arguments


def read_only(value):
    """Arguments that nobody may write into."""
    if isinstance(value, np.ndarray) and value.flags.owndata:
        value.flags.writeable = False
    return value


def fault_of(case: Case, error: Exception) -> str:
    """What is wrong with an error; "" if nothing is."""
    of_files = "path" in case.arguments or "store" in case.arguments
    allowed = (ValueError, TypeError, OSError) if of_files else (ValueError, TypeError)
    if not isinstance(error, allowed) or isinstance(error, UnicodeError):
        return "no error of the kinds that are meant for users"
    traceback = error.__traceback__
    while traceback.tb_next:
        traceback = traceback.tb_next
    where = Path(traceback.tb_frame.f_code.co_filename)
    if Path(istsim.__file__).parent not in where.parents:
        line = linecache.getline(str(where), traceback.tb_lineno).strip()
        return f"raised in {where.name}, line {traceback.tb_lineno}: {line}"
    if isinstance(error, FileNotFoundError) and case.target.name == "problems.load_libsvm":
        return ""
    named = ALIASES.get((case.target.name, case.odd), case.odd)
    if case.must_fail and not isinstance(error, theory.NotCoveredError) and not names_argument(str(error), named):
        return f"{case.odd} is not named"
    return ""


def names_argument(message: str, name: str) -> bool:
    words = name.replace("_", "[ _-]")
    return re.search(rf"(?<![a-zA-Z]){words}(?![a-z]{{2}})", message, re.IGNORECASE if len(name) > 1 else 0) is not None
