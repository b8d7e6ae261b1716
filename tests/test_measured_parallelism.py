"""What `istsim.costs` says of steps by several processes, against what these measure."""

import json
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="networks need torch")

from measure_parallelism import KINDS  # noqa: E402
from test_processes import run_to_its_end, torchrun  # noqa: E402

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="bytes are counted by Linux")


def measured(processes, *names):
    """What was predicted and measured for each case."""
    script = Path(__file__).with_name("measure_parallelism.py")
    output, code = run_to_its_end(torchrun(processes, script, *names), seconds=600)
    assert code == 0, output
    lines = [json.loads(line) for line in output.splitlines() if line.startswith('{"case"')]
    return {line["case"]: line for line in lines}


def assert_predicted(found):
    for name, line in found.items():
        predicted, processes = line["predicted"], line["measured"]
        most = max(processes, key=lambda one: sum(one[kind] for kind in KINDS))
        kept, expected = most["activations"], predicted["activations"]
        assert abs(kept - expected) <= 0.1 * expected, (name, most, predicted)
        assert [most[kind] for kind in KINDS[:3]] == [predicted[kind] for kind in KINDS[:3]], (name, most, predicted)
        sent = [one["sent"] for one in processes]
        one = sum(sent) / len(sent) if name.startswith(("ist", "sdp")) else max(sent)
        assert abs(one - predicted["sent"]) <= 0.05 * predicted["sent"], (name, sent, predicted)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("processes", [2, 4])
def test_every_kind_of_parallelism_needs_the_memory_and_sends_the_bytes_that_formulas_say(processes):
    found = measured(processes)
    assert len(found) == 20
    assert_predicted(found)
