"""The loop of a study: take runs from a queue, train them on a pool of workers, hand them in.

A worker that dies, or shows no progress for too long, costs the runs that were in flight: they
go back to the queue, and a new pool takes over.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager

from mnist_core.errors import UserError
from study.execution.pool import WorkerPool
from study.execution.run_queue import RunQueue
from study.plans.task import Task
from study.records.run_record import RunRecord

MAX_ATTEMPTS = 3
_POLL_SECONDS = 0.5


class StallWatchdog:
    """How long each run has shown no progress, as far as this process was there to see it."""

    def __init__(self) -> None:
        self._progress: dict[str, int] = {}
        self._stalled_seconds: dict[str, float] = {}
        self._last_update = time.monotonic()

    def update(self, progress: Mapping[str, int]) -> set[str]:
        """Take a counter of each run in flight; return the runs whose counter has moved."""
        now = time.monotonic()
        # While this process is stopped (Ctrl-Z) or waits for a database, nothing is held against
        # the runs, which may have been stopped with it.
        elapsed = min(now - self._last_update, 2 * _POLL_SECONDS)
        self._last_update = now
        moved = {key for key, count in progress.items() if self._progress.get(key) != count}
        self._stalled_seconds = {
            key: 0.0 if key in moved else self._stalled_seconds[key] + elapsed for key in progress
        }
        self._progress = dict(progress)
        return moved

    def is_any_stalled_for(self, seconds: float) -> bool:
        """Tell whether some run has shown no progress for so long."""
        return max(self._stalled_seconds.values(), default=0.0) > seconds


class Runner:
    """Works through a run queue."""

    def __init__(
        self,
        queue: RunQueue,
        *,
        stale_after_seconds: float,
        on_finish: Callable[[RunRecord], None],
        on_lost: Callable[[Task, str], None],
    ) -> None:
        self._queue = queue
        self._stale_after_seconds = stale_after_seconds
        self._on_finish = on_finish
        self._on_lost = on_lost
        self._attempts: Counter[str] = Counter()

    def run(self, make_pool: Callable[[], AbstractContextManager[WorkerPool]]) -> None:
        """Run all that is left. A pool that lost a worker is replaced."""
        while not self._queue.is_done:
            with make_pool() as pool:
                self._drain(pool)

    def _drain(self, pool: WorkerPool) -> None:
        """Run until the queue is done, or until the pool is broken and its last run is back."""
        running: dict[Future[RunRecord], Task] = {}
        watchdog = StallWatchdog()
        is_broken = False
        how = "a worker process died"
        while not self._queue.is_done and (running or not is_broken):
            while not is_broken and len(running) < pool.workers:
                task = self._queue.claim()
                if task is None:
                    break
                running[pool.submit(task)] = task
            if not running:
                time.sleep(_POLL_SECONDS)
                continue
            done, _ = wait(running, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
            for future in done:
                task = running.pop(future)
                if isinstance(future.exception(), BrokenProcessPool):
                    is_broken = True
                    self._requeue(task, how)
                elif self._queue.finish(task, record := future.result()):
                    self._on_finish(record)
            progress = {task.key: pool.progress(future) for future, task in running.items()}
            self._queue.heartbeat(watchdog.update(progress))
            if watchdog.is_any_stalled_for(self._stale_after_seconds):
                how = f"no progress for {self._stale_after_seconds:g} s, and its worker was ended"
                pool.kill_workers()

    def _requeue(self, task: Task, how: str) -> None:
        self._queue.requeue(task, how=how)
        self._on_lost(task, how)
        self._attempts[task.key] += 1
        if self._attempts[task.key] >= MAX_ATTEMPTS:
            raise UserError(
                f"a worker process died or hung {MAX_ATTEMPTS} times while {task.key} ran (out of "
                f"memory?). {self._queue.how_to_resume}, or with fewer --workers"
            )
