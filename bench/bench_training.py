"""Training: single steps in all variants, and whole loops beside plain PyTorch.

pytest bench/bench_training.py --benchmark-only
"""

import pytest

from bench.suite.session import Measure
from bench.workloads.registry import of_kind
from bench.workloads.workload import Workload


@pytest.mark.parametrize(
    "workload",
    of_kind("training-step", "training-loop", "plain-loop"),
    ids=lambda workload: workload.id,
)
def test_training(measure: Measure, workload: Workload) -> None:
    """Time one case."""
    measure(workload)
