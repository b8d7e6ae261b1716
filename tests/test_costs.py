"""What a step costs by kind of parallelism: the formulas, and how they are compared."""

import csv
import itertools
import json
import subprocess
import sys

import pytest

from istsim import cli, costs, theorems
from istsim.costs import Amount, Block, Cluster, ModelSizes, Training
from istsim.costs._chunks import chunks
from istsim.costs._compare import settings
from istsim.costs._named import NAMES
from istsim.costs._sdp import averaged, newly_held, untold

CLUSTER, TRAINING = Cluster(4, memory=2.0**30), Training()


def chain(flops, **amounts):
    return tuple(Block(f"{i}", Amount(10), Amount(each), boundary=7, **amounts) for i, each in enumerate(flops))


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("24GiB", "B", 24 * 2.0**30),
        ("80 GB", "B", 80e9),
        ("1e3B", "B", 1000.0),
        ("12.5GB/s", "B/s", 12.5e9),
        ("10us", "s", 1e-5),
        ("2s", "s", 2.0),
        ("50TFLOP/s", "FLOP/s", 50e12),
    ],
)
def test_quantities_are_read_with_their_units(text, unit, value):
    assert costs.quantity("it", text, unit) == value


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("24", "B"),
        ("GiB", "B"),
        ("1e999GiB", "B"),
        ("1e99999999GiB", "B"),
        ("24gib", "B"),
        ("-1GB", "B"),
        ("1.2.3GB", "B"),
        ("1mB", "B"),
        ("1Ks", "s"),
    ],
)
def test_what_is_no_quantity_is_refused_with_an_example(text, unit):
    with pytest.raises(ValueError, match=r"--memory must be a number with the unit .*, such as"):
        costs.quantity("--memory", text, unit)


@pytest.mark.parametrize("name", NAMES)
def test_parts_of_a_named_model_are_no_more_than_the_whole(name):
    whole = costs.named(name).whole
    assert 0 < whole.weight_flops.total < whole.flops.once / 2
    assert 0 <= whole.weight_activations.total <= whole.activations.once
    assert whole.units > 0


def test_chunks_are_the_best_of_all():
    flops = (3, 1, 4, 1, 5, 9, 2, 6)
    for count in range(1, 9):
        found = [sum(block.flops.total for block in chunk) for chunk in chunks(chain(flops), count)]
        cuts = itertools.combinations(range(1, len(flops)), count - 1)
        best = min(max(sum(flops[a:b]) for a, b in itertools.pairwise((0, *cut, len(flops)))) for cut in cuts)
        assert len(found) == count
        assert max(found) == best


def time_of_gpipe(forward, microbatches):
    """The end of a step by GPipe, event by event; backward passes take twice as long."""
    ends = [0.0] * len(forward)
    for times in (forward, [2 * time for time in reversed(forward)]):
        begin = max(ends)  # the backward passes begin when the last forward pass has ended
        ends = [begin] * len(times)
        for _ in range(microbatches):
            handed = begin
            for stage, time in enumerate(times):
                ends[stage] = handed = max(ends[stage], handed) + time
    return ends[-1]


@pytest.mark.parametrize("microbatches", [1, 3, 8])
@pytest.mark.parametrize("flops", [(2.0, 2.0, 2.0, 2.0), (1.0, 3.0, 2.0, 1.0)])
def test_the_bubble_is_that_of_the_schedule(flops, microbatches):
    training = Training(batch_size=6)  # 24 examples
    model = ModelSizes("stages", chain([3 * each for each in flops]))
    cost = costs.Pipeline(microbatches, 4, "GPipe").cost(model, Cluster(4, 1e9, flops=1.0), training)
    size = 24 // microbatches
    assert cost.compute_seconds == pytest.approx(time_of_gpipe([size * each for each in flops], microbatches))
    if len(set(flops)) == 1:
        assert cost.bubble == pytest.approx(3 / (microbatches + 3))


def test_1f1b_keeps_as_many_microbatches_as_there_are_stages():
    model = ModelSizes("stages", chain((1.0,) * 4, activations=Amount(100)))
    cluster, training = Cluster(4, 1e9), Training(batch_size=4, number_bytes=1)
    kept = {
        (schedule, m): costs.Pipeline(m, 4, schedule).cost(model, cluster, training).activations
        for schedule in ("GPipe", "1F1B")
        for m in (4, 16)
    }
    assert kept == {("GPipe", 4): 1600, ("GPipe", 16): 1600, ("1F1B", 4): 1600, ("1F1B", 16): 400}


@pytest.mark.parametrize(
    ("make", "handed_on", "own"),
    [
        # On the first and last of two stages, two replicas of each, a batch of 16 goes on and comes back.
        (lambda: costs.Pipeline(4, 2), 16 * 4 * 7, 4 * 20),
        # The first chunk of two hands on and gives nothing back; its head has a norm of 3 channels and a layer.
        (lambda: costs.LocalParallel(chunks=2), 16 * 4 * 7, 4 * (20 + 2 * 3 + 4 * 5)),
        # The sums of 4 blocks in both passes, by a ring of two.
        (lambda: costs.TensorParallel(degree=2), 2 * 16 * 4 * 4 * 7, 4 * 40),
    ],
)
def test_replicas_also_average_the_gradients_of_what_they_have(make, handed_on, own):
    blocks = chain((1.0,) * 4, sums=7, units=2, features=3)
    model = ModelSizes("replicated", blocks, outputs=5)
    cost = make().cost(model, Cluster(4, 1e9), TRAINING)
    averaging = [one for one in cost.traffic if one.collective == "all-reduce"][-1]
    assert averaging.sent == own == cost.gradients  # of two, each sends 2 (2 - 1) / 2 of it
    assert cost.sent == handed_on + own
    alone = make().cost(model, Cluster(2, 1e9), TRAINING)
    assert alone.sent == handed_on
    assert alone.memory == cost.memory


def draws(devices, holders):
    """Who holds a unit, every outcome equally likely."""
    return [set(each) for each in itertools.combinations(range(devices), holders)]


@pytest.mark.parametrize(("devices", "holders"), [(2, 1), (3, 2), (4, 1), (4, 2), (5, 2), (4, 4)])
def test_what_holders_send_is_the_mean_over_all_draws(devices, holders):
    outcomes = draws(devices, holders)
    both = [len(left & right) for left in outcomes for right in outcomes]
    for entries, held in ((Amount(0, 1), [holders]), (Amount(0, 0, 1), both)):
        sums = [2 * max(h - 1, 0) / devices for h in held]
        rest = [(devices - h) / devices if h else 0 for h in held]
        assert averaged(entries, devices, holders) == pytest.approx(sum(sums) / len(sums))
        assert untold(entries, devices, holders) == pytest.approx(sum(rest) / len(rest))


@pytest.mark.parametrize(("devices", "holders"), [(2, 1), (3, 1), (3, 2), (4, 2)])
def test_what_is_newly_held_is_the_mean_over_all_draws(devices, holders):
    outcomes = draws(devices, holders)
    moved, count = 0.0, 0
    for before in itertools.product(outcomes, outcomes):
        had = before[0] & before[1]
        homes = had or set(range(devices))
        for after in itertools.product(outcomes, outcomes):
            new = (after[0] & after[1]) - had
            moved += sum(len(new - {home}) for home in homes) / len(homes) / devices
            count += 1
    assert newly_held(Amount(0, 0, 1), devices, holders) == pytest.approx(moved / count)


@pytest.mark.parametrize("masking", ["forward", "backward"])
@pytest.mark.parametrize("name", ["llama-134m", "resnet18"])
def test_sdp_with_all_held_costs_what_data_parallelism_costs(name, masking):
    model = costs.named(name)
    one = costs.SubnetworkDataParallel(masking=masking, coverage=1.0).cost(model, CLUSTER, TRAINING)
    other = costs.DataParallel().cost(model, CLUSTER, TRAINING)
    for what in ("memory", "sent", "flops", "activations"):
        assert getattr(one, what) == pytest.approx(getattr(other, what), rel=1e-12), what


def test_only_local_parallelism_lets_devices_run_ahead():
    found = costs.compare(costs.named("resnet18"), CLUSTER, TRAINING)
    ahead = {costs.label(cost): cost.ahead for cost in found.costs if cost.ahead}
    local = next(cost for cost in found.costs if cost.name == "local parallel")
    assert ahead == {"local parallel": local.setting["chunks"] - 1}
    assert "stale" not in costs.as_text(found) + costs.as_json(found)


def test_a_coverage_of_thirds_may_be_rounded():
    cluster, model = Cluster(3, 1e9), costs.named("resnet18")
    one, other = (costs.SubnetworkDataParallel(coverage=c).cost(model, cluster, TRAINING) for c in (2 / 3, 0.6667))
    assert (one.memory, one.sent, one.flops) == (other.memory, other.sent, other.flops)


def test_less_coverage_costs_less():
    model = costs.named("llama-134m")
    for masking in ("forward", "backward"):
        found = [
            costs.SubnetworkDataParallel(masking=masking, coverage=c).cost(model, Cluster(8, 1e9), TRAINING)
            for c in (0.25, 0.5, 1.0)
        ]
        for what in ("memory", "flops", "sent"):
            values = [getattr(cost, what) for cost in found]
            assert values == sorted(set(values)), (masking, what)


def test_a_ring_sends_the_least_that_sums_need_and_gloo_sends_sums_for_shares():
    model = costs.named("llama-134m")
    size = 4 * model.parameters
    sent = {
        algorithm: {t.collective: t.sent for t in costs.FullySharded().cost(model, cluster, TRAINING).traffic}
        for algorithm in ("ring", "gloo")
        for cluster in (Cluster(4, 1e9, algorithm=algorithm),)
    }
    assert sent["ring"]["reduce-scatter"] == pytest.approx(0.75 * size)
    assert sent["gloo"]["reduce-scatter"] == pytest.approx(1.5 * size)
    assert sent["ring"]["all-gather"] == sent["gloo"]["all-gather"]
    assert costs.DataParallel().cost(model, Cluster(4, 1e9), TRAINING).sent == pytest.approx(1.5 * size)


def test_what_nothing_waits_for_is_sent_while_devices_compute():
    model = costs.named("llama-134m")
    times = {
        (one.name, overlap): one.cost(model, Cluster(4, 1e9, overlap=overlap), TRAINING)
        for one in (costs.DataParallel(), costs.TensorParallel(degree=4))
        for overlap in (False, True)
    }
    hidden = times["data parallel", True]
    sending = hidden.traffic[0].seconds(CLUSTER)
    assert hidden.seconds == pytest.approx(max(hidden.compute_seconds, sending))
    assert times["data parallel", False].seconds == pytest.approx(hidden.compute_seconds + sending)
    assert times["tensor parallel", False].seconds == times["tensor parallel", True].seconds


def test_devices_together_compute_no_less_than_the_model_for_every_example():
    model, examples = costs.named("llama-134m"), 4 * TRAINING.batch_size
    for one in (costs.DataParallel(), costs.FullySharded(), costs.TensorParallel(degree=4), costs.Pipeline(8, 4)):
        cost = one.cost(model, CLUSTER, TRAINING)
        worked = 4 * cost.flops
        assert worked >= 0.999999 * examples * model.flops, one.name
    # The chunks are not equal, and what is in no unit is computed by all.
    assert costs.DataParallel().cost(model, CLUSTER, TRAINING).flops == TRAINING.batch_size * model.flops


def test_the_comparison_has_what_fits_first_and_the_fastest_of_it_at_the_top():
    model = costs.named("llama-1b")
    found = costs.compare(model, Cluster(8, memory=24 * 2.0**30), TRAINING)
    fits = [found.fits(cost) for cost in found.costs]
    assert fits == sorted(fits, reverse=True)
    seconds = [cost.seconds for cost in found.costs if found.fits(cost)]
    assert seconds == sorted(seconds)
    assert found.slowdown(found.costs[0]) == 1.0
    assert len(found.costs) == 9
    # Each is the best of its kind.
    for one in settings(8, TRAINING.batch_size, 0.5, 10):
        cost = one.cost(model, found.cluster, TRAINING)
        best = next(each for each in found.costs if costs.label(each) == costs.label(one))
        if found.fits(cost):
            assert found.fits(best)
            assert best.seconds <= cost.seconds
        elif not found.fits(best):
            assert best.memory <= cost.memory


def test_where_nothing_fits_the_smallest_is_at_the_top_and_none_is_fastest():
    found = costs.compare(costs.named("llama-7b"), Cluster(2, memory=2.0**20), TRAINING)
    memory = [cost.memory for cost in found.costs]
    assert memory == sorted(memory)
    assert found.fastest is None
    assert found.slowdown(found.costs[0]) is None
    assert " no " in costs.as_text(found)


def test_what_cannot_be_done_is_left_out_with_its_reason():
    found = costs.compare(costs.named("resnet18"), Cluster(16, 1e9), TRAINING, coverage=0.3)
    assert found.left_out == {
        f"SDP {masking}": "a coverage of 0.3 cannot be had on 16 devices; they can have "
        + ", ".join(f"{copies / 16:g}" for copies in range(2, 17))
        for masking in ("forward", "backward")
    }
    told = costs.as_text(found).replace("\n    ", " ")
    assert "left out: SDP forward, SDP backward: a coverage of 0.3" in told


def test_kinds_that_are_asked_for_are_all_told():
    kinds = [costs.Pipeline(4, 2), costs.Pipeline(4, 4), costs.Pipeline(4, 3), costs.DataParallel()]
    found = costs.compare(costs.named("resnet18"), CLUSTER, TRAINING, parallelisms=kinds)
    assert sorted(cost.setting.get("stages", 1) for cost in found.costs) == [1, 2, 4]
    assert found.left_out == {"pipeline 1F1B m=4 p=3": "stages must divide the 4 devices, got 3"}


def test_a_coverage_of_one_masks_nothing():
    for masking in ("forward", "backward"):
        assert costs.SubnetworkDataParallel(masking=masking, coverage=1.0).convergence.kind == "exact"


def test_a_layer_with_too_few_units_is_named():
    with pytest.raises(ValueError, match=r"each of 100 devices takes at least one .* resnet18 has a layer with 64"):
        costs.IndependentSubnetworks().cost(costs.named("resnet18"), Cluster(100, 1e9), TRAINING)


def test_nothing_fits_is_said_and_units_are_those_of_the_amounts():
    text = costs.as_text(costs.compare(costs.named("llama-7b"), Cluster(2, memory=100 * 2.0**20), TRAINING))
    assert "Nothing fits: more devices" in text
    assert "of 42.24 TFLOP each, adam; 2 devices of 100 MiB" in text
    assert "GB sent  TFLOP" in text


def test_one_device_is_not_shared():
    found = costs.compare(costs.named("resnet18"), Cluster(1, 1e9), TRAINING)
    assert {costs.label(cost) for cost in found.costs} == {"data parallel", "FSDP"}
    assert found.left_out["IST"] == "IST takes at least 2 devices, got 1, which has all units: that is data parallelism"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Cluster(0, 1e9), "devices must be an integer of at least 1, got 0"),
        (lambda: Cluster(2, -1.0), "memory must be a positive number, got -1.0"),
        (lambda: Cluster(2, 1e9, latency=-1.0), "latency must be a number of seconds of at least 0"),
        (lambda: Cluster(2, 1e9, algorithm="tree"), "algorithm must be 'ring' or 'gloo', got 'tree'"),
        (lambda: Training(optimizer="lion"), "optimizer must be"),
        (lambda: Training(optimizer="mixed-adam"), "number_bytes must be below 4, got 4; give 2"),
        (lambda: costs.named("resnet18", 7), "resnet18 takes images, which have no length, got length 7"),
        (
            lambda: costs.compare(costs.named("resnet18"), CLUSTER, TRAINING, parallelisms=costs.DataParallel()),
            "must be several kinds of parallelism",
        ),
        (
            lambda: costs.compare(costs.named("resnet18"), CLUSTER, TRAINING, parallelisms=["data parallel"]),
            "must be several kinds of parallelism",
        ),
        (
            lambda: costs.compare(costs.named("resnet18"), CLUSTER, TRAINING, parallelisms=[]),
            "parallelisms must be at least one kind of parallelism, got none",
        ),
        (lambda: costs.named("gpt"), "model must be"),
        (lambda: ModelSizes("none", ()), "none must have blocks with parameters"),
        (lambda: ModelSizes("idle", (Block("a", Amount(10)),)), "idle must have blocks with operations"),
        (lambda: Block("a", sums=3.0), "a hands nothing on, but sums are 3"),
        (lambda: costs.Pipeline(stages=1), "stages must be at least 2"),
        (lambda: costs.TensorParallel(degree=1), "degree must be at least 2"),
        (lambda: costs.LocalParallel(chunks=1), "chunks must be at least 2"),
        (lambda: costs.SubnetworkDataParallel(coverage=1.5), "coverage must be a fraction"),
        (lambda: costs.llama(vocabulary=9, width=9, depth=1, heads=2, hidden=9, length=9), "heads must divide width"),
    ],
)
def test_wrong_arguments_are_refused(make, words, unchecked):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (costs.Pipeline(stages=3), "stages must divide the 4 devices, got 3"),
        (costs.Pipeline(3, 4), "microbatches must divide the 32 examples of a device, got 3"),
        (costs.DataParallel(3), "microbatches must divide the 8 examples of a device, got 3"),
        (costs.LocalParallel(chunks=4), "2 blocks cannot be cut into 4 chunks"),
        (costs.TensorParallel(degree=4), "has no hidden units that are known, which 4 devices could share"),
        (costs.IndependentSubnetworks(), "has no hidden units that are known, which 4 devices could share"),
        (costs.SubnetworkDataParallel(coverage=0.25), "they can have 0.5, 0.75, 1$"),
        (costs.SubnetworkDataParallel(), "has no hidden units that are known, which 2 devices could share"),
    ],
)
def test_what_cannot_be_done_is_refused(one, words):
    with pytest.raises(ValueError, match=words):
        one.cost(ModelSizes("short", chain((1.0, 1.0))), CLUSTER, TRAINING)


def test_tensor_parallelism_is_not_known_where_weights_lie_between_units():
    block = Block("0", Amount(0, 10, 10), Amount(1.0), boundary=7, units=8)
    with pytest.raises(ValueError, match="weights between two layers of hidden units"):
        costs.TensorParallel(degree=2).cost(ModelSizes("mlp", (block,)), CLUSTER, TRAINING)


def test_theorems_that_are_named_exist_and_kinds_are_what_the_theorems_say():
    kinds = {}
    for one in settings(4, 2, 0.5, 10):
        for name in one.convergence.theorems:
            assert theorems.get(name).kind != "refuted"
        kinds[costs.label(one)] = one.convergence.kind
    assert kinds["SDP backward"] == "unbiased"
    assert {name for name, kind in kinds.items() if kind == "biased"} == {"IST", "SDP forward", "local parallel"}


def test_costs_need_no_torch():
    code = "import sys; from istsim import costs; costs.named('resnet18'); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def printed(monkeypatch, capsys, *options):
    monkeypatch.setattr(sys, "argv", ["istsim", "costs", "--model", "resnet18", *options])
    cli.main()
    return capsys.readouterr().out


def test_the_command_prints_one_table_in_three_forms(monkeypatch, capsys):
    options = ("--devices", "4", "--memory", "100MiB", "--batch-size", "4", "--optimizer", "momentum")
    found = costs.compare(costs.named("resnet18"), Cluster(4, 100 * 2.0**20), Training(4, "momentum"))
    assert printed(monkeypatch, capsys, *options) == costs.as_text(found) + "\n"
    rows = json.loads(printed(monkeypatch, capsys, *options, "--json"))["parallelisms"]
    table = list(csv.DictReader(printed(monkeypatch, capsys, *options, "--csv").splitlines()))
    assert [row["parallelism"] for row in rows] == [row["parallelism"] for row in table]
    for row, line, cost in zip(rows, table, found.costs, strict=True):
        assert row["memory"] == float(line["memory"]) == cost.memory
        assert row["seconds"] == float(line["seconds"]) == cost.seconds
        assert sum(row["sent_by"].values()) == pytest.approx(row["sent"])


@pytest.mark.slow
def test_every_option_of_the_command_changes_what_it_prints(monkeypatch, capsys):
    plain = ("--devices", "4", "--memory", "100MiB")
    before = printed(monkeypatch, capsys, *plain)
    changes = [("--devices", "2"), ("--memory", "1GiB"), ("--bandwidth", "1GB/s"), ("--latency", "1ms")]
    changes += [("--flops", "1TFLOP/s"), ("--batch-size", "2"), ("--optimizer", "sgd"), ("--number-bytes", "2")]
    changes += [("--coverage", "0.75"), ("--local-steps", "2"), ("--microbatches", "2"), ("--algorithm", "gloo")]
    changes += [("--overlap",), ("--model", "llama-134m")]
    for change in changes:
        assert printed(monkeypatch, capsys, *plain, *change) != before, change
    llama = ("--model", "llama-134m")
    assert printed(monkeypatch, capsys, *llama) != printed(monkeypatch, capsys, *llama, "--length", "512")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--memory", "24"), "--memory must be a number with the unit B, such as 24GiB, got '24'"),
        (("--latency", "10"), "--latency must be a number with the unit s, such as 10us"),
        (("--model", "resnet19"), "model must be"),
        (("--json", "--csv"), "give one of them"),
        (("--figure", "missing/costs.svg"), "no folder 'missing'"),
        (("--optimizer", "lion"), "--optimizer"),
        (("--optimizer", "mixed-adam"), "number_bytes must be below 4, got 4; give 2"),
        (("--model", "resnet18", "--length", "7"), "takes images, which have no length"),
    ],
)
def test_the_command_refuses_what_it_cannot_do(options, words, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["istsim", "costs", *options])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert words in " ".join(capsys.readouterr().err.split())


def test_the_figure_shows_every_kind_and_pales_what_does_not_fit(monkeypatch, capsys, tmp_path):
    pytest.importorskip("matplotlib", reason="figures need matplotlib")
    from istsim import figures

    found = costs.compare(costs.named("resnet18"), Cluster(4, 100 * 2.0**20), TRAINING)
    memory, sent, time = figures.parallelism(found).axes[:3]
    assert [text.get_text() for text in memory.get_yticklabels()] == [costs.label(cost) for cost in found.costs]
    for ax, values, unit in ((memory, "memory", 2.0**20), (sent, "sent", 1e6), (time, "seconds", 1e-3)):
        ends = [0.0] * len(found.costs)
        for bars in ax.containers:
            for i, bar in enumerate(bars):
                ends[i] += bar.get_width()
                assert (bar.get_alpha() == 1.0) == found.fits(found.costs[i])
        assert ends == pytest.approx([getattr(c, values) / unit for c in found.costs])
    printed(monkeypatch, capsys, "--devices", "2", "--figure", str(tmp_path / "costs.svg"))
    assert (tmp_path / "costs.svg").read_text().startswith("<?xml")
