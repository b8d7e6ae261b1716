"""How far a run has come, and how long the rest takes."""

from __future__ import annotations

from typing import Any


def progress_bar(seconds: float) -> Any:
    """A bar over the seconds of a processor that all is expected to take, to be updated by those of what is done.

    They are those of one machine, but the time left is right on others too: it supposes that the rest takes as many
    times its expected seconds as what is done.
    """
    from tqdm import tqdm

    return tqdm(
        total=seconds,
        smoothing=0,  # The average since the start, which knows better than the last piece.
        bar_format="{desc}{percentage:3.0f}%|{bar}| {elapsed}, {remaining} left",
    )
