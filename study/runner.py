"""Run a plan to its end: search, then confirmation, on a pool of workers.

Every optimizer has a lane. Trials of independent samplers start in any order; those of adaptive
ones wait for their predecessor. As soon as an optimizer's search is complete, its best
configuration is confirmed. What has a record is not run again.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager

from mnist_core.errors import UserError
from study.confirmation import due, missing_trials
from study.plan import StudyPlan
from study.records import Record, trial_key
from study.search import Search
from study.workers import Task, WorkerPool

MAX_ATTEMPTS = 3
_SEARCH, _CONFIRM_TUNED, _CONFIRM_DEFAULT = range(3)


class Runner:
    """The state of one study while it runs."""

    def __init__(
        self,
        plan: StudyPlan,
        search: Search,
        records: dict[str, Record],
        *,
        on_finish: Callable[[Record], None],
    ) -> None:
        self._plan = plan
        self._search = search
        self.records = records
        self._on_finish = on_finish
        self._order = itertools.count()
        self._ready: list[tuple[int, int, int, Task]] = []
        self._attempts: dict[str, int] = {}
        self._queued: set[str] = set()
        for optimizer in plan.optimizers:
            self._advance(optimizer)
        self._add_confirmations()

    @property
    def has_work(self) -> bool:
        """Tell whether any run is left."""
        return bool(self._ready)

    def run(self, make_pool: Callable[[], AbstractContextManager[WorkerPool]]) -> None:
        """Run all that is left. A pool that lost a worker is replaced, its tasks run again."""
        while self._ready:
            with make_pool() as pool:
                self._drain(pool)

    def _push(self, phase: int, index: int, task: Task) -> None:
        heapq.heappush(self._ready, (phase, index, next(self._order), task))

    def _advance(self, optimizer: str) -> None:
        """Queue the trials that an optimizer can run next."""
        plan = self._plan
        missing = missing_trials(plan, self.records, optimizer)
        while missing:
            index, parameters = self._search.ask(optimizer)
            key = trial_key(optimizer, index)
            if key in self.records:  # behind a gap: proposed again, not trained again
                self._search.tell(self.records[key])
                continue
            task = Task(
                key=key,
                kind="trial",
                optimizer=optimizer,
                variant=None,
                index=index,
                config=plan.trial_config(optimizer, parameters),
                prunable=plan.pruner != "none",
            )
            self._push(_SEARCH, index, task)
            missing.remove(index)
            if plan.is_sequential:
                return

    def _add_confirmations(self) -> None:
        """Queue the confirmation runs that have come due."""
        for task in due(self._plan, self.records):
            if task.key not in self._queued:
                self._queued.add(task.key)
                phase = _CONFIRM_TUNED if task.variant == "tuned" else _CONFIRM_DEFAULT
                self._push(phase, task.index, task)

    def _drain(self, pool: WorkerPool) -> None:
        running: dict[Future[Record], tuple[int, int, int, Task]] = {}
        try:
            while self._ready or running:
                while self._ready and len(running) < pool.workers:
                    future = pool.submit(self._ready[0][3])
                    running[future] = heapq.heappop(self._ready)
                done, _ = wait(running, timeout=0.5, return_when=FIRST_COMPLETED)
                for future in done:
                    record = future.result()
                    task = running.pop(future)[3]
                    self._finish(task, record)
        except BrokenProcessPool:
            # A pool can break before it takes anything: then its first task is what it lost.
            for entry in list(running.values()) or [heapq.heappop(self._ready)]:
                self._retry(entry)

    def _retry(self, entry: tuple[int, int, int, Task]) -> None:
        task = entry[3]
        attempts = self._attempts[task.key] = self._attempts.get(task.key, 0) + 1
        if attempts >= MAX_ATTEMPTS:
            raise UserError(
                f"a worker process died {attempts} times while {task.key} ran (out of memory?). "
                "What was finished is on disk: continue with --resume, or with fewer --workers"
            )
        heapq.heappush(self._ready, entry)

    def _finish(self, task: Task, record: Record) -> None:
        self.records[task.key] = record
        if task.kind == "trial":
            self._search.tell(record)
            if self._plan.is_sequential:
                self._advance(task.optimizer)
        self._add_confirmations()
        self._on_finish(record)
