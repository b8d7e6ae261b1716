"""What parameters take, by kind: source text of valid values, of odd ones, and of some that may go either way.

Several texts are written as one, with a semicolon and a blank between them.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

import istsim


@dataclasses.dataclass
class Shape:
    """The sizes that all arguments of a case have in common, and what draws them."""

    rng: np.random.Generator
    n: int
    d: int

    def pick(self, *choices: str) -> str:
        return choices[self.rng.integers(len(choices))]

    def number(self, low: float, high: float) -> float:
        return round(float(self.rng.uniform(low, high)), 3)

    def whole(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))


Texts = str | Callable[[Shape], str]


@dataclasses.dataclass(frozen=True)
class Kind:
    right: Texts
    wrong: Texts = ""  # must be refused
    either: Texts = ""  # refused, or taken for the number or array it is


def drawn(texts: Texts, shape: Shape) -> str:
    """One of several texts, or what a function draws."""
    return texts(shape) if callable(texts) else shape.pick(*texts.split("; "))


def join(*texts: str) -> str:
    return "; ".join(text for text in texts if text)


SOMETHING = "3; 'abc'; object(); np.ones((2, 2)); []; istsim.Quadratic; istsim.IST; istsim.Permutation"
OBJECTS = join("None", SOMETHING)
NO_FUNCTION = "None; 3; 'abc'; object(); np.ones((2, 2)); []"
NO_TEXT_OR_NUMBER = "object(); {}; b'1'; np.nan; np.inf; -np.inf; 1j; np.complex64(1); np.ones((2, 2)); np.zeros(0); []"
NO_NUMBER_OR_NONE = join("'abc'; '0.1'", NO_TEXT_OR_NUMBER, "np.ma.masked_array(0.1, True); np.datetime64(1, 's')")
NO_FRACTION = join("None", NO_NUMBER_OR_NONE, "fractions.Fraction")
NO_NUMBER_OR_NONE = join(NO_NUMBER_OR_NONE, "10**400; [0.1, 0.2, 0.3]")
NO_NUMBER = join("None", NO_NUMBER_OR_NONE)
NO_COUNT = join(
    NO_NUMBER, "-1; 2.5; 2.0; 10**30; True; np.bool_(True); '2'; np.float64(2); [2]; np.float16(1)"
).replace("10**400; ", "")
POSITIVE = "0.0; -1.0"
FLAG = "0; 1; np.True_; np.False_"
KEYS = "0; 7; np.int64(7); np.uint32(7); jax.random.key(7); jax.random.PRNGKey(7)"
NO_KEYS = join("None; object(); 'abc'; {}; 1.5; np.nan; True; [1, 2]; np.zeros(3, np.uint32); '0'; 1j; 10**400")
NO_KEYS = join(NO_KEYS, "jax.random.split(jax.random.key(0)); np.array([1, 2])")


def count(low: int, high: Callable[[Shape], int] | int = 3, wrong: str = "0") -> Kind:
    def draw(shape):
        value = shape.whole(low, high(shape) if callable(high) else high)
        return shape.pick(str(value), f"np.int64({value})", f"np.array({value})", f"np.uint8({value})")

    return Kind(draw, join(NO_COUNT, wrong))


def number(low: float, high: float, wrong: str = "", either: str = "") -> Kind:
    def draw(shape):
        value = shape.number(low, high)
        ways = (f"np.float32({value})", f"np.float16({value})", f"np.array({value})", f"jax.numpy.asarray({value})")
        return shape.pick(str(value), str(value), *ways)

    return Kind(draw, join(NO_NUMBER, wrong), join(either, "True; 1e300; 1e-300; fractions.Fraction(1, 3)"))


def choice(*names: str, wrong: str = "") -> Kind:
    odd = join("''; 'nope'; 3; b'vmap'; []; np.ones(2); object(); ('a', 'b')", wrong)
    return Kind("; ".join(map(repr, names)), odd)


def of_entries(base: str) -> list[str]:
    """The same numbers in other arrays."""
    ways = ["{}", "np.asfortranarray({})", "({}).tolist()", "jax.numpy.asarray({})", "np.repeat({}, 2, axis=0)[::2]"]
    return [way.format(base) for way in [*ways, "np.lib.stride_tricks.as_strided({}, writeable=False)"]]


def array(base: Callable[[Shape], str], wrong: str = "", *, finite: bool = True) -> Kind:
    """Arrays from the text of one; what is odd of any array holds for all of them, but that some may be infinite."""
    odd = "None; object(); 'abc'; {}; np.zeros(0); np.ones((1, 1, 1, 1, 1)); [[1.0], [1.0, 2.0]]; np.array(['a', 'b'])"
    odd = join(odd, "[]; np.nan; np.zeros((0, 0)); np.zeros((0, 2, 2)); np.array(['2020-01-01'], 'M8[D]'); [None]")
    odd = join(odd, "np.array([{}])", wrong)
    spoiled = ["({}) + 1j", "np.ma.masked_array({}, True)", "({}) - np.inf"]
    spoiled += ["({}) * np.nan", "({}) * np.inf"] * finite
    changed = ["({}) * 1e300", "({}) * 1e-300", "({}) * 0", "np.rint({}).astype(int)", "({}) > 0"]
    changed += ["({}).astype(object)", "({}).astype(np.float16)"]

    def right(shape):
        return shape.pick(*of_entries(base(shape)))

    def wrong_of(shape):
        return shape.pick(*odd.split("; "), *(way.format(base(shape)) for way in spoiled))

    return Kind(right, wrong_of, lambda shape: shape.pick(*changed).format(base(shape)))


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


ROUNDS = count(1, 3)
GROUPS = array(lambda s: f"np.arange({s.d}) % {max(1, s.d - 1)}", wrong="[0, 5]; [-1, 0]; [0.5, 0.0]")
SYMMETRIC = array(lambda s: f"(lambda A: A + A.T)({normal(d_of, d_of)(s)})", wrong="[[0.0, 1.0], [2.0, 0.0]]")
DEFINITE = array(
    lambda s: f"(lambda A: A @ A.T + np.eye(len(A)))({normal(d_of, d_of)(s)})", wrong="[[0.0, 1.0], [2.0, 0.0]]"
)
MATRICES = array(
    lambda s: f"(lambda A: A @ A.transpose(0, 2, 1) + np.eye({s.d}))({normal(n_of, d_of, d_of)(s)})",
    wrong="-np.ones((1, 1, 1)); [[[1.0, 2.0], [0.0, 1.0]]]; np.zeros((1, 2, 2)); [[[1.0, 2.0], [2.0, 1.0]]]",
)
POINTS = Kind(
    lambda s: s.pick(*of_entries(normal(2, d_of)(s)), *of_entries(normal(d_of)(s))),
    join(
        "None; object(); 'abc'; {}",
        "1.0; np.zeros(0); np.ones(99); [[1.0], [1.0, 2.0]]; np.ones((2, 99)) + 1j; np.array(['a'])",
    ),
    "np.nan * np.ones((1, 1)); np.full(2, np.inf); np.full(1, 1e300); np.ones((2, 3, 1)); np.zeros((0, 1))",
)

# By parameter, "name" or "function.name"; the nearer name wins.
PARAMETERS = {
    "problem": Kind(problem, OBJECTS),
    "method": Kind(method, OBJECTS),
    "sketch": Kind(sketch, OBJECTS),
    "theorem": Kind(lambda s: f"theorems.get({s.pick(*istsim.theorems.names())!r})", OBJECTS),
    "key": Kind(KEYS, NO_KEYS, "-1; 2**40; np.array(3); jax.numpy.asarray(3); jax.random.key(7, impl='rbg')"),
    "n": count(1),
    "d": count(1, 4),
    "k": count(1, d_of, "0; 99"),
    "copies": count(1, n_of, "0; 99"),
    "p": number(0.1, 1, "0.0; -0.5; 1.5; 2", "1; True"),
    "groups": GROUPS,
    "step_size": number(0.001, 0.2, POSITIVE, "10.0"),
    "simulate.step_size": number(0.001, 0.2, join(POSITIVE, "[0.1, -0.1]; lambda k: 'x'; lambda k: -1.0")),
    "rounds": ROUNDS,
    "most": ROUNDS,
    "repetitions": ROUNDS,
    "record_every": count(1, 9),
    "draws": Kind("1000", join(NO_COUNT, "0; 999")),
    "points": count(2, 4, "0"),
    "x0": array(normal(d_of), wrong="np.ones(99); 1.0"),
    "x": POINTS,
    "z": POINTS,
    "X": array(normal(d_of, d_of), wrong="np.ones((99, 99)); np.ones((2, 3))"),
    "gradient_weighting": SYMMETRIC,
    "covariance_at": Kind("[0]; (1,); [1, 0]; []", "3; [99]; [-1]; [0.5]; '0'; [None]"),
    "route": choice("formula", "enumeration"),
    "gap": number(0.01, 0.1, POSITIVE),
    "best.family": Kind(
        lambda s: f"lambda v: istsim.IST(istsim.Permutation({s.n}, {s.d}), forward_scale=v)", NO_FUNCTION
    ),
    "best.goal": Kind("'rate'; 'stationary'; 5", "None; 'nope'; 0; -1; 2.5; []; True"),
    "best.candidates": Kind("[0.5, 1.0]", "[]; 3; None"),
    "best.bounds": Kind("None", "(2.0, 0.5); (0.0, 1.0); (1.0,); 3; 'ab'; (np.nan, 1.0)"),
    "backend": choice("vmap"),
    "mesh_shape": Kind("None", "(0, 1); (99, 99); 3; 'ab'; (1.5, 1); (1, 1, 1)"),
    "progress": Kind("False"),
    # problems
    "Quadratic.L": MATRICES,
    "b": array(normal(n_of, d_of), wrong="np.ones((99, 99))"),
    "diagonals": array(lambda s: f"abs({normal(n_of, d_of)(s)}) + 2", wrong="-np.ones((2, 2)); np.zeros((2, 2))"),
    "off_diagonals": array(lambda s: f"np.ones(({s.n}, {s.d - 1}))", wrong="np.ones((99, 99))"),
    "A": array(
        lambda s: f"np.random.default_rng({s.whole(0, 9)}).normal(size=({s.n}, 5, {s.d}))", wrong="np.ones((99, 1, 2))"
    ),
    "y": array(lambda s: f"np.random.default_rng({s.whole(0, 9)}).normal(size=({s.n}, 5))", wrong="np.ones((99, 1))"),
    "ridge": number(0, 1, "-1.0"),
    "condition_number": number(1, 20, "0.5; 0.0; -1.0"),
    "matrix_heterogeneity": number(0, 1, "1.5; -0.5"),
    "vector_heterogeneity": number(0, 2, "-0.5"),
    "noise_scale": number(0, 0.1, "-0.5"),
    "smallest_eigenvalue": number(0.01, 1, POSITIVE),
    "dtype": Kind("np.float32; np.float64; 'float32'", "int; complex; np.float16; 'nope'; 3; object()"),
    "eigenvalues": array(lambda s: f"abs({normal(n_of, d_of)(s)}) + 0.1", wrong="-np.ones((2, 2)); np.ones(2)"),
    "real_quadratic.name": choice("diabetes"),
    "load_dataset.name": choice("diabetes"),
    "real_quadratic.n": count(1, 5, "0; 10**6"),
    "split": choice("even", "random", "label"),
    "targets": array(normal(lambda s: s.n + 2), wrong="np.ones((2, 2)); 1.0"),
    "path": Kind("'nowhere.txt'", "None; 3; object(); 1.5; ''; np.ones(2)"),
    "remark_1_quadratic.a": number(1, 2, POSITIVE),
    "remark_1_quadratic.b": number(1, 2, POSITIVE),
    "remark_1_quadratic.c": number(-0.9, 0.9, "99.0"),
    # methods
    "forward_scale": Kind("1.5; 'unbiased'; np.float32(2); None", join(NO_NUMBER_OR_NONE, POSITIVE), "True"),
    "gradient_scale": Kind("1.5; 'unbiased'; np.float32(2); None", join(NO_NUMBER_OR_NONE, POSITIVE), "True"),
    "weights": array(lambda s: f"abs({normal(n_of, d_of)(s)})", wrong="np.ones((99, 99)); -np.ones(2)"),
    "merge": choice("mean", "owners", "literal", wrong="None"),
    "local_steps": ROUNDS,
    "participants": count(1, n_of, "0; 99"),
    "noise": Kind(lambda s: f"istsim.GaussianNoise(np.ones({s.d}))", SOMETHING),
    "covariance": DEFINITE,
    "blocks": Kind(lambda s: f"[1] * {s.d}", "[]; 3; None; [0]; [-1, 2]; [1.5]; 'ab'; [None]; [True]"),
    "CompressedIterates.merge": choice("mean", "literal", wrong="None; 'owners'"),
    "LocalParallelism.head_width": Kind("None", "0; -1; 1.5; 'a'"),
    "LocalUpdates.mode": choice("greedy", wrong="None"),
    "LocalUpdates.window": count(1, 1),
    "LocalUpdates.shared": choice("sum", wrong="None"),
    # sketches
    "size": count(0, d_of, "99"),
    "left": count(0, 1, "99"),
    "right": count(0, 1, "99"),
    "shared": count(0, 0, "99"),
    "Sketch.key": Kind("jax.random.key(7); jax.random.PRNGKey(7)"),
    # sweeps
    "grid": Kind(
        "istsim.Grid(problems=['remark_1_quadratic(1, 2, 1)'], step_sizes=[0.01, 0.1], rounds=2, repetitions=2)",
        OBJECTS,
    ),
    "store": Kind("tempfile.mkdtemp()", "None; 3; object(); np.ones(2); '/dev/null/x'; 1.5"),
    "executor": Kind("concurrent.futures.ThreadPoolExecutor(1)", "3; 'abc'; concurrent.futures.ThreadPoolExecutor"),
    "names": Kind("{}", "3; 'abc'; [1]; {3: 4}"),
    "Grid.problems": Kind("['remark_1_quadratic(1, 2, 1)']", "[]; 3; None; [3]; ''; ['a', 'a']; [None]"),
    "Grid.step_sizes": Kind(
        "[0.1]; np.array([0.1, 0.2]); (0.1,)",
        "[]; 3; None; [0.0]; [-1]; ['a']; [np.nan]; [0.1, 0.1]; [1j]; np.ma.masked_array([0.1], True); [None]",
    ),
    "Grid.methods": Kind("['IST']", "[]; 3; None; [3]; ['a', 'a']; [None]; ['']"),
    "Grid.sketches": Kind("['Permutation']", "[]; 3; None; [3]; ['a', 'a']; [None]; ['']"),
    "Grid.forward_scales": Kind(
        "[None, 1.0, 'unbiased']", "[]; 3; None; ['a']; [0.0]; [-1.0]; [np.nan]; [1, 1]; [[1]]"
    ),
    "Grid.gradient_scales": Kind("[None]", "[]; 3; None; ['a']; [0.0]; [-1.0]; [np.nan]; [1, 1]; [[1]]"),
    "Grid.seeds": Kind("[0, 1]", "[]; 3; None; ['a']; [1.5]; [0, 0]; [None]; [True]"),
    "batch_sizes": array(
        lambda s: "np.array([1.0, 2.0, 4.0])", wrong="[1.0, 1.0, 2.0]; [0.0, 1.0, 2.0]; np.ones((2, 2))"
    ),
    "fit_batch_scaling.steps": Kind(
        "[30, 20, 10]; [30.0, np.inf, 20.0]",
        "[1, 2]; [0, 1, 2]; [np.nan, 1, 2]; None; 'abc'; [1j, 1, 2]; ['a', 'b', 'c']; []; 3",
    ),
    # verify
    # Of runs that diverged.
    "samples": array(lambda s: f"abs({normal(5, d_of)(s)})", wrong="np.ones((1, 2)); -np.ones((5, 2))", finite=False),
    "exact": array(lambda s: f"np.full({s.d}, 0.8)", wrong="np.ones(99)"),
    "standard_errors": number(1, 6, POSITIVE),
    "axis": Kind("0", "2; None; '0'; 0.5; -5; True; [0]"),
    # theorems
    "get.name": Kind(lambda s: repr(s.pick(*istsim.theorems.names())), "None; ''; 'theorem-9'; 3; object()"),
    "parameters": Kind("{}", "3; 'abc'; [1]; {'young': 'a'}"),
    "check.exact": Kind("False", "", FLAG),
    # certificates
    "claim": Kind("'0 <= A'"),
    "matrix": SYMMETRIC,
    "V": DEFINITE,
    "W": DEFINITE,
    "Lbar": DEFINITE,
    "digits": count(1, 9),
    "arithmetic": choice("flint", "fractions"),
    "one_round": Kind(
        lambda s: f"istsim.certificates.RationalRound.of({problem(s)}, istsim.GradientDescent())", OBJECTS
    ),
    "decide_gradients.step_size": Kind("0.1; 1; fractions.Fraction(1, 3)", join(NO_FRACTION, POSITIVE)),
    "decide_iterates.step_size": Kind("0.1; 1; fractions.Fraction(1, 3)", join(NO_FRACTION, POSITIVE)),
    "theta": Kind("1; 0.5; -2; fractions.Fraction(1, 3)", NO_FRACTION),
    "rate": Kind("1; 0.5; -2; fractions.Fraction(1, 3)", NO_FRACTION),
    "as_fraction.x": Kind("1; 0.1; -2.5; np.float32(0.1); np.int64(3); 1e300; 1e-300", NO_FRACTION),
    "as_fractions.values": Kind(normal(d_of), "'abc'; [None]; [np.nan]; [1j]; object(); [[1], [1, 2]]; {}"),
    "Block.parameters": Kind("istsim.costs.Amount(3, 4)", SOMETHING),
    "TrainingRun.step_size": Kind("0.1", join(NO_NUMBER, POSITIVE)),
    "TrainingRun.coverage": Kind("0.5", join(NO_NUMBER, POSITIVE)),
    # symbolic
    "expression": Kind(
        "sympy.Symbol('n') + 1; symbolic.fixed_point(istsim.GradientDescent())",
        join(OBJECTS, "sympy.Symbol('nope')"),
    ),
    # costs
    "model": Kind(of_costs, OBJECTS),
    "cluster": Kind(lambda s: f"istsim.costs.Cluster({s.pick('2', '4', '8')}, 2**35)", OBJECTS),
    "training": Kind("istsim.costs.Training()", OBJECTS),
    "found": Kind(
        lambda s: f"istsim.costs.compare({of_costs(s)}, istsim.costs.Cluster(4, 2**35), istsim.costs.Training())",
        OBJECTS,
    ),
    "one": Kind("istsim.costs.DataParallel(); istsim.costs.Pipeline(stages=2)", OBJECTS),
    "parallelisms": Kind("[istsim.costs.DataParallel()]", "[]; 3; [3]; 'ab'"),
    "coverage": number(0.25, 1, "0.0; -0.5; 1.5"),
    "SubnetworkDataParallel.coverage": number(0.25, 1, "0.0; -0.5; 1.5"),
    "SDP.coverage": Kind("1; 1.0; np.float32(1)", join(NO_NUMBER, "0.0; -0.5; 1.5; 0.123")),
    "microbatches": ROUNDS,
    "devices": count(1, 8),
    "named.name": choice("llama-134m", "resnet18"),
    "named.length": count(1, 99),
    "quantity.name": Kind("'--memory'"),
    "quantity.text": Kind("'24GiB'", "None; ''; 'GiB'; '-1GiB'; 'nanGiB'; '1e999GiB'; '24'; 3; '24 XB'"),
    "quantity.unit": Kind("'B'"),
    "width": count(2, 9),
    "heads": count(1, 1),
    "key_heads": count(1, 1),
    "depths": Kind("[1, 1]", "[]; 3; None; [0]; [1.5]; 'ab'; [None]"),
    "stages": count(2, 4, "0; 1"),
    "chunks": count(2, 4, "0"),
    "degree": count(2, 4, "0; 1"),
    "number_bytes": count(1, 4),
    "ModelSizes.name": Kind("'mine'"),
    "ModelSizes.blocks": Kind("istsim.costs.named('resnet18').blocks", "(); 3; None; [3]; 'ab'"),
    "before": Kind("istsim.costs.Block()", OBJECTS),
    "after": Kind("istsim.costs.Block()", OBJECTS),
    "parts": Kind("()"),
    "Block.name": Kind("''"),
    "follows": Kind("None"),
    "Amount": Kind(lambda s: f"istsim.costs.Amount({s.whole(0, 9)}, {s.whole(0, 9)})"),
    "whole": number(0, 9),
    "once": number(0, 9),
    "twice": number(0, 9),
    # networks
    "mask": array(lambda s: f"np.ones(({s.n}, {s.d}), bool)"),
    "sketches": Kind(lambda s: f"({sketch(s)}, {sketch(s)})", "(); 3; None; (3,)"),
    "widths": Kind("[3, 2, 2]", "[]; [3]; 3; None; [0, 1]; [1.5, 2]; ['a', 'b']; [-1, 2]"),
    "head": Kind("None"),
    "BalancedCoverage.sizes": Kind(lambda s: f"(1,) * {s.d}", "(); 3; None; (-1,); ('a',)"),
    "TrainingRun.seed": Kind("0; 7; np.int64(3); -1", NO_COUNT.replace("-1; ", "")),
    "TrainingRun.data": Kind("'digits'", "None; 3"),
    "Blocks.name": Kind("'block'"),
    "Blocks.names": Kind("('0', '1')"),
    "Slice.tensor": Kind("'0.weight'"),
    "Slice.axis": Kind("0"),
    "Units.name": Kind("'layer'"),
    "Units.slices": Kind("(networks.Slice('0.weight', 0),)"),
    "Units.consumers": Kind("('2',)"),
    "networks.IST.sketch": Kind("istsim.Permutation", "None; 3; 'abc'; lambda: 3; np.ones(2)"),
}
