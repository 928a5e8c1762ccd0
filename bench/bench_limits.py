"""How fast the machine is at best: matrix products and memory copies.

pytest bench/bench_limits.py --benchmark-only
"""

import pytest

from bench.suite.session import Measure
from bench.workloads.registry import of_kind
from bench.workloads.workload import Workload


@pytest.mark.parametrize("workload", of_kind("gemm", "copy"), ids=lambda workload: workload.id)
def test_limits(measure: Measure, workload: Workload) -> None:
    """Time one case."""
    measure(workload)
