"""A pool of worker processes that train tasks, whole runs one after another.

What comes out of a task depends on its configuration alone, not on which worker ran it, when, or
after what. Workers are spawned, so that they share no state of torch; `study.execution.worker` is
what runs in them.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import signal
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnist_core.config import TrainConfig
from study.execution import worker
from study.plans.kinds import Plan
from study.plans.task import Task
from study.records.run_record import RunRecord

if TYPE_CHECKING:
    from optuna.pruners import BasePruner


class WorkerPool:
    """Processes that execute the tasks of a plan and write their records into a folder; use as a
    context manager, which leaves none behind."""

    def __init__(
        self,
        plan: Plan,
        *,
        folder: Path,
        data_dir: Path | None,
        workers: int,
        pruner: BasePruner | None = None,
    ) -> None:
        self.workers = workers
        spawn = multiprocessing.get_context("spawn")
        # One counter for each run in flight. Its worker alone writes it, so that it needs no lock,
        # which a worker could die with.
        self._progress = spawn.RawArray(ctypes.c_uint64, workers)
        self._free_counters = list(range(workers))
        self._counters: dict[Future[RunRecord], int] = {}
        data = (plan.dataset, data_dir, plan.device, plan.threads)
        self._pool = ProcessPoolExecutor(
            workers,
            mp_context=spawn,
            initializer=worker.start,
            initargs=(folder, *data, pruner, self._progress),
        )

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *exception: object) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        self.kill_workers()

    def kill_workers(self) -> None:
        """End all workers, the stopped ones too; what they ran is lost."""
        for process in multiprocessing.active_children():
            process.kill()
            process.join()

    def start(self) -> None:
        """Start the workers, and return when they are up: a run claimed before would wait."""
        for ready in [self._start(worker.ready) for _ in range(self.workers)]:
            ready.result()

    def submit(self, task: Task) -> Future[RunRecord]:
        """Start a task on the next free worker; a pool that is broken already loses it, as if a
        worker had died later. Of more tasks than workers, the progress of the first ones alone is
        counted."""
        counter = self._free_counters.pop() if self._free_counters else None
        try:
            future: Future[RunRecord] = self._start(worker.execute, task, counter)
        except BrokenProcessPool as error:
            future = Future()
            future.set_exception(error)
        if counter is not None:
            self._counters[future] = counter
            future.add_done_callback(lambda f: self._free_counters.append(self._counters.pop(f)))
        return future

    def progress(self, future: Future[RunRecord]) -> int:
        """Return a number that grows while a submitted task makes progress."""
        counter = self._counters.get(future)
        return 0 if counter is None else self._progress[counter]

    def measure_images_per_second(self, config: TrainConfig) -> float:
        """Train a few steps on all workers at once and return what one of them reaches."""
        rates: list[Future[float]] = [
            self._start(worker.measure, config) for _ in range(self.workers)
        ]
        return min(rate.result() for rate in rates)

    def _start(self, function: Callable[..., Any], *arguments: object) -> Future[Any]:
        """Hand work to the pool, which spawns its processes here.

        Ctrl-C reaches the whole process group, and the parent decides what ends: a worker
        inherits the block on SIGINT, and so is deaf to it even while it still imports.
        """
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return self._pool.submit(function, *arguments)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
