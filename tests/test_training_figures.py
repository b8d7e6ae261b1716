"""Figures of networks: each line shows what its axes are named after."""

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="figures need matplotlib: pip install 'istsim[plot]'")
import xarray

from istsim import figures


def rows(scale=1.0, tested=(False, True, False, True)):
    """A log of four rounds in which no two numbers are the same."""
    return [
        {
            "round": number,
            "loss": 2.0 / number,
            "bytes_down": scale * 3e6 * number,
            "bytes_up": scale * 1.5e6 * number,
            "flops": scale * 7e9 * number,
            "test_loss": 2.5 / number if known else np.nan,
            "accuracy": 0.2 + 0.01 * number if known else np.nan,
        }
        for number, known in enumerate(tested, start=1)
    ]


def lines(ax):
    return [np.array(line.get_data(), float) for line in ax.get_lines()]


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_training_curves_show_losses_above_and_accuracy_below_against_every_cost():
    axes = np.reshape(figures.training_curves({"IST": rows()}).axes, (2, 3))
    costs = {"round": [1, 2, 3, 4], "MB sent": [4.5, 9, 13.5, 18], "GFLOP": [7, 14, 21, 28]}
    for (above, below), (label, x) in zip(axes.T, costs.items(), strict=True):
        x, tested = np.array(x), [1, 3]
        assert below.get_xlabel() == label
        training, test = lines(above)
        np.testing.assert_allclose(training, [x, [2, 1, 2 / 3, 0.5]])
        np.testing.assert_allclose(test, [x[tested], [1.25, 0.625]])
        (accuracy,) = lines(below)
        np.testing.assert_allclose(accuracy, [x[tested], [0.22, 0.24]])
    assert axes[0, 0].get_ylabel() == "loss"
    assert axes[1, 0].get_ylabel() == "test accuracy"
    assert texts(axes[0, 2]) == ["training", "test"]


def test_several_runs_share_units_and_are_named_at_their_ends():
    figure = figures.training_curves({"IST": rows(), "SDP": rows(scale=1000)}, title="on digits")
    axes = np.reshape(figure.axes, (2, 3))
    assert figure.get_suptitle() == "on digits"
    assert [ax.get_xlabel() for ax in axes[1]] == ["round", "GB sent", "TFLOP"]
    ist, sdp = lines(axes[1, 1])
    np.testing.assert_allclose(ist[0], [0.009, 0.018])
    np.testing.assert_allclose(sdp[0], [9, 18])
    assert texts(axes[1, 2]) == ["IST", "SDP"]
    assert axes[1, 1].get_xscale() == "log"


def test_a_single_run_is_titled_by_what_was_run_or_else_by_its_name():
    assert figures.training_curves({"ist": rows()}, "IST, mlp, digits").get_suptitle() == "IST, mlp, digits"
    assert figures.training_curves({"ist": rows()}).get_suptitle() == "ist"


def test_the_axis_of_accuracy_fits_the_data():
    axes = figures.training_curves({"IST": rows()}).axes
    low, high = axes[3].get_ylim()
    assert 0.21 < low < 0.22
    assert 0.24 < high < 0.25


@pytest.mark.sample(1)
@pytest.mark.parametrize("tested", [(False,), (True,), (False, False)])
def test_a_run_that_was_tested_once_or_not_at_all_can_be_drawn(tested, tmp_path):
    figure = figures.training_curves({"IST": rows(tested=tested)})
    figures.save(figure, tmp_path / "curves.svg")
    assert texts(figure.axes[2]) == (["training", "test"] if any(tested) else ["training"])
    assert figure.axes[3].get_lines()[0].get_marker() == "."  # one point makes no line


def test_a_run_that_diverged_is_labelled_where_it_was_last_finite():
    diverged = [*rows(), rows()[-1] | {"round": 5, "loss": np.nan, "test_loss": np.inf}]
    assert texts(figures.training_curves({"IST": diverged}).axes[2]) == ["training", "test"]


@pytest.mark.parametrize(("runs", "words"), [({}, "got {}"), ({"IST": rows(), "SDP": []}, "got none of 'SDP'")])
def test_runs_without_rows_are_refused(runs, words):
    with pytest.raises(ValueError, match=f"runs must be at least one, each with rows, {words}"):
        figures.training_curves(runs)


def test_a_prediction_shows_loss_above_and_spread_below_for_every_method():
    count = {"algorithm": 2, "repetition": 3, "round": 4}
    shapes = {
        "predicted_loss": ("algorithm", "round"),
        "predicted_spread": ("algorithm", "round"),
        "trained_spread": ("algorithm", "round"),
        "loss": ("algorithm", "repetition", "round"),
    }
    rng = np.random.default_rng(0)
    values = {name: (dims, rng.random([count[dim] for dim in dims])) for name, dims in shapes.items()}
    data = xarray.Dataset(values, {"algorithm": ["IST", "SDP"], "round": range(4)})
    axes = np.reshape(figures.prediction(data).axes, (2, 2))
    for i, (above, below) in enumerate(axes.T):
        one = data.isel(algorithm=i)
        assert above.get_title() == str(one.algorithm.values)
        predicted, trained = lines(above)[:2]
        np.testing.assert_allclose(predicted, [range(4), one.predicted_loss])
        np.testing.assert_allclose(trained, [range(4), one.loss.mean("repetition")])
        (bars,) = above.collections
        half = np.diff([segment[:, 1] for segment in bars.get_segments()])[:, 0] / 2
        np.testing.assert_allclose(half, 2 * np.std(one.loss.values, axis=0, ddof=1) / 3**0.5)
        predicted, trained = lines(below)
        np.testing.assert_allclose(predicted, [range(4), one.predicted_spread])
        np.testing.assert_allclose(trained, [range(4), one.trained_spread])
    assert [ax.get_ylabel() for ax in axes[:, 0]] == ["loss", "spread"]
    assert texts(axes[1, 1]) == ["predicted", "trained"]
