"""One self-contained HTML page of all figures."""

from __future__ import annotations

import base64
import html
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from istsim.experiments._experiment import agrees, caption, curve_names, decided
from istsim.experiments._networks import NetworkPrediction
from istsim.experiments._picture import picture_caption, sides_agree
from istsim.experiments._theorem_table import COLUMNS, theorem_row

if TYPE_CHECKING:
    import xarray

    from istsim.studies import Study

_STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1c; --soft: #5b5b5b; --rule: #d9d9d9; --page: #fdfdfc; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e6; --soft: #a8a8a8; --rule: #3c3c3c; --page: #161616; } }
body { margin: 0 auto; max-width: 46rem; padding: 2rem 1.25rem 4rem; background: var(--page); color: var(--ink);
  font: 1rem/1.55 Charter, "Bitstream Charter", Georgia, "Liberation Serif", serif; }
h1 { font-size: 1.8rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.3rem; line-height: 1.25; margin: 3rem 0 1rem; }
h3 { font-size: 1.1rem; margin: 2.5rem 0 .5rem; } h3 small { color: var(--soft); font-weight: normal; }
pre { font-size: .8rem; line-height: 1.25; }
p.lead { color: var(--soft); margin-top: 0; }
figure { margin: 0; }
figure img { display: block; margin: 0 auto; width: 100%; max-width: 38rem; background: white; padding: .75rem;
  border: 1px solid var(--rule); box-sizing: border-box; }
figcaption { font-size: .9rem; margin-top: .75rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; margin: 1rem 0; width: 100%; }
th, td { text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--rule); vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.good { color: #1a7f37; } .bad { color: #cf222e; font-weight: bold; }
@media (prefers-color-scheme: dark) { .good { color: #57c26f; } .bad { color: #ff7b72; } }
footer { margin-top: 3rem; font-size: .8rem; color: var(--soft); }
""".strip()


def report(
    experiments: Sequence[tuple[xarray.Dataset, Path]],
    networks: Sequence[tuple[NetworkPrediction | Study, xarray.Dataset, Path]],
    pictures: Sequence[tuple[xarray.Dataset, Path]],
    quick: bool,
) -> str:
    """The page's HTML.

    Args:
        experiments: the data of each convergence figure, and where its SVG is.
        networks: predictions and studies of them, their data and where their SVGs are.
        pictures: the data and SVGs of the theorems.
        quick: whether the runs were the quick ones.
    """
    verdicts = [*(agrees(data) for data, _ in experiments), *(sides_agree(data) for data, _ in pictures)]
    points = sum(int(decided(data).count()) for data, _ in experiments)
    points += sum(int(data.deviation.count()) for data, _ in pictures)
    undecided = sum(int((data.undecided > 0).sum()) for data, _ in experiments)
    summary = (
        f"All {points} simulated means agree with the exact values, as far as chance allows."
        if all(verdicts)
        else "Simulation and exact values disagree in the figures marked below."
    )
    note = f" {undecided} more are undecided, because rare runs carry them." if undecided else ""
    note += " Quick runs: fewer repetitions than the full ones." if quick else ""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("istsim", "jax", "numpy", "scipy"))
    sections = "\n".join(
        [
            *(_section(data, figure) for data, figure in experiments),
            *(_network(made, data, figure) for made, data, figure in networks),
        ]
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>istsim: convergence figures</title>
<style>
{_STYLE}
</style>
</head>
<body>
<h1>Training random parts of a model: simulation against exact theory</h1>
<p class="lead">Each curve was computed twice: simulated many times over, and exactly, as an expectation over all
sketches. {html.escape(summary + note)}</p>
{sections}
{_theorems(pictures) if pictures else ""}
<footer>Made by <code>istsim reproduce</code> with {html.escape(versions)}, Python {platform.python_version()}. The
data behind each figure are in the netCDF file of the same name beside this page.</footer>
</body>
</html>
"""


def _section(data: xarray.Dataset, figure: Path) -> str:
    title, text = html.escape(data.attrs["title"]), html.escape(caption(data))
    image = base64.b64encode(figure.read_bytes()).decode()
    rows = "\n".join(_row(data, curve, name) for curve, name in enumerate(curve_names(data)))
    return f"""<section id="{html.escape(data.attrs["experiment"])}">
<h2>{title}</h2>
<figure>
<img src="data:image/svg+xml;base64,{image}" alt="{title}">
<figcaption>{text}</figcaption>
</figure>
<div class="scroll">
<table>
<thead><tr><th>Curve</th><th class="number">Step size</th><th class="number">Exact gap, last round</th>
<th class="number">Simulated</th><th class="number">Largest deviation</th><th>Theorem 1</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
</div>
</section>"""


def _network(made: NetworkPrediction | Study, data: xarray.Dataset, figure: Path) -> str:
    title, text = html.escape(made.title), html.escape(made.caption(data))
    image = base64.b64encode(figure.read_bytes()).decode()
    return f"""<section id="{html.escape(made.name)}">
<h2>{title}</h2>
<figure>
<img src="data:image/svg+xml;base64,{image}" alt="{title}">
<figcaption>{text}</figcaption>
</figure>
</section>"""


def _theorems(pictures: Sequence[tuple[xarray.Dataset, Path]]) -> str:
    sections = "\n".join(_theorem(data, figure) for data, figure in pictures)
    return f"""<h2 id="theorems">The theorems</h2>
<p class="lead">Each theorem's two sides as numbers, the left one also from simulation. Their premises and sources:
<code>istsim theorems NAME</code>. Looking for counterexamples: <code>istsim verify</code>.</p>
{_theorem_table([data for data, _ in pictures])}
{sections}"""


def _theorem_table(checked: Sequence[xarray.Dataset]) -> str:
    head = "".join(f"<th>{html.escape(column)}</th>" for column in COLUMNS)
    rows = "\n".join(
        f'<tr><td><a href="#{html.escape(name)}">{html.escape(name)}</a></td>'
        + "".join(f"<td>{html.escape(text)}</td>" for text in others)
        + "</tr>"
        for name, *others in map(theorem_row, checked)
    )
    return f"""<div class="scroll">
<table>
<thead><tr>{head}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
</div>"""


def _theorem(data: xarray.Dataset, figure: Path) -> str:
    title, text = html.escape(data.attrs["title"]), html.escape(picture_caption(data))
    image = base64.b64encode(figure.read_bytes()).decode()
    name = html.escape(data.attrs["theorem"])
    return f"""<section id="{name}">
<h3>{title} <small>({name}, {html.escape(data.attrs["kind"])})</small></h3>
<div class="scroll"><pre>{html.escape(data.attrs["statement"])}</pre></div>
<figure>
<img src="data:image/svg+xml;base64,{image}" alt="{title}">
<figcaption>{text}</figcaption>
</figure>
</section>"""


def _row(data: xarray.Dataset, curve: int, name: str) -> str:
    one = data.isel(curve=curve)
    last = one.sel(metric="objective_gap").isel(round=-1)
    verdict = "good" if agrees(one) else "bad"
    bound = str(one.theorem_1.values)
    bound_class = {"holds": ' class="good"', "VIOLATED": ' class="bad"'}.get(bound, "")
    return (
        f'<tr><td>{html.escape(name)}</td><td class="number">{float(one.step_size):.4g}</td>'
        f'<td class="number">{float(last.exact):.5g}</td>'
        f'<td class="number">{float(last.simulated):.5g} ± {float(last.standard_error):.1g}</td>'
        f'<td class="number {verdict}">{float(decided(one).max()):.2f} s.e.</td>'
        f"<td{bound_class}>{html.escape(bound)}</td></tr>"
    )
