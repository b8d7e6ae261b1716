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


@pytest.mark.sample(3)
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


@pytest.mark.sample(5)
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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "chunked"}, "the mode 'chunked' needs chunks"),
        ({"chunks": 2}, "chunks = 2 is of the mode 'chunked', got it for 'greedy'"),
        ({"mode": "overlapping", "window": 0}, "window must be"),
        ({"shared": "farthest"}, "shared = 'farthest' is of the mode 'overlapping'"),
        ({"asynchronous": True}, "asynchronous = True is of the mode 'overlapping'"),
        ({"head_width": 8}, "head_width is of hidden layers"),
        ({"head_depth": 2, "head": lambda shape, outputs: nn.Identity()}, "with a head of your own leave them"),
    ],
)
def test_methods_that_make_no_sense_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        LocalParallelism(**arguments)


def test_models_that_cannot_be_cut_are_refused():
    with pytest.raises(ValueError, match="chunks must be at most the model's blocks, 2, got 3"):
        made(CASES["mlp"], LocalParallelism("chunked", chunks=3))
    with pytest.raises(ValueError, match="window must be at most the model's blocks, 2, got 3"):
        made(CASES["mlp"], LocalParallelism("overlapping", window=3))
    with pytest.raises(ValueError, match=r"model\.embed_tokens\.weight is used by two blocks"):
        made(CASES["llama-tied"], LocalParallelism())
    with pytest.raises(ValueError, match="a Linear is not known to be blocks"):
        Chain.of(nn.Linear(2, 2))
    with pytest.raises(ValueError, match="take a process each"):
        made(CASES["resnet"], LocalParallelism("overlapping", window=2, asynchronous=True))


@pytest.mark.parametrize("num_blocks", [2, 5, 8])
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_every_block_has_one_unit_that_trains_it(num_blocks, method):
    units = method.units(num_blocks)
    assert [block for unit in units for block in unit.own] == list(range(num_blocks))
    assert all(unit.ahead.start == unit.own.stop for unit in units)
    assert units[-1].last == num_blocks - 1


def test_heads_suit_what_they_take_in():
    assert local.auxiliary_head((7,), 3)(torch.zeros(2, 7)).shape == (2, 3)
    assert local.auxiliary_head((5, 4, 4), 3, width=6, depth=3)(torch.zeros(2, 5, 4, 4)).shape == (2, 3)
    assert local.auxiliary_head((9, 4), 11, depth=2)(torch.zeros(2, 9, 4)).shape == (2, 9, 11)
    widths = [layer.out_features for layer in local.auxiliary_head((5,), 3, width=6, depth=3) if hasattr(layer, "bias")]
    assert widths == [6, 6, 3]
    with pytest.raises(ValueError, match="give a head of your own"):
        local.auxiliary_head((2, 2, 2, 2), 3)


def test_a_head_that_overwrites_what_is_handed_on_is_refused():
    def in_place(shape, num_outputs):
        return nn.Sequential(
            nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(shape[0], num_outputs)
        )

    engine, (inputs, targets) = made(CASES["resnet"], LocalParallelism(head=in_place)), CASES["resnet"].data()
    with pytest.raises(ValueError, match="what comes behind block 0 works in place"):
        engine.gradients(inputs, targets)


def test_heads_differ_from_each_other_and_are_a_function_of_the_seed():
    case = CASES["transformer"]
    deep = dataclasses.replace(case, make=lambda: networks.Transformer(11, width=12, depth=3, heads=2))
    first, again, other = (made(deep, LocalParallelism(), seed=seed)._heads for seed in (0, 0, 1))
    assert torch.equal(first[0][1].weight, again[0][1].weight)
    assert not torch.equal(first[0][1].weight, first[1][1].weight)
    assert not torch.equal(first[0][1].weight, other[0][1].weight)


def test_a_run_that_diverges_leaves_the_last_good_values():
    torch.manual_seed(0)
    model, data = networks.mlp([64, 8, 8, 10]), networks.digits()
    run = networks.train(
        model,
        networks.neurons(model),
        LocalParallelism(local_steps=3),
        networks.Batches(data, 1, 32, seed=0),
        make_optimizer=lambda parameters: torch.optim.SGD(parameters, lr=1e20),
        steps=30,
    )
    *_, last = run
    assert np.isnan(last.loss)
    assert all(bool(p.isfinite().all()) for p in model.parameters())


def test_cosines_are_one_where_gradients_are_those_of_backpropagation():
    case = CASES["resnet"]
    inputs, targets = case.data()
    for method, exact in ((LocalParallelism("chunked", chunks=1), 3), (LocalParallelism("chunked", chunks=2), 1)):
        engine = made(case, method)
        before = copy.deepcopy(engine.model.state_dict()), engine.spent()
        cosines = local.gradient_cosines(engine, inputs, targets)
        assert cosines[-exact:] == pytest.approx([1.0] * exact, abs=1e-12)
        assert all(cosine < 0.999 for cosine in cosines[:-exact])
        after = engine.model.state_dict(), engine.spent()
        assert all(torch.equal(a, b) for a, b in zip(before[0].values(), after[0].values(), strict=True))
        assert before[1] == after[1]


def test_cosines_are_asked_of_engines_with_units():
    case = CASES["mlp"]
    model, (inputs, targets) = case.model(), case.data()
    engine = local.LocalOneProcess(model, networks.neurons(model), LocalParallelism(), inputs, make_optimizer=sgd)
    with pytest.raises(ValueError, match="no units yet"):
        local.gradient_cosines(engine, inputs, targets)


@pytest.mark.sample(4)
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
@pytest.mark.parametrize("name", ["mlp", "resnet", "transformer"])
def test_memory_and_operations_are_those_predicted(name, method):
    case = CASES[name]
    engine, (inputs, targets) = made(case, method), case.data()
    engine.steps(lambda worker, step: (inputs, targets), range(2))
    options = {"make_optimizer": sgd, "inputs": inputs, "targets": targets, "loss": networks.cross_entropy}
    predicted = local.predicted_memory_of_units(engine.model, method, **options)
    for mine, theirs in zip(engine.costs()["workers"], predicted, strict=True):
        expected = dataclasses.asdict(theirs)
        assert {kind: mine[kind] for kind in expected} == pytest.approx(expected, rel=0.05)
    assert engine.spent()[2] == 2 * sum(local.flops_of_units(engine.model, method, inputs, targets))


def test_bytes_are_what_is_handed_on_and_what_windows_share():
    case = CASES["mlp"]
    inputs, targets = case.data()
    handed = 7 * 7 * 8  # of 7 examples and 7 units, in float64
    for method, expected in {
        LocalParallelism(): handed,
        LocalParallelism("overlapping", window=2): 0,  # one window sees all
    }.items():
        engine = made(case, method)
        engine.gradients(inputs, targets)
        assert engine.spent()[1] == expected
    deep = dataclasses.replace(case, make=lambda: networks.mlp([5, 7, 6, 6, 3]))
    for shared, expected in (("farthest", handed + (6 * 7 + 6) * 8), ("sum", handed + 2 * (6 * 7 + 6) * 8)):
        engine = made(deep, LocalParallelism("overlapping", window=2, shared=shared))
        engine.gradients(inputs, targets)
        assert engine.spent()[1] == expected


def test_models_that_cannot_be_partitioned_take_local_updates_with_an_empty_layout():
    model = nn.Sequential(nn.Linear(8, 16), nn.LayerNorm(16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 3))
    layout, batches = networks.Layout.of(model, ()), lambda worker, step: (torch.ones(4, 8), torch.arange(4) % 3)
    options = {"make_optimizer": lambda parameters: torch.optim.SGD(parameters, lr=0.1), "steps": 20}
    losses = [one.loss for one in networks.train(model, layout, networks.LocalParallelism(), batches, **options)]
    assert losses[-1] < losses[0]
    for method in (networks.IST(2), networks.SDP(2, 0.5, "forward", 1), networks.DataParallel(2)):
        with pytest.raises(ValueError, match="nothing that only some workers could hold"):
            next(networks.train(model, layout, method, batches, **options))


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (lambda shape, outputs: nn.Linear(16, 7), r"gives shape \(4, 7\) .* that of the model's outputs, \(4, 3\)"),
        (lambda shape, outputs: nn.Identity(), r"gives shape \(4, 16\)"),
        (lambda shape, outputs: nn.Linear(9, outputs), r"cannot take what it is given, a tensor of shape \(4, 16\)"),
        (lambda shape, outputs: outputs, "must make a torch.nn.Module, got 3"),
    ],
)
def test_heads_that_make_no_answers_of_the_models_kind_are_refused(head, words):
    model = networks.mlp([8, 16, 16, 3])
    batches = lambda worker, step: (torch.ones(4, 8), torch.arange(4) % 3)  # noqa: E731
    with pytest.raises(ValueError, match=words):
        networks.train(
            model, networks.neurons(model), networks.LocalParallelism(head=head), batches, steps=1,
            make_optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.1),
        )  # fmt: skip
