"""A comparison as a table, for terminals and programs."""

from __future__ import annotations

import csv
import io
import json
import textwrap
from typing import Any

from istsim._validation import instance_of
from istsim.costs._compare import SHORT, Comparison, label, setting_of
from istsim.costs._parallelism import Cost
from istsim.costs._units import BYTES, MEMORY, OPERATIONS, SECONDS, unit_for

_FOUND = "what istsim.costs.compare gives"


def rows(found: Comparison) -> list[dict[str, Any]]:
    """One for each kind of parallelism, in plain units: bytes, operations, seconds."""
    instance_of("found", found, Comparison, _FOUND)
    return [
        {
            "parallelism": label(cost),
            "setting": {name: cost.setting[name] for name in SHORT if name in cost.setting},
            "memory": cost.memory,
            **{kind: getattr(cost, kind) for kind in ("parameters", "gradients", "optimizer", "activations")},
            "fits": found.fits(cost),
            "sent": cost.sent,
            "sent_by": _sent_by(cost),
            "flops": cost.flops,
            "bubble": cost.bubble,
            "ahead": cost.ahead,
            "seconds": cost.seconds,
            "slowdown": found.slowdown(cost),
            "convergence": cost.convergence.kind,
            "known": cost.convergence.known,
            "source": cost.convergence.source,
            "theorems": list(cost.convergence.theorems),
        }
        for cost in found.costs
    ]


def as_json(found: Comparison) -> str:
    """The rows, and why others are left out, for programs."""
    return json.dumps({"parallelisms": rows(found), "left_out": found.left_out}, indent=2)


def as_csv(found: Comparison) -> str:
    """The rows, with what consists of several things in one cell."""
    text = io.StringIO()
    some = rows(found)
    for row, cost in zip(some, found.costs, strict=True):
        row["setting"] = setting_of(cost)
        row["sent_by"] = " ".join(f"{name}={sent:.6g}" for name, sent in row["sent_by"].items())
        row["theorems"] = " ".join(row["theorems"])
    writer = csv.DictWriter(text, list(some[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(some)
    return text.getvalue().rstrip("\n")


def as_text(found: Comparison) -> str:
    """The table, what is known of convergence, and what is left out.

    Example:
        >>> from istsim import costs
        >>> cluster = costs.Cluster(4, memory=2**30)
        >>> found = costs.compare(costs.named("resnet18"), cluster, costs.Training())
        >>> costs.as_text(found).splitlines()[0]
        'resnet18: 11.17 M parameters, 32 examples a step of 3.329 GFLOP each, adam; 4 devices of 1 GiB'
    """
    instance_of("found", found, Comparison, _FOUND)
    sent, sent_unit = unit_for((cost.sent for cost in found.costs), BYTES)
    flops, flops_unit = unit_for((cost.flops for cost in found.costs), OPERATIONS)
    time, time_unit = unit_for((cost.seconds for cost in found.costs), SECONDS)
    memory, memory_unit = unit_for((cost.memory for cost in found.costs), MEMORY)
    head = ["parallelism", "setting", memory, "fits", f"{sent} sent", flops, "idle", "ahead", f"{time} a step"]
    lines = [[*head, "slowdown", "convergence"]]
    for cost in found.costs:
        slowdown = found.slowdown(cost)
        lines.append(
            [
                label(cost),
                setting_of(cost),
                f"{cost.memory / memory_unit:.3g}",
                "yes" if found.fits(cost) else "no",
                f"{cost.sent / sent_unit:.4g}",
                f"{cost.flops / flops_unit:.4g}",
                f"{100 * cost.bubble:.0f} %",
                f"{cost.ahead}" if cost.ahead else "-",
                f"{cost.seconds / time_unit:.4g}",
                "-" if slowdown is None else f"{slowdown:.2f}",
                cost.convergence.kind,
            ]
        )
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    right = range(2, 10)
    table = [
        "  ".join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([_headline(found), "", *table, "", *_notes(found)])


def _headline(found: Comparison) -> str:
    model, cluster, training = found.model, found.cluster, found.training
    flops, unit = unit_for([model.flops], OPERATIONS)
    memory, size = unit_for([cluster.memory], MEMORY)
    return (
        f"{model.name}: {model.parameters / 1e6:.4g} M parameters, {cluster.devices * training.batch_size} examples a "
        f"step of {model.flops / unit:.4g} {flops} each, {training.optimizer}; {cluster.devices} "
        f"device{'s' * (cluster.devices > 1)} of {cluster.memory / size:.4g} {memory}"
    )


def _notes(found: Comparison) -> list[str]:
    said: dict[tuple[str, str], list[str]] = {}
    for cost in found.costs:
        one = cost.convergence
        proved = f"; istsim theorems {' '.join(one.theorems)}" if one.theorems else ""
        said.setdefault((one.kind, f"{one.known} ({one.source}{proved})"), []).append(label(cost))
    lines = [f"{kind}: {', '.join(names)}: {known}" for (kind, known), names in said.items()]
    if found.fastest is None:
        lines += ["Nothing fits: more devices, fewer examples or a smaller optimizer's state take less memory."]
    lines += ["Times are those of a step: of steps that are not exact, a target may take more."]
    reasons: dict[str, list[str]] = {}
    for name, reason in found.left_out.items():
        reasons.setdefault(reason, []).append(name)
    lines += [f"left out: {', '.join(names)}: {reason}" for reason, names in reasons.items()]
    return ["\n".join(textwrap.wrap(line, 118, subsequent_indent="    ", break_on_hyphens=False)) for line in lines]


def _sent_by(cost: Cost) -> dict[str, float]:
    found: dict[str, float] = {}
    for one in cost.traffic:
        found[one.collective] = found.get(one.collective, 0) + one.sent
    return found
