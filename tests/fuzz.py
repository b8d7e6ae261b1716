"""Random calls of the public functions, drawn by their number: each is a line of Python that repeats it.

What a parameter takes follows from its name and its annotation, so that a new function with known parameters is
called without being listed. Values are written as source text. A case is valid throughout, or one argument is odd.
"""

import ast
import dataclasses
import enum
import importlib
import inspect
import linecache
import re
import typing
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

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


# Values: for each kind a function that draws the text of a valid one, what must be refused, and what may be.


@dataclasses.dataclass
class Shape:
    """The sizes that all arguments of a case have in common."""

    rng: np.random.Generator
    n: int
    d: int

    def pick(self, *choices: str) -> str:
        return choices[self.rng.integers(len(choices))]

    def number(self, low: float, high: float) -> float:
        return round(float(self.rng.uniform(low, high)), 3)

    def whole(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))


@dataclasses.dataclass(frozen=True)
class Kind:
    draw: Callable[[Shape], str]
    bad: tuple[str, ...] = ()
    either: tuple[str, ...] = ()  # refused, or taken for the number or array it is


NOTHING = ("None", "object()", "'abc'", "{}")
NO_NUMBER = (*NOTHING, "'0.1'", "b'1'", "np.nan", "np.inf", "-np.inf", "1j", "np.complex64(1)", "np.ones((2, 2))")
NO_NUMBER += (
    "np.zeros(0)",
    "[]",
    "np.ma.masked_array(0.1, True)",
    "np.datetime64(1, 's')",
    "10**400",
    "[0.1, 0.2, 0.3]",
)
NO_COUNT = (
    *NO_NUMBER[:-2],
    "-1",
    "2.5",
    "2.0",
    "True",
    "np.bool_(True)",
    "'2'",
    "np.float64(2)",
    "[2]",
    "np.float16(1)",
)
BEYOND = ("10**30", "np.uint64(2**63)")
FLAG = ("0", "1", "np.True_", "np.False_")


def count(low: int, high: Callable[[Shape], int] | int = 3, bad: tuple[str, ...] = ("0",)) -> Kind:
    def draw(shape):
        value = shape.whole(low, high(shape) if callable(high) else high)
        return shape.pick(str(value), f"np.int64({value})", f"np.array({value})", f"np.uint8({value})")

    return Kind(draw, NO_COUNT + bad)


def number(low: float, high: float, bad: tuple[str, ...] = (), either: tuple[str, ...] = ()) -> Kind:
    def draw(shape):
        value = shape.number(low, high)
        ways = (f"np.float32({value})", f"np.float16({value})", f"np.array({value})", f"jax.numpy.asarray({value})")
        return shape.pick(str(value), str(value), *ways)

    return Kind(draw, NO_NUMBER + bad, (*either, "True", "1e300", "1e-300", "fractions.Fraction(1, 3)"))


def choice(*names: str, bad: tuple[str, ...] = ()) -> Kind:
    wrong = ("''", "'nope'", "3", "b'vmap'", "[]", "np.ones(2)", "object()", "('a', 'b')", *bad)
    return Kind(lambda shape: repr(shape.pick(*names)), wrong)


def of_entries(base: str) -> list[str]:
    """The same numbers in other arrays."""
    ways = ["{}", "np.asfortranarray({})", "({}).tolist()", "jax.numpy.asarray({})", "np.repeat({}, 2, axis=0)[::2]"]
    return [way.format(base) for way in [*ways, "np.lib.stride_tricks.as_strided({}, writeable=False)"]]


def array(base: Callable[[Shape], str], bad: tuple[str, ...] = (), either: tuple[str, ...] = ()) -> Kind:
    """Arrays from the text of one; what is odd of any array holds for all of them."""

    def draw(shape):
        return shape.pick(*of_entries(base(shape)))

    odd = ("np.zeros(0)", "np.ones((1, 1, 1, 1, 1))", "[[1.0], [1.0, 2.0]]", "np.array(['a', 'b'])", "[]", "np.nan")
    odd += ("np.zeros((0, 0))", "np.zeros((0, 2, 2))", "np.array(['2020-01-01'], 'M8[D]')", "[None]", "np.array([{}])")
    spoiled = ("({}) + 1j", "({}) * np.nan", "({}) * np.inf", "np.ma.masked_array({}, True)", "({}) - np.inf")

    def bad_of(shape):
        return shape.pick(*NOTHING, *odd, *bad, *(way.format(base(shape)) for way in spoiled))

    def either_of(shape):
        ways = (
            "({}) * 1e300",
            "({}) * 1e-300",
            "({}) * 0",
            "np.rint({}).astype(int)",
            "({}) > 0",
            "({}).astype(object)",
        )
        return shape.pick(*either, *(way.format(base(shape)) for way in ways), f"({base(shape)}).astype(np.float16)")

    return Kind(draw, bad_of, either_of)


def normal(*sizes: Callable[[Shape], int] | int) -> Callable[[Shape], str]:
    def text(shape):
        numbers = tuple(size(shape) if callable(size) else size for size in sizes)
        return f"np.random.default_rng({shape.whole(0, 99)}).normal(size={numbers})"

    return text


def n_of(shape):
    return shape.n


def d_of(shape):
    return shape.d


def problem(shape: Shape) -> str:
    seed, n, d = shape.whole(0, 99), shape.n, shape.d
    condition = shape.number(1, 20) if d > 1 else 1.0
    spread = f"matrix_heterogeneity={shape.number(0, 1)}, vector_heterogeneity={shape.number(0, 1)}"
    random = f"istsim.random_quadratic({seed}, {n}, {d}, condition_number={condition}, {spread})"
    rng = f"np.random.default_rng({seed})"
    return shape.pick(
        random,
        random,
        random,
        f"{random}.astype(np.float32)",
        f"istsim.Quadratic.from_diagonals({rng}.uniform(0.5, 2, ({n}, {d})), np.ones(({n}, {d})))",
        f"istsim.tridiagonal_quadratic({seed}, {n}, {d}, noise_scale=0.1, smallest_eigenvalue=0.1)",
        f"istsim.Quadratic.from_least_squares({rng}.normal(size=({n}, 3, {d})), np.ones(({n}, 3)), ridge=0.1)",
    )


def sketch(shape: Shape) -> str:
    n, d = shape.n, shape.d
    groups = shape.whole(1, d)
    labels = [*range(groups), *(shape.whole(0, groups - 1) for _ in range(d - groups))]
    return "istsim." + shape.pick(
        f"Identity({n}, {d})",
        f"Permutation({n}, {d})",
        f"RandK({n}, {d}, {shape.whole(1, d)})",
        f"Bernoulli({n}, {d}, {shape.number(0.1, 1)})",
        f"Coverage({n}, {d}, {shape.whole(1, n)})",
        f"Grouped(istsim.Permutation({n}, {groups}), {labels})",
        f"Grouped(istsim.RandK({n}, {groups}, {shape.whole(1, groups)}), {labels})",
    )


def method(shape: Shape) -> str:
    if shape.rng.random() < 0.1:
        return "istsim.GradientDescent()"
    if shape.rng.random() < 0.1:
        cut = shape.whole(1, shape.d)
        blocks = [cut, *[1] * (shape.d - cut)]
        window = shape.whole(1, len(blocks))
        more = shape.pick("", f", 'chunked', window={window}", f", 'overlapping', window={window}")
        return f"istsim.LocalUpdates({blocks}{more})"
    options = [sketch(shape)]
    name = shape.pick("IST", "IST", "CompressedGradient", "CompressedIterates")
    merge = shape.pick("mean", "mean", "literal", "owners" if name != "CompressedIterates" else "literal")
    local_steps = shape.pick("1", "1", "1", "1", "2", "4")
    if name != "CompressedGradient" and shape.rng.random() < 0.4:
        options.append(f"forward_scale={shape.number(0.5, 2)}")
    if name != "CompressedIterates" and shape.rng.random() < 0.4:
        options.append(f"gradient_scale={shape.number(0.5, 2)}")
    if name == "IST" and merge != "owners" and local_steps == "1" and shape.rng.random() < 0.2:
        options.append(f"weights=np.random.default_rng(1).uniform(0.5, 2, ({shape.n}, {shape.d}))")
    options.append(f"merge={merge!r}, local_steps={local_steps}")
    if shape.rng.random() < 0.3:
        options.append(f"participants={shape.whole(1, shape.n)}")
    if shape.rng.random() < 0.15:
        options.append(f"noise=istsim.GaussianNoise(0.1 * np.eye({shape.d}))")
    return f"istsim.{name}({', '.join(options)})"


def of_costs(shape: Shape) -> str:
    return shape.pick("istsim.costs.named('llama-134m')", "istsim.costs.named('resnet18')")


KEYS = ("0", "7", "np.int64(7)", "np.uint32(7)", "jax.random.key(7)", "jax.random.PRNGKey(7)")
NO_KEYS = (*NOTHING, "1.5", "np.nan", "True", "[1, 2]", "np.zeros(3, np.uint32)", "jax.random.split(jax.random.key(0))")
NO_KEYS += ("np.array([1, 2])", "1j", "10**400", "'0'")
OBJECTS = (
    "None",
    "3",
    "'abc'",
    "object()",
    "np.ones((2, 2))",
    "[]",
    "istsim.Quadratic",
    "istsim.IST",
    "istsim.Permutation",
)
POSITIVE = ("0.0", "-1.0")
ROUNDS = count(1, 3)
GROUPS = array(lambda s: f"np.arange({s.d}) % {max(1, s.d - 1)}", bad=("[0, 5]", "[-1, 0]", "[0.5, 0.0]"))
SYMMETRIC = array(lambda s: f"(lambda A: A + A.T)({normal(d_of, d_of)(s)})", bad=("[[0.0, 1.0], [2.0, 0.0]]",))
DEFINITE = array(
    lambda s: f"(lambda A: A @ A.T + np.eye(len(A)))({normal(d_of, d_of)(s)})", bad=("[[0.0, 1.0], [2.0, 0.0]]",)
)
MATRICES = array(
    lambda s: f"(lambda A: A @ A.transpose(0, 2, 1) + np.eye({s.d}))({normal(n_of, d_of, d_of)(s)})",
    bad=("-np.ones((1, 1, 1))", "[[[1.0, 2.0], [0.0, 1.0]]]", "np.zeros((1, 2, 2))", "[[[1.0, 2.0], [2.0, 1.0]]]"),
)
POINTS = Kind(
    lambda s: s.pick(*of_entries(normal(2, d_of)(s)), *of_entries(normal(d_of)(s))),
    (*NOTHING, "1.0", "np.zeros(0)", "np.ones(99)", "[[1.0], [1.0, 2.0]]", "np.ones((2, 99)) + 1j", "np.array(['a'])"),
    ("np.nan * np.ones((1, 1))", "np.full(2, np.inf)", "np.full(1, 1e300)", "np.ones((2, 3, 1))", "np.zeros((0, 1))"),
)
FRACTIONS = (*(text for text in NO_NUMBER if text != "10**400"), "fractions.Fraction")

# By parameter, "name" or "function.name"; the nearer name wins.
PARAMETERS = {
    "problem": Kind(problem, OBJECTS),
    "method": Kind(method, OBJECTS),
    "sketch": Kind(sketch, OBJECTS),
    "theorem": Kind(lambda s: f"theorems.get({s.pick(*theorem_names())!r})", OBJECTS),
    "key": Kind(
        lambda s: s.pick(*KEYS),
        NO_KEYS,
        ("-1", "2**40", "np.array(3)", "jax.numpy.asarray(3)", "jax.random.key(7, impl='rbg')"),
    ),
    "n": count(1),
    "d": count(1, 4),
    "k": count(1, d_of, ("0", "99")),
    "copies": count(1, n_of, ("0", "99")),
    "p": number(0.1, 1, ("0.0", "-0.5", "1.5", "2"), ("1", "True")),
    "groups": GROUPS,
    "step_size": number(0.001, 0.2, POSITIVE, ("10.0",)),
    "simulate.step_size": number(0.001, 0.2, (*POSITIVE, "[0.1, -0.1]", "lambda k: 'x'", "lambda k: -1.0")),
    "rounds": ROUNDS,
    "most": ROUNDS,
    "repetitions": ROUNDS,
    "record_every": count(1, 9),
    "draws": Kind(lambda s: "1000", (*NO_COUNT, "0", "999")),
    "points": count(2, 4, ("0",)),
    "x0": array(normal(d_of), bad=("np.ones(99)", "1.0")),
    "x": POINTS,
    "z": POINTS,
    "X": array(normal(d_of, d_of), bad=("np.ones((99, 99))", "np.ones((2, 3))")),
    "gradient_weighting": array(normal(d_of, d_of), bad=("np.ones((99, 99))",)),
    "covariance_at": Kind(
        lambda s: s.pick("[0]", "(1,)", "[1, 0]", "[]"), ("3", "[99]", "[-1]", "[0.5]", "'0'", "[None]")
    ),
    "route": choice("formula", "enumeration"),
    "gap": number(0.01, 0.1, POSITIVE),
    "best.family": Kind(
        lambda s: f"lambda v: istsim.IST(istsim.Permutation({s.n}, {s.d}), forward_scale=v)", OBJECTS[:6]
    ),
    "best.goal": Kind(
        lambda s: s.pick("'rate'", "'stationary'", "5"), ("None", "'nope'", "0", "-1", "2.5", "[]", "True")
    ),
    "best.candidates": Kind(lambda s: "[0.5, 1.0]", ("[]", "3", "None")),
    "best.bounds": Kind(lambda s: "None", ("(2.0, 0.5)", "(0.0, 1.0)", "(1.0,)", "3", "'ab'", "(np.nan, 1.0)")),
    "backend": choice("vmap"),
    "mesh_shape": Kind(lambda s: "None", ("(0, 1)", "(99, 99)", "3", "'ab'", "(1.5, 1)", "(1, 1, 1)")),
    "progress": Kind(lambda s: "False"),
    # problems
    "Quadratic.L": MATRICES,
    "b": array(normal(n_of, d_of), bad=("np.ones((99, 99))",)),
    "diagonals": array(lambda s: f"abs({normal(n_of, d_of)(s)}) + 2", bad=("-np.ones((2, 2))", "np.zeros((2, 2))")),
    "off_diagonals": array(lambda s: f"np.ones(({s.n}, {s.d - 1}))", bad=("np.ones((99, 99))",)),
    "A": array(
        lambda s: f"np.random.default_rng({s.whole(0, 9)}).normal(size=({s.n}, 5, {s.d}))", bad=("np.ones((99, 1, 2))",)
    ),
    "y": array(lambda s: f"np.random.default_rng({s.whole(0, 9)}).normal(size=({s.n}, 5))", bad=("np.ones((99, 1))",)),
    "ridge": number(0, 1, ("-1.0",)),
    "condition_number": number(1, 20, ("0.5", "0.0", "-1.0")),
    "matrix_heterogeneity": number(0, 1, ("1.5", "-0.5")),
    "vector_heterogeneity": number(0, 2, ("-0.5",)),
    "noise_scale": number(0, 0.1, ("-0.5",)),
    "smallest_eigenvalue": number(0.01, 1, POSITIVE),
    "dtype": Kind(
        lambda s: s.pick("np.float32", "np.float64", "'float32'"),
        ("int", "complex", "np.float16", "'nope'", "3", "object()"),
    ),
    "eigenvalues": array(lambda s: f"abs({normal(n_of, d_of)(s)}) + 0.1", bad=("-np.ones((2, 2))", "np.ones(2)")),
    "real_quadratic.name": choice("diabetes"),
    "load_dataset.name": choice("diabetes"),
    "real_quadratic.n": count(1, 5, ("0", "10**6")),
    "split": choice("even", "random", "label"),
    "targets": array(normal(lambda s: s.n + 2), bad=("np.ones((2, 2))", "1.0")),
    "path": Kind(lambda s: "'nowhere.txt'", ("None", "3", "object()", "1.5", "''", "np.ones(2)")),
    "remark_1_quadratic.a": number(1, 2, POSITIVE),
    "remark_1_quadratic.b": number(1, 2, POSITIVE),
    "remark_1_quadratic.c": number(-0.9, 0.9, ("99.0",)),
    # methods
    "forward_scale": Kind(
        lambda s: s.pick("1.5", "'unbiased'", "np.float32(2)", "None"), tuple(NO_NUMBER[1:]) + POSITIVE, ("True",)
    ),
    "gradient_scale": Kind(
        lambda s: s.pick("1.5", "'unbiased'", "np.float32(2)", "None"), tuple(NO_NUMBER[1:]) + POSITIVE, ("True",)
    ),
    "weights": array(lambda s: f"abs({normal(n_of, d_of)(s)})", bad=("np.ones((99, 99))", "-np.ones(2)")),
    "merge": choice("mean", "owners", "literal", bad=("None",)),
    "local_steps": ROUNDS,
    "participants": count(1, n_of, ("0", "99")),
    "noise": Kind(lambda s: f"istsim.GaussianNoise(np.ones({s.d}))", OBJECTS[1:]),
    "covariance": DEFINITE,
    "blocks": Kind(
        lambda s: f"[1] * {s.d}", ("[]", "3", "None", "[0]", "[-1, 2]", "[1.5]", "'ab'", "[None]", "[True]")
    ),
    "CompressedIterates.merge": choice("mean", "literal", bad=("None", "'owners'")),
    "LocalParallelism.head_width": Kind(lambda s: "None", ("0", "-1", "1.5", "'a'")),
    "LocalUpdates.mode": choice("greedy", bad=("None",)),
    "LocalUpdates.window": count(1, 1),
    "LocalUpdates.shared": choice("sum", bad=("None",)),
    # sketches
    "size": count(0, d_of, ("99",)),
    "left": count(0, 1, ("99",)),
    "right": count(0, 1, ("99",)),
    "shared": count(0, 0, ("99",)),
    "Sketch.key": Kind(lambda s: s.pick("jax.random.key(7)", "jax.random.PRNGKey(7)")),
    # sweeps
    "grid": Kind(
        lambda s: (
            "istsim.Grid(problems=['remark_1_quadratic(1, 2, 1)'], step_sizes=[0.01, 0.1], rounds=2, repetitions=2)"
        ),
        OBJECTS,
    ),
    "store": Kind(lambda s: "tempfile.mkdtemp()", ("None", "3", "object()", "np.ones(2)", "'/dev/null/x'", "1.5")),
    "executor": Kind(
        lambda s: "concurrent.futures.ThreadPoolExecutor(1)", ("3", "'abc'", "concurrent.futures.ThreadPoolExecutor")
    ),
    "names": Kind(lambda s: "{}", ("3", "'abc'", "[1]", "{3: 4}")),
    "Grid.problems": Kind(
        lambda s: "['remark_1_quadratic(1, 2, 1)']", ("[]", "3", "None", "[3]", "''", "['a', 'a']", "[None]")
    ),
    "Grid.step_sizes": Kind(
        lambda s: s.pick("[0.1]", "np.array([0.1, 0.2])", "(0.1,)"),
        (
            "[]",
            "3",
            "None",
            "[0.0]",
            "[-1]",
            "['a']",
            "[np.nan]",
            "[0.1, 0.1]",
            "[1j]",
            "np.ones((2, 2))",
            "np.ma.masked_array([0.1], True)",
            "[None]",
        ),
    ),
    "Grid.methods": Kind(lambda s: "['IST']", ("[]", "3", "None", "[3]", "['a', 'a']", "[None]", "['']")),
    "Grid.sketches": Kind(lambda s: "['Permutation']", ("[]", "3", "None", "[3]", "['a', 'a']", "[None]", "['']")),
    "Grid.forward_scales": Kind(
        lambda s: "[None, 1.0, 'unbiased']",
        ("[]", "3", "None", "['a']", "[0.0]", "[-1.0]", "[np.nan]", "[1, 1]", "[[1]]"),
    ),
    "Grid.gradient_scales": Kind(
        lambda s: "[None]", ("[]", "3", "None", "['a']", "[0.0]", "[-1.0]", "[np.nan]", "[1, 1]", "[[1]]")
    ),
    "Grid.seeds": Kind(lambda s: "[0, 1]", ("[]", "3", "None", "['a']", "[1.5]", "[0, 0]", "[None]", "[True]")),
    "batch_sizes": array(
        lambda s: "np.array([1.0, 2.0, 4.0])", bad=("[1.0, 1.0, 2.0]", "[0.0, 1.0, 2.0]", "np.ones((2, 2))")
    ),
    "fit_batch_scaling.steps": Kind(
        lambda s: s.pick("[30, 20, 10]", "[30.0, np.inf, 20.0]"),
        ("[1, 2]", "[0, 1, 2]", "[np.nan, 1, 2]", "None", "'abc'", "[1j, 1, 2]", "['a', 'b', 'c']", "[]", "3"),
    ),
    # verify
    "samples": array(lambda s: f"abs({normal(5, d_of)(s)})", bad=("np.ones((1, 2))", "-np.ones((5, 2))")),
    "exact": array(lambda s: f"np.full({s.d}, 0.8)", bad=("np.ones(99)",)),
    "standard_errors": number(1, 6, POSITIVE),
    "axis": Kind(lambda s: "0", ("2", "None", "'0'", "0.5", "-5", "True", "[0]")),
    # theorems
    "get.name": Kind(lambda s: repr(s.pick(*theorem_names())), ("None", "''", "'theorem-9'", "3", "object()")),
    "parameters": Kind(lambda s: "{}", ("3", "'abc'", "[1]", "{'young': 'a'}")),
    "check.exact": Kind(lambda s: "False", (), FLAG),
    # certificates
    "claim": Kind(lambda s: "'0 <= A'"),
    "matrix": SYMMETRIC,
    "V": DEFINITE,
    "W": DEFINITE,
    "Lbar": DEFINITE,
    "digits": count(1, 9),
    "arithmetic": choice("flint", "fractions"),
    "one_round": Kind(
        lambda s: f"istsim.certificates.RationalRound.of({problem(s)}, istsim.GradientDescent())", OBJECTS
    ),
    "theta": Kind(lambda s: s.pick("1", "0.5", "-2", "fractions.Fraction(1, 3)"), FRACTIONS),
    "rate": Kind(lambda s: s.pick("1", "0.5", "-2", "fractions.Fraction(1, 3)"), FRACTIONS),
    "as_fraction.x": Kind(
        lambda s: s.pick("1", "0.1", "-2.5", "np.float32(0.1)", "np.int64(3)", "1e300", "1e-300"), FRACTIONS
    ),
    "as_fractions.values": Kind(
        normal(d_of), ("'abc'", "[None]", "[np.nan]", "[1j]", "object()", "[[1], [1, 2]]", "{}")
    ),
    "Block.parameters": Kind(lambda s: "istsim.costs.Amount(3, 4)", OBJECTS[1:]),
    "TrainingRun.step_size": Kind(lambda s: "0.1", (*NO_NUMBER, *POSITIVE)),
    "TrainingRun.coverage": Kind(lambda s: "0.5", (*NO_NUMBER, *POSITIVE)),
    # symbolic
    "expression": Kind(
        lambda s: s.pick("sympy.Symbol('n') + 1", "symbolic.fixed_point(istsim.GradientDescent())"),
        (*OBJECTS, "sympy.Symbol('nope')"),
    ),
    # costs
    "model": Kind(of_costs, OBJECTS),
    "cluster": Kind(lambda s: f"istsim.costs.Cluster({s.pick('2', '4', '8')}, 2**35)", OBJECTS),
    "training": Kind(lambda s: "istsim.costs.Training()", OBJECTS),
    "found": Kind(
        lambda s: f"istsim.costs.compare({of_costs(s)}, istsim.costs.Cluster(4, 2**35), istsim.costs.Training())",
        OBJECTS,
    ),
    "one": Kind(lambda s: s.pick("istsim.costs.DataParallel()", "istsim.costs.Pipeline(stages=2)"), OBJECTS),
    "parallelisms": Kind(lambda s: "[istsim.costs.DataParallel()]", ("[]", "3", "[3]", "'ab'")),
    "coverage": number(0.25, 1, ("0.0", "-0.5", "1.5")),
    "SubnetworkDataParallel.coverage": number(0.25, 1, ("0.0", "-0.5", "1.5")),
    "microbatches": ROUNDS,
    "devices": count(1, 8),
    "named.name": choice("llama-134m", "resnet18"),
    "named.length": count(1, 99),
    "quantity.name": Kind(lambda s: "'--memory'"),
    "quantity.text": Kind(
        lambda s: "'24GiB'", ("None", "''", "'GiB'", "'-1GiB'", "'nanGiB'", "'1e999GiB'", "'24'", "3", "'24 XB'")
    ),
    "quantity.unit": Kind(lambda s: "'B'"),
    "width": count(2, 9),
    "heads": count(1, 1),
    "key_heads": count(1, 1),
    "depths": Kind(lambda s: "[1, 1]", ("[]", "3", "None", "[0]", "[1.5]", "'ab'", "[None]")),
    "stages": count(2, 4, ("0", "1")),
    "chunks": count(2, 4, ("0",)),
    "degree": count(2, 4, ("0", "1")),
    "number_bytes": count(1, 4),
    "ModelSizes.name": Kind(lambda s: "'mine'"),
    "ModelSizes.blocks": Kind(lambda s: "istsim.costs.named('resnet18').blocks", ("()", "3", "None", "[3]", "'ab'")),
    "before": Kind(lambda s: "istsim.costs.Block()", OBJECTS),
    "after": Kind(lambda s: "istsim.costs.Block()", OBJECTS),
    "parts": Kind(lambda s: "()"),
    "Block.name": Kind(lambda s: "''"),
    "follows": Kind(lambda s: "None"),
    "Amount": Kind(lambda s: f"istsim.costs.Amount({s.whole(0, 9)}, {s.whole(0, 9)})"),
    "whole": number(0, 9),
    "once": number(0, 9),
    "twice": number(0, 9),
    # networks
    "mask": array(lambda s: f"np.ones(({s.n}, {s.d}), bool)"),
    "sketches": Kind(lambda s: f"({sketch(s)}, {sketch(s)})", ("()", "3", "None", "(3,)")),
    "widths": Kind(lambda s: "[3, 2, 2]", ("[]", "[3]", "3", "None", "[0, 1]", "[1.5, 2]", "['a', 'b']", "[-1, 2]")),
    "head": Kind(lambda s: "None"),
    "BalancedCoverage.sizes": Kind(lambda s: f"(1,) * {s.d}", ("()", "3", "None", "(0,)", "('a',)")),
    "TrainingRun.data": Kind(lambda s: "'digits'", ("None", "3")),
    "Blocks.name": Kind(lambda s: "'block'"),
    "Blocks.names": Kind(lambda s: "('0', '1')"),
    "Slice.tensor": Kind(lambda s: "'0.weight'"),
    "Slice.axis": Kind(lambda s: "0"),
    "Units.name": Kind(lambda s: "'layer'"),
    "Units.slices": Kind(lambda s: "(networks.Slice('0.weight', 0),)"),
    "Units.consumers": Kind(lambda s: "('2',)"),
    "networks.IST.sketch": Kind(lambda s: "istsim.Permutation", ("None", "3", "'abc'", "lambda: 3", "np.ones(2)")),
}


# What an argument is called in messages, where that is the option of the command line.
ALIASES = {("costs.named", "name"): "model", ("costs.quantity", "text"): "--memory"}
# What is called with valid arguments only.
OF_AUTHORS = "is defined by authors of sketches, and called by the engine inside its loops"
VALID_ONLY = {f"Sketch.{name}": OF_AUTHORS for name in MEMBERS["sketch"][1].split()}
VALID_ONLY |= {
    "theorems.Instance": "keeps what it is given; `Theorem.check` looks at it first",
    "theorems.as_text": "is called with what `get` gives",
    "verify.compare_means": "takes samples that diverged, by rules of its own",
}
# No process is started for a sweep, and no bar is drawn.
ALWAYS = {
    "sweeps.sweep": {"executor": "concurrent.futures.ThreadPoolExecutor(1)", "progress": "False"},
    "theory.best": {"candidates": "[0.5, 1.0]"},
}


def theorem_names() -> list[str]:
    return istsim.theorems.names()


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
        "bool": Kind(lambda shape: shape.pick("True", "False"), (), FLAG),
    }
    if annotation in by_annotation:
        return by_annotation[annotation]
    if annotation in PARAMETERS:
        return PARAMETERS[annotation]
    raise LookupError(f"{target.name}: no values for {parameter.name}: {parameter.annotation}; add them to PARAMETERS")


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
        return f'python -W error -c "{PREAMBLE}; print({self.call})"'.replace('c "', "c '''").removesuffix('"') + "'''"


def drawn(number: int, among: list[Target]) -> Case:
    """The case of a number, the same everywhere."""
    rng = np.random.default_rng([2306, number])
    shape = Shape(rng, int(rng.integers(1, 4)), int(rng.integers(1, 5)))
    target = among[rng.integers(len(among))]
    parameters = target.parameters
    kinds = {name: kind_of(target, parameter) for name, parameter in parameters.items()}
    required = {name for name, p in parameters.items() if p.default is p.empty}
    odd = str(rng.choice(list(kinds))) if kinds and target.name not in VALID_ONLY and rng.random() < 0.6 else ""
    receiver = PARAMETERS[target.receiver].draw(shape) if target.receiver else ""
    arguments, must_fail = {}, False
    for name, kind in kinds.items():
        sized = {"n": shape.n, "d": shape.d, "Grid.rounds": 2}.get(name)
        text = str(sized) if sized is not None and (odd or rng.random() < 0.5) else kind.draw(shape)
        if name == odd:
            must_fail = bool(kind.bad) and (not kind.either or rng.random() < 0.7)
            texts = kind.bad if must_fail else kind.either
            text = texts(shape) if callable(texts) else shape.pick(*texts) if texts else text
            if must_fail and text == repr(parameters[name].default):
                odd, must_fail, text = "", False, kind.draw(shape)
        if name in required or name == odd or rng.random() < 0.3:
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
