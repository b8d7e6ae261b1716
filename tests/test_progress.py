"""The time left that `istsim reproduce` tells, by a clock that stands still between updates."""

import re

import numpy as np
import pytest

from istsim.experiments._made import SHOWN
from istsim.experiments._progress import Progress


def seconds_of(text: str) -> int:
    minutes, seconds = text.split(":")
    return 60 * int(minutes) + int(seconds)


@pytest.mark.parametrize("slower", [0.5, 1.0, 4.0])
def test_the_time_left_is_right_within_a_factor_of_two_after_a_minute(slower, seed, monkeypatch, capsys):
    """All figures by two processes, on another machine, where each takes up to half as long again, or less."""
    rng, now = np.random.default_rng(seed), 0.0
    monkeypatch.setattr("tqdm.std.time", lambda: now)
    monkeypatch.setattr("istsim.experiments._progress.time.monotonic", lambda: now)
    waiting = sorted(SHOWN, key=lambda shown: -shown.seconds)
    takes = {shown.name: slower * shown.seconds * rng.uniform(0.67, 1.5) for shown in waiting}
    running, told = [], []
    with Progress(sum(shown.seconds for shown in SHOWN)) as progress:
        while waiting or running:
            while waiting and len(running) < 2:
                progress.begin(waiting[0].name, waiting[0].seconds)
                running.append((now + takes[waiting[0].name], waiting.pop(0)))
            now, shown = running.pop(running.index(min(running, key=lambda one: one[0])))
            progress.end(shown.name)
            left = re.findall(r", ([\d:]+) left", capsys.readouterr().err)[-1]
            told.append((now, seconds_of(left)))
    checked = [(when, left) for when, left in told if when > 60]
    assert checked
    for when, left in checked:
        true = now - when
        assert true / 2 - 2 <= left <= 2 * true + 2
