"""A shared study whose server goes away, or whose connections or locks are lost."""

from __future__ import annotations

import threading
import time
from collections import Counter

import optuna
import pytest
from support.postgres_server import SECRETS
from support.shared_queues import NEVER, assert_each_finished_once, small_plan, work
from support.study_samples import run_task

from mnist_core.errors import UserError
from study.execution.distributed import postgres as database_module
from study.execution.distributed.postgres import Database, LockLost, parse_url


def test_a_server_that_goes_away_is_waited_for_and_nothing_is_lost(
    plan, join, alone, trials, postgres, capsys
):
    queue = join(plan)
    work(queue, runs=3)
    task = queue.claim()
    record = run_task(task)
    postgres.stop()
    queue.heartbeat([task.key])  # fails in silence
    threading.Timer(0.5, postgres.start).start()
    assert queue.finish(task, record)
    said = capsys.readouterr().err
    assert said.count("waiting for the PostgreSQL database") == 1
    assert said.count("is back") == 1
    work(queue)
    assert queue.records == alone
    assert_each_finished_once(trials(), alone)
    incidents = queue.incidents()
    assert incidents.lost_runs == ()
    (outage,) = incidents.outages
    assert outage.began <= outage.ended
    assert join(plan).incidents() == incidents


def test_a_server_that_stays_away_ends_the_process_with_the_way_out(
    join, postgres, monkeypatch, capsys
):
    monkeypatch.setattr(database_module, "PATIENCE_SECONDS", 1.0)
    queue = join()
    postgres.stop()
    try:
        with pytest.raises(UserError, match=r"gave up .* same command joins .* again") as error:
            queue.claim()
    finally:
        postgres.start()
    text = str(error.value) + capsys.readouterr().err
    assert not any(secret in text for secret in SECRETS)


@pytest.mark.parametrize("cut_after", range(1, 8))
def test_a_connection_cut_between_any_two_writes_costs_nothing(
    cut_after, join, trials, postgres, monkeypatch
):
    plan = small_plan(optimizers=("sgd",), trials=1)
    queue = join(plan)
    writes = Counter()

    def cutting(method):
        def call(*arguments, **keywords):
            result = method(*arguments, **keywords)
            writes["all"] += 1
            if writes["all"] == cut_after:
                postgres.cut_connections()
            return result

        return call

    for name in ("create_new_trial", "record_heartbeat", "set_trial_user_attr"):
        monkeypatch.setattr(queue._storage, name, cutting(getattr(queue._storage, name)))
    for name in ("set_trial_state_values", "set_trial_intermediate_value"):
        monkeypatch.setattr(queue._storage, name, cutting(getattr(queue._storage, name)))
    work(queue)
    assert writes["all"] >= cut_after
    assert len(queue.records) == plan.rows
    assert_each_finished_once(trials(), queue.records)
    assert queue.incidents().lost_runs == ()


def write_under_the_lock(database, name, meanwhile):
    with database, database.exclusive():
        meanwhile()
        optuna.create_study(study_name=name, storage=database.storage)


def test_who_lost_the_lock_can_write_nothing_under_it(url, name, postgres, storage):
    database = Database(parse_url(url), name=name, stale_after_seconds=NEVER)
    with pytest.raises(LockLost):
        write_under_the_lock(database, name, postgres.cut_connections)
    assert name not in [study.study_name for study in storage.get_all_studies()]


def test_a_process_that_stops_while_it_holds_the_lock_loses_it(url, name, storage, monkeypatch):
    monkeypatch.setattr(database_module, "_LOCK_TIMEOUT_SECONDS", 0.2)
    stopped, other = (Database(parse_url(url), name=name, stale_after_seconds=1) for _ in range(2))

    def somebody_else_takes_it():
        started = time.monotonic()
        with other, other.exclusive():
            assert time.monotonic() - started > 0.9

    with pytest.raises(LockLost):
        write_under_the_lock(stopped, name, somebody_else_takes_it)
    assert name not in [study.study_name for study in storage.get_all_studies()]
