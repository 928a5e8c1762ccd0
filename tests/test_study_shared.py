"""study.shared and study.postgres: every run once, whoever dies, stops, or loses the server."""

from __future__ import annotations

import multiprocessing
import os
import random
import threading
import time
import zlib
from collections import Counter

import optuna
import pytest
import sqlalchemy
from optuna.trial import TrialState

from mnist_core.errors import UserError
from mnist_core.report import write_json
from study import postgres as database_module
from study.board import LocalBoard
from study.plan import StudyPlan
from study.postgres import Database, LockLost, parse_url
from study.records import RunFolder, study_header
from study.search import Search
from study.shared import SharedBoard

from .postgres_server import SECRETS
from .study_samples import DIGITS, ENVIRONMENT, make_plan, run_task, search_records

NEVER = 3600
KILL_ROUNDS = int(os.environ.get("STUDY_KILL_ROUNDS", "2"))
FORK = multiprocessing.get_context("fork")


def small_plan(**changes):
    return make_plan(**{"trials": 6, "confirm_seeds": 2, **changes})


@pytest.fixture(scope="module")
def url(postgres):
    return postgres.new_database()


@pytest.fixture
def name(request):
    """Name a study of this test's own."""
    return f"study-{zlib.crc32(request.node.name.encode())}"


@pytest.fixture
def join(url, name, tmp_path):
    """Join the study as another process would; all that joined is closed at the end."""
    opened = []

    def begin(plan=None, *, stale_after=NEVER, name=name, data=DIGITS):
        plan = plan or small_plan()
        scratch = RunFolder(tmp_path / f"scratch{len(opened)}")
        scratch.make_folders()
        write_json(scratch.path / "environments" / "environment0.json", ENVIRONMENT)
        database = Database(parse_url(url), name=name, stale_after_seconds=stale_after)
        opened.append(database)
        header = study_header(plan, data=data, started="2026-01-02T03:04:05Z")
        return SharedBoard(
            database,
            name=name,
            header=header,
            scratch=scratch,
            stale_after_seconds=stale_after,
        )

    yield begin
    for database in opened:
        database.__exit__()


def work(board, *, pause_seconds=lambda: 0.0, runs=None):
    """Run what is left, or some of it; return the keys run."""
    keys = []
    while not board.is_done and len(keys) != runs:
        task = board.claim()
        if task is None:
            time.sleep(0.02)
            board._next_look = 0.0  # sooner than a process of minutes would look
            continue
        time.sleep(pause_seconds())
        if board.finish(task, run_task(task)):
            keys.append(task.key)
    return keys


@pytest.fixture(scope="module")
def storage(url):
    """Return Optuna's own view of the database."""
    storage = optuna.storages.RDBStorage(url, engine_kwargs={"poolclass": sqlalchemy.NullPool})
    yield storage
    storage.engine.dispose()


@pytest.fixture
def trials(storage, name):
    """List (key, state) of all trials of the study."""

    def read():
        return [
            (trial.user_attrs["key"], trial.state)
            for study in storage.get_all_studies()
            if study.study_name.startswith(f"{name}/")
            for trial in storage.get_all_trials(study._study_id)
        ]

    return read


def assert_each_finished_once(trials, records):
    finished = Counter(key for key, state in trials if state == TrialState.COMPLETE)
    assert finished == Counter(records.keys())
    assert {state for _, state in trials} <= {TrialState.COMPLETE, TrialState.FAIL}


@pytest.fixture(params=["lhs", "tpe"])
def plan(request):
    return small_plan(sampler=request.param)


def alone_records(plan, folder):
    """Return the records of the same plan's study on one machine."""
    board = LocalBoard(plan, Search(plan, RunFolder(folder), {}), {})
    work(board)
    return dict(board.records)


@pytest.fixture
def alone(plan, tmp_path):
    return alone_records(plan, tmp_path)


def test_one_process_alone_does_what_a_local_study_does(plan, join, alone, trials):
    board = join(plan)
    work(board)
    assert board.finished_last
    assert board.records == alone
    assert_each_finished_once(trials(), alone)


def test_processes_share_the_runs_and_do_each_once(plan, join, alone, trials):
    boards = [join(plan) for _ in range(3)]
    chance = random.Random(0)
    done = [[] for _ in boards]

    def take_part(place):
        done[place] += work(boards[place], pause_seconds=lambda: 0.02 * chance.random())

    threads = [threading.Thread(target=take_part, args=(place,)) for place in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(key for keys in done for key in keys) == sorted(alone)
    assert sum(bool(keys) for keys in done) > 1
    assert [board.records for board in boards] == [alone] * 3
    assert sum(board.finished_last for board in boards) == 1
    assert_each_finished_once(trials(), alone)
    assert boards[0].history().processes == 3
    assert boards[0].history().lost == {}


def test_runs_that_come_due_late_are_run_too(join, tmp_path):
    plan = small_plan(optimizers=("adam", "adamw"), confirm_seeds=2, confirm_most=5)
    boards = [join(plan) for _ in range(2)]
    work(boards[0], runs=plan.rows - 1)
    assert not boards[0].is_done
    work(boards[1])
    assert len(boards[1].records) > plan.rows
    assert boards[1].records == alone_records(plan, tmp_path)


def test_a_process_that_joins_later_goes_on_where_the_others_are(plan, join, alone):
    first = work(join(plan), runs=5)
    board = join(plan)
    assert sorted(first + work(board)) == sorted(alone)
    assert board.records == alone
    again = join(plan)
    assert again.is_done
    assert again.records == alone
    assert again.environments() == {"environment0": ENVIRONMENT}


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
    assert stopped.history().lost == {task.key: 1}


def test_a_run_that_makes_progress_keeps_its_process(join, let_an_hour_pass):
    slow = join(stale_after=600)
    task = slow.claim()
    let_an_hour_pass()
    slow.beat([task.key])
    other = join(stale_after=600)
    assert task.key not in work(other, runs=3)
    assert slow.finish(task, run_task(task))
    assert slow.history().lost == {}


def test_a_run_whose_worker_died_is_free_at_once(join):
    board = join()
    task = board.claim()
    board.release(task)
    assert board.claim().key == task.key
    assert board.history().lost == {task.key: 1}


def test_a_process_that_ends_gives_back_what_it_had_begun(join, trials):
    with join() as board:
        task = board.claim()
    assert (task.key, TrialState.FAIL) in trials()
    assert join().claim().key == task.key


@pytest.mark.parametrize("dies_in", ["record_heartbeat", "set_trial_state_values"])
def test_a_process_that_dies_while_it_begins_a_run_leaves_it_to_others(join, monkeypatch, dies_in):
    board = join()
    with monkeypatch.context() as patch:
        patch.setattr(board._storage, dies_in, lambda *_: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            board.claim()
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
        with join(plan, stale_after=1) as board:
            work(board, pause_seconds=lambda: 0.02 * chance.random())
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
    board = join(plan, stale_after=1)
    assert board.is_done
    assert board.records == alone_records(plan, tmp_path)
    assert_each_finished_once(trials(), board.records)


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


def test_a_server_that_goes_away_is_waited_for_and_nothing_is_lost(
    plan, join, alone, trials, postgres, capsys
):
    board = join(plan)
    work(board, runs=3)
    task = board.claim()
    record = run_task(task)
    postgres.stop()
    board.beat([task.key])  # fails in silence
    threading.Timer(0.5, postgres.start).start()
    assert board.finish(task, record)
    said = capsys.readouterr().err
    assert said.count("waiting for the PostgreSQL database") == 1
    assert said.count("is back") == 1
    work(board)
    assert board.records == alone
    assert_each_finished_once(trials(), alone)
    assert board.history().lost == {}


def test_a_server_that_stays_away_ends_the_process_with_the_way_out(
    join, postgres, monkeypatch, capsys
):
    monkeypatch.setattr(database_module, "PATIENCE_SECONDS", 1.0)
    board = join()
    postgres.stop()
    try:
        with pytest.raises(UserError, match=r"gave up .* same command joins .* again") as error:
            board.claim()
    finally:
        postgres.start()
    text = str(error.value) + capsys.readouterr().err
    assert not any(secret in text for secret in SECRETS)


@pytest.mark.parametrize("cut_after", range(1, 8))
def test_a_connection_cut_between_any_two_writes_costs_nothing(
    cut_after, join, trials, postgres, monkeypatch
):
    plan = small_plan(optimizers=("sgd",), trials=1)
    board = join(plan)
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
        monkeypatch.setattr(board._storage, name, cutting(getattr(board._storage, name)))
    for name in ("set_trial_state_values", "set_trial_intermediate_value"):
        monkeypatch.setattr(board._storage, name, cutting(getattr(board._storage, name)))
    work(board)
    assert writes["all"] >= cut_after
    assert len(board.records) == plan.rows
    assert_each_finished_once(trials(), board.records)
    assert board.history().lost == {}


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


def test_locks_of_other_studies_do_not_wait(url):
    one, other = (
        Database(parse_url(url), name=name, stale_after_seconds=NEVER) for name in ("one", "two")
    )
    with one, other, one.exclusive(), other.exclusive():
        pass


def test_many_processes_may_come_first_at_once(postgres, name):
    url = postgres.new_database()

    def begin():
        with Database(parse_url(url), name=name, stale_after_seconds=NEVER):
            opened.append(True)

    opened = []
    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 4


def test_heartbeats_are_compared_in_one_time_zone(join, url, monkeypatch):
    monkeypatch.setenv("PGTZ", "Asia/Tokyo")
    board = join(stale_after=60)
    task = board.claim()
    monkeypatch.setenv("PGTZ", "America/New_York")
    other = join(stale_after=60)
    assert other.claim().key != task.key
    assert board.finish(task, run_task(task))


def test_median_pruning_sees_the_trials_before(join):
    plan = small_plan(pruner="median", schedule="constant", epochs=2)
    board = join(plan)
    first = board.claim()
    board.finish(first, run_task(first))
    tasks = [board.claim(), board.claim()]
    assert [task.index for task in tasks] == [0, 1]
    assert [len(task.earlier) for task in tasks] == [0, 1]
    assert tasks[1].earlier[0].params == {"learning_rate": first.config.learning_rate}


@pytest.mark.parametrize(
    ("storage", "words"),
    [
        ("hunter2", ["must be a URL like postgresql+psycopg://USER@HOST/DATABASE"]),
        ("postgresql://me:hunter2@host/db", ["write postgresql+psycopg://", "postgresql://"]),
        ("postgres://me:hunter2@host/db", ["write postgresql+psycopg://"]),
        ("postgresql+asyncpg://me:hunter2@host/db", ["write postgresql+psycopg://"]),
        ("sqlite:///hunter2.db", ["sqlite://", "local file"]),
        ("mysql+pymysql://me:hunter2@host/db", ["got mysql+pymysql://", "local file"]),
    ],
)
def test_other_urls_are_refused_and_not_repeated(storage, words):
    with pytest.raises(UserError) as error:
        parse_url(storage)
    assert all(word in str(error.value) for word in words)
    assert "hunter2" not in str(error.value)


def test_without_the_driver_the_extra_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UserError, match=r"compact-mnist\[postgres\].*-e '\.\[postgres\]'"):
        parse_url("postgresql+psycopg://me@host/db")


@pytest.mark.parametrize("change", ["password", "port", "database"])
def test_a_database_that_cannot_be_opened_is_refused_without_credentials(url, name, change):
    parsed = parse_url(url)
    changes = {
        "password": {"password": "hunter2"},
        "port": {"port": 9},
        "database": {"database": "nowhere"},
    }
    with pytest.raises(UserError, match="cannot use PostgreSQL database") as error:
        Database(parsed.set(**changes[change]), name=name, stale_after_seconds=NEVER)
    message = str(error.value)
    assert not any(secret in message for secret in (*SECRETS, "hunter2"))
    assert "\n" not in message


def test_proposals_do_not_depend_on_what_was_lost(join, tmp_path):
    plan = make_plan(sampler="tpe", optimizers=("adam",), trials=5, confirm_seeds=2)
    expected = search_records(plan, RunFolder(tmp_path))
    board = join(plan)
    while len(board.records) < 5:
        for _ in range(2):
            task = board.claim()
            board.release(task)
        task = board.claim()
        board.finish(task, run_task(task))
    trials = {key: record for key, record in board.records.items() if key in expected}
    assert trials == {key: expected[key] for key in trials}


def test_a_plan_goes_through_the_header(join):
    board = join(make_plan(optimizers=("adam",)))
    assert StudyPlan.from_dict(board.header["plan"]) == make_plan(optimizers=("adam",))
