"""The board of a study: which runs are left, which are being run, and what came of them.

The loop in `study.execution.runner` takes runs from a board and hands their records in.
`LocalBoard` keeps those of one machine in memory; `study.execution.distributed.shared_queue` keeps
those of many machines in a database.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Protocol

from study.plans.base import StudyPlan
from study.plans.task import Task, trial_key
from study.records.run_record import RunRecord
from study.search.confirmation import due, missing_trials
from study.search.optuna_view import Search
from study.search.pruning import earlier_trials

_SEARCH, _CONFIRM_TUNED, _CONFIRM_DEFAULT = range(3)


class Board(Protocol):
    """What the loop needs of a study."""

    @property
    def records(self) -> Mapping[str, RunRecord]:
        """Return the finished runs, by key."""

    @property
    def is_done(self) -> bool:
        """Tell whether nothing is left to run and nothing is running anywhere."""

    @property
    def way_on(self) -> str:
        """Say how a study that ended too early goes on."""

    def claim(self) -> Task | None:
        """Return the next run to do here; None where none can start now."""

    def finish(self, task: Task, record: RunRecord) -> bool:
        """Hand in a claimed run; False where somebody else finished it, and this one is void."""

    def release(self, task: Task, *, how: str) -> None:
        """Give back a claimed run that was lost, saying how: it is run again."""

    def beat(self, keys: Collection[str]) -> None:
        """Take note that these claimed runs have made progress."""


class LocalBoard:
    """The board of a study on one machine.

    Every arm has a lane. Trials of independent samplers start in any order; those of
    adaptive ones wait for their predecessor. As soon as an arm's search is complete, its
    best configuration is confirmed. What has a record is not run again.
    """

    way_on = "What was finished is on disk: continue with --resume"

    def __init__(self, plan: StudyPlan, search: Search, records: dict[str, RunRecord]) -> None:
        self.records = records
        self._plan = plan
        self._search = search
        self._order = itertools.count()
        self._ready: list[tuple[int, int, int, Task]] = []
        self._claimed: dict[str, tuple[int, int, int, Task]] = {}
        self._queued: set[str] = set()
        for arm in plan.arms:
            self._advance(arm)
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
        if task.kind == "trial":
            self._search.tell(record)
            if self._plan.is_sequential:
                self._advance(task.arm)
        self._add_confirmations()
        return True

    def release(self, task: Task, *, how: str) -> None:
        """Queue a run again, in its old place."""
        heapq.heappush(self._ready, self._claimed.pop(task.key))

    def beat(self, keys: Collection[str]) -> None:
        """Do nothing: nobody else waits for these runs."""

    def _push(self, phase: int, task: Task) -> None:
        heapq.heappush(self._ready, (phase, task.index, next(self._order), task))

    def _advance(self, arm: str) -> None:
        """Queue the trials that an arm can run next."""
        plan = self._plan
        missing = missing_trials(plan, self.records, arm)
        while missing:
            index, parameters = self._search.ask(arm)
            key = trial_key(arm, index)
            if key in self.records:  # behind a gap: proposed again, not trained again
                self._search.tell(self.records[key])
                continue
            task = plan.trial_task(arm, index, parameters)
            if task.prunable:
                task = replace(task, earlier=earlier_trials(self.records, arm, index))
            self._push(_SEARCH, task)
            missing.remove(index)
            if plan.is_sequential:
                return

    def _add_confirmations(self) -> None:
        """Queue the confirmation runs that have come due."""
        for task in due(self._plan, self.records):
            if task.key not in self._queued:
                self._queued.add(task.key)
                self._push(_CONFIRM_TUNED if task.variant == "tuned" else _CONFIRM_DEFAULT, task)
