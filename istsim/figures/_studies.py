"""Figures of the studies on networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from istsim.figures._labels import EndLabel, write_end_labels
from istsim.figures._style import DISTINCT_COLORS, column_figure, paper_style

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

_KINDS = {
    ("forward", "neuron"): ("forward, neurons", DISTINCT_COLORS[1]),
    ("forward", "block"): ("forward, blocks", DISTINCT_COLORS[5]),
    ("backward", "neuron"): ("backward, neurons", DISTINCT_COLORS[2]),
    ("backward", "block"): ("backward, blocks", DISTINCT_COLORS[3]),
}
_DEALT = {"often": {"linestyle": "-", "marker": "o"}, "once": {"linestyle": ":", "marker": "o", "markerfacecolor": "w"}}
_DROPOUT = {"neuron": "x", "block": "+"}
_BASELINE = "0.45"


def coverage_study(data: xarray.Dataset) -> Figure:
    """Test loss and memory of SDP against the coverage, a row for each model.

    Solid: dealt anew every few steps; dotted and hollow: dealt once. Grey: data parallelism. Crosses: Dropout and, of
    blocks, Stochastic Depth.

    Args:
        data: those of the study "sdp" of `istsim.studies`.

    Example:
        >>> import xarray
        >>> from istsim import figures
        >>> runs = {
        ...     "model": ["a model"] * 2, "method": ["data parallelism", "SDP"], "masking": ["", "forward"],
        ...     "level": ["", "neuron"], "coverage": [1.0, 0.5], "dealt": ["", "often"]}
        >>> figure = figures.coverage_study(xarray.Dataset(
        ...     {"loss": (("run", "at"), [[0.1, 0.1], [0.3, 0.2]]), "memory": (("run", "kind"), [[8.0], [5.0]])},
        ...     {name: ("run", column) for name, column in runs.items()} | {"at": ["steps", "FLOPs"]}))
        >>> [ax.get_title() for ax in figure.axes]
        ['at equal steps', 'at equal FLOPs', 'all kinds together']
    """
    models = list(dict.fromkeys(data.model.values))
    with paper_style():
        figure, axes = column_figure(len(models), 3, 0.75)
        labels = []
        for model, row in zip(models, axes, strict=True):
            row[1].sharey(row[0])
            one = data.isel(run=data.model.values == model)
            dense = one.isel(run=one.method.values == "data parallelism")
            for ax, at in zip(row, ("steps", "FLOPs"), strict=False):
                losses = dense.loss.sel(at=at)
                ax.axhspan(float(losses.min()), float(losses.max()), color=_BASELINE, alpha=0.25, linewidth=0)
                ax.axhline(float(losses.mean()), color=_BASELINE, linewidth=0.8)
                if at == "steps":
                    dropout = one.isel(run=one.method.values == "dropout")
                    for run in (dropout.isel(run=i) for i in range(dropout.sizes["run"])):
                        marker = _DROPOUT[str(run.level.values)]
                        ax.plot(run.coverage, run.loss.sel(at=at), marker, color=_BASELINE, markersize=4)
            whole = float(dense.memory.isel(run=0).sum())
            row[2].axhline(1.0, color=_BASELINE, linewidth=0.8)
            for (masking, level), (name, color) in _KINDS.items():
                ours = (one.masking.values == masking) & (one.level.values == level)
                for dealt, style in _DEALT.items():
                    curve = one.isel(run=ours & (one.dealt.values == dealt)).sortby("coverage")
                    if curve.sizes["run"] == 0:
                        continue
                    for ax, at in zip(row, ("steps", "FLOPs"), strict=False):
                        ax.plot(curve.coverage, curve.loss.sel(at=at), color=color, markersize=2.5, **style)
                    if dealt == "often":
                        memory = curve.memory.sum("kind") / whole
                        row[2].plot(curve.coverage, memory, color=color, markersize=2.5, **style)
                        labels.append(EndLabel(row[2], float(memory[0]), name, color))
            for ax in row:
                ax.set(xlim=(1.03, 0.22))
                ax.set_xticks((1, 0.75, 0.5, 0.25), ("1", "0.75", "0.5", "0.25"))
            row[2].set(ylim=(0, None))
            row[0].set(ylabel=f"{model}\ntest loss", yscale="log")
            row[2].set(ylabel="memory of a worker")
            row[1].tick_params(labelleft=False)
        for ax, title in zip(axes[0], ("at equal steps", "at equal FLOPs", "all kinds together"), strict=True):
            ax.set_title(title)
        for ax in axes[-1]:
            ax.set(xlabel="coverage C")
        write_end_labels(figure, labels)
    return figure


def cost_study(data: xarray.Dataset) -> Figure:
    """Rounds, bytes and operations to a target against the number of workers, and seconds of two.

    Lines are means over seeds, dots the seeds.

    Args:
        data: those of the study "ist" of `istsim.studies`.

    Example:
        >>> import numpy as np, xarray
        >>> from istsim import figures
        >>> ones = ("algorithm", "workers", "seed"), np.ones((1, 2, 1))
        >>> figure = figures.cost_study(xarray.Dataset(
        ...     dict.fromkeys(("round", "bytes", "flops"), ones) | {"seconds": (("algorithm", "seed"), [[0.5]])},
        ...     {"algorithm": ["IST"], "workers": [2, 4], "seed": [0]}))
        >>> [ax.get_title() for ax in figure.axes]
        ['rounds', 'MB sent', 'GFLOP', 'seconds, 2 processes']
    """
    panels = (("round", "rounds", 1.0), ("bytes", "MB sent", 1e6), ("flops", "GFLOP", 1e9))
    with paper_style():
        figure, axes = column_figure(1, 4, 0.95)
        labels = []
        for algorithm, color in zip(data.algorithm.values, DISTINCT_COLORS, strict=False):
            one = data.sel(algorithm=algorithm)
            for ax, (cost, _, unit) in zip(axes[0], panels, strict=False):
                values = one[cost] / unit
                ax.plot(one.workers, values.mean("seed"), color=color)
                for seed in one.seed:
                    ax.plot(one.workers, values.sel(seed=seed), "o", color=color, markersize=2)
            labels.append(EndLabel(axes[0, 2], float(one.flops.mean("seed")[-1]) / 1e9, str(algorithm), color))
            at = list(data.algorithm.values).index(algorithm)
            axes[0, 3].plot(np.full(one.sizes["seed"], at), one.seconds, "o", color=color, markersize=3)
        for ax, (_, name, _) in zip(axes[0], panels, strict=False):
            ax.set(xscale="log", yscale="log", xlabel="workers", title=name)
            ax.set_xticks(data.workers.values, [str(workers) for workers in data.workers.values], minor=False)
            ax.set_xticks([], minor=True)
        axes[0, 3].set(title="seconds, 2 processes", xticks=[], xlim=(-0.5, data.sizes["algorithm"] - 0.5))
        axes[0, 3].set(ylim=(0, 1.1 * float(np.nanmax(data.seconds))))
        write_end_labels(figure, labels)
    return figure


def memory_study(data: xarray.Dataset) -> Figure:
    """Memory of a worker by kind, bytes sent and seconds a step, by method; a row for each model.

    Args:
        data: those of the study "measured-memory" of `istsim.studies`.

    Example:
        >>> import numpy as np, xarray
        >>> from istsim import figures
        >>> names = ("bytes_per_step", "seconds", "step_seconds")
        >>> figure = figures.memory_study(xarray.Dataset(
        ...     {"memory": (("model", "algorithm", "kind"), np.ones((1, 2, 4)))}
        ...     | {name: (("model", "algorithm"), np.ones((1, 2))) for name in names},
        ...     {"model": ["a model"], "algorithm": ["DDP", "FSDP2"], "kind": list("pgoa")}))
        >>> [ax.get_xlabel() for ax in figure.axes]
        ['MB of a worker', 'MB sent a step', 'ms a step']
    """
    colors = dict(zip(data.kind.values, (*DISTINCT_COLORS[1:4], DISTINCT_COLORS[5]), strict=True))
    with paper_style():
        figure, axes = column_figure(data.sizes["model"], 3, 0.95)
        places = np.arange(data.sizes["algorithm"])
        for i, row in enumerate(axes):
            one, start = data.isel(model=i), np.zeros(data.sizes["algorithm"])
            for kind, color in colors.items():
                values = one.memory.sel(kind=kind).values / 1e6
                row[0].barh(places, values, left=start, color=color, height=0.7, label=kind)
                start += values
            row[1].barh(places, one.bytes_per_step / 1e6, color="0.5", height=0.7)
            row[2].barh(places, 1e3 * one.seconds, color="0.8", height=0.7)
            row[2].barh(places, 1e3 * one.step_seconds, color="0.5", height=0.7)
            row[0].set_yticks(places, one.algorithm.values)
            for ax in row:
                ax.invert_yaxis()
                ax.grid(visible=False, axis="y")
            for ax in row[1:]:
                ax.set_yticks(places, [])
            row[1].set_title(str(one.model.values))
        for ax, name in zip(axes[-1], ("MB of a worker", "MB sent a step", "ms a step"), strict=True):
            ax.set(xlabel=name)
        handles, names = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper center", ncols=4, frameon=False)
    return figure


def bias_study(data: xarray.Dataset) -> Figure:
    """Bias of the mean step and change of the loss against coverage (left) and overlap at coverage 1/2 (right).

    Lines and open dots by theory, filled dots with two standard errors measured.

    Args:
        data: those of the study "forward-masking-bias" of `istsim.studies`.

    Example:
        >>> import numpy as np, xarray
        >>> from istsim import figures
        >>> values = {name: (("masks", "by"), np.ones((2, 2))) for name in ("bias", "loss_change")}
        >>> masks = {"coverage": [0.5, 0.5], "overlap": [0.3, 0.5], "workers": [4, 4], "independent": [0, 1]}
        >>> columns = masks | {"bias_error": [0.1, 0.1], "loss_change_error": [0.1, 0.1]}
        >>> figure = figures.bias_study(xarray.Dataset(
        ...     values | {name: ("masks", column) for name, column in columns.items()}, {"by": ["theory", "network"]}))
        >>> [ax.get_xlabel() for ax in figure.axes[2:]]
        ['coverage C', 'overlap, C = 1/2']
    """
    colors = {"even": DISTINCT_COLORS[1], "independent": DISTINCT_COLORS[2]}
    chosen = {"coverage": data.workers.values == 4, "overlap": data.coverage.values == 0.5}
    with paper_style():
        figure, axes = column_figure(2, 2, 0.75)
        labels = []
        for column, (along, some) in zip(axes.T, chosen.items(), strict=True):
            for (name, color), independent in zip(colors.items(), (0, 1), strict=True):
                one: Any = data.isel(masks=some & (data.independent.values == independent)).sortby(along)
                for ax, value in zip(column, ("bias", "loss_change"), strict=True):
                    theory, error = one[value].sel(by="theory"), 2 * one[f"{value}_error"]
                    ax.plot(one[along], theory, "o-", color=color, markersize=4, markerfacecolor="w")
                    ax.errorbar(one[along], one[value].sel(by="network"), error, fmt="o", color=color, markersize=2.5)
                if along == "overlap":
                    labels.append(EndLabel(axes[0, 1], float(one.bias.sel(by="theory")[-1]), name, color))
        axes[0, 0].set(ylabel="bias of the mean step")
        axes[1, 0].set(ylabel="change of the loss", xlabel="coverage C")
        axes[1, 1].set(xlabel="overlap, C = 1/2")
        for left, right in axes:
            right.sharey(left)
            right.tick_params(labelleft=False)
        for above in axes[0]:
            above.tick_params(labelbottom=False)
        write_end_labels(figure, labels)
    return figure


def local_study(data: xarray.Dataset) -> Figure:
    """Loss in time, loss and time of a step, gradients' cosines, random labels and first-layer filters.

    Args:
        data: those of the study "local-updates" of `istsim.studies`.

    Example:
        >>> from istsim import figures, studies
        >>> figure = figures.local_study(studies.stored("local-updates"))
        >>> [ax.get_title() for ax in figure.axes]
        ['test loss in time', 'loss and time', 'cosine with backpropagation', 'random labels', 'backprop', 'greedy']
    """
    colors = dict(zip(data.looked_at.values, DISTINCT_COLORS, strict=False))
    share = data.flops / data.flops.sel(algorithm="1 chunk")
    measured = data.seconds / data.seconds.sel(algorithm="1 chunk")
    loss = data.test_loss.mean("seed")
    with paper_style():
        figure, axes = column_figure(2, 3, 0.9)
        in_time, pareto, cosine, fitted, above, below = axes.flat
        labels = []
        for name, color in colors.items():
            one = loss.sel(algorithm=name)
            in_time.plot(data.step * float(share.sel(algorithm=name)), one, color=color)
            looked = data.sel(looked_at=name)
            cosine.plot(data.block + 1, looked.cosine.mean("step_looked_at"), "o-", color=color, markersize=2.5)
            fitted.plot(data.step_fitted * float(share.sel(algorithm=name)), looked.fitted, color=color)
            labels.append(EndLabel(cosine, float(looked.cosine.mean("step_looked_at")[-1]), str(name), color))
        for name in data.algorithm.values:
            late = data.step.values > 0.75 * float(data.step[-1])
            last, color = float(loss.sel(algorithm=name)[late].mean()), colors.get(name, _BASELINE)
            for time, style in ((share, {}), (measured, {"markerfacecolor": "w"})):
                pareto.plot(float(time.sel(algorithm=name)), last, "o", color=color, **style)
        in_time.set(yscale="log", xlabel="time, steps of backprop", title="test loss in time")
        pareto.set(yscale="log", xlabel="time of a step", title="loss and time", xlim=(0, None))
        cosine.set(xlabel="block", title="cosine with backpropagation", ylim=(min(0, float(data.cosine.min())), 1.05))
        fitted.set(xlabel="time, steps of backprop", title="random labels", ylim=(0, 1))
        for ax, network, title in zip((above, below), data.filters, ("backprop", "greedy"), strict=True):
            ax.imshow(_mosaic(network.values[:16]), cmap="RdBu")
            ax.set(title=title)
            ax.axis("off")
        write_end_labels(figure, labels)
    return figure


def _mosaic(filters: np.ndarray) -> np.ndarray:
    """Images (count, rows, columns) side by side in a square, each scaled to its largest weight."""
    count = int(len(filters) ** 0.5)
    scaled = filters / np.abs(filters).max(axis=(1, 2), keepdims=True)
    framed = np.pad(scaled, ((0, 0), (0, 1), (0, 1)), constant_values=np.nan)
    return np.block([[framed[i * count + j] for j in range(count)] for i in range(count)])[:-1, :-1]
