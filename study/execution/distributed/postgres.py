"""The PostgreSQL database that a study is shared through: opened, locked, and waited for.

An exclusive section stands on a session advisory lock, which the server releases with the
connection that holds it: a killed process leaves nothing locked. Optuna's storage works on that
same connection, its only one, so that who has lost the lock can write nothing more under it.
"""

import contextlib
import hashlib
import itertools
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Self, TypeVar
from urllib.parse import quote, quote_plus

import optuna
import sqlalchemy
from optuna.exceptions import StorageInternalError
from sqlalchemy import event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DataError, OperationalError, ProgrammingError
from sqlalchemy.exc import SQLAlchemyError as DatabaseError

from mnist_core.errors import UserError
from mnist_core.runtime.provenance import utc_now

DRIVER = "postgresql+psycopg"
PATIENCE_SECONDS = 600.0
_PAUSES_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
_LOCK_TIMEOUT_SECONDS = 3.0
_TABLES_TIMEOUT_SECONDS = 60.0
_LOCK_NOT_AVAILABLE = "55P03"
# A machine that loses its power or network says no goodbye: both ends find out within a minute.
_CONNECTION = {
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
_NAMED_USER = re.compile(r'\b(user|role) "[^"]*"')
# Who holds the lock asks for something all the time. Who has not for so long was stopped: it
# loses the connection, and when it goes on it finds that out before it can write.
_END_SILENT_HOLDER = text("""
    SELECT pg_terminate_backend(pid) FROM pg_locks AS locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND pid <> pg_backend_pid()
    AND locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND objsubid = 1 AND (classid::bigint << 32 | objid::bigint) = :key
    AND clock_timestamp() - state_change > make_interval(secs => :seconds)
""")

T = TypeVar("T")


class LockLost(Exception):
    """Say that the connection, and the lock with it, was lost in an exclusive section."""


def parse_url(storage: str) -> URL:
    """Read the URL of a database; what it says is never repeated, as it may hold a password."""
    example = f"{DRIVER}://USER@HOST/DATABASE"
    if storage.count("@") > 1:  # what follows the first would be taken for the host
        raise UserError(
            "--storage must be a URL with one @, before the host: write @ in a "
            "password or a name as %40"
        )
    try:
        url = make_url(storage)
    except (ArgumentError, ValueError):  # of a port that is no number, the latter
        raise UserError(f"--storage must be a URL like {example}; this is none") from None
    if url.drivername != DRIVER:
        kind = url.drivername.split("+")[0]
        way_out = (
            f"write {DRIVER}:// in front"
            if kind in ("postgres", "postgresql")
            else "without --storage, a study is kept in a local file"
        )
        raise UserError(f"--storage must be like {example}, got {url.drivername}://; {way_out}")
    try:
        import psycopg  # noqa: F401
    except ImportError:
        raise UserError(
            "--storage needs the extra [postgres]: python -m pip install -e '.[postgres]'"
        ) from None
    return url


class Database:
    """One process's connection to the database; use as a context manager."""

    def __init__(self, url: URL, *, name: str, stale_after_seconds: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._url = url
        self._key = _lock_key(name)
        self._stale_after_seconds = stale_after_seconds
        self._is_exclusive = False
        self.outages: list[tuple[str, str]] = []
        """When this process began to wait for the server, and when it was back, so far."""
        options = {**_CONNECTION, **url.query}
        full_url = url.set(query=options).render_as_string(hide_password=False)
        try:
            _create_tables(full_url)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                self.storage = optuna.storages.RDBStorage(
                    full_url,
                    engine_kwargs={"pool_size": 1, "max_overflow": 0, "pool_pre_ping": True},
                    skip_compatibility_check=True,
                    skip_table_creation=True,
                    heartbeat_interval=max(1, stale_after_seconds // 4),
                    grace_period=stale_after_seconds,
                )
        except (StorageInternalError, DatabaseError) as error:
            if _is_lock_timeout(error):
                raise UserError(
                    f"cannot use {self.place}: another process has been creating its tables for "
                    f"{_TABLES_TIMEOUT_SECONDS:g} s (stopped?); end it, then run this again"
                ) from None
            raise UserError(f"cannot use {self.place}: {self._reason(error)}") from None
        except RuntimeError as error:  # the tables are of another version of Optuna
            raise UserError(f"cannot use {self.place}: {error}") from None
        self._engine = self.storage.engine
        event.listen(self._engine, "do_connect", self._refuse_in_exclusive_section)
        event.listen(self._engine, "connect", _use_utc)
        self._engine.dispose()  # the connection from before the two

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._engine.dispose()

    @property
    def place(self) -> str:
        """Name the database, without credentials."""
        host = self._url.host or "a local socket"
        return f"PostgreSQL database {self._url.database or 'of the user'} on {host}"

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Do something that no other process of the study does at the same time."""
        self._lock()
        self._is_exclusive = True
        try:
            yield
            with self._engine.connect() as connection:
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": self._key})
                connection.commit()
        except BaseException:
            self._engine.dispose()  # ends the connection, and the lock with it
            raise
        finally:
            self._is_exclusive = False

    def patiently(self, operation: Callable[[], T]) -> T:
        """Do something that can be done anew, again and again while the server is away."""
        deadline, began = None, ""
        for pause in itertools.chain(_PAUSES_SECONDS, itertools.repeat(10.0)):
            try:
                result = operation()
            except (StorageInternalError, DatabaseError, LockLost) as error:
                now = time.monotonic()
                if deadline is None:
                    deadline, began = now + PATIENCE_SECONDS, utc_now()
                    self._say(f"waiting for the {self.place}: {self._reason(error)}")
                if now + pause > deadline or not _may_pass(error):
                    raise UserError(
                        f"gave up on the {self.place}: {self._reason(error)}. What was handed in "
                        "is safe there; the same command joins the study again"
                    ) from None
                time.sleep(pause)
            else:
                if deadline is not None:
                    self._say("the database is back")
                    self.outages.append((began, utc_now()))
                return result
        raise AssertionError("the pauses never end")

    def _lock(self) -> None:
        while True:
            with self._engine.connect() as connection:
                try:
                    _take_lock(connection, self._key, timeout_seconds=_LOCK_TIMEOUT_SECONDS)
                    connection.commit()
                except OperationalError as error:
                    if not _is_lock_timeout(error):
                        raise
                    connection.rollback()
                    seconds = {"key": self._key, "seconds": self._stale_after_seconds}
                    connection.execute(_END_SILENT_HOLDER, seconds)
                    connection.commit()
                else:
                    return

    def _refuse_in_exclusive_section(self, *connecting: object) -> None:
        if self._is_exclusive:
            raise LockLost

    def _reason(self, error: BaseException) -> str:
        """Return the first line of what the driver said, without what the URL must not tell."""
        cause: Any = error.__cause__ if isinstance(error, StorageInternalError) else error
        said = str(getattr(cause, "orig", None) or cause).strip().splitlines()
        line = said[0] if said else "the connection was lost"
        for secret in _secrets(self._url):
            line = line.replace(secret, "***")
        if self._url.username:
            line = re.sub(rf"\b{re.escape(self._url.username)}\b", "***", line)
        return _NAMED_USER.sub(r'\1 "***"', line)  # the one of PGUSER or of the system too

    def _say(self, message: str) -> None:
        print(f"note: {message}", file=sys.stderr, flush=True)


def _create_tables(url: str) -> None:
    """Create Optuna's tables, one process at a time: two at once would crash each other."""
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        _take_lock(connection, _lock_key("tables"), timeout_seconds=_TABLES_TIMEOUT_SECONDS)
        optuna.storages.RDBStorage(url, engine_kwargs={"poolclass": sqlalchemy.NullPool})


def _take_lock(connection: sqlalchemy.Connection, key: int, *, timeout_seconds: float) -> None:
    connection.execute(text(f"SET LOCAL lock_timeout = '{timeout_seconds}s'"))
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": key})


def _is_lock_timeout(error: BaseException) -> bool:
    return getattr(getattr(error, "orig", None), "sqlstate", None) == _LOCK_NOT_AVAILABLE


def _lock_key(name: str) -> int:
    """Return the number by which PostgreSQL knows the lock of a name."""
    digest = hashlib.sha256(f"compact-mnist {name}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)


def _use_utc(connection: Any, record: object) -> None:
    """Fix the connection's time zone: Optuna compares heartbeats as local times of the server,
    whose zone each client may set, and which jumps where there is daylight saving."""
    connection.execute("SET TIME ZONE 'UTC'")
    connection.commit()


def _may_pass(error: BaseException) -> bool:
    """Tell whether waiting can help, as against what is wrong with the request."""
    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    return not isinstance(cause, (ProgrammingError, DataError))


def _secrets(url: URL) -> set[str]:
    words = [url.password, *(url.query[key] for key in url.query if "pass" in key)]
    plain = {word for word in words if isinstance(word, str) and word}
    return plain | {quote(word, safe="") for word in plain} | {quote_plus(word) for word in plain}
