"""Shared studies within one process, for these tests: queues that stand for processes."""

from __future__ import annotations

import time
from collections import Counter

from optuna.trial import TrialState

from study.execution.run_queue import LocalQueue
from support.study_samples import make_plan, run_task

NEVER = 3600


def small_plan(**changes):
    return make_plan(**{"trials": 6, "confirm_seeds": 2, **changes})


def work(queue, *, pause_seconds=lambda: 0.0, runs=None):
    """Run what is left, or some of it; return the keys run."""
    keys = []
    while not queue.is_done and len(keys) != runs:
        task = queue.claim()
        if task is None:
            time.sleep(0.02)
            queue._next_look = 0.0  # sooner than a process of minutes would look
            continue
        time.sleep(pause_seconds())
        if queue.finish(task, run_task(task)):
            keys.append(task.key)
    return keys


def assert_each_finished_once(trials, records):
    finished = Counter(key for key, state in trials if state == TrialState.COMPLETE)
    assert finished == Counter(records.keys())
    assert {state for _, state in trials} <= {TrialState.COMPLETE, TrialState.FAIL}


def alone_records(plan):
    """Return the records of the same plan's study on one machine."""
    queue = LocalQueue(plan, {})
    work(queue)
    return dict(queue.records)
