"""Inference: latency of one image, throughput of batches.

pytest bench/bench_inference.py --benchmark-only
"""

import pytest

from bench.suite.session import Measure
from bench.workloads.registry import of_kind
from bench.workloads.workload import Workload


@pytest.mark.parametrize("workload", of_kind("inference"), ids=lambda workload: workload.id)
def test_inference(measure: Measure, workload: Workload) -> None:
    """Time one case."""
    measure(workload)
