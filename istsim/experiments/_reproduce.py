from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from istsim import figures
from istsim._files import written_whole
from istsim._optional import require
from istsim._validation import one_of
from istsim.experiments._experiment import agrees
from istsim.experiments._gallery import EXPERIMENTS
from istsim.experiments._networks import PREDICTIONS, predictions
from istsim.experiments._picture import sides_agree
from istsim.experiments._report import report
from istsim.experiments._studies import STUDIES, chosen_studies
from istsim.experiments._theorems import PICTURES


class DisagreementError(Exception):
    """Simulated means lie further from exact values than chance explains."""


def reproduce(out: Path, only: Sequence[str] = (), quick: bool = False, studies: bool = False) -> list[Path]:
    """Run the experiments and write figures, data and the report.

    Args:
        out: the folder to write to; made if it is missing. Files appear whole or not at all.
        only: names of experiments, predictions, studies and theorems; all but studies if empty. Without torch all
            predictions are left out then.
        quick: fewer repetitions; shorter runs of the studies.
        studies: with all others also the studies, which take an hour and a half. Their runs lie in
            `out / "runs"`; those that are there are not run again, and an interrupted one goes on.

    Returns:
        The files written, the report last.

    Raises:
        ImportError: for a prediction or a study by name, where torch is not installed.
        ValueError: for an unknown name, or an `out` that is not a folder.
        DisagreementError: if simulation lies further from an exact value than chance explains. The files are written
            all the same, and say where.
    """
    from tqdm import tqdm

    names = tuple(shown.name for shown in (*EXPERIMENTS, *PREDICTIONS, *PICTURES)) + STUDIES
    for name in only:
        one_of("only", name, names)
    if any(prediction.name in only for prediction in PREDICTIONS):
        require("torch", extra="torch")
    studied = chosen_studies(only, studies)
    if out.exists() and not out.is_dir():
        raise ValueError(f"out must be a folder, but {out} is a file")
    out.mkdir(parents=True, exist_ok=True)

    chosen = [experiment for experiment in EXPERIMENTS if not only or experiment.name in only]
    predicted = [prediction for prediction in predictions() if not only or prediction.name in only]
    pictures = [picture for picture in PICTURES if not only or picture.name in only]
    curves = {experiment.name: experiment.curves(quick) for experiment in chosen}
    instances = {picture.name: picture.instances() for picture in pictures}
    written, done, of_networks, pictured = [], [], [], []
    total = sum(map(len, (*curves.values(), *instances.values()))) + len(predicted)
    total += sum(study.num_runs(quick) for study in studied)
    with tqdm(total=total, unit="run") as bar:
        for experiment in chosen:
            bar.set_description(experiment.name)
            data = experiment.measure(curves[experiment.name], on_curve=bar.update)
            done.append((data, out / f"{experiment.name}.svg"))
            written += _write(out, experiment.name, data, experiment.figure(data))
        for prediction in predicted:
            bar.set_description(prediction.name)
            data = prediction.measure(quick)
            bar.update()
            of_networks.append((prediction, data, out / f"{prediction.name}.svg"))
            written += _write(out, prediction.name, data, prediction.figure(data))
        for study in studied:
            bar.set_description(study.name)
            data = study.measure(quick, out / "runs" / f"{study.name}{'-quick' * quick}", bar.update)
            of_networks.append((study, data, out / f"{study.name}.svg"))
            written += _write(out, study.name, data, study.figure(data))
        for picture in pictures:
            bar.set_description(picture.name)
            data = picture.measure(instances[picture.name], on_instance=bar.update)
            pictured.append((data, out / f"{picture.name}.svg"))
            written += _write(out, picture.name, data, figures.theorem(data))
    page = out / "report.html"
    with written_whole(page) as part:
        part.write_text(report(done, of_networks, pictured, quick), encoding="utf-8")
    written.append(page)

    wrong = [data.attrs["experiment"] for data, _ in done if not agrees(data)]
    wrong += [data.attrs["theorem"] for data, _ in pictured if not sides_agree(data)]
    if wrong:
        raise DisagreementError(
            f"simulated means disagree with exact values in {', '.join(wrong)}; see the captions in {page}"
        )
    return written


def _write(out: Path, name: str, data, figure) -> list[Path]:
    paths = [out / f"{name}.{suffix}" for suffix in ("svg", "png", "nc")]
    for path in paths[:2]:
        figures.save(figure, path)
    with written_whole(paths[2]) as part:
        data.to_netcdf(part, engine="h5netcdf")
    return paths
