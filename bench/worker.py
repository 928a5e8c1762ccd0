"""A process of its own that prepares and times workloads on request: one line of JSON each way.

Two uses. The seed's recipe runs in a process in which nothing of ours is set up, as its reader's
would. And `bench.compare` times two revisions side by side: the harness is this checkout's, the
`mnist_core` that it imports lies in the folder that the process was started in.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.workloads import SEED_STEPS, Workload
from mnist_core.data import DATA_DIR_VARIABLE

_HARNESS = Path(__file__).resolve().parent.parent


class WorkerError(RuntimeError):
    """Say what went wrong inside the other process."""


class Worker:
    """The parent's end of one such process."""

    def __init__(self, *, folder: Path = _HARNESS, prepared_runtime: bool) -> None:
        environment = {**os.environ, "PYTHONPATH": str(_HARNESS), "PYTHONUNBUFFERED": "1"}
        if environment.get(DATA_DIR_VARIABLE):
            environment[DATA_DIR_VARIABLE] = os.path.abspath(environment[DATA_DIR_VARIABLE])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.worker", "prepared" if prepared_runtime else "plain"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=folder,
            env=environment,
            text=True,
        )

    def ask(self, command: str, **arguments: Any) -> Any:
        """Send a command and wait for its answer. Raises `WorkerError` where it failed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"do": command, **arguments}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise WorkerError(f"the process ended during {command!r}; see its messages above")
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer["value"]

    def close(self) -> None:
        """End the process; a second call does nothing."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


@functools.cache
def plain_worker() -> Worker:
    """Return the one process in which the seed's recipe runs; it ends with this one."""
    worker = Worker(prepared_runtime=False)
    atexit.register(worker.close)
    return worker


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

        from bench import images, seed_recipe

        case = Workload.from_dict(workload)
        full = images.load(dataset, "cpu")
        size = seed_recipe.BATCH_SIZE
        steps = min(SEED_STEPS, len(full.train) // size - 1)
        split = images.subset(full, (steps + 1) * size).train
        training = seed_recipe.SeedTraining(torch.device(case.device))

        def start() -> None:
            epoch = seed_recipe.batches(split, augment=case.augment, workers=case.workers)
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
        from bench import build, timing
        from bench.session import clock_for, plan_for

        case = Workload.from_dict(workload)
        prepared = build.prepare(case, dataset_name=dataset)
        clock = clock_for(case.device)
        warm = timing.warm_up(prepared.call, clock=clock)
        self._cases[case.id] = (prepared, clock)
        self._plans[case.id] = plan_for(
            case, prepared, call_seconds=warm.window_seconds[-1], other_process=True
        )
        return warm.window_seconds[-1]

    def block(self, case: str) -> list[float]:
        """Time one block of a case."""
        from bench import timing

        prepared, clock = self._cases[case]
        return timing.time_block(prepared.call, self._plans[case], clock=clock)

    def drop(self, case: str) -> None:
        """Forget a case."""
        prepared, _ = self._cases.pop(case)
        prepared.close()


def serve(mode: str) -> int:
    """Answer commands from standard input until it closes."""
    # Libraries may print: only answers go to the real standard output.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    if mode == "prepared":
        from mnist_core import runtime

        runtime.prepare()
    served = _Served()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            value = getattr(served, request.pop("do"))(**request)
            answer = {"value": value}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(serve(sys.argv[1]))
