"""The gallery as a page of the documentation, from what `reproduce` wrote."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from istsim.experiments._experiment import caption
from istsim.experiments._gallery import EXPERIMENTS
from istsim.experiments._made import SHOWN, read
from istsim.experiments._networks import PREDICTIONS
from istsim.experiments._picture import picture_caption
from istsim.experiments._theorem_table import COLUMNS, theorem_row
from istsim.experiments._theorems import PICTURES

if TYPE_CHECKING:
    import xarray


def as_markdown(folder: Path, at: str) -> str:
    """Figures with their captions and data, and a table of all theorems.

    Args:
        folder: what `reproduce` wrote to.
        at: the same folder, as links of the page name it.
    """
    data = {shown.name: read(folder, shown.name) for shown in SHOWN}
    return "\n".join([*_figures(data, at), *_theorems(data, at)])


def _figures(data: dict[str, xarray.Dataset], at: str) -> Iterator[str]:
    for experiment in EXPERIMENTS:
        yield f"## {experiment.title}\n"
        yield _figure(experiment.name, at, _escaped(caption(data[experiment.name])))
    for prediction in PREDICTIONS:
        yield f"## {prediction.title}\n"
        yield _figure(prediction.name, at, _escaped(prediction.caption(data[prediction.name])))


def _theorems(data: dict[str, xarray.Dataset], at: str) -> Iterator[str]:
    yield "## The theorems, checked\n"
    yield "| " + " | ".join(COLUMNS) + " |\n|" + "---|" * len(COLUMNS)
    for picture in PICTURES:
        first, *others = theorem_row(data[picture.name])
        yield "| " + " | ".join([f"[{first}](#{picture.name})", *map(_escaped, others)]) + " |"
    for picture in PICTURES:
        yield f"\n({picture.name})=\n### {_escaped(str(data[picture.name].attrs['title']))}\n"
        yield _figure(picture.name, at, _escaped(picture_caption(data[picture.name])))


def _figure(name: str, at: str, text: str) -> str:
    picture = f"```{{figure}} {at}/{name}.svg\n:width: 30em\n:alt: {name}\n\n{text}\n```\n"
    return f"{picture}\n{{download}}`Data <{at}/{name}.nc>` · {{download}}`SVG <{at}/{name}.svg>`\n"


def _escaped(text: str) -> str:
    """Plain text, of which nothing is to be read as Markdown."""
    for sign in "\\`*_[]<>|$":
        text = text.replace(sign, "\\" + sign)
    return text
