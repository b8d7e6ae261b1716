"""Rounds of training by hand, for the tests of those by `istsim.networks`."""

import copy
import dataclasses

import jax
import numpy as np
import pytest
from network_models import cross_entropy, gradients

import istsim

torch = pytest.importorskip("torch", reason="networks are trained in torch: pip install 'istsim[torch]'")
from torch import nn  # noqa: E402

from istsim import networks  # noqa: E402

EXACT = {"rtol": 0, "atol": 0}
TIGHT = {"rtol": 1e-10, "atol": 1e-10}
SINGLE = {"rtol": 1e-6, "atol": 1e-6}  # LLaMA's norms in transformers compute in it, whatever comes in

KINDS = [
    "mlp",
    "convolutions",
    "resnet",
    "transformer",
    "resnet-blocks",
    "llama-tied-blocks",
    "hf-resnet-basic-blocks",
]

OPTIMIZERS = {
    "momentum": lambda parameters: torch.optim.SGD(parameters, lr=0.05, momentum=0.9),
    "nesterov": lambda parameters: torch.optim.SGD(parameters, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
    # Else Adam divides gradients that are zero but for rounding by numbers as small: their sign is chance.
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=0.01, eps=1e-4),
    "adamw-amsgrad": lambda parameters: torch.optim.AdamW(parameters, lr=0.01, amsgrad=True),
    "rmsprop": lambda parameters: torch.optim.RMSprop(parameters, lr=0.01, momentum=0.5, centered=True),
    "adagrad": lambda parameters: torch.optim.Adagrad(parameters, lr=0.05, initial_accumulator_value=0.1),
    "adadelta": lambda parameters: torch.optim.Adadelta(parameters, lr=1.0),
    "adamax": lambda parameters: torch.optim.Adamax(parameters, lr=0.01),
    "nadam": lambda parameters: torch.optim.NAdam(parameters, lr=0.01),
    "radam": lambda parameters: torch.optim.RAdam(parameters, lr=0.01),
    "rprop": lambda parameters: torch.optim.Rprop(parameters, lr=0.01),
}
MASKINGS = ["forward", "backward"]


def sgd(lr=0.1, **options):
    return lambda parameters: torch.optim.SGD(parameters, lr=lr, **options)


def batches_of(case):
    """Other data at every step of every worker."""
    return lambda worker, step: case.data(seed=1000 * worker + step)


def parameters_of(model):
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def assert_parameters(model, expected, **tolerances):
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(
            parameter.detach(), expected[name], **tolerances, msg=lambda text, name=name: f"{name}: {text}"
        )


def run(case, method, *, make_optimizer, steps, seed=0, model=None, batches=None):
    """The model, the rounds, and the parameters before the first and after every one."""
    model = case.model() if model is None else model
    path, rounds = [parameters_of(model)], []
    for one in networks.train(
        model,
        case.layout(model),
        method,
        batches_of(case) if batches is None else batches,
        make_optimizer=make_optimizer,
        steps=steps,
        seed=seed,
        loss=cross_entropy,
    ):
        rounds.append(one)
        path.append(parameters_of(model))
    return model, rounds, path


def trained_plainly(model, batches, make_optimizer, steps):
    """By one optimizer, each step on the mean gradient of the batches."""
    optimizer = make_optimizer(model.parameters())
    for step in range(steps):
        optimizer.zero_grad()
        data = batches(step)
        for inputs, targets in data:
            (cross_entropy(model(inputs), targets) / len(data)).backward()
        optimizer.step()
    return model


def averaged_over_holders(values, held, otherwise):
    """Of each entry, over the workers that hold it."""
    count = sum(mask.double() for mask in held)
    total = sum(torch.where(mask, value, 0.0) for value, mask in zip(values, held, strict=True))
    return torch.where(count > 0, total / count.clamp(min=1), otherwise)


def load(model, parameters):
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(parameters[name])
    return model


def subnetwork_by_hand(case, model, mask, rescale="none"):
    """The whole model without what is not held; its units' outputs may be divided by the fraction that is."""
    whole = case.masked(model, mask)
    if rescale == "forward":
        fractions = [
            np.full(kept.size, 1 / kept.mean()) if kept.any() else np.ones(kept.size) for kept in case.cut(mask)
        ]
        case.scale_outputs(whole, np.concatenate(fractions))
    return whole


def ist_round_by_hand(case, model, masks, batches, steps, lr, rescale="none"):
    """Parameters after a round, and the mean loss: every worker takes SGD steps with the whole, masked model."""
    workers, holders, losses = [], [], []
    for worker, mask in enumerate(masks):
        whole, held = subnetwork_by_hand(case, model, mask, rescale), case.held(model, mask)
        for step in steps:
            inputs, targets = batches(worker, step)
            losses.append(float(cross_entropy(whole(inputs), targets).detach()))
            found = gradients(whole, inputs, targets)
            with torch.no_grad():
                for name, parameter in whole.named_parameters():
                    parameter -= lr * found[name] * held[name]
        workers.append(parameters_of(whole))
        holders.append(held)
    after = {
        name: averaged_over_holders([x[name] for x in workers], [h[name] for h in holders], parameter)
        for name, parameter in parameters_of(model).items()
    }
    return after, np.mean(losses)


def sdp_gradient_by_hand(case, model, masks, batches, step, masking):
    """The mean over holders of each entry's gradient; zero where there is none."""
    found, holders = [], []
    for worker, mask in enumerate(masks):
        whole = case.masked(model, mask) if masking == "forward" else copy.deepcopy(model)
        found.append(gradients(whole, *batches(worker, step)))
        holders.append(case.held(model, mask))
    return {
        name: averaged_over_holders([x[name] for x in found], [h[name] for h in holders], torch.zeros_like(parameter))
        for name, parameter in model.named_parameters()
    }


@dataclasses.dataclass(frozen=True)
class Fixed(istsim.Sketch):
    """Always the same mask."""

    rows: tuple[tuple[bool, ...], ...]

    @property
    def exchangeable(self):
        return False

    def sample(self, key):
        return jax.numpy.asarray(self.rows)

    def inclusion_probability(self, size):
        raise NotImplementedError

    def joint_probability(self, left, right, shared):
        raise NotImplementedError


def always(*masks):
    """For layers of so many units as the masks (n, units) have."""
    by_units = {len(mask[0]): tuple(tuple(bool(held) for held in row) for row in mask) for mask in masks}
    return lambda n, d: Fixed(n, d, by_units[d])


def in_turn(n, d):
    """Unit u is the worker's with u mod n: a mask that JAX compiles soon."""
    return Fixed(n, d, tuple(tuple(unit % n == worker for unit in range(d)) for worker in range(n)))


def least_squares(seed, n, m, d):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, m, d)), rng.standard_normal((n, m)), rng.standard_normal(d)


def linear_model(x0):
    """`x -> x'w` with one unit a coordinate: the first layer is the identity and stays it."""
    model = nn.Sequential(nn.Linear(len(x0), len(x0), bias=False), nn.Linear(len(x0), 1, bias=False)).double()
    with torch.no_grad():
        model[0].weight.copy_(torch.eye(len(x0))).requires_grad_(False)
        model[1].weight.copy_(torch.as_tensor(x0)[None])
    return model


def linear_path(A, y, x0, method, *, make_optimizer, steps, seed=0):
    """Rounds and iterates of the linear model on squared losses."""
    model, path, rounds = linear_model(x0), [x0], []
    A, y = torch.as_tensor(A), torch.as_tensor(y)
    for one in networks.train(
        model,
        networks.neurons(model),
        method,
        lambda worker, step: (A[worker], y[worker]),
        make_optimizer=make_optimizer,
        steps=steps,
        seed=seed,
        loss=lambda outputs, targets: 0.5 * (outputs.squeeze(-1) - targets).square().mean(),
    ):
        rounds.append(one)
        path.append(model[1].weight.detach().numpy().ravel().copy())
    assert torch.equal(model[0].weight, torch.eye(len(x0), dtype=torch.float64))
    return rounds, np.array(path)
