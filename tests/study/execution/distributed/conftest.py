"""Fixtures of the tests of shared studies: a database, queues that join it, what it holds."""

from __future__ import annotations

import zlib

import optuna
import pytest
import sqlalchemy
from support.shared_queues import NEVER, alone_records, small_plan
from support.study_samples import DIGITS, ENVIRONMENT

from mnist_core.runtime.atomic_files import write_json
from study.execution.distributed.postgres import Database, parse_url
from study.execution.distributed.shared_queue import SharedQueue
from study.records.run_folder import RunFolder, plan_header


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
        header = plan_header(plan, data=data, started="2026-01-02T03:04:05Z")
        return SharedQueue(
            database,
            plan,
            name=name,
            header=header,
            scratch=scratch,
            stale_after_seconds=stale_after,
        )

    yield begin
    for database in opened:
        database.__exit__()


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


@pytest.fixture(params=["lhs", pytest.param("tpe", marks=pytest.mark.slow)])
def plan(request):
    return small_plan(sampler=request.param)


@pytest.fixture
def alone(plan, tmp_path):
    return alone_records(plan)
