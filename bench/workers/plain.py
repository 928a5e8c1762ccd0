"""The process in which plain PyTorch's loop runs, with nothing of this project set up.

`bench.timing.remote.plain_worker` starts it as `python -m bench.workers.plain`.
"""

import sys
from collections.abc import Callable
from typing import Any

import torch

from bench.timing import remote
from bench.workloads import data
from bench.workloads.workload import PLAIN_STEPS, Workload
from mnist_core.errors import from_mapping
from mnist_core.references import plain_pytorch


class _Served:
    """The child's end: a method for each command."""

    def __init__(self) -> None:
        self._start: dict[str, Callable[[], None]] = {}
        self._consume: Callable[[], None] = lambda: None

    def prepare(self, workload: dict[str, Any], dataset: str) -> int:
        """Make the training ready; return the images of an epoch less its first batch."""
        case = from_mapping(Workload, workload, kind="workload key")
        full = data.load_cached(dataset, "cpu")
        size = plain_pytorch.BATCH_SIZE
        steps = min(PLAIN_STEPS, len(full.train) // size - 1)
        split = data.subset(full, (steps + 1) * size).train
        training = plain_pytorch.PlainTraining(torch.device(case.device))

        def start() -> None:
            epoch = plain_pytorch.batches(split, augment=case.augment, workers=case.workers)
            self._consume = lambda: training.consume(epoch)

        self._start[case.id] = start
        return steps * size

    def start_epoch(self, case: str) -> None:
        """Start an epoch and drop its first batch."""
        self._start[case]()

    def consume_epoch(self) -> None:
        """Train on the rest of the epoch."""
        self._consume()


if __name__ == "__main__":
    sys.exit(remote.serve(_Served()))
