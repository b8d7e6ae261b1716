"""What workers send, counted by hand: every entry has a home among its holders, where it is averaged."""

import numpy as np
import pytest
from network_models import CASES
from network_rounds import run, sgd

torch = pytest.importorskip("torch", reason="networks are trained in torch: pip install 'istsim[torch]'")

from istsim import networks  # noqa: E402

CASE = CASES["mlp"]
SIZE = 8  # bytes of a float64


def holders_of(model, held):
    """Of all entries of all parameters, how many workers hold them."""
    masks = [CASE.held(model, mask) for mask in held]
    return np.concatenate([sum(mask[name].numpy().astype(int) for mask in masks).reshape(-1) for name in masks[0]])


def of_each_round(rounds):
    down, up = (np.diff([0] + [getattr(one, name) for one in rounds]) for name in ("bytes_down", "bytes_up"))
    return down.tolist(), up.tolist()


def test_after_a_round_of_ist_only_what_several_hold_goes_home():
    model, rounds, _ = run(CASE, networks.IST(3, local_steps=2), make_optimizer=sgd(), steps=6)
    _, up = of_each_round(rounds)
    shared = [SIZE * int(np.maximum(holders_of(model, one.held) - 1, 0).sum()) for one in rounds]
    assert up == shared
    assert shared[0] == SIZE * 2 * 3  # three output biases, which all three workers hold


def test_before_a_round_of_ist_comes_what_was_not_here():
    _, rounds, _ = run(CASE, networks.IST(1, local_steps=2), make_optimizer=sgd(momentum=0.9), steps=6)
    assert of_each_round(rounds) == ([0, 0, 0], [0, 0, 0])  # a single worker has everything
    one, two = networks.IST(2, local_steps=2), networks.IST(2, local_steps=1)
    _, slow, _ = run(CASE, one, make_optimizer=sgd(), steps=4)
    _, fast, _ = run(CASE, two, make_optimizer=sgd(), steps=2)
    assert of_each_round(slow) == of_each_round(fast)


def test_momentum_travels_with_its_entries():
    _, without, _ = run(CASE, networks.IST(2, local_steps=1), make_optimizer=sgd(), steps=4)
    _, momentum, _ = run(CASE, networks.IST(2, local_steps=1), make_optimizer=sgd(momentum=0.9), steps=4)
    (down, up), (more_down, more_up) = of_each_round(without), of_each_round(momentum)
    assert more_down == [down[0], *(2 * each for each in down[1:])]  # there is none before the first round
    assert more_up == [2 * each for each in up]


@pytest.mark.parametrize("resample_every", [None, 1])
def test_data_parallelism_sends_gradients_home_and_averages_back(resample_every):
    method = networks.SDP(4, coverage=1.0, masking="forward", resample_every=resample_every)
    model, rounds, _ = run(CASE, method, make_optimizer=sgd(), steps=3)
    entries = sum(p.numel() for p in model.parameters())
    down, up = of_each_round(rounds)
    assert up == [3 * SIZE * entries] * 3
    assert down[1:] == up[1:]  # no part changes, even if all is dealt anew
    assert down[0] == 2 * up[0]  # and, first, all that was at home elsewhere


@pytest.mark.parametrize("masking", ["forward", "backward"])
def test_a_step_of_sdp_sends_an_entry_for_each_holder_but_its_home(masking):
    method = networks.SDP(4, coverage=0.5, masking=masking)
    model, rounds, _ = run(CASE, method, make_optimizer=sgd(), steps=3)
    holders = holders_of(model, rounds[0].held)
    down, up = of_each_round(rounds)
    assert up == [SIZE * int(np.maximum(holders - 1, 0).sum())] * 3
    # Backward masking: whoever does not train an entry is told what became of it.
    others = (4 - holders[holders > 0]).sum() if masking == "backward" else 0
    assert down[1:] == [up[0] + SIZE * int(others)] * 2
    if masking == "backward":
        assert down[0] - down[1] == 3 * SIZE * len(holders)  # the whole model, for everyone
