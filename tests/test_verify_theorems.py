"""The machine that looks for counterexamples: it finds what is wrong, says so plainly, and lets the rest pass."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
import scipy.stats
import sympy as sp

import istsim
from istsim import cli, theory
from istsim.theorems import Kind, Premise
from istsim.theorems._perm_q_mean import PermQMean
from istsim.verify import _sampled, assert_theorem, strategies, verify_theorem

gap, previous, gamma, largest = sp.symbols("gap previous gamma lambda_max")


pytestmark = pytest.mark.usefixtures("registry_of_its_own")


class Descent(istsim.theorems.Theorem):
    """Gradient descent never raises the objective."""

    name, title, source = "descent", "Descent", "textbooks"
    kind = Kind.UPPER
    statement = sp.Le(gap, previous, evaluate=False)
    longest = 2.0

    @property
    def premises(self):
        return (
            Premise("gradient descent", self.other_method),
            Premise(f"step size at most {self.longest} / lambda_max", self.too_long, break_just=self.lengthen),
        )

    def other_method(self, instance):
        return "" if isinstance(instance.method, istsim.GradientDescent) else f"it is {instance.method}"

    def limit(self, instance):
        return self.longest / np.linalg.eigvalsh(instance.Lbar)[-1]

    def too_long(self, instance):
        return "" if instance.step_size <= self.limit(instance) else f"it is {instance.step_size:.6g}"

    def lengthen(self, instance):
        return instance.changed(step_size=1.001 * self.limit(instance))

    def draw(self, draw):
        instance = draw(strategies.instances(method=istsim.GradientDescent()))
        return instance.changed(step_size=draw(strategies.numbers(0.1, 1.0)) * self.limit(instance))

    def sequences(self, instance):
        return {gap: instance.objective_gap[1:], previous: instance.objective_gap[:-1]}


class LongDescent(Descent):
    """The same with too long a step."""

    longest = 2.5


def test_a_true_theorem_of_a_user_passes(false_alarm_rate):
    found = verify_theorem(Descent(), examples=20, false_alarm_rate=false_alarm_rate)
    assert found.passed
    assert (found.found, found.code) == ("", "")
    assert found.examples == 20
    assert found.outside == 20
    assert 0 < found.tightness <= 1


def test_a_bound_from_below_is_one():
    class NeverNegative(Descent):
        kind = Kind.LOWER
        statement = sp.Ge(gap, sp.Float(0), evaluate=False)

    class AtLeastTheLast(Descent):
        kind = Kind.LOWER
        statement = sp.Ge(gap, previous, evaluate=False)

    problem = istsim.Quadratic([[[1.0]]], [[0.0]])
    for theorem, holds in ((NeverNegative(), True), (AtLeastTheLast(), False)):
        assert theorem.check(problem, istsim.GradientDescent(), step_size=0.5, rounds=3).holds is holds


def test_a_subtly_false_theorem_is_shrunk_to_code_that_shows_it(capsys):
    istsim.theorems.register(LongDescent())
    found = verify_theorem(LongDescent(), examples=50)
    assert not found.passed
    assert found.found.startswith("does not hold")
    # One round from ones, on workers whose matrices are as plain as can be.
    assert "rounds=1" in found.code
    namespace = {}
    exec(found.code, namespace)
    assert namespace["check"].applicable
    assert not namespace["check"].holds
    assert capsys.readouterr().out.startswith("all premises hold\nFalse\n")


def test_a_premise_that_lets_too_much_through_is_found():
    class Lax(Descent):
        def too_long(self, instance):
            return "" if instance.step_size <= 1.01 * self.limit(instance) else "it is longer"

    found = verify_theorem(Lax(), examples=5)
    assert not found.passed
    assert "does not refuse an instance changed so that this premise just fails: step size at most 2.0" in found.found


def test_a_premise_that_refuses_too_much_is_found():
    class Strict(Descent):
        def too_long(self, instance):
            return "" if instance.step_size <= 0.9 * self.limit(instance) else "it is longer"

    found = verify_theorem(Strict(), examples=50)
    assert not found.passed
    assert found.found.startswith("not applicable where its premises hold: premise fails: step size")


def test_a_theorem_without_a_setting_of_its_own_is_tried_wherever_it_applies():
    class General(Descent):
        draw = istsim.theorems.Theorem.draw

    assert verify_theorem(General(), examples=5, simulations=0).passed


def test_a_theorem_that_applies_nowhere_is_an_error():
    class Nowhere(Descent):
        draw = istsim.theorems.Theorem.draw

        def too_long(self, instance):
            return "always"

    with pytest.raises(ValueError, match="descent: the premises held for none of the instances drawn"):
        verify_theorem(Nowhere(), examples=5)


@pytest.mark.slow
def test_simulation_finds_an_engine_that_is_wrong(false_alarm_rate):
    class Slightly(PermQMean):
        """Both sides from the same wrong engine: only simulation can tell."""

        def constants(self, instance):
            found = super().constants(instance)
            if type(instance) is not istsim.theorems.Instance:
                return found
            wrong = 1.02 * np.asarray(theory.mean_operator(instance.problem, instance.method)[0])
            return found | {
                sp.MatrixSymbol("EB", sp.Symbol("d"), sp.Symbol("d")): wrong,
                sp.Symbol("beta"): (1.02 * instance.method.gradient_scale),
            }

    found = verify_theorem(Slightly(), examples=2, simulations=2)
    assert not found.passed
    assert "disagrees with simulation" in found.found
    assert verify_theorem(PermQMean(), examples=2, simulations=2, false_alarm_rate=false_alarm_rate).passed


def test_assert_theorem_fails_with_the_code(false_alarm_rate):
    assert_theorem(Descent(), examples=5, false_alarm_rate=false_alarm_rate)
    with pytest.raises(AssertionError, match=r"(?s)descent does not hold.*import istsim"):
        assert_theorem(LongDescent(), examples=50)


REFUTED = [name for name in istsim.theorems.names() if istsim.theorems.get(name).kind is Kind.REFUTED]


@pytest.mark.parametrize("name", REFUTED)
def test_every_refuted_statement_is_refuted_with_code_that_shows_it(name, false_alarm_rate):
    found = verify_theorem(istsim.theorems.get(name), false_alarm_rate=false_alarm_rate)
    assert found.passed
    assert found.found.startswith("refuted: the sides are")
    namespace = {}
    exec(found.code.replace("print(", "(lambda *_, **__: None)("), namespace)
    assert namespace["check"].applicable
    assert namespace["check"].holds is False


def test_a_refuted_statement_that_holds_at_its_counterexample_is_found():
    class NotRefuted(type(istsim.theorems.get("erratum-21"))):
        def counterexample(self):
            _, method, arguments = super().counterexample()
            plain = istsim.Quadratic.from_diagonals(np.ones((2, 2)), np.zeros((2, 2)))
            return plain, method, arguments

    found = verify_theorem(NotRefuted())
    assert not found.passed
    assert found.found == "the statement holds at its counterexample"


def test_the_jackknife_is_unbiased_and_knows_its_error(seed, false_alarm_rate):
    """The square of a mean: the plain estimate of the square of E B is too large by the variance."""
    problem = istsim.Quadratic([[[2.0]]], [[0.0]])
    method = istsim.CompressedGradient(istsim.Bernoulli(1, 1, 0.25))
    instance = istsim.theorems.Instance.of(problem, method, step_size=0.1, rounds=1)

    scores = []
    for number in range(30):
        batches = _sampled.Batches(instance, seed + number)
        estimate, error = _sampled.jackknife(batches, lambda sampled: sampled.mean_operator[0, 0] ** 2)
        scores.append((estimate - 4.0) / error)
    degrees, tail = _sampled.BATCHES - 1, false_alarm_rate / 6  # three quantities, two-sided
    # B is 8 with probability 1/4: Var of the mean of N is 12 / N, and the delta method gives the error.
    relative = error / (2 * 2.0 * np.sqrt(12 / _sampled.REPETITIONS))
    law = scipy.stats.chi2(degrees)
    assert law.ppf(tail) < degrees * relative**2 < law.isf(tail)
    # Scores follow Student's t, whose variance is slightly more than 1.
    scores = np.array(scores) / scipy.stats.t.std(degrees)
    assert abs(scores.mean()) < scipy.stats.norm.isf(tail) / np.sqrt(30)
    law = scipy.stats.chi2(29)
    assert law.ppf(tail) < 29 * scores.var(ddof=1) < law.isf(tail)


@pytest.mark.parametrize(
    ("quantity", "method"),
    [
        ("mean", istsim.IST(istsim.Permutation(2, 4))),
        ("objective_gap", istsim.IST(istsim.RandK(2, 4, 2))),
        ("second_moments", istsim.IST(istsim.RandK(2, 4, 2))),
        ("mean_operator", istsim.IST(istsim.RandK(2, 4, 2), merge="literal")),
        ("fixed_point", istsim.IST(istsim.RandK(2, 4, 2))),
        pytest.param("settled_gap", istsim.IST(istsim.RandK(2, 4, 2)), marks=pytest.mark.slow),
    ],
)
def test_what_is_sampled_is_what_the_engine_computes(quantity, method, seed, false_alarm_rate):
    problem = istsim.random_quadratic(0, 2, 4, condition_number=3.0, matrix_heterogeneity=0.5, vector_heterogeneity=1.0)
    instance = istsim.theorems.Instance.of(problem, method, step_size=0.1, rounds=2)
    estimate, error = _sampled.jackknife(
        _sampled.Batches(instance, seed), lambda found: np.asarray(getattr(found, quantity))
    )
    exact = np.asarray(getattr(instance, quantity))
    allowed = scipy.stats.t.isf(false_alarm_rate / (2 * exact.size), _sampled.BATCHES - 1)
    np.testing.assert_array_less(np.abs(estimate - exact), allowed * error + 1e-9)


def test_sampled_second_moments_of_b_are_the_engines(seed, false_alarm_rate):
    problem = istsim.random_quadratic(0, 2, 4, condition_number=3.0, matrix_heterogeneity=0.5, vector_heterogeneity=1.0)
    instance = istsim.theorems.Instance.of(problem, istsim.IST(istsim.RandK(2, 4, 2)), step_size=0.1, rounds=2)
    batches, X = _sampled.Batches(instance, seed), np.arange(16.0).reshape(4, 4)
    statistics = (
        lambda found: found.second_moment(X),
        lambda found: found.gradient_norm_squared(np.diag([1.0, 2, 3, 4])),
        lambda found: np.asarray(found.contraction.theta),
    )
    for statistic in statistics:
        estimate, error = _sampled.jackknife(batches, statistic)
        allowed = scipy.stats.t.isf(false_alarm_rate / len(statistics) / (2 * error.size), _sampled.BATCHES - 1)
        np.testing.assert_array_less(np.abs(estimate - statistic(instance)), allowed * error + 1e-9)


USER_FILE = '''
import sympy as sp
import istsim
from istsim.theorems import Kind, Premise, Theorem, register

after, before, gamma = sp.symbols("after before gamma")


class Halves(Theorem):
    """Gradient descent on L = I."""

    name, title, source, kind = "{name}", "One step", "me", Kind.EXACT
    statement = sp.Eq(after, {factor} * before, evaluate=False)
    premises = (Premise("d = 1 and L = 1", lambda run: "" if run.problem.dim == 1 and run.Lbar == 1 else "other"),)

    def draw(self, draw):
        problem = istsim.Quadratic([[[1.0]]], [[0.0]])
        return draw(istsim.verify.strategies.instances(problem, istsim.GradientDescent()))

    def constants(self, run):
        return {{gamma: run.step_size}}

    def sequences(self, run):
        return {{after: run.objective_gap[1:], before: run.objective_gap[:-1]}}


register(Halves())
'''


@pytest.mark.sample(1)
@pytest.mark.parametrize(("factor", "code"), [("(1 - gamma) ** 2", 0), ("(1 - gamma**2)", 1)])
def test_the_command_line_verifies_a_users_theorem(tmp_path, factor, code, false_alarm_rate):
    (tmp_path / "mine.py").write_text(USER_FILE.format(name="mine", factor=factor))
    arguments = ["verify", "mine", "--load", str(tmp_path / "mine.py"), "--json", str(tmp_path / "found.json")]
    arguments += ["--false-alarm-rate", str(false_alarm_rate)]
    run = subprocess.run(
        [sys.executable, "-m", "istsim", *arguments], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert run.returncode == code, run.stderr
    assert ("1 of 1 passed" if code == 0 else "0 of 1 passed") in run.stdout
    assert ("does not hold" in run.stdout) == bool(code)
    assert ("istsim.Quadratic(" in run.stdout) == bool(code)
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["false_alarm_rate"] == false_alarm_rate
    assert [theorem["passed"] for theorem in found["theorems"]] == [not code]


def test_the_command_line_refuses_an_unknown_theorem(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["istsim", "verify", "fermat"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert "there is no theorem 'fermat'; the names are theorem-1-gradients" in capsys.readouterr().err


def test_a_name_of_istsims_own_cannot_be_taken():
    class Mine(Descent):
        name = "theorem-2"

    with pytest.raises(ValueError, match="'theorem-2' is one of istsim's own"):
        istsim.theorems.register(Mine())
    Mine.name, Mine.statement = "mine", sp.Symbol("true")
    with pytest.raises(ValueError, match="statement must be a sympy Eq, Le or Ge"):
        istsim.theorems.register(Mine())
    with pytest.raises(ValueError, match="must be an instance of a subclass"):
        istsim.theorems.register(Mine)


@dataclasses.dataclass(frozen=True)
class Window(istsim.Sketch):
    """k neighbouring coordinates, from a start drawn by each worker."""

    k: int
    exchangeable = False

    def sample(self, key):
        raise NotImplementedError

    def inclusion_probability(self, size):
        return self.k / self.d

    def joint_probability(self, left, right, shared):
        raise NotImplementedError


class HalfStep(istsim.IST):
    """IST that goes half the way."""


class Descends(istsim.Method):
    """A method without arguments."""

    def combine(self, problem, sums, step_size, x):
        return x - step_size * problem.gradient(x)


def test_classes_of_a_user_are_imported_from_their_module():
    problem = istsim.Quadratic(np.eye(2)[None], np.zeros((1, 2)))

    @dataclasses.dataclass(frozen=True)
    class Local(Window):
        pass

    def code(method):
        instance = istsim.theorems.Instance.of(problem, method, step_size=0.5, rounds=1)
        return istsim.verify.as_code("expected-iterate", instance)

    sketch = Window(1, 2, 1)
    assert "import istsim\n\nproblem" in code(istsim.IST(istsim.RandK(1, 2, 1)))
    assert f"import istsim\nfrom {__name__} import HalfStep\nfrom {__name__} import Window\n\n" in code(
        HalfStep(sketch)
    )
    assert f"# Local is defined inside {code.__qualname__.partition('.')[0]} of" in code(istsim.IST(Local(1, 2, 1)))
    namespace = {}
    exec(code(Descends()).replace("print(", "(lambda *_, **__: None)("), namespace)
    assert isinstance(namespace["method"], Descends)


SCRIPT = (
    USER_FILE.replace("import sympy as sp", "import dataclasses\nimport sympy as sp\nimport jax")
    + """

@dataclasses.dataclass(frozen=True)
class Lazy(istsim.Sketch):
    k: int
    exchangeable = False

    def sample(self, key):
        return jax.numpy.ones((self.n, self.d), bool)

    def inclusion_probability(self, size):
        return 1.0

    def joint_probability(self, left, right, shared):
        return 1.0

    def outcomes(self):
        yield jax.numpy.ones((self.n, self.d), bool), 1.0


def draw(self, draw):
    problem = istsim.Quadratic([[[1.0]]], [[0.0]])
    return draw(istsim.verify.strategies.instances(problem, istsim.IST(Lazy(1, 1, 1))))


def sequences(self, run):
    moments = istsim.theory.exact_moments(run.problem, run.method, **run.run, route="enumeration")
    return {{after: moments.objective_gap[1:], before: moments.objective_gap[:-1]}}


Halves.draw, Halves.sequences = draw, sequences

if __name__ == "__main__":
    print(istsim.verify.verify_theorem(Halves(), simulations=0).code)
"""
)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"false_alarm_rate": np.nan}, "false_alarm_rate must be a finite number, got nan"),
        ({"false_alarm_rate": 0.0}, "false_alarm_rate must be a probability above 0 and below 1"),
        ({"false_alarm_rate": 1.0}, "false_alarm_rate must be a probability above 0 and below 1"),
        ({"false_alarm_rate": -1e-6}, "false_alarm_rate must be a probability above 0 and below 1"),
        ({"false_alarm_rate": "low"}, "false_alarm_rate must be a finite number"),
        ({"examples": 0}, "examples must be an integer of at least 1, got 0"),
        ({"examples": 2.5}, r"examples must be an integer of at least 1, got 2\.5"),
        ({"simulations": -1}, "simulations must be an integer of at least 0, got -1"),
        ({"simulations": True}, "simulations must be an integer of at least 0, got True"),
    ],
)
@pytest.mark.parametrize(
    "look",
    [
        lambda **option: verify_theorem(istsim.theorems.get("theorem-2"), **option),
        lambda **option: verify_theorem(istsim.theorems.get("erratum-21"), **option),
        lambda **option: assert_theorem(istsim.theorems.get("theorem-2"), **option),
        lambda **option: istsim.verify.verify_theorems(["theorem-2"], **option),
    ],
    ids=["verify_theorem", "a refuted one", "assert_theorem", "verify_theorems"],
)
def test_options_with_which_nothing_can_be_verified_are_refused(look, option, words, unchecked):
    with pytest.raises(ValueError, match=f"^{words}"):
        look(**option)


@pytest.mark.slow
@pytest.mark.parametrize("loaded", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["loaded", "as a script"])
def test_the_code_of_a_counterexample_runs_beside_the_users_file(tmp_path, loaded):
    (tmp_path / "mine.py").write_text(SCRIPT.format(name="mine", factor="(1 - gamma**2)"))
    found = ["-m", "istsim", "verify", "mine", "--load", "mine.py", "--simulations", "0"] if loaded else ["mine.py"]

    def run(*arguments):
        command = [sys.executable, *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)

    shown = run(*found)
    code = shown.stdout[shown.stdout.index("import istsim") :].partition("\n\n0 of")[0]
    assert "from mine import Lazy\n" in code, shown.stderr
    (tmp_path / "found.py").write_text(code)
    again = run("found.py")
    assert again.stdout.startswith("all premises hold\nFalse\n"), again.stderr
