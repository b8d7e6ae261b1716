"""Local-update parallelism on networks: its units against backpropagation, autograd and the quadratic theory."""

import copy
import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks are trained in torch: pip install 'istsim[torch]'")
from network_models import CASES, logits  # noqa: E402
from torch import nn  # noqa: E402

import istsim  # noqa: E402
from istsim import networks  # noqa: E402
from istsim.networks import LocalParallelism, local  # noqa: E402
from istsim.networks.local._chain import Chain  # noqa: E402

OURS, THEIRS = ("mlp", "mlp-norm", "convolutions", "resnet", "transformer"), ("llama", "hf-resnet-basic")
MODELS = (*OURS, *THEIRS, "hf-resnet-bottleneck")
METHODS = {
    "greedy": LocalParallelism(),
    "chunked": LocalParallelism("chunked", chunks=2),
    "sum": LocalParallelism("overlapping", window=2),
    "farthest": LocalParallelism("overlapping", window=2, shared="farthest"),
}


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.9)


def made(case, method, **options):
    """An engine for a case's model, ready to compute."""
    model, (inputs, _) = case.model(), case.data()
    engine = local.LocalOneProcess(model, networks.neurons(model), method, inputs, make_optimizer=sgd, **options)
    engine.deal(np.ones((1, 1), bool))
    return engine


def trained(model, method, steps=7):
    model, data = copy.deepcopy(model), networks.digits()
    run = networks.train(
        model, networks.neurons(model), method, networks.Batches(data, 1, 32, seed=0), make_optimizer=sgd, steps=steps
    )
    return model, list(run)


@pytest.mark.parametrize("name", MODELS)
def test_blocks_one_after_the_other_are_the_model(name):
    case = CASES[name]
    model, (inputs, _) = case.model().train(), case.data()
    chain = Chain.of(model)
    expected, x = logits(copy.deepcopy(model)(inputs)), inputs
    for block in range(len(chain.blocks)):
        x = chain.segment([block])(x)
    assert torch.equal(x, expected)
    segments = [chain.segment([block]).tensors() for block in range(len(chain.blocks))]
    assert sorted(name for each in segments for name in each) == sorted(model.state_dict())


@pytest.mark.parametrize("name", MODELS)
def test_one_chunk_is_backpropagation(name):
    case = CASES[name]
    engine, (inputs, targets) = made(case, LocalParallelism("chunked", chunks=1)), case.data()
    (loss,) = engine.gradients(inputs, targets)
    model = case.model().train()
    expected = networks.cross_entropy(logits(model(inputs)), targets)
    expected.backward()
    assert loss == float(expected.detach())
    for name_of, p in engine.model.named_parameters():
        assert torch.equal(p.grad, model.get_parameter(name_of).grad), name_of


def test_one_chunk_trains_what_backpropagation_trains():
    model = networks.ResNet(10, channels=1, width=4)
    ours, rounds = trained(model, LocalParallelism("chunked", chunks=1))
    theirs, expected = trained(model, networks.DataParallel(1))
    assert all(torch.equal(a, b) for a, b in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True))
    assert rounds[-1].flops == expected[-1].flops
    assert rounds[-1].bytes_up == 0


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
@pytest.mark.parametrize("name", MODELS)
def test_gradients_are_those_of_each_loss_by_itself(name, method):
    """Every unit's loss is written down anew, from the model's blocks, and differentiated alone."""
    case = CASES[name]
    engine, (inputs, targets) = made(case, method), case.data()
    losses = engine.gradients(inputs, targets)
    reference = made(case, method)
    reference.model.load_state_dict(engine.model.state_dict())
    model, heads = case.model().train(), copy.deepcopy(reference._heads)
    chain = Chain.of(model)
    units, x = method.units(len(chain.blocks)), inputs
    expected = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    for number, (unit, loss) in enumerate(zip(units, losses, strict=True)):
        blocks = range(unit.own.start, unit.last + 1)
        y = x
        for block in blocks:
            y = copy_buffers(chain.segment([block]))(y)
            if block == unit.own[-1]:
                handed = y.detach()
        answer = heads[unit.last](y) if unit.last in heads else y
        value = networks.cross_entropy(answer, targets)
        assert abs(float(value.detach()) - loss) < 1e-10 * abs(loss), number
        seen = [
            (name, p)
            for block in (blocks if method.shared == "sum" else unit.own)
            for name, p in chain.segment([block]).tensors().items()
            if isinstance(p, nn.Parameter)
        ]
        for (name_of, _), gradient in zip(seen, torch.autograd.grad(value, [p for _, p in seen]), strict=True):
            expected[name_of] += gradient
        x = handed
    for name_of, p in engine.model.named_parameters():
        assert torch.allclose(p.grad, expected[name_of], rtol=1e-9, atol=1e-12), name_of


def copy_buffers(segment):
    """The same parameters, with statistics of its own."""
    return copy.deepcopy(segment, {id(p): p for p in segment.parameters()})


class Residual(nn.Module):
    """h + A x, in which x is what is learned."""

    def __init__(self, matrix, start):
        super().__init__()
        self.register_buffer("matrix", matrix)
        self.x = nn.Parameter(start.clone())

    def forward(self, h):
        return h + self.matrix @ self.x


QUADRATIC = [
    (LocalParallelism(local_steps=1), {"mode": "greedy"}),
    (LocalParallelism("chunked", chunks=2, local_steps=1), {"mode": "chunked", "window": 2}),
    (LocalParallelism("overlapping", window=2, local_steps=1), {"mode": "overlapping", "window": 2}),
    (
        LocalParallelism("overlapping", window=3, shared="farthest", local_steps=1),
        {"mode": "overlapping", "window": 3, "shared": "farthest"},
    ),
]


@pytest.mark.parametrize(("method", "options"), QUADRATIC, ids=lambda value: getattr(value, "mode", ""))
def test_a_network_that_is_quadratic_does_what_the_theory_says(method, options):
    """Blocks h + A_j x_j, heads that change nothing and the loss |h - y|^2 / 2: Lbar = A'A, bbar = A'y."""
    sizes, rounds, step_size = [2, 1, 2, 1], 6, 0.05
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(7, sum(sizes), generator=generator, dtype=torch.float64)
    y, start = (torch.randn(n, generator=generator, dtype=torch.float64) for n in (7, sum(sizes)))
    model = nn.Sequential(
        *[Residual(a, x) for a, x in zip(matrix.split(sizes, dim=1), start.split(sizes), strict=True)]
    )
    method = dataclasses.replace(method, head=lambda shape, num_outputs: nn.Identity())
    batches = lambda worker, step: (torch.zeros(1, 7, dtype=torch.float64), y[None])  # noqa: E731
    engine = local.LocalOneProcess(
        model,
        networks.Layout((), ()),
        method,
        batches(0, 0)[0],
        make_optimizer=lambda parameters: torch.optim.SGD(parameters, lr=step_size),
        loss=lambda outputs, targets: 0.5 * ((outputs - targets) ** 2).sum(),
    )
    engine.deal(np.ones((1, 1), bool))
    found = [torch.cat([layer.x for layer in model]).detach().numpy().copy()]
    for step in range(rounds):
        engine.steps(batches, range(step, step + 1))
        found.append(torch.cat([layer.x for layer in model]).detach().numpy().copy())
    a = matrix.numpy()
    problem = istsim.Quadratic((a.T @ a)[None], (a.T @ y.numpy())[None])
    expected = istsim.trajectory(
        problem,
        istsim.LocalUpdates(sizes, **options),
        step_size=step_size,
        rounds=rounds,
        key=0,
        x0=jnp.asarray(start.numpy()),
    )
    np.testing.assert_allclose(found, expected, rtol=1e-10)
