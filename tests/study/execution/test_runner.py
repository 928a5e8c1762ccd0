"""study.execution.runner: every run of a plan once, in the right order, whatever happens to the
workers."""

from __future__ import annotations

import functools
import itertools
import random
import threading
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

import pytest
from support.study_samples import make_plan, run_task

from mnist_core.errors import UserError
from mnist_core.optim.registry import optimizer_spec
from study.execution import runner
from study.execution.run_queue import LocalQueue
from study.execution.runner import MAX_ATTEMPTS, Runner, StallWatchdog
from study.plans.task import confirmation_key, trial_key
from study.search.confirmation import best_trial


class Pool:
    """A pool of threads instead of processes, which remembers what it was given."""

    def __init__(self, execute=run_task, *, workers=1, jitter_seconds=0.0):
        self.workers = workers
        self.tasks = []
        self.is_open = False
        self.running = []
        self.most_running = Counter()
        self._execute = execute
        self._jitter = jitter_seconds
        self._lock = threading.Lock()
        self._random = random.Random(0)
        self._moments = itertools.count()

    def __enter__(self):
        self.is_open = True
        self._threads = ThreadPoolExecutor(self.workers)
        return self

    def __exit__(self, *exception):
        self.is_open = False
        self._threads.shutdown()

    def submit(self, task):
        self.tasks.append(task)
        return self._threads.submit(self._run, task)

    def _run(self, task):
        with self._lock:
            self.running.append((task.kind, task.arm))
            for search, count in Counter(self.running).items():
                self.most_running[search] = max(self.most_running[search], count)
            pause = self._random.random() * self._jitter
        time.sleep(pause)
        record = self._execute(task)
        with self._lock:
            self.running.remove((task.kind, task.arm))
        return record

    def progress(self, future):
        return next(self._moments)

    @property
    def keys(self):
        return [task.key for task in self.tasks]


class DyingPool(Pool):
    """A pool in which the worker that gets the task of a given number dies."""

    def __init__(self, *, dies_at, **keywords):
        super().__init__(**keywords)
        self._dies_at = dies_at

    def submit(self, task):
        if len(self.tasks) < self._dies_at:
            return super().submit(task)
        self.tasks.append(task)
        future = Future()
        future.set_exception(BrokenProcessPool("a worker died"))
        return future


class BrokenPool(Pool):
    """A pool that broke before it took anything."""

    def submit(self, task):
        self.tasks.append(task)
        future = Future()
        future.set_exception(BrokenProcessPool("broken"))
        return future


def run_queue(
    queue,
    make_pool,
    *,
    stale_after_seconds=60,
    on_finish=lambda record: None,
    on_lost=lambda task, how: None,
):
    loop = Runner(
        queue, stale_after_seconds=stale_after_seconds, on_finish=on_finish, on_lost=on_lost
    )
    loop.run(make_pool)


@pytest.fixture
def study():
    """Run a plan on pools; return its records."""

    def run(plan, *pools, records=None):
        records = {} if records is None else records
        remaining = iter(pools)
        run_queue(LocalQueue(plan, records), lambda: next(remaining))
        return records

    return run


def expected_keys(plan):
    trials = [trial_key(name, i) for name in plan.optimizers for i in range(plan.trials_each)]
    confirmations = [
        confirmation_key(name, variant, i)
        for name in plan.optimizers
        for variant in ("tuned", "default")
        for i in range(plan.confirm_seeds)
    ]
    return sorted(trials + confirmations)


@pytest.mark.parametrize("sampler", ["lhs", "tpe"])
def test_every_run_of_the_plan_happens_exactly_once(study, sampler):
    plan, pool = make_plan(sampler=sampler), Pool(workers=2)
    records = study(plan, pool)
    assert sorted(pool.keys) == sorted(records) == expected_keys(plan)
    assert len(records) == plan.rows
    assert not pool.is_open


def test_every_finished_run_is_reported_once():
    plan, seen = make_plan(), []
    queue = LocalQueue(plan, {})
    run_queue(queue, Pool, on_finish=seen.append)
    assert sorted(record.key for record in seen) == expected_keys(plan)


@pytest.mark.parametrize("sampler", ["lhs", "tpe"])
def test_neither_the_number_of_workers_nor_their_order_changes_a_record(study, sampler):
    plan = make_plan(sampler=sampler, trials=12)
    alone = study(plan, Pool())
    many = study(plan, Pool(workers=4, jitter_seconds=0.02))
    assert many == alone


@pytest.mark.parametrize(("sampler", "most"), [("lhs", 4), ("tpe", 1)])
def test_only_adaptive_trials_wait_for_their_predecessor(study, sampler, most):
    plan = make_plan(sampler=sampler, trials=12)
    pool = Pool(workers=4, jitter_seconds=0.02)
    study(plan, pool)
    running = [pool.most_running["trial", name] for name in plan.optimizers]
    assert max(running) <= most
    assert sampler == "tpe" or max(running) > 1


def test_the_search_comes_first_then_the_tuned_then_the_defaults(study):
    pool = Pool()
    study(make_plan(), pool)
    phases = [task.variant or "trial" for task in pool.tasks]
    assert phases == ["trial"] * 8 + ["tuned"] * 6 + ["default"] * 6


def test_the_best_by_validation_is_confirmed_and_the_test_split_has_no_say(study):
    def execute(task):
        record = run_task(task)
        correct = round(500 - 400 * record.validation_accuracy)
        return replace(record, test=record.test and replace(record.test, correct=correct))

    plan = make_plan()
    records = study(plan, Pool(execute))
    for name in plan.optimizers:
        trials = [records[trial_key(name, i)] for i in range(plan.trials_each)]
        best = max(trials, key=lambda trial: trial.validation_accuracy)
        assert best_trial(plan, records, name) is best
        for index, seed in enumerate(plan.confirmation_seeds()):
            tuned = records[confirmation_key(name, "tuned", index)].config
            default = records[confirmation_key(name, "default", index)].config
            assert tuned.learning_rate == best.config.learning_rate
            assert default.learning_rate == optimizer_spec(name).default_learning_rate
            assert tuned.seed == default.seed == seed


def test_of_equally_accurate_trials_the_one_with_the_smaller_loss_is_best():
    plan = make_plan(optimizers=("sgd",), trials=3)
    records = {}
    for index, loss in enumerate((0.3, 0.1, 0.2)):
        task = plan.trial_task("sgd", index, {"learning_rate": 0.1})
        record = run_task(task, accuracy=0.9)
        (epoch,) = record.epochs
        records[task.key] = replace(record, epochs=(replace(epoch, validation_loss=loss),))
    best = best_trial(plan, records, "sgd")
    assert best is not None
    assert best.index == 1


@pytest.mark.parametrize("status", ["diverged", "pruned"])
def test_an_optimizer_none_of_whose_trials_completed_has_no_best_to_confirm(study, status):
    def execute(task):
        broken = task.kind == "trial" and task.arm == "sgd"
        return run_task(task, status=status if broken else "completed")

    plan = make_plan(pruner="median", schedule="constant", epochs=2)
    records = study(plan, Pool(execute))
    assert best_trial(plan, records, "sgd") is None
    missing = {confirmation_key("sgd", "tuned", i) for i in range(plan.confirm_seeds)}
    assert sorted(records) == sorted(set(expected_keys(plan)) - missing)


@pytest.mark.parametrize("sampler", ["lhs", "tpe"])
@pytest.mark.parametrize("done", [1, 9])
def test_what_has_a_record_is_not_run_again_and_the_rest_is_the_same(study, sampler, done):
    plan = make_plan(sampler=sampler)
    first = Pool()
    whole = study(plan, first)
    kept = {key: whole[key] for key in first.keys[:done]}
    second = Pool()
    resumed = study(plan, second, records=dict(kept))
    assert not set(second.keys) & set(kept)
    assert resumed == whole


@pytest.mark.parametrize("sampler", ["lhs", "tpe"])
def test_a_deleted_trial_is_run_again_and_nothing_else(study, sampler):
    plan = make_plan(sampler=sampler)
    whole = study(plan, Pool())
    key = trial_key("adam", 1)
    pool = Pool()
    kept = {name: record for name, record in whole.items() if name != key}
    assert study(plan, pool, records=kept) == whole
    assert pool.keys == [key]


def test_a_finished_study_has_no_work(study):
    plan = make_plan()
    whole = study(plan, Pool())
    again = Pool()
    assert study(plan, again, records=dict(whole)) == whole
    assert again.keys == []


@pytest.mark.parametrize("dies_at", [0, 10])
def test_a_dead_worker_costs_its_run_alone(study, dies_at):
    plan = make_plan()
    undisturbed = study(plan, Pool())
    broken, fresh = DyingPool(dies_at=dies_at), Pool()
    records = study(plan, broken, fresh)
    assert records == undisturbed
    assert fresh.keys[0] == broken.keys[-1]
    assert not set(broken.keys[:dies_at]) & set(fresh.keys)


def test_a_pool_broken_from_its_start_is_replaced(study):
    plan, fresh = make_plan(), Pool()
    assert sorted(study(plan, BrokenPool(), fresh)) == expected_keys(plan)
    assert len(fresh.keys) == plan.rows


@pytest.mark.parametrize("kind", [BrokenPool, functools.partial(DyingPool, dies_at=0)])
def test_a_run_that_kills_its_worker_each_time_ends_the_study_with_the_way_out(study, kind):
    pools = [kind() for _ in range(MAX_ATTEMPTS)]
    with pytest.raises(
        UserError, match=r"died or hung 3 times while trial-.* --resume.* --workers"
    ):
        study(make_plan(), *pools)
    assert [len(pool.tasks) for pool in pools] == [1, 1, 1]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_ends_a_study_closes_the_pool_and_keeps_what_is_done(study, error):
    def execute(task):
        if len(pool.tasks) > 3:
            raise error
        return run_task(task)

    pool, records = Pool(execute), {}
    with pytest.raises(type(error)):
        study(make_plan(), pool, records=records)
    assert not pool.is_open
    assert sorted(records) == sorted(pool.keys[:3])


class Moments:
    """A clock that a test sets, in place of `time` in study.execution.runner."""

    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Moments()
    monkeypatch.setattr(runner, "time", clock)
    return clock


def test_a_run_is_stalled_for_as_long_as_its_counter_stands_still(clock):
    watchdog = StallWatchdog()
    assert watchdog.update({"a": 0, "b": 0}) == {"a", "b"}
    for count in range(1, 9):
        clock.now += 0.5
        assert watchdog.update({"a": count, "b": 0}) == {"a"}
    assert watchdog.is_any_stalled_for(3.9)
    assert not watchdog.is_any_stalled_for(4.0)
    clock.now += 0.5
    assert watchdog.update({"a": 8, "c": 0}) == {"c"}  # b has ended
    assert not watchdog.is_any_stalled_for(0.5)


def test_the_time_in_which_this_process_was_stopped_is_not_held_against_a_run(clock):
    watchdog = StallWatchdog()
    watchdog.update({"a": 0})
    clock.now += 3600
    watchdog.update({"a": 0})
    assert not watchdog.is_any_stalled_for(1.0)


class HangingPool(Pool):
    """A pool in which the run of a given number makes no progress until its worker is killed."""

    def __init__(self, *, hangs_at):
        super().__init__()
        self._hangs_at = hangs_at
        self._hung = Future()

    def submit(self, task):
        if len(self.tasks) != self._hangs_at:
            return super().submit(task)
        self.tasks.append(task)
        return self._hung

    def progress(self, future):
        return 0 if future is self._hung else super().progress(future)

    def kill_workers(self):
        self._hung.set_exception(BrokenProcessPool("killed"))


def test_a_run_that_hangs_is_lost_and_begun_again(study):
    plan, lost = make_plan(), []
    undisturbed = study(plan, Pool())
    pools = iter([HangingPool(hangs_at=3), Pool()])
    queue = LocalQueue(plan, {})

    def note(task, how):
        lost.append((task.key, how))

    run_queue(queue, lambda: next(pools), stale_after_seconds=1, on_lost=note)
    assert queue.records == undisturbed
    assert lost == [(trial_key("adam", 1), "no progress for 1 s, and its worker was ended")]
