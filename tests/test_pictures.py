"""The picture of every theorem: inside its premises, and simulation beside the two sides."""

import numpy as np
import pytest
import sympy as sp
from matplotlib.mathtext import MathTextParser

import istsim
from istsim import experiments, figures
from istsim.experiments import _picture
from istsim.experiments._picture import Picture, picture_caption, sides_agree
from istsim.experiments._reproduce import DisagreementError
from istsim.experiments._theorems import PICTURES
from istsim.theorems import Instance

PROBLEM = istsim.random_quadratic(0, 2, 4, condition_number=3.0, matrix_heterogeneity=0.5, vector_heterogeneity=1.0)


def run(forward_scale=2.0, rounds=3):
    method = istsim.IST(istsim.Permutation(2, 4), forward_scale=forward_scale)
    return Instance.of(PROBLEM, method, step_size=0.1, rounds=rounds)


OVER_ROUNDS = Picture("expected-iterate", "A run.", "round k", lambda: {None: run()}, {"first": (0,), "last": (3,)})
OVER_SCALES = Picture("best-forward-scale", "Runs.", "forward scale α", lambda: {a: run(a) for a in (1.0, 2.0)})
OVER_ENTRIES = Picture("perm-q-mean", "A round.", "entry of E[B]", lambda: {None: run()})


def test_every_theorem_has_a_picture():
    assert sorted(picture.name for picture in PICTURES) == sorted(istsim.theorems.names())


@pytest.mark.parametrize("name", istsim.theorems.names())
def test_what_a_picture_shows_can_be_written_in_its_title(name):
    theorem = istsim.theorems.get(name)
    # matplotlib knows less LaTeX than the pages do.
    MathTextParser("agg").parse(f"${sp.latex(theorem.statement.lhs, symbol_names=dict(theorem.notation))}$")


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_a_picture_shows_what_its_theorem_is_about(picture):
    theorem = istsim.theorems.get(picture.name)
    for instance in picture.instances().values():
        assert not theorem.failing_premise(instance)


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    ("picture", "lines", "x"),
    [
        (OVER_ROUNDS, ["first", "last"], [0, 1, 2, 3]),
        (OVER_SCALES, [""], [1.0, 2.0]),
        (OVER_ENTRIES, [""], np.arange(1, 17)),
    ],
    ids=["rounds", "parameter", "entries"],
)
def test_both_sides_and_simulation_are_shown(picture, lines, x, count_false_alarm_rate):
    data = picture.measure(quick=False)
    count_false_alarm_rate(data.attrs["false_alarm_rate"])
    assert data.line.values.tolist() == lines
    np.testing.assert_array_equal(data.x, x)
    np.testing.assert_allclose(data.lhs, data.rhs, rtol=1e-9)
    assert sides_agree(data)
    assert float(data.error.max()) > 0
    assert picture_caption(data).startswith(picture.text)
    assert figures.theorem(data).axes


def test_where_both_sides_are_0_their_rounding_is_no_disagreement():
    everything = istsim.IST(istsim.RandK(2, 4, 4), forward_scale=1.0)
    half = istsim.IST(istsim.RandK(2, 4, 2), forward_scale=1.0)
    instances = {k: Instance.of(PROBLEM, method, step_size=0.1, rounds=1) for k, method in ((2, half), (4, everything))}
    data = Picture("overlap-reduces-bias", "No bias.", "subnetwork size k", lambda: instances).measure(quick=False)
    assert sides_agree(data)
    assert float(data.error.isel(x=-1).max()) == 0


def test_a_simulation_that_misses_the_left_side_is_a_disagreement(tmp_path, monkeypatch):
    simulated = _picture.jackknife

    def missing(*run):
        estimate, error = simulated(*run)
        return estimate + 1.0, error

    monkeypatch.setattr(_picture, "jackknife", missing)
    monkeypatch.setattr("istsim.experiments._reproduce.PREDICTIONS", ())
    monkeypatch.setattr("istsim.experiments._reproduce.EXPERIMENTS", ())
    monkeypatch.setattr("istsim.experiments._reproduce.PICTURES", (OVER_ENTRIES,))
    with pytest.raises(DisagreementError, match="perm-q-mean"):
        experiments.reproduce(tmp_path)
    assert "DISAGREEMENT" in (tmp_path / "report.html").read_text()
    assert (tmp_path / "perm-q-mean.svg").exists()
