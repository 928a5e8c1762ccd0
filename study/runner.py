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
from mnist_core.optimizers import optimizer_spec
from study.plan import StudyPlan, Variant
from study.records import Record, confirmation_key, trial_key
from study.search import Search
from study.workers import Task, WorkerPool

MAX_ATTEMPTS = 3
_SEARCH, _CONFIRM_TUNED, _CONFIRM_DEFAULT = range(3)


def best_trial(plan: StudyPlan, records: dict[str, Record], optimizer: str) -> Record | None:
    """Return the completed trial with the best validation accuracy; None where all diverged.

    Ties go to the smaller validation loss. The test split has no say.
    """
    trials = [
        records[key]
        for index in range(plan.trials_each)
        if (key := trial_key(optimizer, index)) in records
    ]
    completed = [trial for trial in trials if trial["status"] == "completed"]
    return max(
        completed,
        key=lambda trial: (
            trial["validation_accuracy"],
            -trial["epochs"][-1]["validation_loss"],
        ),
        default=None,
    )


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
        for optimizer in plan.optimizers:
            self._add_confirmations(optimizer, "default")
            self._advance(optimizer)

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
        """Queue what an optimizer can run next: trials, or the confirmation of the best."""
        plan = self._plan
        missing = self._missing_trials(optimizer)
        while missing:
            index, learning_rate = self._search.ask(optimizer)
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
                config=plan.trial_config(optimizer, learning_rate=learning_rate),
                prunable=plan.pruner != "none",
            )
            self._push(_SEARCH, index, task)
            missing.remove(index)
            if plan.is_sequential:
                return
        if not self._missing_trials(optimizer):
            self._add_confirmations(optimizer, "tuned")

    def _missing_trials(self, optimizer: str) -> list[int]:
        return [
            index
            for index in range(self._plan.trials_each)
            if trial_key(optimizer, index) not in self.records
        ]

    def _add_confirmations(self, optimizer: str, variant: Variant) -> None:
        if variant == "default":
            learning_rate = optimizer_spec(optimizer).default_learning_rate
        else:
            best = best_trial(self._plan, self.records, optimizer)
            if best is None:
                return
            learning_rate = best["config"]["learning_rate"]
        configs = self._plan.confirmation_configs(optimizer, learning_rate=learning_rate)
        for index, config in enumerate(configs):
            key = confirmation_key(optimizer, variant, index)
            if key in self.records:
                continue
            task = Task(
                key=key,
                kind="confirmation",
                optimizer=optimizer,
                variant=variant,
                index=index,
                config=config,
            )
            self._push(_CONFIRM_TUNED if variant == "tuned" else _CONFIRM_DEFAULT, index, task)

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
            if self._plan.is_sequential or not self._missing_trials(task.optimizer):
                self._advance(task.optimizer)
        self._on_finish(record)
