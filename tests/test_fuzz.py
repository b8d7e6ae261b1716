"""Random calls of everything that is public, and random command lines: each is refused clearly or gives the right
value. What was found so is repeated below, in a table.
"""

import collections

import fuzz
import fuzz_cli
import fuzz_oracles
import jax
import numpy as np
import pytest

import istsim

AT_ONCE = 50
# Calls and command lines of `make test`, and with those of `make test-slow`.
CALLS, ALL_CALLS = 160, 1500
LINES, ALL_LINES = 40, 300
TARGETS = fuzz.targets()


def batches(first, end):
    starts = range(first, end, AT_ONCE)
    return pytest.mark.parametrize(
        "numbers", [range(at, min(at + AT_ONCE, end)) for at in starts], ids=map(str, starts)
    )


def faults_of_calls(numbers):
    """A line for each case that is neither refused clearly nor right, and what repeats it."""
    found = []
    for number in numbers:
        case = fuzz.drawn(number, TARGETS)
        try:
            fuzz_oracles.check(case, *fuzz.run(case))
        except fuzz.Refused:
            pass
        except Exception as error:
            found.append(f"case {number}: {type(error).__name__}: {error}\n  {case.reproduction}")
    jax.clear_caches()
    return found


def faults_of_lines(numbers):
    lines = [fuzz_cli.drawn(number) for number in numbers]
    return [f"{fault}\n  {line.reproduction}" for line in lines if (fault := fuzz_cli.fault_of(line))]


@pytest.mark.usefixtures("unchecked")
@batches(0, CALLS)
def test_calls_are_refused_clearly_or_right(numbers):
    assert not (found := faults_of_calls(numbers)), "\n".join(found)


@pytest.mark.slow
@pytest.mark.usefixtures("unchecked")
@batches(CALLS, ALL_CALLS)
def test_many_calls_are_refused_clearly_or_right(numbers):
    assert not (found := faults_of_calls(numbers)), "\n".join(found)


@batches(0, LINES)
def test_command_lines_are_refused_clearly_or_done(numbers):
    assert not (found := faults_of_lines(numbers)), "\n".join(found)


@pytest.mark.slow
@batches(LINES, ALL_LINES)
def test_many_command_lines_are_refused_clearly_or_done(numbers):
    assert not (found := faults_of_lines(numbers)), "\n".join(found)


@pytest.mark.parametrize("module", fuzz.MODULES)
def test_every_public_name_is_called_or_left_out_for_a_reason(module):
    names, left_out = fuzz.public_names(module), fuzz.reasons(module)
    called = {target.name.split(".")[1] for target in TARGETS if target.name.startswith(f"{module}.")}
    assert set(left_out) <= set(names), "reasons are given for what is not there"
    assert called | set(left_out) == set(names), "add them to the table in fuzz.py"


def test_every_name_at_the_top_is_one_of_a_module():
    elsewhere = {name for module in fuzz.MODULES for name in fuzz.public_names(module)}
    at_top = {name for name, value in vars(istsim).items() if name[0] != "_" and callable(value)}
    assert at_top <= elsewhere


def test_every_parameter_has_values_and_every_reason_a_target():
    for target in TARGETS:
        for parameter in target.parameters.values():
            fuzz.kind_of(target, parameter)
    names = {target.name for target in TARGETS}
    assert set(fuzz.VALID_ONLY) | set(fuzz.ALWAYS) <= names
    assert set(fuzz_oracles.ORACLES) <= names


def test_cases_are_the_same_everywhere_and_of_all_sorts():
    cases = [fuzz.drawn(number, TARGETS) for number in range(ALL_CALLS)]
    assert [case.call for case in cases[:20]] == [fuzz.drawn(number, TARGETS).call for number in range(20)]
    assert {case.target.name for case in cases} == {target.name for target in TARGETS}
    sorts = collections.Counter("odd" if case.must_fail else "either" if case.odd else "valid" for case in cases)
    assert min(sorts.values()) > ALL_CALLS / 20, sorts


@pytest.mark.usefixtures("unchecked")
def test_most_valid_calls_give_values():
    """Else it would be enough to refuse everything."""
    valid = [case for case in (fuzz.drawn(number, TARGETS) for number in range(AT_ONCE)) if not case.odd]
    refused = 0
    for case in valid:
        try:
            fuzz.run(case)
        except fuzz.Refused:
            refused += 1
    assert refused < len(valid) / 4, f"{refused} of {len(valid)}"


# What cases have found, each with the argument that the error must name.
REFUSED = [
    ("istsim.Grouped(istsim.Identity(2, 3), np.ma.masked_array([0, 1, 0], [True, False, False]))", "groups"),
    ("istsim.Quadratic(np.eye(2)[None], np.ones((1, 2))).value([1.0])", "x"),
    ("istsim.Quadratic(np.eye(2)[None], np.ones((1, 2))).gradient(np.ones(2) + 1j)", "x"),
    ("istsim.Quadratic(np.eye(1)[None], np.ones((1, 1))).objective_gap(np.ones(3))", "x"),
    ("istsim.Quadratic(np.eye(2)[None], np.ones((1, 2))).original('ab')", "z"),
    ("istsim.Quadratic(np.eye(2)[None], np.ones((1, 2))).astype(np.float16)", "dtype"),
    ("istsim.Quadratic(np.eye(2)[None], np.ones((1, 2))).astype('nope')", "dtype"),
    ("istsim.tridiagonal_quadratic(0, 2, 3, noise_scale=0.1, smallest_eigenvalue=0.1, dtype=int)", "dtype"),
    ("istsim.remark_1_quadratic(1, '2', 1)", "b"),
    ("istsim.remark_1_quadratic(1, np.complex64(2), 1)", "b"),
    ("istsim.remark_1_quadratic(1, 10**400, 1)", "b"),
    ("istsim.random_quadratic(True, 2, 2, condition_number=2, matrix_heterogeneity=0, vector_heterogeneity=0)", "key"),
    ("istsim.load_libsvm(0)", "path"),
    ("istsim.split_over_workers(np.ones((4, 2)), 2, 'label')", "targets"),
    ("istsim.GaussianNoise(np.zeros((0, 0)))", "covariance"),
    ("istsim.GaussianNoise(np.ones((2, 3)))", "covariance"),
    ("istsim.GaussianNoise([[1.0], [1.0, 2.0]])", "covariance"),
    ("istsim.LocalUpdates(3)", "blocks"),
    ("istsim.RandK(2, 10**30, 1)", "d"),
    ("istsim.trajectory(istsim.remark_1_quadratic(1, 2, 1), istsim.GradientDescent(), step_size=0.1, rounds=10**30,"
     " key=0)", "rounds"),
    ("istsim.GradientDescent().floats_per_round(None)", "problem"),
    ("istsim.LocalUpdates([1]).floats_per_round(None)", "problem"),
    ("theory.fewest_rounds(3, istsim.GradientDescent(), 0.1)", "problem"),
    ("theory.exact_moments(istsim.remark_1_quadratic(1, 2, 1), istsim.GradientDescent(), step_size=0.1, rounds=2,"
     " gradient_weighting=[[0.0, 1.0], [2.0, 0.0]])", "gradient_weighting"),
    ("theory.best('abc', lambda v: None, goal=3, candidates=[1])", "problem"),
    ("theory.best(istsim.remark_1_quadratic(1, 2, 1), 3, goal=3, candidates=[1])", "family"),
    ("theory.best(istsim.remark_1_quadratic(1, 2, 1), lambda v: None, goal=3, candidates=[])", "candidates"),
    ("theory.best(istsim.remark_1_quadratic(1, 2, 1), lambda v: None, goal=3, bounds=(1.0,))", "bounds"),
    ("theory.mean_operator(istsim.remark_1_quadratic(1, 2, 1), istsim.GradientDescent(), step_size='a')", "step_size"),
    ("theory.fixed_point(istsim.remark_1_quadratic(1, 2, 1), istsim.GradientDescent(), step_size=-1)", "step_size"),
    ("istsim.simulate(istsim.remark_1_quadratic(1, 2, 1), istsim.GradientDescent(), step_size=lambda k: 'x', rounds=2,"
     " key=0)", "step_size"),
    ("istsim.fit_batch_scaling([1, 2], ['1', '2'])", "steps"),
    ("istsim.Grid(problems=['p'], step_sizes=[0.1], seeds=[True])", "seeds"),
    ("istsim.Grid(problems=['p'], step_sizes=[0.1], sketches=[' '])", "sketches"),
    ("istsim.sweep(3, store='x')", "grid"),
    ("istsim.sweep(istsim.Grid(problems=['p'], step_sizes=[0.1]), store=None)", "store"),
    ("istsim.sweep(istsim.Grid(problems=['p'], step_sizes=[0.1]), store='x', executor=3)", "executor"),
    ("istsim.sweep(istsim.Grid(problems=['p'], step_sizes=[0.1]), store='x', names=[1])", "names"),
    ("istsim.sweep(istsim.Grid(problems=['p'], step_sizes=[0.1]), store='x', names={3: 4})", "names"),
    ("istsim.Quadratic.from_tridiagonals(np.ones((1, 2)), np.full((1, 1), 1e300), np.ones((1, 2)))", "L_i"),
    ("istsim.Quadratic.from_tridiagonals(np.zeros((1, 1)), np.ones((1, 0)), np.ones((1, 1)))", "Lbar"),
    ("istsim.GaussianNoise([])", "covariance"),
    ("istsim.Grouped(istsim.Identity(2, 3), [[1], [1, 2]])", "groups"),
    ("istsim.verify.check_sketch(3)", "sketch"),
    ("istsim.certificates.least_theta([[1]], [[np.nan]])", "W"),
    ("istsim.certificates.is_semidefinite(np.zeros((0, 0)))", "matrix"),
    ("istsim.certificates.is_semidefinite(np.ma.masked_array([[1.0]], True))", "matrix"),
    ("istsim.certificates.as_fraction(fractions.Fraction)", "x"),
    ("istsim.certificates.largest_rate([[1]], [[3]], digits=10**4)", "digits"),
    ("istsim.certificates.decide_theta(3, 1)", "one_round"),
    ("istsim.certificates.RationalRound.of(istsim.remark_1_quadratic(1, 2, 1), istsim.GradientDescent(),"
     " step_size=-1)", "step_size"),
    ("symbolic.values(3, istsim.GradientDescent())", "problem"),
    ("symbolic.evaluate(3, istsim.remark_1_quadratic(1, 2, 1), istsim.GradientDescent())", "expression"),
    ("symbolic.inclusion_probability(istsim.RandK, 1)", "sketch"),
    ("symbolic.inclusion_probability(istsim.RandK(2, 2, 1), 1.0)", "size"),
    ("symbolic.reported_probability(istsim.RandK(2, 2, 1), 3)", "participants"),
    ("istsim.costs.compare(istsim.costs.named('resnet18'), None, istsim.costs.Training())", "cluster"),
    ("istsim.costs.Amount('a')", "whole"),
    ("istsim.costs.Block(parameters=3)", "parameters"),
    ("istsim.costs.ModelSizes('mine', 3)", "blocks"),
    ("istsim.costs.as_text(None)", "found"),
    ("istsim.costs.label(3)", "one"),
    ("istsim.costs.resnet(depths=3)", "depths"),
    ("istsim.costs.quantity('memory', None, 'B')", "memory"),
    ("networks.Slice('0.weight', 0, width=-1)", "width"),
    ("networks.mlp([2, 1.5])", "widths"),
    ("networks.ResNet(10, depths=[1, 'a'])", "depths"),
    ("networks.Transformer(9, width=4, depth=True, heads=1)", "depth"),
    ("networks.PerLayer(3)", "sketches"),
    ("networks.spectral_gap('abc')", "mask"),
    ("networks.DataParallel(2, keep=None)", "keep"),
    ("networks.TrainingRun(seed=2.5)", "seed"),
    ("networks.TrainingRun(local_steps=None)", "local_steps"),
]  # fmt: skip


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(("call", "name"), REFUSED, ids=[call[:60] for call, _ in REFUSED])
def test_what_cases_have_found_is_refused_by_name(call, name):
    names = {}
    exec(fuzz.PREAMBLE, names)
    with pytest.raises(ValueError) as raised:
        eval(call, names)
    assert fuzz.names_argument(str(raised.value), name), raised.value


def test_a_grid_that_cannot_be_read_leaves_no_store(tmp_path):
    with pytest.raises(ValueError, match="nope"):
        istsim.sweep(istsim.Grid(problems=["nope nope"], step_sizes=[0.1]), store=tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_points_of_a_run_that_diverged_have_values_without_warnings():
    problem = istsim.remark_1_quadratic(1, 2, 1)
    for x in ([1e300, 1.0], [float("inf"), 0.0], [float("nan"), 0.0]):
        assert not np.isfinite(problem.value(x))
        assert not np.isfinite(problem.objective_gap(x))
        assert problem.gradient(x).shape == (2,)


def test_examples_without_number_are_cut_into_microbatches_at_once():
    prime = 10**9 + 7
    found = istsim.costs.compare(
        istsim.costs.named("resnet18"), istsim.costs.Cluster(1, 2**40), istsim.costs.Training(2 * prime)
    )
    assert found.costs[0].setting["microbatches"] == prime


@pytest.mark.usefixtures("unchecked")
def test_sizes_given_in_few_bits_do_not_overflow():
    sizes = {"vocabulary": 200, "width": 64, "depth": 2, "heads": 4, "hidden": 128, "length": 100}
    in_few_bits = istsim.costs.llama(**{name: np.uint8(size) for name, size in sizes.items()})
    assert in_few_bits == istsim.costs.llama(**sizes)
    assert istsim.costs.resnet(classes=np.uint8(10)) == istsim.costs.resnet(classes=10)


def test_fractions_beyond_the_range_of_floats_are_told():
    one_round = istsim.certificates.RationalRound.of(istsim.remark_1_quadratic(1, 2, 1), istsim.GradientDescent())
    assert "e+400" in str(istsim.certificates.decide_theta(one_round, 10**400))
