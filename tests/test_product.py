import pathlib
import subprocess
import sys

import pytest
from test_every_combination import COMBINATIONS, ESTIMATORS, N

pytestmark = pytest.mark.slow


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_enumeration_simulation_and_exact_mean_agree_over_the_product_on_every_backend(estimator, false_alarm_rate):
    num_devices = 2
    assert N % num_devices  # so that one device has a padding worker
    script = pathlib.Path(__file__).with_name("product.py")
    finished = subprocess.run(
        [sys.executable, "-W", "error", str(script), str(num_devices), estimator, str(false_alarm_rate)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    agreed = [line for line in finished.stdout.splitlines() if line.endswith(": agree")]
    assert len(agreed) == sum(combination[1] == estimator for combination in COMBINATIONS)
