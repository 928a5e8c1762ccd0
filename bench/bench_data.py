"""Data: plain PyTorch's pipeline image by image, and batches of resident tensors.

pytest bench/bench_data.py --benchmark-only
"""

import pytest

from bench.suite.session import Measure
from bench.workloads.registry import of_kind
from bench.workloads.workload import Workload


@pytest.mark.parametrize("workload", of_kind("data"), ids=lambda workload: workload.id)
def test_data(measure: Measure, workload: Workload) -> None:
    """Time one case."""
    measure(workload)
