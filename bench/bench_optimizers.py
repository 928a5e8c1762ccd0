"""The step of each optimizer by itself, on the network's gradients.

pytest bench/bench_optimizers.py --benchmark-only
"""

import pytest

from bench.suite.session import Measure
from bench.workloads.registry import of_kind
from bench.workloads.workload import Workload


@pytest.mark.parametrize("workload", of_kind("optimizer-step"), ids=lambda workload: workload.id)
def test_optimizers(measure: Measure, workload: Workload) -> None:
    """Time one case."""
    measure(workload)
