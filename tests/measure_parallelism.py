"""What steps by several processes cost, measured and by `istsim.costs`: run by torchrun, prints a line for each case.

Arguments: names of cases, or none for all. Bytes are those that the operating system counts as written by a process.
"""

import json
import math
import sys

import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.pipelining import PipelineStage, Schedule1F1B, ScheduleGPipe
from torch.distributed.tensor import Replicate
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    PrepareModuleInput,
    RowwiseParallel,
    parallelize_module,
)

from istsim import costs, networks
from istsim.networks import cross_entropy, local
from istsim.networks._kept import LiveForBackward, bytes_of
from istsim.networks._masks import Masks
from istsim.networks._training import rounds
from istsim.networks.distributed import Group, LocalPipeline, OneOfMany
from istsim.networks.distributed._replicas import Replicas
from istsim.networks.distributed._sent import bytes_written

LENGTH, BATCH, STEPS = 64, 4, 4
KINDS = ("parameters", "gradients", "optimizer", "activations")
SCHEDULES = {"GPipe": ScheduleGPipe, "1F1B": Schedule1F1B}


def transformer():
    with torch.device("meta"):
        return networks.Transformer(256, width=128, depth=4, heads=8, hidden=344)


def mlp():
    with torch.device("meta"):
        return networks.mlp([64, 1024, 1024, 16])


def examples(model, count, seed):
    generator = torch.Generator().manual_seed(seed)
    if isinstance(model, networks.Transformer):
        tokens = torch.randint(256, (count, LENGTH + 1), generator=generator)
        return tokens[:, :-1].clone(), tokens[:, 1:].clone()
    return torch.randn(count, 64, generator=generator), torch.randint(16, (count,), generator=generator)


def adam(parameters):
    return torch.optim.Adam(parameters, 1e-3, foreach=False)


def written():
    return bytes_written(torch.device("cpu"))


def memory_of(module, optimizer, activations):
    state = (value for own in optimizer.state.values() for value in own.values() if value.dim())
    return {
        "parameters": bytes_of([*module.parameters(), *module.buffers()]),
        "gradients": bytes_of(p.grad for p in module.parameters()),
        "optimizer": bytes_of(state),
        "activations": activations,
    }


def by_engine(group, model, method, make):
    """Data parallelism by torch, or a method of ours: memory by its meter."""
    layout = networks.neurons(model)
    engine = make(model, layout, method, group, make_optimizer=adam)

    def batch_of(worker, step):
        return examples(model, BATCH, 100 * worker + step)

    steps = STEPS * method.local_steps
    marks = [written() for _ in rounds(engine, method, Masks(method, layout, 0), batch_of, steps)]
    counts = 4 * len(list(model.parameters()))  # of Adam's steps, one for each tensor
    memory = engine.costs()["workers"][group.rank]
    return {kind: memory[kind] for kind in KINDS} | {
        "optimizer": memory["optimizer"] - counts,
        "sent": (marks[-1] - marks[0]) / (steps - method.local_steps),
    }


def by_chunks(group, model):
    method = local.LocalParallelism("chunked", chunks=group.size, local_steps=STEPS)
    example, layout = examples(model, group.size * BATCH, 0), networks.neurons(model)
    engine = LocalPipeline(model, layout, method, example[0], group, make_optimizer=adam)

    def batch_of(_worker, step):
        return examples(model, group.size * BATCH, step)

    before = written()
    for _ in rounds(engine, method, Masks(method, layout, 0), batch_of, STEPS):
        sent = written() - before
    memory = engine.costs()["workers"][group.rank]
    trained = len(engine._trainers[0].parameters)
    return {kind: memory[kind] for kind in KINDS} | {
        "optimizer": memory["optimizer"] - 4 * trained,
        "sent": sent / STEPS,
    }


def by_tensor(group, model):
    mesh = init_device_mesh("cpu", (group.size,))
    model = networks.initialised(model, 0)
    plan = {}
    for name, makers, user in (
        ("attention", ("q_proj", "k_proj", "v_proj"), "o_proj"),
        ("mlp", ("gate_proj", "up_proj"), "down_proj"),
    ):
        whole = {"input_layouts": (Replicate(),), "desired_input_layouts": (Replicate(),)}
        plan[name] = PrepareModuleInput(**whole)  # so that the gradients of what comes in are added up once
        plan |= {f"{name}.{maker}": ColwiseParallel() for maker in makers}
        plan[f"{name}.{user}"] = RowwiseParallel()
    for block in model.blocks:
        parallelize_module(block, mesh, plan)
    optimizer = adam(model.parameters())

    def step(number):
        inputs, targets = examples(model, group.size * BATCH, number)
        kept = LiveForBackward(model)
        with kept:
            cross_entropy(model(inputs), targets).backward()
        optimizer.step()
        return kept.most

    return measured_steps(model, optimizer, step)


def by_pipeline(group, model, microbatches, schedule):
    sizes = costs.sizes_of(model, *examples(model, BATCH, 0))
    lengths = [len(chunk) for chunk in costs.Pipeline(stages=group.size).cut(sizes)]
    start = sum(lengths[: group.rank])
    model = networks.initialised(model, 0)
    first, last = group.rank == 0, group.rank == group.size - 1
    parts = [model.embedding] if first else []
    parts += model.blocks[start : start + lengths[group.rank]]
    parts += [model.norm, model.head] if last else []
    module = torch.nn.Sequential(*parts)
    stage = PipelineStage(module, group.rank, group.size, group.device)
    run = SCHEDULES[schedule](stage, microbatches, loss_fn=cross_entropy)
    optimizer = adam(module.parameters())

    def step(number):
        inputs, targets = examples(model, group.size * BATCH, number)
        kept = LiveForBackward(module)
        with kept:
            run.step(*([inputs] if first else []), target=targets if last else None)
        optimizer.step()
        return kept.most

    return measured_steps(module, optimizer, step)


def measured_steps(module, optimizer, step):
    step(0)  # in which processes also tell each other what they will send
    before, most = written(), []
    for number in range(1, STEPS + 1):
        optimizer.zero_grad()
        most.append(step(number))
    return memory_of(module, optimizer, max(most)) | {"sent": (written() - before) / STEPS}


def cases(group):
    n = group.size

    def replicas(by):
        return lambda *args, **options: Replicas(*args, by=by, **options)

    def engine(model, method, make):
        return lambda: by_engine(group, model(), method, make)

    dense = networks.DataParallel(n)
    found = {}
    for name, model in (("transformer", transformer), ("mlp", mlp)):
        found |= {
            f"ddp {name}": (model, costs.DataParallel(), engine(model, dense, replicas("ddp"))),
            f"fsdp {name}": (model, costs.FullySharded(), engine(model, dense, replicas("fsdp"))),
            f"ist {name}": (
                model,
                costs.IndependentSubnetworks(local_steps=2),
                engine(model, networks.IST(n, 2), OneOfMany),
            ),
        }
        for masking in ("forward", "backward"):
            for resample_every in (None, 1):
                coverage = 1.0 if n == 2 and resample_every is None else 0.5
                own = {"masking": masking, "coverage": coverage, "resample_every": resample_every}
                found[f"sdp {masking} {name}{' resampled' * bool(resample_every)}"] = (
                    model,
                    costs.SubnetworkDataParallel(**own),
                    engine(model, networks.SDP(n, **own), OneOfMany),
                )
    found["local transformer"] = (
        transformer,
        costs.LocalParallel(chunks=n),
        lambda: by_chunks(group, transformer()),
    )
    found["tensor transformer"] = (
        transformer,
        costs.TensorParallel(degree=n),
        lambda: by_tensor(group, transformer()),
    )
    for schedule in SCHEDULES:
        for m in (n, 2 * n):
            found[f"{schedule} {m} transformer"] = (
                transformer,
                costs.Pipeline(m, n, schedule),
                lambda m=m, schedule=schedule: by_pipeline(group, transformer(), m, schedule),
            )
    return found


def predicted(model, parallelism, devices):
    # Sizes of the examples that are computed together.
    together = BATCH * math.prod(getattr(parallelism, name, 1) for name in ("degree", "stages", "chunks"))
    sizes = costs.sizes_of(model, *examples(model, together // parallelism.microbatches, 0))
    cost = parallelism.cost(sizes, costs.Cluster(devices, 1e9, algorithm="gloo"), costs.Training(BATCH, "adam", 4))
    return {kind: getattr(cost, kind) for kind in (*KINDS, "sent")}


def main(names):
    torch.set_num_threads(1)
    group = Group()
    found = cases(group)
    for name in names or found:
        model, parallelism, measure = found[name]
        told = group.gather_json(measure())
        if group.rank == 0:
            line = {"case": name, "predicted": predicted(model(), parallelism, group.size), "measured": told}
            print(json.dumps(line), flush=True)
    group.leave()


if __name__ == "__main__":
    main(sys.argv[1:])
