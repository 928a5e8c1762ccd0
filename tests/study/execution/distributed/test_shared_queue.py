"""study.execution.distributed.shared_queue: every run of a shared study is done once, whoever
joins, dies or stops."""

from __future__ import annotations

import multiprocessing
import os
import random
import re
import threading
import time

import pytest
from optuna.trial import TrialState
from support.shared_queues import alone_records, assert_each_finished_once, small_plan, work
from support.study_samples import (
    DIGITS,
    ENVIRONMENT,
    make_architecture_plan,
    make_plan,
    run_task,
    search_records,
)

from mnist_core.errors import UserError
from study.plans.optimizers import OptimizerPlan
from study.plans.task import EarlierTrial

KILL_ROUNDS = int(os.environ.get("STUDY_KILL_ROUNDS", "2"))
FORK = multiprocessing.get_context("fork")


def test_one_process_alone_does_what_a_local_study_does(plan, join, alone, trials):
    queue = join(plan)
    work(queue)
    assert queue.finished_last
    assert queue.records == alone
    assert_each_finished_once(trials(), alone)


def test_processes_share_the_runs_and_do_each_once(plan, join, alone, trials):
    queues = [join(plan) for _ in range(3)]
    chance = random.Random(0)
    done = [[] for _ in queues]

    def take_part(place):
        done[place] += work(queues[place], pause_seconds=lambda: 0.02 * chance.random())

    threads = [threading.Thread(target=take_part, args=(place,)) for place in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(key for keys in done for key in keys) == sorted(alone)
    assert sum(bool(keys) for keys in done) > 1
    assert [queue.records for queue in queues] == [alone] * 3
    assert sum(queue.finished_last for queue in queues) == 1
    assert_each_finished_once(trials(), alone)
    assert queues[0].incidents().processes == sum(bool(keys) for keys in done)
    assert queues[0].incidents().lost_runs == ()


def test_runs_that_come_due_late_are_run_too(join, tmp_path):
    plan = small_plan(optimizers=("adam", "adamw"), confirm_seeds=2, max_confirm_seeds=5)
    queues = [join(plan) for _ in range(2)]
    work(queues[0], runs=plan.rows - 1)
    assert not queues[0].is_done
    work(queues[1])
    assert len(queues[1].records) > plan.rows
    assert queues[1].records == alone_records(plan)


def test_a_process_that_joins_later_goes_on_where_the_others_are(plan, join, alone):
    first = work(join(plan), runs=5)
    queue = join(plan)
    assert sorted(first + work(queue)) == sorted(alone)
    assert queue.records == alone
    before = queue.incidents()
    assert before.processes == 2
    with join(plan) as again:
        assert again.is_done
        assert again.records == alone
        assert again.incidents() == before
        assert again.environments() == {"environment0": ENVIRONMENT}
    assert queue.incidents() == before


@pytest.fixture
def let_an_hour_pass(postgres, url):
    """Make all heartbeats so far an hour older."""

    def age():
        postgres.ask(
            "UPDATE trial_heartbeats SET heartbeat = heartbeat - interval '1 hour'", url=url
        )

    return age


def test_a_run_without_heartbeats_goes_to_another_process_and_its_own_result_is_void(
    plan, join, alone, trials, let_an_hour_pass
):
    stopped = join(plan, stale_after=600)
    task = stopped.claim()
    let_an_hour_pass()
    other = join(plan, stale_after=600)
    assert task.key in work(other)
    assert other.records == alone
    assert not stopped.finish(task, run_task(task, accuracy=0.1))
    assert stopped.is_done
    assert not stopped.finished_last
    assert stopped.records == alone
    assert_each_finished_once(trials(), alone)
    incidents = stopped.incidents()
    assert [lost_run.key for lost_run in incidents.lost_runs] == [task.key]
    assert incidents.processes == 2
    (lost_run,) = incidents.lost_runs
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", lost_run.time)
    assert lost_run.how.startswith(
        "no progress for 600 s: its process died, was stopped or was cut"
    )


def test_a_run_that_makes_progress_keeps_its_process(join, let_an_hour_pass):
    slow = join(stale_after=600)
    task = slow.claim()
    let_an_hour_pass()
    slow.heartbeat([task.key])
    other = join(stale_after=600)
    assert task.key not in work(other, runs=3)
    assert slow.finish(task, run_task(task))
    assert slow.incidents().lost_runs == ()


def test_a_run_whose_worker_died_is_free_at_once(join):
    queue = join()
    task = queue.claim()
    queue.requeue(task, how="a test")
    assert queue.claim().key == task.key
    incidents = queue.incidents()
    assert [lost_run.key for lost_run in incidents.lost_runs] == [task.key]
    assert [(lost_run.key, lost_run.how) for lost_run in incidents.lost_runs] == [
        (task.key, "a test")
    ]


def test_a_process_that_ends_gives_back_what_it_had_begun(join, trials):
    with join() as queue:
        task = queue.claim()
    assert (task.key, TrialState.FAIL) in trials()
    other = join()
    assert other.claim().key == task.key
    assert [lost_run.how for lost_run in other.incidents().lost_runs] == [
        "its process ended before it"
    ]


@pytest.mark.parametrize("dies_in", ["record_heartbeat", "set_trial_state_values"])
def test_a_process_that_dies_while_it_begins_a_run_leaves_it_to_others(join, monkeypatch, dies_in):
    queue = join()
    with monkeypatch.context() as patch:
        patch.setattr(queue._storage, dies_in, lambda *_: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            queue.claim()
    assert "trial-sgd-000" in work(join())


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["lhs", "tpe"])
@pytest.mark.parametrize("kill_round", range(KILL_ROUNDS // 2))
def test_processes_killed_at_any_moment_leave_every_run_to_be_finished_once(
    kill_round, sampler, join, trials, tmp_path
):
    """Three processes that do little else than claim and hand in, so that a kill hits the middle
    of a write; each is replaced, so that one kill follows another."""
    plan, chance = small_plan(sampler=sampler), random.Random()

    def take_part():
        with join(plan, stale_after=1) as queue:
            work(queue, pause_seconds=lambda: 0.02 * chance.random())
        os._exit(0)

    processes = [FORK.Process(target=take_part) for _ in range(3)]
    for process in processes:
        process.start()
    for _ in range(4):
        time.sleep(chance.uniform(0, 0.4))
        place = chance.randrange(3)
        processes[place].kill()
        processes[place].join()
        processes[place] = FORK.Process(target=take_part)
        processes[place].start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    queue = join(plan, stale_after=1)
    assert queue.is_done
    assert queue.records == alone_records(plan)
    assert_each_finished_once(trials(), queue.records)


def test_a_study_of_other_options_or_data_is_not_joined(join, name):
    join()
    with pytest.raises(
        UserError, match=rf"'{name}' began with.*--seed was 0, now 1.*--study-name"
    ):
        join(small_plan(seed=1))
    with pytest.raises(UserError, match=r"--stale-after was 3600, now 5"):
        join(stale_after=5)
    with pytest.raises(UserError, match=r"other data than are here"):
        join(data={**DIGITS, "sha256": "e" * 64})
    join(small_plan(seed=1), name=f"{name}-another")


def test_heartbeats_are_compared_in_one_time_zone(join, url, monkeypatch):
    monkeypatch.setenv("PGTZ", "Asia/Tokyo")
    queue = join(stale_after=60)
    task = queue.claim()
    monkeypatch.setenv("PGTZ", "America/New_York")
    other = join(stale_after=60)
    assert other.claim().key != task.key
    assert queue.finish(task, run_task(task))


def test_median_pruning_sees_the_trials_before(join):
    plan = small_plan(pruner="median", schedule="constant", epochs=2)
    queue = join(plan)
    first = queue.claim()
    queue.finish(first, record := run_task(first))
    reached = record.validation_accuracy
    tasks = [queue.claim(), queue.claim()]
    assert [task.index for task in tasks] == [0, 1]
    assert [len(task.earlier) for task in tasks] == [0, 1]
    assert tasks[1].earlier == (EarlierTrial(accuracies=(reached, reached), is_pruned=False),)


def test_proposals_do_not_depend_on_what_was_lost(join, tmp_path):
    plan = make_plan(sampler="tpe", optimizers=("adam",), trials=5, confirm_seeds=2)
    expected = search_records(plan)
    queue = join(plan)
    while len(queue.records) < 5:
        for _ in range(2):
            task = queue.claim()
            queue.requeue(task, how="a test")
        task = queue.claim()
        queue.finish(task, run_task(task))
    trials = {key: record for key, record in queue.records.items() if key in expected}
    assert trials == {key: expected[key] for key in trials}


def test_a_plan_goes_through_the_header(join):
    queue = join(make_plan(optimizers=("adam",)))
    assert OptimizerPlan.from_dict(queue.header["plan"]) == make_plan(optimizers=("adam",))


def test_a_study_of_architectures_is_shared_as_one_of_optimizers_is(join, trials, tmp_path):
    plan = make_architecture_plan(trials=6, confirm_seeds=2)
    first, second = join(plan), join(plan)
    keys = work(first, runs=3) + work(second, runs=4) + work(first)
    assert len(keys) == len(set(keys)) == plan.rows
    assert first.records == alone_records(plan)
    assert_each_finished_once(trials(), first.records)
    with pytest.raises(UserError, match="began with other options"):
        join(small_plan())
