"""On a linear model with squared loss, training by torch is the simulator."""

import numpy as np
import pytest
from network_rounds import always, least_squares, linear_path, sgd

import istsim

torch = pytest.importorskip("torch", reason="networks are trained in torch: pip install 'istsim[torch]'")

from istsim import networks  # noqa: E402

BRIDGES = {
    "ist": (networks.IST(3, local_steps=1), "ist", 6),
    "ist-of-unequal-parts": (networks.IST(3, local_steps=1), "ist", 7),
    "ist-2": (networks.IST(3, local_steps=2), "ist", 7),
    "ist-5": (networks.IST(3, local_steps=5), "ist", 6),
    "sdp-forward": (networks.SDP(3, coverage=2 / 3, masking="forward", resample_every=1), "forward", 7),
    "sdp-backward": (networks.SDP(3, coverage=2 / 3, masking="backward", resample_every=1), "backward", 7),
}


def simulated(kind, n, d, local_steps, copies=2):
    scales = {"forward_scale": 1.0, "gradient_scale": 1.0}
    if kind == "ist":
        return istsim.IST(istsim.Permutation(n, d), merge="owners", local_steps=local_steps, **scales)
    if kind == "forward":
        return istsim.IST(istsim.Coverage(n, d, copies), merge="owners", **scales)
    return istsim.CompressedGradient(istsim.Coverage(n, d, copies), merge="owners", gradient_scale=1.0)


@pytest.mark.parametrize(("method", "kind", "d"), BRIDGES.values(), ids=BRIDGES)
def test_on_a_linear_model_the_iterates_are_those_of_the_simulator(method, kind, d):
    A, y, x0 = least_squares(11, 3, 5, d)
    local_steps = method.local_steps
    expected = istsim.trajectory(
        istsim.Quadratic.from_least_squares(A, y),
        simulated(kind, 3, d, local_steps),
        step_size=0.05,
        rounds=6,
        key=11,
        x0=x0,
    )
    rounds, path = linear_path(A, y, x0, method, make_optimizer=sgd(0.05), steps=6 * local_steps, seed=11)
    assert len(rounds) == 6
    np.testing.assert_allclose(path, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("local_steps", [1, 3])
def test_the_mean_over_all_masks_of_a_round_is_the_exact_mean(local_steps):
    A, y, x0 = least_squares(5, 2, 6, 4)
    mean = np.zeros(4)
    for mask, probability in istsim.Permutation(2, 4).outcomes():
        method = networks.IST(2, local_steps=local_steps, sketch=always(mask))
        rounds, path = linear_path(A, y, x0, method, make_optimizer=sgd(0.1), steps=local_steps)
        np.testing.assert_array_equal(rounds[0].held, mask)
        mean += probability * path[1]
    exact = istsim.theory.exact_moments(
        istsim.Quadratic.from_least_squares(A, y),
        simulated("ist", 2, 4, local_steps),
        step_size=0.1,
        rounds=1,
        x0=x0,
        route="formula" if local_steps == 1 else "enumeration",
    )
    np.testing.assert_allclose(mean, exact.mean[1], rtol=1e-10, atol=1e-10)
