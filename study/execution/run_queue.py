"""The run queue of a study: which runs are left, which are being run, and what came of them.

The loop in `study.execution.runner` takes runs from a queue and hands their records in.
`LocalQueue` keeps those of one machine in memory; `study.execution.distributed.shared_queue` keeps
those of many machines in a database.
"""

import heapq
import itertools
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Protocol

from study.plans.base import StudyPlan
from study.plans.task import Task
from study.records.run_record import RunRecord
from study.search.confirmation import due, missing_trials
from study.search.pruning import earlier_trials
from study.search.samplers import propose

_SEARCH, _CONFIRM_TUNED, _CONFIRM_DEFAULT = range(3)


class RunQueue(Protocol):
    """What the loop needs of a study."""

    @property
    def records(self) -> Mapping[str, RunRecord]:
        """Return the finished runs, by key."""

    @property
    def is_done(self) -> bool:
        """Tell whether nothing is left to run and nothing is running anywhere."""

    @property
    def how_to_resume(self) -> str:
        """Say how a study that ended too early is continued."""

    def claim(self) -> Task | None:
        """Return the next run to do here; None where none can start now."""

    def finish(self, task: Task, record: RunRecord) -> bool:
        """Hand in a claimed run; False where somebody else finished it, and this one is void."""

    def requeue(self, task: Task, *, how: str) -> None:
        """Give back a claimed run that was lost, saying how: it is run again."""

    def heartbeat(self, keys: Collection[str]) -> None:
        """Take note that these claimed runs have made progress."""


def proposed_trial(
    plan: StudyPlan, arm: str, index: int, records: Mapping[str, RunRecord]
) -> Task:
    """Return the run of an arm's trial, proposed from the records of those before it."""
    task = plan.trial_task(arm, index, propose(plan, arm, index, records))
    return replace(task, earlier=earlier_trials(records, arm, index)) if task.prunable else task


class LocalQueue:
    """The queue of a study on one machine.

    Trials of independent samplers start in any order; those of adaptive ones wait for their
    predecessor. As soon as an arm's search is complete, its best configuration is confirmed.
    What has a record is not run again.
    """

    how_to_resume = "What was finished is on disk: continue with --resume"

    def __init__(self, plan: StudyPlan, records: dict[str, RunRecord]) -> None:
        self.records = records
        self._plan = plan
        self._order = itertools.count()
        self._ready: list[tuple[int, int, int, Task]] = []
        self._claimed: dict[str, tuple[int, int, int, Task]] = {}
        self._queued: set[str] = set()
        for arm in plan.arms:
            self._add_trials(arm)
        self._add_confirmations()

    @property
    def is_done(self) -> bool:
        """Tell whether nothing is left to run and nothing is running."""
        return not self._ready and not self._claimed

    def claim(self) -> Task | None:
        """Return the next run; None while all that is left waits for a running one."""
        if not self._ready:
            return None
        entry = heapq.heappop(self._ready)
        task = entry[3]
        self._claimed[task.key] = entry
        return task

    def finish(self, task: Task, record: RunRecord) -> bool:
        """Take a record, and queue what has come due."""
        del self._claimed[task.key]
        self.records[task.key] = record
        if task.kind == "trial" and self._plan.is_sequential:
            self._add_trials(task.arm)
        self._add_confirmations()
        return True

    def requeue(self, task: Task, *, how: str) -> None:
        """Queue a run again, in its old place."""
        heapq.heappush(self._ready, self._claimed.pop(task.key))

    def heartbeat(self, keys: Collection[str]) -> None:
        """Do nothing: nobody else waits for these runs."""

    def _add_trials(self, arm: str) -> None:
        """Queue the trials that an arm can run next."""
        missing = missing_trials(self._plan, self.records, arm)
        for index in missing[:1] if self._plan.is_sequential else missing:
            self._push(_SEARCH, proposed_trial(self._plan, arm, index, self.records))

    def _add_confirmations(self) -> None:
        """Queue the confirmation runs that have come due."""
        for task in due(self._plan, self.records):
            if task.key not in self._queued:
                self._queued.add(task.key)
                self._push(_CONFIRM_TUNED if task.variant == "tuned" else _CONFIRM_DEFAULT, task)

    def _push(self, phase: int, task: Task) -> None:
        heapq.heappush(self._ready, (phase, task.index, next(self._order), task))
