"""What a process of its own does that prepares and times workloads on request.

Two uses. The seed's recipe runs in a process in which nothing of ours is set up, as its reader's
would. And `bench.compare` times two revisions side by side: the harness is this checkout's, the
`mnist_core` that it imports lies in the folder that the process was started in.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.timing import remote as process
from bench.timing.remote import Worker
from bench.workloads.workload import SEED_STEPS, Workload
from mnist_core.data.splits import DATA_DIR_VARIABLE

_MODULE = "bench.workers.revision"


def _environment() -> dict[str, str]:
    """Return the variables that mean something else in another folder."""
    folder = os.environ.get(DATA_DIR_VARIABLE)
    return {DATA_DIR_VARIABLE: os.path.abspath(folder)} if folder else {}


@functools.cache
def plain_worker() -> Worker:
    """Return the one process in which the seed's recipe runs; it ends with this one."""
    return Worker(_MODULE, "plain", environment=_environment())


def revision_worker(folder: Path) -> Worker:
    """Start a process that times the mnist_core of a folder, set up as its commands do."""
    return Worker(_MODULE, "prepared", folder=folder, environment=_environment())


class _Served:
    """The child's end: a method for each command."""

    def __init__(self) -> None:
        self._cases: dict[str, Any] = {}
        self._plans: dict[str, Any] = {}
        self._start: dict[str, Callable[[], None]] = {}
        self._consume: Callable[[], None] = lambda: None

    def where(self) -> str:
        """Return the folder whose mnist_core is measured."""
        import mnist_core

        return str(Path(mnist_core.__file__).resolve().parent.parent)

    def prepare_seed(self, workload: dict[str, Any], dataset: str) -> int:
        """Make the seed's training ready; return the images of an epoch less its first batch."""
        import torch

        from bench.workloads import data as images
        from mnist_core.references import plain_pytorch

        case = Workload.from_dict(workload)
        full = images.load(dataset, "cpu")
        size = plain_pytorch.BATCH_SIZE
        steps = min(SEED_STEPS, len(full.train) // size - 1)
        split = images.subset(full, (steps + 1) * size).train
        training = plain_pytorch.PlainTraining(torch.device(case.device))

        def start() -> None:
            epoch = plain_pytorch.batches(split, augment=case.augment, workers=case.workers)
            self._consume = lambda: training.consume(epoch)

        self._start[case.id] = start
        return steps * size

    def start_epoch(self, case: str) -> None:
        """Start an epoch of the seed's recipe and drop its first batch."""
        self._start[case]()

    def consume_epoch(self) -> None:
        """Train on the rest of the epoch."""
        self._consume()

    def prepare(self, workload: dict[str, Any], dataset: str) -> float:
        """Make a workload ready and warm it up; return the seconds of a call."""
        from bench.suite.session import clock_for, plan_for
        from bench.timing import measure as timing
        from bench.workloads import prepare as build

        case = Workload.from_dict(workload)
        prepared = build.prepare(case, dataset_name=dataset)
        clock = clock_for(case.device)
        warm = timing.warm_up(prepared.call, clock=clock)
        self._cases[case.id] = (prepared, clock)
        self._plans[case.id] = plan_for(case, prepared, call_seconds=warm.window_seconds[-1])
        return warm.window_seconds[-1]

    def block(self, case: str) -> list[float]:
        """Time one block of a case."""
        from bench.timing import measure as timing

        prepared, clock = self._cases[case]
        return timing.time_block(prepared.call, self._plans[case], clock=clock)

    def drop(self, case: str) -> None:
        """Forget a case."""
        prepared, _ = self._cases.pop(case)
        prepared.close()


if __name__ == "__main__":
    if sys.argv[1] == "prepared":
        from mnist_core.runtime.device import prepare_process

        prepare_process()
    sys.exit(process.serve(_Served()))
