"""The studies on networks, which take an hour and a half all together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from istsim._optional import require

if TYPE_CHECKING:
    from istsim.studies import Study

STUDIES = (
    *("ist", "sdp", "measured-memory", "forward-masking-bias"),
    *("measured-local-updates", "local-updates", "steps-to-result"),
)  # known without torch, which they need


def chosen_studies(only: Sequence[str], studies: bool) -> list[Study]:
    """Those named, or all if none is and studies are wanted.

    Raises:
        ImportError: where torch is not installed.
    """
    names = [name for name in STUDIES if name in only or (studies and not only)]
    if not names:
        return []
    require("torch", extra="torch")
    import istsim.studies

    return [study for study in istsim.studies.STUDIES if study.name in names]
