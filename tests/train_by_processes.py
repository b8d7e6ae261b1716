"""Training by several processes against training by one: run by torchrun, says for each case what it found.

Arguments: names of cases, or none for all.
"""

import dataclasses
import functools
import pathlib
import sys
import tempfile

import torch

from istsim import networks
from istsim.networks import Checkpoint, local, newest_checkpoint
from istsim.networks._layout import tensors_of
from istsim.networks._local_parallelism import consecutive
from istsim.networks._masks import Masks
from istsim.networks._training import rounds
from istsim.networks.distributed import Group, LocalPipeline, OneOfMany
from istsim.networks.distributed._replicas import Replicas
from istsim.networks.distributed._torch_pipeline import TorchPipeline

IST = {"method": "ist", "width": 13}
SDP = {"method": "sdp", "coverage": 0.5, "width": 13}
FORWARD, BACKWARD = {**SDP, "masking": "forward"}, {**SDP, "masking": "backward"}
RESNET = {"model": "resnet18", "width": 4}
TEXT = {"model": "llama", "data": "text", "width": 32}
CASES = {
    "ist": {**IST, "rounds": 3, "optimizer": "adam", "step_size": 0.01},
    "ist-rescaled": {**IST, "rounds": 3, "local_steps": 2, "rescale": "forward"},
    "ist-channels": {**IST, **RESNET, "rounds": 3, "local_steps": 2, "optimizer": "momentum"},
    "ist-blocks": {**IST, **RESNET, "rounds": 2, "level": "block", "optimizer": "momentum"},
    "ist-heads": {**IST, **TEXT, "rounds": 2, "local_steps": 2},
    "forward": {**FORWARD, "rounds": 6, "optimizer": "adam", "step_size": 0.01},
    "forward-resampled": {**FORWARD, "rounds": 6, "resample_every": 2, "optimizer": "adamw"},
    "forward-blocks": {**FORWARD, **RESNET, "rounds": 3, "level": "block"},
    "backward": {**BACKWARD, "rounds": 6, "optimizer": "momentum"},
    "backward-resampled": {**BACKWARD, "rounds": 6, "resample_every": 2, "optimizer": "adam"},
    "backward-channels": {**BACKWARD, **RESNET, "rounds": 3, "optimizer": "adam", "step_size": 0.01},
    "backward-blocks": {**BACKWARD, **RESNET, "rounds": 3, "level": "block"},
    "backward-hf": {**BACKWARD, **TEXT, "model": "hf-llama", "rounds": 2},
    "dense": {"method": "dense", "width": 13, "rounds": 3, "optimizer": "momentum"},
    "local-sgd": {"method": "local-sgd", "width": 13, "rounds": 2, "local_steps": 3, "optimizer": "adam"},
    "dropout": {"method": "dropout", **RESNET, "rounds": 2},
    "stochastic-depth": {"method": "dropout", **RESNET, "level": "block", "rounds": 2},
    "checkpointing": {"method": "dense", "checkpointing": True, **TEXT, "rounds": 2},
}
# By torch itself, which adds in another order: equal up to rounding.
BASELINES = {
    "ddp": {"method": "ddp", "width": 13, "rounds": 3, "optimizer": "adam", "step_size": 0.01},
    "ddp-resnet": {"method": "ddp", **RESNET, "rounds": 2},
    "ddp-checkpointing": {"method": "ddp", "checkpointing": True, **TEXT, "rounds": 2},
    "fsdp": {"method": "fsdp", "width": 128, "rounds": 3, "optimizer": "adam", "step_size": 0.01},
    "fsdp-resnet": {"method": "fsdp", **RESNET, "rounds": 2, "optimizer": "momentum"},
    "fsdp-checkpointing": {"method": "fsdp", "checkpointing": True, **TEXT, "rounds": 2},
    "fsdp-hf": {"method": "fsdp", **TEXT, "model": "hf-llama", "rounds": 2},
}

LOCAL = {
    "local-greedy": {"model": "resnet18", "width": 4, "rounds": 2, "local_steps": 3, "optimizer": "momentum"},
    "local-chunked": {**TEXT, "rounds": 2, "local_steps": 3, "mode": "chunked", "chunks": 4, "optimizer": "adam"},
    "local-hf": {**TEXT, "model": "hf-llama", "rounds": 2, "local_steps": 2, "head_depth": 2, "head_width": 5},
    "local-hf-resnet": {
        "model": "hf-resnet",
        "width": 4,
        "rounds": 1,
        "local_steps": 2,
        "mode": "chunked",
        "chunks": 5,
    },
    "local-sum": {**RESNET, "rounds": 2, "local_steps": 3, "mode": "overlapping", "window": 3, "optimizer": "adam"},
    "local-farthest": {
        **RESNET,
        "rounds": 2,
        "local_steps": 3,
        "mode": "overlapping",
        "window": 4,
        "shared": "farthest",
    },
    "local-windows-of-two": {**RESNET, "rounds": 2, "local_steps": 3, "mode": "overlapping", "window": 2},
}

PIPELINES = {
    "pipeline": {**TEXT, "rounds": 3, "optimizer": "adam", "step_size": 0.01},
    "pipeline-hf": {**TEXT, "model": "hf-llama", "rounds": 2, "microbatches": 8, "optimizer": "momentum"},
}


def differences(run, group):
    """What differs after any round, in words; in every process."""
    data = run.load_data()
    layout, method = run.layout_and_method(run.empty_model(data))
    options = {"make_optimizer": run.make_optimizer(), "seed": run.seed}
    many = OneOfMany(run.empty_model(data), layout, method, group, **options)
    one = networks.OneProcess(run.make_model(data), layout, method, **options)
    masks, batches = Masks(method, layout, run.seed), networks.Batches(data, run.workers, run.batch_size, run.seed)
    steps = run.rounds * method.local_steps
    pairs = zip(*(rounds(engine, method, masks, batches, steps) for engine in (many, one)), strict=True)
    for by_many, by_one in pairs:
        yield from (
            f"{name} of round {by_one.number}: {getattr(by_many, name)} by many, {getattr(by_one, name)} by one"
            for name in ("steps", "loss", "bytes_down", "bytes_up", "flops")
            if getattr(by_many, name) != getattr(by_one, name)
        )
        with many.at_rest():
            for name, tensor in tensors_of(one.model).items():
                if not torch.equal(many.whole(name), tensor.detach()):
                    yield f"{name} after round {by_one.number}"
    tested = data.test_inputs[:301], data.test_targets[:301]
    found, expected = many.evaluate(*tested), one.evaluate(*tested)
    for worker, (mine, theirs) in enumerate(zip(many.costs()["workers"], one.costs()["workers"], strict=True)):
        if mine | {"step_seconds": 0} != theirs | {"step_seconds": 0}:
            yield f"costs of worker {worker}: {mine} by many, {theirs} by one"
    if found.accuracy != expected.accuracy or abs(found.loss - expected.loss) > 1e-6 * expected.loss:
        yield f"{found} by many, {expected} by one"


def resumed(engine, other, run, group):
    """The other engine, which goes on from a checkpoint of this one."""
    with tempfile.TemporaryDirectory() as mine:
        folder = pathlib.Path(group.gather_json(mine)[0])
        engine.save(folder, run.rounds, {"round": run.rounds})
        other.load(Checkpoint(newest_checkpoint(folder)))
        group.gather([0])  # then the folder may go
    return other


def local_differences(run, group):
    """What differs after any round from units that one process plays; in every process."""
    data = run.load_data()
    layout, method = run.layout_and_method(run.empty_model(data))
    options = {"make_optimizer": run.make_optimizer(), "seed": run.seed}
    masks, batches = Masks(method, layout, run.seed), run.batches(data)
    example = batches(0, 0)[0]

    def by_many():
        return LocalPipeline(run.empty_model(data), layout, method, example, group, **options)

    one = local.LocalOneProcess(run.make_model(data), layout, method, example, **options)

    def compared(many, steps, done=0):
        for theirs, ours in zip(
            *(rounds(each, method, masks, batches, steps, done) for each in (many, one)), strict=True
        ):
            names = ("steps", "loss", "flops", *(["bytes_up"] if group.size == len(one.units) else []))
            yield from (
                f"{name} of round {ours.number}: {getattr(theirs, name)} by many, {getattr(ours, name)} by one"
                for name in names
                if getattr(theirs, name) != getattr(ours, name)
            )
            expected = {name: tensor for unit in one.units for name, tensor in unit.tensors().items()}
            mine = {name: tensor for unit in many._trainers for name, tensor in unit.tensors().items()}
            wrong = [name for name, tensor in mine.items() if not torch.equal(tensor, expected[name])]
            for some in group.gather_json(wrong):
                yield from (f"{name} after round {ours.number}" for name in some)

    first, steps = by_many(), run.rounds * method.local_steps
    yield from compared(first, steps)
    for number, (mine, theirs) in enumerate(zip(first.costs()["workers"], one.costs()["workers"], strict=True)):
        if mine | {"step_seconds": 0} != theirs | {"step_seconds": 0}:
            yield f"costs of unit {number}: {mine} by many, {theirs} by one"
    second = resumed(first, by_many(), run, group)
    one._flops.total = one._sent = 0
    yield from compared(second, steps + method.local_steps, steps)
    tested = data.test_inputs[:301], data.test_targets[:301]
    theirs, ours = (each.evaluate(*tested, data.train_inputs[:101].split(50)) for each in (second, one))
    if theirs.accuracy != ours.accuracy or abs(theirs.loss - ours.loss) > 1e-6 * ours.loss:
        yield f"{theirs} by many, {ours} by one"


def continuous_optimizer(run):
    """The run's optimizer, but Adam with a large epsilon, for engines that add in different orders.

    As it is, Adam moves a value by its whole step size, in the direction of a gradient's sign, even where the gradient
    is nothing but rounding. With an epsilon of 0.1 gradients that differ by 2e-6, the rounding of sums of a thousand
    numbers of size 1 in float32, move a value by 2e-6 / 0.1 times the step size: 2e-7 in a step of 0.01, while 1e-5 is
    allowed for five of them.
    """
    if run.optimizer != "adam":
        return run.make_optimizer()
    return functools.partial(torch.optim.Adam, lr=run.step_size, eps=0.1)


def baseline_differences(run, group):
    """What differs from data parallelism in one process, but for rounding; in every process."""
    data = run.load_data()
    layout, method = run.layout_and_method(run.empty_model(data))
    options = {"make_optimizer": continuous_optimizer(run), "seed": run.seed}
    masks, batches = Masks(method, layout, run.seed), networks.Batches(data, run.workers, run.batch_size, run.seed)

    def by_torch():
        return Replicas(run.empty_model(data), layout, method, group, by=run.method, **options)

    def compared(engine, steps, done=0):
        for theirs, ours in zip(
            *(rounds(each, method, masks, batches, steps, done) for each in (engine, one)), strict=True
        ):
            if abs(theirs.loss - ours.loss) > 1e-5 * ours.loss or theirs.flops != ours.flops:
                yield f"round {ours.number}: {theirs} by torch, {ours} by one"
        values = engine._whole()
        for name, tensor in one.model.named_parameters():
            if not torch.allclose(values[name], tensor, rtol=1e-4, atol=1e-5):
                yield f"{name} after {steps} steps"

    first, one = by_torch(), networks.OneProcess(run.make_model(data), layout, method, **options)
    yield from compared(first, run.rounds)
    # What the system counts, against 2 (n - 1) values in all a step. FSDP gathers parameters twice, those outside of
    # blocks once, and gloo's reduce_scatter is an all_reduce: up to twice as much. Messages have heads.
    size = sum(p.numel() * p.element_size() for p in one.model.parameters())
    low, high = (1.5, 2.0) if run.method == "fsdp" else (1.0, 1.0)
    expected, sent = run.rounds * 2 * (run.workers - 1) * size, first.spent()[1]
    if not low * expected <= sent <= 1.05 * high * expected + 5000 * run.rounds * run.workers:
        yield f"{sent} bytes were sent, not about {expected}"
    measured, predicted = first.costs()["workers"][0], run.predicted_memory(data)["this"]
    if any(abs(measured[kind] - predicted[kind]) > 0.1 * predicted[kind] for kind in predicted):
        yield f"memory {measured}, predicted {predicted}"
    second = resumed(first, by_torch(), run, group)
    first._flops.total = one._flops.total = 0
    yield from compared(second, run.rounds + 2, run.rounds)
    tested = data.test_inputs[:301], data.test_targets[:301]
    theirs, ours = (each.evaluate(*tested, data.train_inputs[:100].split(50)) for each in (second, one))
    if abs(theirs.loss - ours.loss) > 1e-3 * ours.loss:
        yield f"{theirs} by torch, {ours} by one"


def pipeline_differences(run, group):
    """What differs from backpropagation in one process, but for rounding; in every process."""
    data = run.load_data()
    layout, method = run.layout_and_method(run.empty_model(data))
    options = {"make_optimizer": continuous_optimizer(run), "seed": run.seed}
    masks, batches = Masks(method, layout, run.seed), run.batches(data)
    schedule = {"num_stages": run.workers, "microbatches": run.microbatches}

    def by_torch():
        return TorchPipeline(run.empty_model(data), layout, method, group, **schedule, **options)

    one = networks.OneProcess(run.make_model(data), layout, method, **options)

    def compared(engine, steps, done=0):
        for theirs, ours in zip(
            *(rounds(each, method, masks, batches, steps, done) for each in (engine, one)), strict=True
        ):
            if abs(theirs.loss - ours.loss) > 1e-5 * ours.loss or theirs.flops != ours.flops:
                yield f"round {ours.number}: {theirs} by torch, {ours} by one"
        values = dict(one.model.named_parameters())
        close = [
            torch.allclose(p, values[name], rtol=1e-4, atol=1e-5) for name, p in engine._segment().tensors().items()
        ]
        if not group.gather([all(close)]).all():
            yield f"values after {steps} steps"

    first = by_torch()
    yield from compared(first, run.rounds)
    # In a step what is given out goes on, and as many gradients come back.
    given_out = sum(
        first._given_out(batches(0, 0)[0])[own.stop - 1].nbytes
        for own in consecutive(len(first._chain.blocks), run.workers)[:-1]
    )
    expected, sent = run.rounds * 2 * given_out, first.spent()[1]
    if not expected <= sent <= 1.05 * expected + 20000 * run.workers:
        yield f"{sent} bytes were sent, not about {expected}"
    predicted = run.predicted_memory(data)["this"]
    most = {kind: max(worker[kind] for worker in first.costs()["workers"]) for kind in predicted}
    if any(abs(most[kind] - predicted[kind]) > 0.1 * predicted[kind] for kind in predicted):
        yield f"memory {most}, predicted {predicted}"
    second = resumed(first, by_torch(), run, group)
    first._flops.total = one._flops.total = 0
    yield from compared(second, run.rounds + 2, run.rounds)
    tested = data.test_inputs[:301], data.test_targets[:301]
    theirs, ours = (each.evaluate(*tested) for each in (second, one))
    if abs(theirs.loss - ours.loss) > 1e-3 * ours.loss:
        yield f"{theirs} by torch, {ours} by one"


def main(names):
    torch.set_num_threads(1)
    group = Group()
    for name in names or (*CASES, *BASELINES, *LOCAL, *PIPELINES):
        if name in LOCAL:
            run = networks.TrainingRun(method="local", **LOCAL[name], batch_size=8)
        elif name in PIPELINES:
            run = networks.TrainingRun(method="pipeline", **PIPELINES[name], workers=group.size, batch_size=8)
        else:
            run = networks.TrainingRun(**(CASES | BASELINES)[name], workers=group.size, batch_size=8)
        if group.size == 2 and run.method == "sdp" and run.resample_every is None:
            run = dataclasses.replace(run, coverage=1.0)  # two workers with half each have nothing in common
        compare = {**dict.fromkeys(BASELINES, baseline_differences), **dict.fromkeys(LOCAL, local_differences)}
        compare |= dict.fromkeys(PIPELINES, pipeline_differences)
        found = list(compare.get(name, differences)(run, group))
        if group.rank == 0:
            print(f"{name}: {'; '.join(found[:9]) or 'equal'}", flush=True)
    group.leave()


if __name__ == "__main__":
    main(sys.argv[1:])
