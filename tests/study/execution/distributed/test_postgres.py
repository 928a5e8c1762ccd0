"""study.execution.distributed.postgres: what is refused without a word of credentials, and who may
come at once."""

from __future__ import annotations

import sys
import threading

import pytest
import sqlalchemy
from support.postgres_server import SECRETS
from support.shared_queues import NEVER

from mnist_core.errors import UserError
from study.execution.distributed import postgres as database_module
from study.execution.distributed.postgres import Database, parse_url


@pytest.mark.parametrize(
    ("storage", "words"),
    [
        ("hunter2", ["must be a URL like postgresql+psycopg://USER@HOST/DATABASE"]),
        ("postgresql://me:hunter2@host/db", ["write postgresql+psycopg://", "postgresql://"]),
        ("postgres://me:hunter2@host/db", ["write postgresql+psycopg://"]),
        ("postgresql+asyncpg://me:hunter2@host/db", ["write postgresql+psycopg://"]),
        ("sqlite:///hunter2.db", ["sqlite://", "local file"]),
        ("mysql+pymysql://me:hunter2@host/db", ["got mysql+pymysql://", "local file"]),
        ("postgresql+psycopg://me:corr@hunter2@127.0.0.1/db", ["write @ in a password", "%40"]),
        ("postgresql+psycopg://me:corr@hunter2:x@127.0.0.1/db", ["write @ in a password"]),
        ("postgresql+psycopg://me:corr@x/hunter2@127.0.0.1/db", ["write @ in a password"]),
        ("postgresql+psycopg://me@host:hunter2/db", ["must be a URL like"]),
    ],
)
def test_other_urls_are_refused_and_not_repeated(storage, words):
    with pytest.raises(UserError) as error:
        parse_url(storage)
    assert all(word in str(error.value) for word in words)
    assert "hunter2" not in str(error.value)
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__ or error.value.__context__ is None


def test_without_the_driver_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UserError, match=r"needs the extra \[postgres\]: .*-e '\.\[postgres\]'"):
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


@pytest.mark.parametrize("told_by", ["url", "environment"])
def test_a_user_whom_the_server_refuses_is_not_named(url, name, told_by, monkeypatch):
    parsed = parse_url(url)
    if told_by == "url":
        parsed = parsed.set(username="hunter2user")
    else:
        monkeypatch.setenv("PGUSER", "hunter2user")
        parsed = parsed._replace(username=None, password=None)
        monkeypatch.setenv("PGPASSWORD", "wrong")
    with pytest.raises(UserError, match="authentication failed for user") as error:
        Database(parsed, name=name, stale_after_seconds=NEVER)
    assert "hunter2user" not in str(error.value)


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


def test_a_process_that_stopped_as_it_created_the_tables_is_not_waited_for_without_end(
    url, name, monkeypatch
):
    monkeypatch.setattr(database_module, "_TABLES_TIMEOUT_SECONDS", 0.2)
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    with engine.connect() as stopped:
        key = database_module._lock_key("tables")
        stopped.execute(sqlalchemy.text("SELECT pg_advisory_lock(:key)"), {"key": key})
        with pytest.raises(UserError, match=r"another process has been creating its tables"):
            Database(parse_url(url), name=name, stale_after_seconds=NEVER)
    with Database(parse_url(url), name=name, stale_after_seconds=NEVER):
        pass
