"""The process that times the mnist_core of one revision for `bench.compare`.

The harness is this checkout's; mnist_core is imported from the folder that the process was started
in. `bench.timing.remote.revision_worker` starts it as `python -m bench.workers.revision`.
"""

import sys
from pathlib import Path
from typing import Any

import mnist_core
from bench.timing import blocks, remote
from bench.timing.measure import BlockPlan, Clock, warm_up
from bench.workloads.prepare import prepare
from bench.workloads.prepared import Prepared, clock_for, plan_for
from bench.workloads.workload import Workload
from mnist_core.errors import from_mapping
from mnist_core.runtime.device import prepare_process


class _Served:
    """The child's end: a method for each command."""

    def __init__(self) -> None:
        self._cases: dict[str, tuple[Prepared, BlockPlan, Clock]] = {}

    def where(self) -> str:
        """Return the folder whose mnist_core is measured."""
        return str(Path(mnist_core.__file__).resolve().parent.parent)

    def prepare(self, workload: dict[str, Any], dataset: str) -> float:
        """Make a workload ready and warm it up; return the seconds of a call."""
        case = from_mapping(Workload, workload, kind="workload key")
        prepared = prepare(case, dataset_name=dataset)
        clock = clock_for(case.device)
        seconds = warm_up(prepared.call, clock=clock).window_seconds[-1]
        plan = plan_for(case, prepared, call_seconds=seconds)
        self._cases[case.id] = (prepared, plan, clock)
        return seconds

    def block(self, case: str) -> list[float]:
        prepared, plan, clock = self._cases[case]
        return blocks.time_block(prepared.call, plan, clock=clock)

    def drop(self, case: str) -> None:
        prepared, _, _ = self._cases.pop(case)
        prepared.close()


if __name__ == "__main__":
    prepare_process()
    sys.exit(remote.serve(_Served()))
