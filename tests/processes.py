"""Trained by several processes, one a worker, and by one process: run by torchrun, compares after every round."""

import sys

import torch
import torch.distributed as dist

from istsim import networks
from istsim.networks._masks import Masks
from istsim.networks._one_process import OneProcess
from istsim.networks._training import rounds
from istsim.networks.distributed import Group, OneOfMany

torch.set_num_threads(1)
group = Group()
n = group.size

SGD = lambda parameters: torch.optim.SGD(parameters, 0.1, momentum=0.9)
ADAM = lambda parameters: torch.optim.Adam(parameters, 0.01)
CASES = {
    "ist mlp sgd": (dict(method="ist", width=13), 3),
    "ist mlp adam": (dict(method="ist", width=12, optimizer="adam", step_size=0.01), 3),
    "ist resnet18 blocks": (dict(method="ist", model="resnet18", level="block", width=4, optimizer="momentum"), 2),
    "ist resnet18": (dict(method="ist", model="resnet18", width=4, local_steps=2), 3),
    "sdp forward": (dict(method="sdp", coverage=0.5, width=13, optimizer="adam", step_size=0.01), 6),
    "sdp forward resampled": (dict(method="sdp", coverage=0.5, width=13, optimizer="adamw", resample_every=2), 6),
    "sdp backward": (dict(method="sdp", masking="backward", coverage=0.5, width=13, optimizer="momentum"), 6),
    "sdp backward resampled": (
        dict(method="sdp", masking="backward", coverage=0.5, width=13, optimizer="adam", resample_every=2),
        6,
    ),
    "sdp backward resnet18": (
        dict(method="sdp", masking="backward", model="resnet18", width=4, optimizer="adam", step_size=0.01),
        3,
    ),
    "sdp forward resnet18 blocks": (dict(method="sdp", model="resnet18", level="block", width=4), 3),
    "sdp backward resnet18 blocks": (
        dict(method="sdp", masking="backward", model="resnet18", level="block", width=4),
        3,
    ),
    "dense": (dict(method="dense", width=13, optimizer="momentum"), 3),
    "ist llama": (dict(method="ist", model="llama", data="text", width=64, local_steps=2), 2),
}
failed = 0
for name, (options, count) in CASES.items():
    if len(sys.argv) > 1 and sys.argv[1] not in name:
        continue
    if n == 2 and "resampled" not in name and options["method"] == "sdp":
        options["coverage"] = 1.0
    run = networks.TrainingRun(**options, workers=n, rounds=count, batch_size=8)
    data = run.load_data()
    layout, method = run.layout_and_method(run.empty_model(data))
    batches = networks.Batches(data, n, 8, seed=0)
    common = dict(make_optimizer=run.make_optimizer(), loss=networks.cross_entropy, seed=run.seed)
    many = OneOfMany(run.empty_model(data), layout, method, group, **common)
    masks = Masks(method, layout, run.seed)
    steps = count * method.local_steps
    model = run.make_model(data)
    one = OneProcess(model, layout, method, **common)
    reference = rounds(one, method, masks, batches, steps)
    worst, same = 0.0, True
    for mine, theirs in zip(rounds(many, method, masks, batches, steps), reference, strict=True):
        same &= mine[:-1] == theirs[:-1]
        if mine[:-1] != theirs[:-1] and group.rank == 0:
            print(mine[:-1], theirs[:-1])
        with many.at_rest():
            for tensor, value in networks._layout.tensors_of(model).items():
                whole = many._whole(tensor)
                same &= torch.equal(whole, value.detach())
                worst = max(worst, float((whole - value.detach()).abs().max()))
    if group.rank == 0:
        print(
            f"{name}: {'equal' if same else 'DIFFERENT'} {worst:.2g} loss {mine.loss:.4f} {theirs.loss:.4f} bytes {mine.bytes_down + mine.bytes_up} server {theirs.bytes_down + theirs.bytes_up}",
            flush=True,
        )
    failed += not same
group.leave()
