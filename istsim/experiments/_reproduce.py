from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from pathlib import Path

from istsim._files import make_folder, remove_leftovers, written_whole
from istsim._optional import require
from istsim._validation import one_of
from istsim.experiments._experiment import agrees
from istsim.experiments._gallery import EXPERIMENTS
from istsim.experiments._made import files, make, read, write
from istsim.experiments._networks import PREDICTIONS
from istsim.experiments._picture import sides_agree
from istsim.experiments._progress import Progress
from istsim.experiments._report import report
from istsim.experiments._studies import STUDIES, chosen_studies
from istsim.experiments._theorems import PICTURES


class DisagreementError(Exception):
    """Simulated means lie further from exact values than chance explains."""


def reproduce(
    out: Path, only: Sequence[str] = (), quick: bool = False, studies: bool = False, networks: bool = False
) -> list[Path]:
    """Run the experiments and write figures, data and the report.

    They run in two processes, where there are two cores: a script puts the call under `if __name__ == "__main__":`.

    Args:
        out: the folder to write to; made if it is missing. Files appear whole or not at all.
        only: names of experiments, predictions, studies and theorems; all but studies if empty.
        quick: fewer repetitions; shorter runs of the studies.
        studies: with all others also the studies, which take an hour and a half. Their runs lie in
            `out / "runs"`; those that are there are not run again, and an interrupted one goes on.
        networks: the predictions of networks are made anew, as with studies; otherwise their data are those that come
            with istsim.

    Returns:
        The files written, the report last.

    Raises:
        ImportError: for studies, or predictions that are to be made anew, where torch is not installed.
        ValueError: for an unknown name, an `out` that is not a folder, or one where others have files of such names.
        OSError: for a file that cannot be written, with what to do.
        RuntimeError: if processes cannot be started, or one of them dies.
        DisagreementError: if simulation lies further from an exact value than chance explains. The files are written
            all the same, and say where.
    """
    names = tuple(shown.name for shown in (*EXPERIMENTS, *PREDICTIONS, *PICTURES)) + STUDIES
    for name in only:
        one_of("only", name, names)
    experiments = [shown for shown in EXPERIMENTS if not only or shown.name in only]
    predictions = [shown for shown in PREDICTIONS if not only or shown.name in only]
    pictures = [shown for shown in PICTURES if not only or shown.name in only]
    studied = chosen_studies(only, studies)
    anew = predictions if networks or studies else []
    if anew:
        require("torch", extra="torch")
    if out.exists() and not out.is_dir():
        raise ValueError(f"out must be a folder, but {out} is a file")
    make_folder(out)
    shown_in_order = (*experiments, *predictions, *studied, *pictures)
    page = out / "report.html"
    _refuse_others(page, out, [shown.name for shown in shown_in_order])

    stored = [prediction for prediction in predictions if prediction not in anew]
    to_make = [*experiments, *pictures, *anew]
    remove_leftovers(out)
    with contextlib.ExitStack() as stack:
        stack.callback(remove_leftovers, out)  # of processes that had no time to
        progress = stack.enter_context(Progress(sum(shown.seconds for shown in (*to_make, *studied))))
        for prediction in stored:
            write(out, prediction, prediction.stored())
        make(to_make, out, quick, progress)
        for study in studied:
            on_run = functools.partial(progress.add, study.name, study.seconds / study.num_runs(quick))
            write(out, study, study.measure(quick, out / "runs" / f"{study.name}{'-quick' * quick}", on_run))

    data = {shown.name: read(out, shown.name) for shown in shown_in_order}
    drawn = {shown.name: files(out, shown.name)[0] for shown in shown_in_order}
    of_experiments, of_theorems = (
        [(data[shown.name], drawn[shown.name]) for shown in every] for every in (experiments, pictures)
    )
    of_networks = [(shown, data[shown.name], drawn[shown.name]) for shown in (*predictions, *studied)]
    with written_whole(page) as part:
        part.write_text(report(of_experiments, of_networks, of_theorems, quick), encoding="utf-8")

    wrong = [shown.name for shown in experiments if not agrees(data[shown.name])]
    wrong += [shown.name for shown in pictures if not sides_agree(data[shown.name])]
    if wrong:
        raise DisagreementError(
            f"simulated means disagree with exact values in {', '.join(wrong)}; see the captions in {page}"
        )
    return [*(path for name in data for path in files(out, name)), page]


def _refuse_others(page: Path, out: Path, names: Sequence[str]) -> None:
    """What would be written over must be istsim's: the report says so, and pictures have their data, written first."""
    others = [page] if page.exists() and "istsim reproduce" not in page.read_text("utf-8", errors="replace") else []
    for name in names:
        *drawn, numbers = files(out, name)
        others += [path for path in drawn if path.exists() and not numbers.exists()]
    if others:
        raise ValueError(f"{others[0]} would be written over and is not istsim's: name another folder, or move it away")
